// RUN: helion-opt %s --split-input-file --verify-diagnostics -p convert-tile-to-tl | filecheck %s

// The block divides the extent: no mask; grid and offsets are explicit.
// CHECK-LABEL: tl.func @exact
// CHECK:         %pid = tl.program_id #builtin.int<0>
// CHECK-NEXT:    %tile_begin = arith.muli %pid
// CHECK:         %tile_index = arith.addi
// CHECK-NEXT:    %v = tl.load %x[%tile_index] : !tl.ptr<f32>
// CHECK-NEXT:    tl.store %v, %out[%tile_index] : tensor
// CHECK-NEXT:    tl.return
// CHECK-NEXT:  } grid {
// CHECK:         tl.cdiv
// CHECK-NEXT:    tl.launch_grid
builtin.module {
  tile.kernel @exact attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<256, 256>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[1024], [1], f32, align 16>, %out: !tile.ref<[1024], [1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 1024 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %v = tile.load %x[%tile] : !tile.ref<[1024], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      tile.store %v, %out[%tile] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[1024], [1], f32, align 16>[!tile.tile<b0>]
      tile.yield
    }
  }
}

// -----

// The last tile is partial, rows are strided, and the whole second dim of 100 has 128 lanes: both are masked.
// CHECK-LABEL: tl.func @partial
// CHECK:         tl.arange : tensor<128xi32>
// CHECK:         %mask = value.compare "lt", %tile_index
// CHECK:         %mask_1 = value.compare "lt"
// CHECK:         %v = tl.load %x[%{{.*}}] mask %{{.*}} other
// CHECK:         %s = tl.reduce "sum" %v
builtin.module {
  tile.kernel @partial attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[1000, 100], [200, 1], f32, align 16>, %out: !tile.ref<[1000], [1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 1000 : i32
    %zero = arith.constant 0.0 : f32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %all = tile.whole : !tile.tile<100>
      %v = tile.load %x[%tile, %all] other %zero : f32 : !tile.ref<[1000, 100], [200, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<100>] -> tensor<?x100xf32, #tile.dims<b0, 100>>
      %s = tile.reduce "sum" %v over %all {axis = #builtin.int<1>} : tensor<?x100xf32, #tile.dims<b0, 100>>, !tile.tile<100> -> tensor<?xf32, #tile.dims<b0>>
      tile.store %s, %out[%tile] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[1000], [1], f32, align 16>[!tile.tile<b0>]
      tile.yield
    }
  }
}

// -----

// A module without a kernel stays as it is.
// CHECK:       "test.op"() : () -> ()
// CHECK-NEXT:  }
builtin.module {
  "test.op"() : () -> ()
}

// -----

// CHECK: convert-tile-to-tl: no block size for b0
builtin.module {
  tile.kernel @unassigned attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[1024], [1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 1024 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      tile.yield
    }
  }
}
