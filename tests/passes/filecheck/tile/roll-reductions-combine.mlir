// RUN: helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' | filecheck %s

// A chunk is reduced and combined with those before it; the first one stands alone.
// CHECK: %best, %at = tile.for(%{{.*}}) to(%{{.*}}) by <r0> : i32 iter_args(
// CHECK-NEXT: ^bb{{[0-9]+}}(%chunk: !tile.tile<r0>, %[[BEST:.*]]: tensor<?xf32, #tile.dims<b0>>, %[[AT:.*]]: tensor<?xi32, #tile.dims<b0>>):
// CHECK: %[[V:.*]] = tile.load %x[%i, %chunk]
// CHECK: %[[L:[^,]*]], %[[LI:.*]] = tile.combine_reduce %[[V]], %{{.*}} over %chunk
// CHECK: value.combined
// CHECK: tile.begin %chunk
// CHECK: value.compare "gt", %[[L]], %[[BEST]] : tensor<?xf32, #tile.dims<b0>> -> tensor<?xi1, #tile.dims<b0>>
// CHECK: tile.yield
// CHECK: tile.store %{{.*}}, %out[%i, %c0]
tile.kernel @row attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 64>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %lane = value.splat %c0 : i32 -> tensor<?x30xi32, #tile.dims<b0, 30>>
    %best, %at = tile.combine_reduce %v, %lane over %all {axis = #builtin.int<1>, empty = [0.0 : f32, 0 : i32]} : tensor<?x30xf32, #tile.dims<b0, 30>>, tensor<?x30xi32, #tile.dims<b0, 30>> over !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>> {
    ^bb2(%a: f32, %ai: i32, %b: f32, %bi: i32):
      %wins = value.compare "gt", %b, %a : f32 -> i1
      %w = value.select %wins, %b, %a : i1, f32
      %wi = value.select %wins, %bi, %ai : i1, i32
      value.combined %w, %wi : f32, i32
    }
    tile.store %best, %out[%i, %c0] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, i32]
    tile.yield
  }
}
