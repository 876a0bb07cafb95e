// RUN: helion-opt %s --split-input-file -p convert-tile-to-tl | filecheck %s

// Only the leading axis has padding (6 of 8), and it comes last: registers are in row-major order.
// CHECK-LABEL: tl.func @leading
// CHECK:         value.reshape %v : tensor<8x4xf32> -> tensor<32xf32>
// CHECK-NOT:     value.gather
builtin.module {
  tile.kernel @leading attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[6, 4], [4, 1], f32, align 16>, %out: !tile.ref<[64, 24], [24, 1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 64 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %rows = tile.whole : !tile.tile<6>
      %columns = tile.whole : !tile.tile<4>
      %i = tile.begin %tile : !tile.tile<b0> -> i32
      %all = tile.whole : !tile.tile<24>
      %v = tile.load %x[%rows, %columns] : !tile.ref<[6, 4], [4, 1], f32, align 16>[!tile.tile<6>, !tile.tile<4>] -> tensor<6x4xf32>
      %r = value.reshape %v : tensor<6x4xf32> -> tensor<24xf32>
      tile.store %r, %out[%i, %all] : tensor<24xf32>, !tile.ref<[64, 24], [24, 1], f32, align 16>[i32, !tile.tile<24>]
      tile.yield
    }
  }
}

// -----

// Of each row of four lanes, three exist: lane i is lane i / 3 * 4 + i % 3.
// CHECK-LABEL: tl.func @inner
// CHECK:         %[[FLAT:.*]] = value.reshape %v : tensor<8x4xf32> -> tensor<32xf32>
// CHECK-DAG:     arith.remsi
// CHECK-DAG:     arith.divsi
// CHECK:         %[[INDEX:.*]] = arith.minsi
// CHECK-NEXT:    value.gather %[[FLAT]], %[[INDEX]] {axis = #builtin.int<0>} : tensor<32xf32>, tensor<16xi32> -> tensor<16xf32>
builtin.module {
  tile.kernel @inner attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
  ^bb0(%x: !tile.ref<[5, 3], [3, 1], f32, align 16>, %out: !tile.ref<[64, 15], [15, 1], f32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 64 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %rows = tile.whole : !tile.tile<5>
      %columns = tile.whole : !tile.tile<3>
      %i = tile.begin %tile : !tile.tile<b0> -> i32
      %all = tile.whole : !tile.tile<15>
      %v = tile.load %x[%rows, %columns] : !tile.ref<[5, 3], [3, 1], f32, align 16>[!tile.tile<5>, !tile.tile<3>] -> tensor<5x3xf32>
      %r = value.reshape %v : tensor<5x3xf32> -> tensor<15xf32>
      tile.store %r, %out[%i, %all] : tensor<15xf32>, !tile.ref<[64, 15], [15, 1], f32, align 16>[i32, !tile.tile<15>]
      tile.yield
    }
  }
}
