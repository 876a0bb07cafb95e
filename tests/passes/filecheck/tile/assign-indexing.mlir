// RUN: helion-opt %s -p 'number-sites,assign-indexing{indexing="tensor_descriptor","tensor_descriptor","tensor_descriptor","tensor_descriptor"}' | filecheck %s
// RUN: helion-opt %s -p 'number-sites,assign-indexing' | filecheck %s --check-prefix=POINTER

// The first load is legal. The second's rows are 60 bytes apart; the third has a mask. The store is legal, too.
// CHECK: tile.load %x[%i, %j] {site = 0 : i64, indexing = "tensor_descriptor"}
// CHECK: tile.load %y[%i, %j] {site = 1 : i64, indexing = "pointer"}
// CHECK: tile.load %x[%i, %j] mask %{{.*}} {site = 2 : i64, indexing = "pointer"}
// CHECK: tile.store %{{.*}}, %out[%i, %j] {site = 0 : i64, indexing = "tensor_descriptor"}
// POINTER-NOT: tensor_descriptor
tile.kernel @add attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<16, 16>, b1 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[60, 30], [32, 1], f32, align 16>, %y: !tile.ref<[60, 30], [30, 1], f32, align 16>, %out: !tile.ref<[60, 30], [32, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 60 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 {
  ^bb1(%i: !tile.tile<b0>, %j: !tile.tile<b1>):
    %a = tile.load %x[%i, %j] : !tile.ref<[60, 30], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %b = tile.load %y[%i, %j] : !tile.ref<[60, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %keep = value.compare "lt", %a, %b : tensor<?x?xf32, #tile.dims<b0, b1>> -> tensor<?x?xi1, #tile.dims<b0, b1>>
    %zero = arith.constant 0.0 : f32
    %c = tile.load %x[%i, %j] mask %keep : tensor<?x?xi1, #tile.dims<b0, b1>> other %zero : f32 : !tile.ref<[60, 30], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %s = arith.addf %b, %c : tensor<?x?xf32, #tile.dims<b0, b1>>
    tile.store %s, %out[%i, %j] : tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.ref<[60, 30], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>]
    tile.yield
  }
}
