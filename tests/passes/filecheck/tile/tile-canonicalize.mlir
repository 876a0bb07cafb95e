// RUN: helion-opt %s -p tile-canonicalize | filecheck %s

%v = "test.op"() : () -> tensor<4x8xf32>
%i = "test.op"() : () -> tensor<4xi32>
%s = "test.op"() : () -> f32
// CHECK: %s = "test.op"() : () -> f32

// Two permutations are one, or none.
%p = value.permute %v {order = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
%q = value.permute %p {order = array<i64: 1, 0>} : tensor<8x4xf32> -> tensor<4x8xf32>
"test.op"(%q) : (tensor<4x8xf32>) -> ()
// CHECK-NEXT: "test.op"(%v)

// A view of a splat is a splat.
%b = value.splat %s : f32 -> tensor<4x1xf32>
%c = value.broadcast %b : tensor<4x1xf32> -> tensor<4x8xf32>
"test.op"(%c) : (tensor<4x8xf32>) -> ()
// CHECK-NEXT: %c = value.splat %s : f32 -> tensor<4x8xf32>
// CHECK-NEXT: "test.op"(%c)

// Dims that come back; a reshape that adds one axis of dim 1.
%e = value.expand_dims %i {axis = #builtin.int<1>} : tensor<4xi32> -> tensor<4x1xi32>
%r = value.reshape %e : tensor<4x1xi32> -> tensor<4xi32>
%x = value.reshape %r : tensor<4xi32> -> tensor<1x4xi32>
"test.op"(%r, %x) : (tensor<4xi32>, tensor<1x4xi32>) -> ()
// CHECK-NEXT: %x = value.expand_dims %i {axis = #builtin.int<0>} : tensor<4xi32> -> tensor<1x4xi32>
// CHECK-NEXT: "test.op"(%i, %x)

// Known symbols; the properties of a whole tile.
%n = tile.symbol <64> : i32
%w = tile.whole : !tile.tile<s0>
%begin = tile.begin %w : !tile.tile<s0> -> i32
%end = tile.end %w : !tile.tile<s0> -> i32
"test.op"(%n, %begin, %end) : (i32, i32, i32) -> ()
// CHECK-NEXT: %n = arith.constant 64 : i32
// CHECK-NEXT: %begin = arith.constant 0 : i32
// CHECK-NEXT: %end = tile.symbol <s0> : i32
// CHECK-NEXT: "test.op"(%n, %begin, %end)

// Neutral operands; but -0.0 + 0.0 is 0.0, so a float sum stays.
%zero = arith.constant 0 : i32
%zeros = value.splat %zero : i32 -> tensor<4xi32>
%sum = arith.addi %i, %zeros : tensor<4xi32>
%fzero = arith.constant 0.0 : f32
%fsum = arith.addf %s, %fzero : f32
%one = arith.constant 1.0 : f32
%same = arith.mulf %s, %one : f32
"test.op"(%sum, %fsum, %same) : (tensor<4xi32>, f32, f32) -> ()
// CHECK-NEXT: %fzero = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %fsum = arith.addf %s, %fzero : f32
// CHECK-NEXT: "test.op"(%i, %fsum, %s)
