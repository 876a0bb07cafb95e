// RUN: not helion-opt %s -p 'insert-grid-barriers' 2>&1 | filecheck %s
// RUN: not helion-opt %s -p 'assign-block-sizes{block_sizes=16},convert-tile-to-tl' 2>&1 | filecheck %s --check-prefix=SIDE

// CHECK: tile.store in a top-level loop depends on tile.store in an earlier one (WAW), no barrier is between them
// SIDE:  may touch the same memory, which needs a grid-wide barrier
tile.kernel @write_after_write attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32, settings = {strict_barriers}} {
^bb0(%x: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %zero = arith.constant 0.0 : f32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%a: !tile.tile<b0>):
    %zeros = value.splat %zero : f32 -> tensor<?xf32, #tile.dims<b0>>
    tile.store %zeros, %x[%a] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb2(%b: !tile.tile<b0>):
    %zeros = value.splat %zero : f32 -> tensor<?xf32, #tile.dims<b0>>
    tile.store %zeros, %x[%b] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
