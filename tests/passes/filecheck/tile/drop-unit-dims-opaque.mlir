// RUN: helion-opt %s -p drop-unit-dims --split-input-file | filecheck %s

// An op that declares nothing of its axes sees the dims that it saw before.
// CHECK-LABEL: tile.kernel @plugin
// CHECK:       %v = tile.load %x[%{{.*}}, %all] : {{.*}} -> tensor<30xf32>
// CHECK-NEXT:  %[[IN:.*]] = value.reshape %v : tensor<30xf32> -> tensor<?x30xf32, #tile.dims<b0, 30>>
// CHECK-NEXT:  %t = "test.pureop"(%[[IN]]) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
// CHECK-NEXT:  %[[OUT:.*]] = value.reshape %t : tensor<?x30xf32, #tile.dims<b0, 30>> -> tensor<30xf32>
// CHECK:       tile.store %[[OUT]], %out[%{{.*}}, %all] : tensor<30xf32>,
tile.kernel @plugin attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %t = "test.pureop"(%v) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
    tile.store %t, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// So does what is in its blocks: their arguments, and what ends them.
// CHECK-LABEL: tile.kernel @plugin_blocks
// CHECK:       %[[IN:.*]] = value.reshape %v : tensor<30xf32> -> tensor<?x30xf32, #tile.dims<b0, 30>>
// CHECK-NEXT:  %t = "test.op"(%[[IN]]) ({
// CHECK-NEXT:  ^bb0(%a: tensor<?x30xf32, #tile.dims<b0, 30>>):
// CHECK-NEXT:    %[[A:.*]] = value.reshape %a : tensor<?x30xf32, #tile.dims<b0, 30>> -> tensor<30xf32>
// CHECK-NEXT:    %n = arith.negf %[[A]] : tensor<30xf32>
// CHECK-NEXT:    %[[N:.*]] = value.reshape %n : tensor<30xf32> -> tensor<?x30xf32, #tile.dims<b0, 30>>
// CHECK-NEXT:    "test.termop"(%[[N]]) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> ()
// CHECK-NEXT:  }) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
// CHECK-NEXT:  value.reshape %t : tensor<?x30xf32, #tile.dims<b0, 30>> -> tensor<30xf32>
tile.kernel @plugin_blocks attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %t = "test.op"(%v) ({
    ^bb2(%a: tensor<?x30xf32, #tile.dims<b0, 30>>):
      %n = arith.negf %a : tensor<?x30xf32, #tile.dims<b0, 30>>
      "test.termop"(%n) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> ()
    }) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
    tile.store %t, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// Opaque text sees them, too; a tuple of values is of the types that its text was written for.
// CHECK-LABEL: tile.kernel @text
// CHECK:       %p = inline_triton.tuple(%{{.*}}, %{{.*}}) : (tensor<?x30xf32, #tile.dims<b0, 30>>, f32) -> tuple<tensor<?x30xf32, #tile.dims<b0, 30>>, f32>
// CHECK:       inline_triton.snippet pure "first({0})"(%p) : (tuple<tensor<?x30xf32, #tile.dims<b0, 30>>, f32>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
tile.kernel @text attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %one = arith.constant 1.0 : f32
    %p = inline_triton.tuple(%v, %one) : (tensor<?x30xf32, #tile.dims<b0, 30>>, f32) -> tuple<tensor<?x30xf32, #tile.dims<b0, 30>>, f32>
    %t = inline_triton.snippet pure "first({0})"(%p) : (tuple<tensor<?x30xf32, #tile.dims<b0, 30>>, f32>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
    tile.store %t, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// A branch of the language changes with what it hands on.
// CHECK-LABEL: tile.kernel @branch
// CHECK:       %t = scf.if %{{.*}} -> (tensor<30xf32>) {
// CHECK-NEXT:    scf.yield %v : tensor<30xf32>
tile.kernel @branch attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %id = tile.id %i : !tile.tile<b0> -> i32
    %first = arith.cmpi eq, %id, %c0 : i32
    %t = scf.if %first -> (tensor<?x30xf32, #tile.dims<b0, 30>>) {
      scf.yield %v : tensor<?x30xf32, #tile.dims<b0, 30>>
    } else {
      %n = arith.negf %v : tensor<?x30xf32, #tile.dims<b0, 30>>
      scf.yield %n : tensor<?x30xf32, #tile.dims<b0, 30>>
    }
    tile.store %t, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}

// -----

// A range may be empty, and so may what is shifted from it: then a reduction gives the neutral element, a pad the
// fill, and a gather from memory touches nothing.
// CHECK-LABEL: tile.kernel @empty
// CHECK:       %[[OK:.*]] = value.compare "lt", %begin, %end : i32 -> i1
// CHECK:       %r = tile.load %x[%{{.*}}, %{{.*}}] mask %
// CHECK:       %[[OK2:.*]] = value.compare "lt", %begin, %end : i32 -> i1
// CHECK-NEXT:  %[[NEUTRAL:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:  %s = value.select %[[OK2]], %r, %[[NEUTRAL]] : i1, f32
// CHECK:       %p = value.select %{{.*}}, %r, %fill : i1, f32
// CHECK:       tile.load %x[%{{.*}}, %{{.*}}] mask %
tile.kernel @empty attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %begin = tile.begin %i : !tile.tile<b0> -> i32
    %end = arith.muli %begin, %begin : i32
    %three = arith.constant 3 : i32
    %fill = arith.constant 7.0 : f32
    %range = tile.range %begin to %end : i32 -> !tile.tile<b0>
    %tile = tile.shift %range, %three : !tile.tile<b0>, i32
    %r = tile.load %x[%i, %tile] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b0>] -> tensor<?x?xf32, #tile.dims<b0, b0>>
    %s = tile.reduce "sum" %r over %tile {axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, b0>>, !tile.tile<b0> -> tensor<?xf32, #tile.dims<b0>>
    %p = tile.pad %r, %fill past %tile {axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, b0>>, f32, !tile.tile<b0>
    %q = tile.reduce "sum" %p over %tile {axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, b0>>, !tile.tile<b0> -> tensor<?xf32, #tile.dims<b0>>
    %ids = tile.index %tile : !tile.tile<b0> -> tensor<?xi32, #tile.dims<b0>>
    %g = tile.load %x[%i, %ids] tiles(%tile : !tile.tile<b0>) : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, tensor<?xi32, #tile.dims<b0>>] -> tensor<?x?xf32, #tile.dims<b0, b0>>
    %g1 = tile.reduce "sum" %g over %tile {axis = #builtin.int<1>} : tensor<?x?xf32, #tile.dims<b0, b0>>, !tile.tile<b0> -> tensor<?xf32, #tile.dims<b0>>
    %a = arith.addf %s, %q : tensor<?xf32, #tile.dims<b0>>
    %b = arith.addf %a, %g1 : tensor<?xf32, #tile.dims<b0>>
    tile.store %b, %out[%i, %c0] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, i32]
    tile.yield
  }
}
