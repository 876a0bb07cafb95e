// RUN: helion-opt %s -p shield-reductions | filecheck %s

// The plain total of a loop stays: Triton adds it up thread by thread.
tl.func @total attributes {arg_names = ["x", "n"], arg_exprs = ["x", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant 0.0 : f32
  %init = value.splat %zero : f32 -> tensor<4xf32>
  %offset = value.splat %c0 : i32 -> tensor<4x8xi32>
  %where = value.splat %c0 : i32 -> tensor<4xi32>
  %acc = scf.for %i = %c0 to %n step %c1 iter_args(%old = %init) -> (tensor<4xf32>) : i32 {
    %v = tl.load %x[%offset] : !tl.ptr<f32>[tensor<4x8xi32>] -> tensor<4x8xf32>
    %s = tl.reduce "sum" %v {axis = #builtin.int<1>} : tensor<4x8xf32> -> tensor<4xf32>
    %next = arith.addf %s, %old : tensor<4xf32>
    scf.yield %next : tensor<4xf32>
  }
  tl.store %acc, %x[%where] : tensor<4xf32>, !tl.ptr<f32>[tensor<4xi32>]
  tl.return
} grid {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  tl.launch_grid %n : i32
}
// CHECK-LABEL: tl.func @total
// CHECK-NOT: value.permute
// CHECK: tl.reduce "sum" %v {axis = #builtin.int<1>}

// The largest of sums is none, and neither is a total in a loop that Triton unrolls.
tl.func @others attributes {arg_names = ["x", "n"], arg_exprs = ["x", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant 0.0 : f32
  %init = value.splat %zero : f32 -> tensor<4xf32>
  %offset = value.splat %c0 : i32 -> tensor<4x8xi32>
  %where = value.splat %c0 : i32 -> tensor<4xi32>
  %largest = scf.for %i = %c0 to %n step %c1 iter_args(%old = %init) -> (tensor<4xf32>) : i32 {
    %v = tl.load %x[%offset] : !tl.ptr<f32>[tensor<4x8xi32>] -> tensor<4x8xf32>
    %s = tl.reduce "sum" %v {axis = #builtin.int<1>} : tensor<4x8xf32> -> tensor<4xf32>
    %next = arith.maximumf %old, %s : tensor<4xf32>
    scf.yield %next : tensor<4xf32>
  }
  %unrolled = scf.for %i = %c0 to %n step %c1 iter_args(%old = %init) -> (tensor<4xf32>) : i32 {
    %v = tl.load %x[%offset] : !tl.ptr<f32>[tensor<4x8xi32>] -> tensor<4x8xf32>
    %s = tl.reduce "sum" %v {axis = #builtin.int<1>} : tensor<4x8xf32> -> tensor<4xf32>
    %next = arith.addf %old, %s : tensor<4xf32>
    scf.yield %next : tensor<4xf32>
  } {unroll_factor = #builtin.int<2>}
  %both = arith.addf %largest, %unrolled : tensor<4xf32>
  tl.store %both, %x[%where] : tensor<4xf32>, !tl.ptr<f32>[tensor<4xi32>]
  tl.return
} grid {
^bb0(%x: !tl.ptr<f32>, %n: i32):
  tl.launch_grid %n : i32
}
// CHECK-LABEL: tl.func @others
// CHECK: %[[T:.*]] = value.permute %v {order = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
// CHECK-NEXT: tl.reduce "sum" %[[T]] {axis = #builtin.int<0>} : tensor<8x4xf32> -> tensor<4xf32>
// CHECK: value.permute
// CHECK-NEXT: tl.reduce "sum"
