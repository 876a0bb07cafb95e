// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%p, %o, %v = "test.op"() : () -> (!tl.ptr<i32>, tensor<4xi32>, tensor<4xi64>)
// CHECK: tl.atomic_cas: the value must be tensor<4xi32>, got tensor<4xi64>
%r = tl.atomic_cas "relaxed" %v, %v, %p[%o] : tensor<4xi64>, !tl.ptr<i32>[tensor<4xi32>]

// -----

%p, %o = "test.op"() : () -> (!tl.ptr<i32>, tensor<4xi32>)
// CHECK: unknown semantics 'seq_cst'
%r = tl.atomic_cas "seq_cst" %o, %o, %p[%o] : tensor<4xi32>, !tl.ptr<i32>[tensor<4xi32>]

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: join appends an axis of dim 2
%r = tl.join %x, %x : tensor<4xf32> -> tensor<4x4xf32>

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: split takes a last axis of dim 2 away
%r, %s = tl.split %x : tensor<4xf32> -> f32

// -----

%x, %i = "test.op"() : () -> (tensor<4xf32>, tensor<4xi32>)
// CHECK: input and index must have equal rank, and axis 1 be one of it
%r = tl.gather %x, %i {axis = #builtin.int<1>} : tensor<4xf32>, tensor<4xi32> -> tensor<4xf32>

// -----

// CHECK: arange needs a power of two, got 3
%r = tl.arange : tensor<3xi32>

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis 2 out of range for rank 1
%r = tl.expand_dims %x {axis = #builtin.int<2>} : tensor<4xf32> -> tensor<4x1xf32>

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis 1 out of range for rank 1
%r = tl.reduce "sum" %x {axis = #builtin.int<1>} : tensor<4xf32> -> f32

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis -1 out of range for rank 1
%r = tl.scan "sum" %x {axis = #builtin.int<-1>} : tensor<4xf32> -> tensor<4xf32>
