// RUN: helion-opt %s -p tile-canonicalize --split-input-file | filecheck %s

// CHECK-LABEL: tile.kernel @f16
// CHECK-NOT:   tile.dot
// CHECK:       arith.extf %v : tensor<?x1xf16, #tile.dims<b0, 1>> to tensor<?x1xf32, #tile.dims<b0, 1>>
// CHECK:       arith.mulf
// CHECK-NEXT:  %d = arith.addf %a, %{{.*}}
tile.kernel @f16 attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 1], [1, 1], f16, align 16>, %y: !tile.ref<[1, 30], [30, 1], f16, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %k = tile.whole : !tile.tile<1>
    %n = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %k] : !tile.ref<[64, 1], [1, 1], f16, align 16>[!tile.tile<b0>, !tile.tile<1>] -> tensor<?x1xf16, #tile.dims<b0, 1>>
    %w = tile.load %y[%k, %n] : !tile.ref<[1, 30], [30, 1], f16, align 16>[!tile.tile<1>, !tile.tile<30>] -> tensor<1x30xf16>
    %a = tile.load %out[%i, %n] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %d = tile.dot %v, %w, %a over %k : tensor<?x1xf16, #tile.dims<b0, 1>>, tensor<1x30xf16>, tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<1>
    tile.store %d, %out[%i, %n] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// CHECK-LABEL: tile.kernel @i8
// CHECK-NOT:   tile.dot
// CHECK:       value.cast "extsi" %v : tensor<?x1xi8, #tile.dims<b0, 1>> to tensor<?x1xi32, #tile.dims<b0, 1>>
// CHECK:       arith.muli
// CHECK-NEXT:  %d = arith.addi %a, %{{.*}}
tile.kernel @i8 attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 1], [1, 1], i8, align 16>, %y: !tile.ref<[1, 30], [30, 1], i8, align 16>, %out: !tile.ref<[64, 30], [30, 1], i32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %k = tile.whole : !tile.tile<1>
    %n = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %k] : !tile.ref<[64, 1], [1, 1], i8, align 16>[!tile.tile<b0>, !tile.tile<1>] -> tensor<?x1xi8, #tile.dims<b0, 1>>
    %w = tile.load %y[%k, %n] : !tile.ref<[1, 30], [30, 1], i8, align 16>[!tile.tile<1>, !tile.tile<30>] -> tensor<1x30xi8>
    %a = tile.load %out[%i, %n] : !tile.ref<[64, 30], [30, 1], i32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xi32, #tile.dims<b0, 30>>
    %d = tile.dot %v, %w, %a over %k : tensor<?x1xi8, #tile.dims<b0, 1>>, tensor<1x30xi8>, tensor<?x30xi32, #tile.dims<b0, 30>>, !tile.tile<1>
    tile.store %d, %out[%i, %n] : tensor<?x30xi32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], i32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}
