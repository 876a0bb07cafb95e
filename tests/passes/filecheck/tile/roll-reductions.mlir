// RUN: helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' --split-input-file | filecheck %s
// RUN: helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=none}' --split-input-file | filecheck %s --check-prefix=WHOLE

// Two passes: the sum, then what needs it, chunk by chunk. The chunk's size joins the blocks.
// CHECK-LABEL: tile.kernel @mean
// CHECK-SAME:  r0 = #tile.block<16, 16>
// CHECK-SAME:  block_sizes = {r0 = #builtin.int<16>}
// CHECK:       %[[SUM:.*]] = tile.for(%{{.*}}) to(%{{.*}}) by <r0> : i32 iter_args(%{{.*}}) : tensor<?x?xf32, #tile.dims<b0, r0>> attributes {reduction = 0 : i64} {
// CHECK-NEXT:  ^bb0(%chunk: !tile.tile<r0>, %s_acc: tensor<?x?xf32, #tile.dims<b0, r0>>):
// CHECK-NEXT:    %v = tile.load %x[%i, %chunk] {site = 0 : i64}
// CHECK-NEXT:    %{{.*}} = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:    %v_1 = tile.pad %v, %{{.*}} past %chunk {axis = #builtin.int<1>}
// CHECK-NEXT:    %[[NEXT:.*]] = arith.addf %s_acc, %v_1
// CHECK-NEXT:    tile.yield %[[NEXT]]
// CHECK:       %[[ALL:.*]] = tile.whole : !tile.tile<r0>
// CHECK-NEXT:  %s = tile.reduce "sum" %[[SUM]] over %[[ALL]] {site = 0 : i64, axis = #builtin.int<1>}
// CHECK-NEXT:  tile.store %s, %sums[%i]
// CHECK:       tile.for(%{{.*}}) to(%{{.*}}) by <r0> : i32 {
// CHECK-NEXT:  ^bb0(%chunk_1: !tile.tile<r0>):
// CHECK-NEXT:    tile.load %x[%i, %chunk_1] {site = 0 : i64}
// CHECK-NEXT:    value.broadcast
// CHECK-NEXT:    arith.subf
// CHECK-NEXT:    tile.store %{{.*}}, %out[%i, %chunk_1] {site = 1 : i64}
// CHECK-NEXT:    tile.yield
// WHOLE-LABEL: tile.kernel @mean
// WHOLE-NOT:   tile.for
tile.kernel @mean attributes {arg_names = ["x", "sums", "out"], arg_exprs = ["x", "sums", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %sums: !tile.ref<[64], [1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "sum" %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %sums[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    %s1 = value.expand_dims %s {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<b0>> -> tensor<?x1xf32, #tile.dims<b0, 1>>
    %s2 = value.broadcast %s1 : tensor<?x1xf32, #tile.dims<b0, 1>> -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %r = arith.subf %v, %s2 : tensor<?x30xf32, #tile.dims<b0, 30>>
    tile.store %r, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}
