// RUN: helion-opt %s --split-input-file --verify-diagnostics -p convert-tile-to-tl | filecheck %s

// One tile in two dimensions: masked in both, and each dimension has its own size.
// CHECK-LABEL: tl.func @diagonal
// CHECK:         value.compare "lt", %tile_index
// CHECK:         value.compare "lt", %tile_index
// CHECK:         tl.load %x[%offset] mask
builtin.module {
  tile.kernel @diagonal attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[100, 90], [90, 1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 100 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %v = tile.load %x[%tile, %tile] : !tile.ref<[100, 90], [90, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b0>] -> tensor<?x?xf32, #tile.dims<b0, b0>>
      tile.store %v, %x[%tile, %tile] : tensor<?x?xf32, #tile.dims<b0, b0>>, !tile.ref<[100, 90], [90, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b0>]
      tile.yield
    }
  }
}

// -----

// Only the ref whose offsets take 64 bits has such offsets; positions stay as they are.
// CHECK-LABEL: tl.func @wide
// CHECK:         %tile_index = arith.addi {{.*}} : tensor<?xi32
// CHECK:         %[[WIDE:.*]] = value.cast "extsi" %tile_index
// CHECK:         arith.muli %[[WIDE]]
// CHECK:         tl.load %x[%{{.*}}] : !tl.ptr<i8>[tensor<?xi64, #tile.dims<_BLOCK_SIZE_0>>]
// CHECK:         tl.store %v, %out[%tile_index] : {{.*}}[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
builtin.module {
  tile.kernel @wide attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[128], [33554432], i8, align 16, offsets 64>, %out: !tile.ref<[128], [1], i8, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 128 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %v = tile.load %x[%tile] : !tile.ref<[128], [33554432], i8, align 16, offsets 64>[!tile.tile<b0>] -> tensor<?xi8, #tile.dims<b0>>
      tile.store %v, %out[%tile] : tensor<?xi8, #tile.dims<b0>>, !tile.ref<[128], [1], i8, align 16>[!tile.tile<b0>]
      tile.yield
    }
  }
}
