// RUN: helion-opt %s -p 'number-sites,roll-reductions' --split-input-file | filecheck %s
// RUN: not helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' --split-input-file 2>&1 | filecheck %s --check-prefix=NONE

// Text between the load and the reduction has operands and results of equal dims, and no effects; it may still do
// anything along the axis (sort it), so the axis is whole.
// CHECK-LABEL: tile.kernel @text
// CHECK-NOT:   tile.for
// NONE:        InvalidConfig: reduction_loops: this kernel has no site for it, got [16]
tile.kernel @text attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %t = inline_triton.snippet pure "tl.sort({0})" (%v) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "max" %t over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}

// -----

// So may an op of another dialect that declares nothing.
// CHECK-LABEL: tile.kernel @plugin
// CHECK-NOT:   tile.for
tile.kernel @plugin attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %t = "test.pureop"(%v) : (tensor<?x30xf32, #tile.dims<b0, 30>>) -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %s = tile.reduce "max" %t over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}

// -----

// What a branch hands on is no lane-wise function of one value.
// CHECK-LABEL: tile.kernel @branch
// CHECK-NOT:   tile.for
tile.kernel @branch attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64], [1], f32, align 16>):
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
    %s = tile.reduce "max" %t over %all {axis = #builtin.int<1>} : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>
    tile.store %s, %out[%i] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64], [1], f32, align 16>[!tile.tile<b0>]
    tile.yield
  }
}
