// RUN: helion-opt %s -p number-sites | filecheck %s
// RUN: helion-opt %s -p number-sites,number-sites | filecheck %s

// Each kind is numbered by itself, in program order; a kernel that has been numbered stays as it is.
// CHECK-LABEL: tile.kernel @two_loads attributes {sites = {load = 2 : i64, store = 1 : i64, atomic = 1 : i64, loop = 1 : i64, reduction = 1 : i64}
// CHECK:       tile.grid({{.*}} attributes {site = 0 : i64}
// CHECK:       %a = tile.load %x[%i, %all] {site = 0 : i64}
// CHECK-NEXT:  %b = tile.load %x[%i, %all] {site = 1 : i64}
// CHECK-NEXT:  %c = arith.addf %a, %b : tensor
// CHECK-NEXT:  %s = tile.reduce "sum" %c over %all {site = 0 : i64
// CHECK-NEXT:  tile.store %s, %out[%i] {site = 0 : i64}
// CHECK-NEXT:  %old = tile.atomic_rmw "add" %s, %out[%i] {site = 0 : i64
tile.kernel @two_loads attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 32], [32, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %n = arith.constant 64 : i32
  tile.grid (%c0) to (%n) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<32>
    %a = tile.load %x[%i, %all] : !tile.ref<[64, 32], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<32>] -> tensor<?x32xf32, #tile.dims<b0, 32>>
    %b = tile.load %x[%i, %all] : !tile.ref<[64, 32], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<32>] -> tensor<?x32xf32, #tile.dims<b0, 32>>
    %c = arith.addf %a, %b : tensor<?x32xf32, #tile.dims<b0, 32>>
    %s = tile.reduce "sum" %c over %all {axis = #builtin.int<1>} : tensor<?x32xf32, #tile.dims<b0, 32>>, !tile.tile<32> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    %old = tile.atomic_rmw "add" %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    tile.yield
  }
}
