// RUN: helion-opt %s -p number-sites,cse-sites | filecheck %s

// Equal loads merge under the first one's site, unless a write lies between.
// CHECK-LABEL: tile.kernel @loads
// CHECK:       %a = tile.load %x[%i] {site = 0 : i64}
// CHECK-NEXT:  %c = arith.addf %a, %a
// CHECK-NEXT:  tile.store %c, %x[%i] {site = 0 : i64}
// CHECK-NEXT:  %d = tile.load %x[%i] {site = 2 : i64}
// CHECK-NEXT:  tile.store %d, %out[%i] {site = 1 : i64}
tile.kernel @loads attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64], [1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %n = arith.constant 64 : i32
  tile.grid (%c0) to (%n) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %a = tile.load %x[%i] : !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %b = tile.load %x[%i] : !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %c = arith.addf %a, %b : tensor<?xf32, #tile.dims<b0>>
    tile.store %c, %x[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    %d = tile.load %x[%i] : !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    tile.store %d, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
