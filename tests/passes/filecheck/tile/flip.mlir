// RUN: helion-opt %s | filecheck %s
// RUN: helion-opt %s -p drop-unit-dims | filecheck %s --check-prefix=DROP
// RUN: helion-opt %s -p drop-unit-dims,convert-tile-to-tl | filecheck %s --check-prefix=TL
// RUN: not helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' 2>&1 | filecheck %s --check-prefix=ROLL

// CHECK: %r = tile.flip %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30>

// Its axis is renumbered.
// DROP: %r = tile.flip %v over %all {axis = #builtin.int<0>} : tensor<30xf32>, !tile.tile<30>

// Of 32 lanes, 30 are valid: lane i comes from lane 29 - i.
// TL-DAG: %[[LAST:.*]] = arith.constant 29 : i32
// TL:     %[[FROM:.*]] = arith.subi %{{.*}}, %{{.*}} : tensor<32xi32>
// TL:     %[[INDEX:.*]] = arith.maxsi %[[FROM]], %{{.*}} : tensor<32xi32>
// TL:     value.gather %{{.*}}, %[[INDEX]] {axis = #builtin.int<0>}

// It needs the axis as a whole.
// ROLL: InvalidConfig: reduction_loops: this kernel has no site for it, got [16]
tile.kernel @flip attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %r = tile.flip %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30>
    tile.store %r, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i, %c0] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, i32]
    tile.yield
  }
}
