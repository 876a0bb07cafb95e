// RUN: helion-opt %s -p resolve-padding --split-input-file | filecheck %s

// The sum of squares of a ragged block: zeros loaded are zeros squared. The exact block of the grid needs nothing.
// CHECK-LABEL: tile.kernel @squares
// CHECK:       %v = tile.load %x[%i, %j] other %{{.*}} : f32
// CHECK-NEXT:  %vv = arith.mulf %v, %v
// CHECK-NEXT:  tile.reduce "sum" %vv over %j
// CHECK-NEXT:  tile.reduce "max" %{{.*}} over %i
tile.kernel @squares attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<16, 16>, b1 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[4, 4], [4, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 {
  ^bb1(%i: !tile.tile<b0>, %j: !tile.tile<b1>):
    %v = tile.load %x[%i, %j] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %vv = arith.mulf %v, %v : tensor<?x?xf32, #tile.dims<b0, b1>>
    %s = tile.reduce "sum" %vv over %j {axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.tile<b1> -> tensor<?xf32, #tile.dims<b0>>
    %t = tile.reduce "max" %s over %i {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    %ii = tile.id %i : !tile.tile<b0> -> i32
    %ji = tile.id %j : !tile.tile<b1> -> i32
    tile.store %t, %out[%ii, %ji] : f32, !tile.ref<[4, 4], [4, 1], f32, align 16>[i32, i32]
    tile.yield
  }
}

// -----

// Infinity loaded is infinity plus 3, which the minimum does not see; no load makes `x + 3` zero: a pad for the sum.
// A whole tile of 30 has 32 lanes.
// CHECK-LABEL: tile.kernel @shifted
// CHECK:       %[[INF:.*]] = arith.constant 0x7f800000 : f32
// CHECK-NEXT:  %v = tile.load %x[%i, %all] other %[[INF]] : f32
// CHECK:       %w_1 = tile.pad %w, %{{.*}} past %all {axis = #builtin.int<1>}
// CHECK-NEXT:  tile.reduce "sum" %w_1 over %all
// CHECK-NEXT:  tile.reduce "min" %w over %all
tile.kernel @shifted attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<16, 16>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %three = arith.constant 3.0 : f32
    %threes = value.splat %three : f32 -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %w = arith.addf %v, %threes : tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "sum" %w over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %l = tile.reduce "min" %w over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    %d = arith.addf %s, %l : tensor<?xf32, #tile.dims<b0>>
    tile.store %d, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}

// -----

// A dot sees 16 lanes of K = 8: zeros on both sides. Its M and N are nobody's business.
// CHECK-LABEL: tile.kernel @dot
// CHECK:       %a = tile.load %x[%i, %k] other
// CHECK:       %b = tile.load %y[%k, %j] other
// CHECK-NOT:   tile.pad
tile.kernel @dot attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<32, 32>, b1 = #tile.block<32, 32>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[33, 8], [8, 1], f16, align 16>, %y: !tile.ref<[8, 33], [33, 1], f16, align 16>, %out: !tile.ref<[33, 33], [33, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 33 : i32
  tile.grid (%c0, %c0) to (%m, %m) by <b0, b1> : i32, i32 {
  ^bb1(%i: !tile.tile<b0>, %j: !tile.tile<b1>):
    %k = tile.whole : !tile.tile<8>
    %a = tile.load %x[%i, %k] : !tile.ref<[33, 8], [8, 1], f16, align 16>[!tile.tile<b0>, !tile.tile<8>] -> tensor<?x8xf16, #tile.dims<b0, 8>>
    %b = tile.load %y[%k, %j] : !tile.ref<[8, 33], [33, 1], f16, align 16>[!tile.tile<8>, !tile.tile<b1>] -> tensor<8x?xf16, #tile.dims<8, b1>>
    %zero = arith.constant 0.0 : f32
    %acc = value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %d = tile.dot %a, %b, %acc over %k : tensor<?x8xf16, #tile.dims<b0, 8>>, tensor<8x?xf16, #tile.dims<8, b1>>, tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.tile<8>
    tile.store %d, %out[%i, %j] : tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.ref<[33, 33], [33, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>]
    tile.yield
  }
}

// -----

// A pad that an earlier pass put in goes where the lanes hold its fill anyway, or there are none.
// CHECK-LABEL: tile.kernel @pads
// CHECK:       %v = tile.load %x[%i] other
// CHECK-NEXT:  "test.op"(%v)
// CHECK-NEXT:  %w = tile.load %y[%i] :
// CHECK-NEXT:  %three = arith.constant 3.000000e+00 : f32
// CHECK-NEXT:  %e = math.sqrt %w
// CHECK-NEXT:  %q = tile.pad %e, %three past %i
tile.kernel @pads attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<16, 16>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %y: !tile.ref<[30], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 30 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %zero = arith.constant 0.0 : f32
    %v = tile.load %x[%i] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %p = tile.pad %v, %zero past %i {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, f32, !tile.tile<b0>
    "test.op"(%p) : (tensor<?xf32, #tile.dims<b0>>) -> ()
    %w = tile.load %y[%i] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
    %three = arith.constant 3.0 : f32
    %e = math.sqrt %w : tensor<?xf32, #tile.dims<b0>>
    %q = tile.pad %e, %three past %i {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, f32, !tile.tile<b0>
    "test.op"(%q) : (tensor<?xf32, #tile.dims<b0>>) -> ()
    tile.yield
  }
}
