// RUN: helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' --split-input-file | filecheck %s

// An opaque op that never meets the axis leaves it alone.
// CHECK-LABEL: tile.kernel @beside
// CHECK:       tile.for(%{{.*}}) to(%{{.*}}) by <r0>
// CHECK:       %r = "test.pureop"(%s) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
tile.kernel @beside attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "max" %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %r = "test.pureop"(%s) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
    tile.store %r, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}

// -----

// Of two axes with the same extent, the one that the op along it takes as a whole stays, the other is rolled.
// CHECK-LABEL: tile.kernel @equal_extents
// CHECK:       tile.for(%{{.*}}) to(%{{.*}}) by <r0>
// CHECK:         tile.load %x[%i, %chunk, %all]
// CHECK-NEXT:    tile.scan "sum" %{{.*}} over %all {axis = #builtin.int<2>} : tensor<?x?x30xf32, #tile.dims<b0, r0, 30>>
// CHECK-NEXT:    tile.reduce "max" %{{.*}} over %all {site = 0 : i64, axis = #builtin.int<2>}
// CHECK:       tile.reduce "sum" %{{.*}} over %{{.*}} {site = 1 : i64, axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, r0>>
tile.kernel @equal_extents attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30, 30], [900, 30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all, %all] : !tile.ref<[64, 30, 30], [900, 30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>, !tile.tile<30>] -> tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>
    %p = tile.scan "sum" %v over %all {axis = #builtin.int<2>} : tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>, !tile.tile<30> -> tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>
    %q = tile.reduce "max" %p over %all {axis = #builtin.int<2>} : tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>, !tile.tile<30> -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "sum" %q over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}

// -----

// A value and its transpose have the axis in two places: neither is rolled. A third one is.
// CHECK-LABEL: tile.kernel @transposed
// CHECK:       tile.load %x[%i, %all, %all]
// CHECK:       tile.reduce "max" %a over %all {site = 0 : i64, axis = #builtin.int<2>} : tensor<?x30x30xf32
// CHECK:       tile.load %x[%i, %chunk, %c0]
tile.kernel @transposed attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30, 30], [900, 30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all, %all] : !tile.ref<[64, 30, 30], [900, 30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>, !tile.tile<30>] -> tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>
    %t = value.permute %v {order = array<i64: 0, 2, 1>} : tensor<?x30x30xf32, #tile.dims<b0, 30, 30>> -> tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>
    %a = arith.addf %v, %t : tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>
    %q = tile.reduce "max" %a over %all {axis = #builtin.int<2>} : tensor<?x30x30xf32, #tile.dims<b0, 30, 30>>, !tile.tile<30> -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %w = tile.whole : !tile.tile<30>
    %x2 = tile.load %x[%i, %w, %c0] : !tile.ref<[64, 30, 30], [900, 30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>, i32] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s2 = tile.reduce "sum" %x2 over %w {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %s1 = tile.reduce "sum" %q over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %s = arith.addf %s1, %s2 : tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
