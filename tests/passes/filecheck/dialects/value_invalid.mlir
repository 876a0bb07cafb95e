// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%x, %i = "test.op"() : () -> (tensor<4x4xf32>, tensor<4xi32>)
// CHECK: input and index must have equal rank, and axis 0 be one of it
%r = value.gather %x, %i {axis = #builtin.int<0>} : tensor<4x4xf32>, tensor<4xi32> -> tensor<4xf32>
// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: join appends an axis of dim 2
%r = value.join %x, %x : tensor<4xf32> -> tensor<4x4xf32>
// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: split takes a last axis of dim 2 away
%r, %s = value.split %x : tensor<4xf32> -> f32
// -----

%x, %i = "test.op"() : () -> (tensor<4xf32>, tensor<4xi32>)
// CHECK: input and index must have equal rank, and axis 1 be one of it
%r = value.gather %x, %i {axis = #builtin.int<1>} : tensor<4xf32>, tensor<4xi32> -> tensor<4xf32>
// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis 2 out of range for rank 1
%r = value.expand_dims %x {axis = #builtin.int<2>} : tensor<4xf32> -> tensor<4x1xf32>
// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: cannot broadcast dims (4,) to (8, 4): equal rank, and 1 where they differ
%r = value.broadcast %x : tensor<4xf32> -> tensor<8x4xf32>
// -----

%seed, %i = "test.op"() : () -> (i32, tensor<4xi32>)
// CHECK: the seed must be i64, the offset i32 or i64
%a, %b, %c, %d = value.philox %seed, %i : i32, tensor<4xi32> -> tensor<4xi32>
// -----

%seed, %i = "test.op"() : () -> (i64, tensor<4xi64>)
// CHECK: the bits must be i32 of the offset's dims
%a, %b, %c, %d = value.philox %seed, %i : i64, tensor<4xi64> -> tensor<4xi64>
// -----

%seed, %i = "test.op"() : () -> (tensor<4xi64>, i32)
// CHECK: the seed must be a scalar, or have the offset's dims
%a, %b, %c, %d = value.philox %seed, %i : tensor<4xi64>, i32 -> i32
