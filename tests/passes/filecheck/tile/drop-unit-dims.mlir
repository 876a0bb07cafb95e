// RUN: helion-opt %s -p drop-unit-dims --split-input-file | filecheck %s

// One row a program: the row is 1-D, its sum a scalar, and the row index the tile's begin.
// CHECK-LABEL: tile.kernel @rows
// CHECK:       ^bb0(%i: !tile.tile<b0>):
// CHECK-NEXT:  %all = tile.whole : !tile.tile<30>
// CHECK-NEXT:  %[[I:.*]] = tile.begin %i : !tile.tile<b0> -> i32
// CHECK-NEXT:  %v = tile.load %x[%[[I]], %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[i32, !tile.tile<30>] -> tensor<30xf32>
// CHECK-NEXT:  %s = tile.reduce "sum" %v over %all {axis = #builtin.int<0>} : tensor<30xf32>, !tile.tile<30> -> f32
// CHECK-NEXT:  %s1 = value.expand_dims %s {axis = #builtin.int<0>} : f32 -> tensor<1xf32>
// CHECK-NEXT:  %s2 = value.splat %s : f32 -> tensor<30xf32>
// CHECK-NEXT:  %r = arith.divf %v, %s2 : tensor<30xf32>
// CHECK-NEXT:  %[[J:.*]] = tile.begin %i : !tile.tile<b0> -> i32
// CHECK-NEXT:  tile.store %r, %out[%[[J]], %all] : tensor<30xf32>,
tile.kernel @rows attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "sum" %v over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %s1 = value.expand_dims %s {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<b0>> -> tensor<?x1xf32, #tile.dims<b0, 1>>
    %s2 = value.broadcast %s1 : tensor<?x1xf32, #tile.dims<b0, 1>> -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %r = arith.divf %v, %s2 : tensor<?x30xf32, #tile.dims<b0, 30>>
    tile.store %r, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// A batch of one leaves the dot; the loop reaches past x, so its one position is checked.
// CHECK-LABEL: tile.kernel @batch
// CHECK:       %[[B:.*]] = tile.begin %b : !tile.tile<b0> -> i32
// CHECK-NEXT:  %[[SIZE:.*]] = arith.constant 3 : i32
// CHECK-NEXT:  %[[OK:.*]] = value.compare "ult", %[[B]], %[[SIZE]] : i32 -> i1
// CHECK-NEXT:  %[[MASK:.*]] = value.splat %[[OK]] : i1 -> tensor<16x16xi1>
// CHECK-NEXT:  %v = tile.load %x[%[[B]], %k, %k] mask %[[MASK]] : tensor<16x16xi1> :
// CHECK:       tile.dot %v, %w, %acc over %k : tensor<16x16xf16>, tensor<16x16xf16>, tensor<16x16xf32>, !tile.tile<16>
tile.kernel @batch attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[3, 16, 16], [256, 16, 1], f16, align 16>, %y: !tile.ref<[4, 16, 16], [256, 16, 1], f16, align 16>, %out: !tile.ref<[4, 16, 16], [256, 16, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %n = arith.constant 4 : i32
  tile.grid (%c0) to (%n) by <b0> : i32 {
  ^bb1(%b: !tile.tile<b0>):
    %k = tile.whole : !tile.tile<16>
    %v = tile.load %x[%b, %k, %k] : !tile.ref<[3, 16, 16], [256, 16, 1], f16, align 16>[!tile.tile<b0>, !tile.tile<16>, !tile.tile<16>] -> tensor<?x16x16xf16, #tile.dims<b0, 16, 16>>
    %w = tile.load %y[%b, %k, %k] : !tile.ref<[4, 16, 16], [256, 16, 1], f16, align 16>[!tile.tile<b0>, !tile.tile<16>, !tile.tile<16>] -> tensor<?x16x16xf16, #tile.dims<b0, 16, 16>>
    %zero = arith.constant 0.0 : f32
    %acc = value.splat %zero : f32 -> tensor<?x16x16xf32, #tile.dims<b0, 16, 16>>
    %d = tile.dot %v, %w, %acc over %k : tensor<?x16x16xf16, #tile.dims<b0, 16, 16>>, tensor<?x16x16xf16, #tile.dims<b0, 16, 16>>, tensor<?x16x16xf32, #tile.dims<b0, 16, 16>>, !tile.tile<16>
    tile.store %d, %out[%b, %k, %k] : tensor<?x16x16xf32, #tile.dims<b0, 16, 16>>, !tile.ref<[4, 16, 16], [256, 16, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<16>, !tile.tile<16>]
    tile.yield
  }
}

// -----

// Blocks of two stay, and so does an axis of dim 1 that is no block.
// CHECK-LABEL: tile.kernel @pairs
// CHECK:       tile.load %x[%i, %one] : !tile.ref<[64, 1], [1, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<1>] -> tensor<?x1xf32, #tile.dims<b0, 1>>
tile.kernel @pairs attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<2, 2>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 1], [1, 1], f32, align 16>, %out: !tile.ref<[64, 1], [1, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %one = tile.whole : !tile.tile<1>
    %v = tile.load %x[%i, %one] : !tile.ref<[64, 1], [1, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<1>] -> tensor<?x1xf32, #tile.dims<b0, 1>>
    tile.store %v, %out[%i, %one] : tensor<?x1xf32, #tile.dims<b0, 1>>, !tile.ref<[64, 1], [1, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<1>]
    tile.yield
  }
}

// -----

// A join keeps the axis that it makes; where no other axis is left, its operands keep theirs.
// CHECK-LABEL: tile.kernel @joined
// CHECK:       %v = tile.load %x[%{{.*}}, %k] : {{.*}} -> tensor<3xf32>
// CHECK-NEXT:  %pair = value.join %v, %v : tensor<3xf32> -> tensor<3x2xf32>
// CHECK:       %s = tile.load %x[%{{.*}}, %first] : {{.*}} -> f32
// CHECK:       value.join %{{.*}}, %{{.*}} : tensor<?xf32, #tile.dims<b0>> -> tensor<?x2xf32, #tile.dims<b0, 2>>
tile.kernel @joined attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[9, 3], [3, 1], f32, align 16>, %out: !tile.ref<[9, 3, 2], [6, 2, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 9 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %k = tile.whole : !tile.tile<3>
    %two = tile.whole : !tile.tile<2>
    %v = tile.load %x[%i, %k] : !tile.ref<[9, 3], [3, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<3>] -> tensor<?x3xf32, #tile.dims<b0, 3>>
    %pair = value.join %v, %v : tensor<?x3xf32, #tile.dims<b0, 3>> -> tensor<?x3x2xf32, #tile.dims<b0, 3, 2>>
    tile.store %pair, %out[%i, %k, %two] : tensor<?x3x2xf32, #tile.dims<b0, 3, 2>>, !tile.ref<[9, 3, 2], [6, 2, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<3>, !tile.tile<2>]
    %first = arith.constant 0 : i32
    %s = tile.load %x[%i, %first] : !tile.ref<[9, 3], [3, 1], f32, align 16>[!tile.tile<b0>, i32] -> tensor<?xf32, #tile.dims<b0>>
    %p = value.join %s, %s : tensor<?xf32, #tile.dims<b0>> -> tensor<?x2xf32, #tile.dims<b0, 2>>
    tile.store %p, %out[%i, %first, %two] : tensor<?x2xf32, #tile.dims<b0, 2>>, !tile.ref<[9, 3, 2], [6, 2, 1], f32, align 16>[!tile.tile<b0>, i32, !tile.tile<2>]
    tile.yield
  }
}
