// RUN: helion-opt %s -p 'insert-grid-barriers,assign-block-sizes{block_sizes=16},map-program-ids{pid_type=persistent_interleaved num_sm_multiplier=2},convert-tile-to-tl' | filecheck %s

// Each phase is a loop over its own tiles; every program comes to the barrier, also those with nothing to do.
// CHECK:      tl.func @phases
// CHECK-SAME: arg_names = ["x", "y", "barrier_state"], arg_exprs = ["x", "y", "__barrier_state__(x)"]
// CHECK-SAME: _NUM_SM = "__together__(x, __multiprocessors__(x) * 2)"
// CHECK-SAME: options = {launch_cooperative_grid = #builtin.int<1>}
// CHECK:      %barrier_state: !tl.ptr<i32>
// CHECK:      scf.for
// CHECK:        tl.store {{.*}}%x
// CHECK-NOT:    scf.if
// CHECK:      tl.grid_barrier %barrier_state : !tl.ptr<i32>
// CHECK:      scf.for
// CHECK:        tl.load %x
// CHECK:      tl.return
// CHECK:      arith.maxsi
// CHECK:      arith.minsi
// CHECK:      tl.launch_grid
tile.kernel @phases attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64], [1], f32, align 16>, %y: !tile.ref<[96], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c96 = arith.constant 96 : i32
  %zero = arith.constant 0.0 : f32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%a: !tile.tile<b0>):
    %zeros = value.splat %zero : f32 -> tensor<?xf32, #tile.dims<b0>>
    tile.store %zeros, %x[%a] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
  tile.grid (%c0) to (%c96) by <1> : i32 {
  ^bb2(%i: i32):
    %v = tile.load %x[%c0] : !tile.ref<[64], [1], f32, align 16>[i32] -> f32
    tile.store %v, %y[%i] : f32, !tile.ref<[96], [1], f32, align 16>[i32]
    tile.yield
  }
}
