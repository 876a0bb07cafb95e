// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s -p drop-unit-dims | filecheck %s --check-prefix=DROP
// RUN: helion-opt %s -p resolve-padding,convert-tile-to-tl | filecheck %s --check-prefix=TL
// RUN: helion-opt %s -p resolve-padding,convert-tile-to-tl,prepare-for-print -t triton | filecheck %s --check-prefix=TRITON

// CHECK: %order = tile.argsort %v over %all {axis = #builtin.int<0>} : tensor<30x?xi32, #tile.dims<30, b0>>, !tile.tile<30> -> tensor<30x?xi32, #tile.dims<30, b0>>

// Over one lane, the order is that lane.
// DROP: %alone = value.splat %{{.*}} : i32 -> tensor<30xi32>
// DROP: tile.argsort %v over %all {axis = #builtin.int<0>} : tensor<30xi32>

// Lanes past the end come last; `tl` orders along the last axis.
// TL: tl.load {{.*}} other
// TL: %[[TURNED:.*]] = value.permute %{{.*}} : tensor<32x?xi32{{.*}} -> tensor<?x32xi32
// TL: %[[ORDER:.*]] = tl.argsort %[[TURNED]] {axis = #builtin.int<1>}
// TL: value.permute %[[ORDER]]

// TRITON: def _argsort(keys, rows: tl.constexpr, lanes: tl.constexpr):
// TRITON: other=2147483647
// TRITON: tl.permute(_argsort(tl.permute(v, [1, 0]), _BLOCK_SIZE_0, 32), [1, 0])
tile.kernel @sort attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30, 64], [64, 1], i32, align 16>, %out: !tile.ref<[30, 64], [64, 1], i32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%all, %i] : !tile.ref<[30, 64], [64, 1], i32, align 16>[!tile.tile<30>, !tile.tile<b0>] -> tensor<30x?xi32, #tile.dims<30, b0>>
    %alone = tile.argsort %v over %i {axis = #builtin.int<1>} : tensor<30x?xi32, #tile.dims<30, b0>>, !tile.tile<b0> -> tensor<30x?xi32, #tile.dims<30, b0>>
    tile.store %alone, %out[%all, %i] : tensor<30x?xi32, #tile.dims<30, b0>>, !tile.ref<[30, 64], [64, 1], i32, align 16>[!tile.tile<30>, !tile.tile<b0>]
    %order = tile.argsort %v over %all {axis = #builtin.int<0>} : tensor<30x?xi32, #tile.dims<30, b0>>, !tile.tile<30> -> tensor<30x?xi32, #tile.dims<30, b0>>
    tile.store %order, %out[%all, %i] : tensor<30x?xi32, #tile.dims<30, b0>>, !tile.ref<[30, 64], [64, 1], i32, align 16>[!tile.tile<30>, !tile.tile<b0>]
    tile.yield
  }
}
