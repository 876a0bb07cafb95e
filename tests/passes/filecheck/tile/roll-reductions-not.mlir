// RUN: helion-opt %s -p 'number-sites,roll-reductions' | filecheck %s
// RUN: not helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' 2>&1 | filecheck %s --check-prefix=NONE

// A scan takes the axis as a whole, and so it has no site: asking for one is an error.
// CHECK-NOT: tile.for
// NONE: InvalidConfig: reduction_loops: this kernel has no site for it, got [16]
tile.kernel @scan attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %p = tile.scan "sum" %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "max" %p over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
