// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: the body must end in value.combined of the inputs' elements
%r = tl.combine_reduce %x {axis = #builtin.int<0>, empty = [0.0 : f32]} : tensor<4xf32> -> f32 {
^bb0(%a: f32, %b: f32):
  value.combined %a, %b : f32, f32
}

// -----

%x, %y = "test.op"() : () -> (tensor<4xf32>, tensor<8xf32>)
// CHECK: the inputs must have equal dims
%r, %s = tl.combine_scan %x, %y {axis = #builtin.int<0>} : tensor<4xf32>, tensor<8xf32> -> tensor<4xf32>, tensor<8xf32> {
^bb0(%a: f32, %b: f32, %c: f32, %d: f32):
  value.combined %a, %b : f32, f32
}

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: `empty` must have a constant for each input, of its element type
%r = tl.combine_reduce %x {axis = #builtin.int<0>, empty = [0 : i32]} : tensor<4xf32> -> f32 {
^bb0(%a: f32, %b: f32):
  value.combined %a : f32
}

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis 1 out of range for rank 1
%r = tl.combine_scan %x {axis = #builtin.int<1>} : tensor<4xf32> -> tensor<4xf32> {
^bb0(%a: f32, %b: f32):
  value.combined %a : f32
}

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: keys are integers of 32 or 64 bits, got f32
%r = tl.argsort %x {axis = #builtin.int<0>} : tensor<4xf32> -> tensor<4xi32>

// -----

%x = "test.op"() : () -> tensor<4x4xi32>
// CHECK: only the last axis is sorted
%r = tl.argsort %x {axis = #builtin.int<0>} : tensor<4x4xi32> -> tensor<4x4xi32>
