// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%p, %o, %v = "test.op"() : () -> (!tl.ptr<i32>, tensor<4xi32>, tensor<4xi64>)
// CHECK: tl.atomic_cas: the value must be tensor<4xi32>, got tensor<4xi64>
%r = tl.atomic_cas "relaxed" %v, %v, %p[%o] : tensor<4xi64>, !tl.ptr<i32>[tensor<4xi32>]

// -----

%p, %o = "test.op"() : () -> (!tl.ptr<i32>, tensor<4xi32>)
// CHECK: unknown semantics 'seq_cst'
%r = tl.atomic_cas "seq_cst" %o, %o, %p[%o] : tensor<4xi32>, !tl.ptr<i32>[tensor<4xi32>]

// -----

// CHECK: arange needs a power of two, got 3
%r = tl.arange : tensor<3xi32>

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis 1 out of range for rank 1
%r = tl.reduce "sum" %x {axis = #builtin.int<1>} : tensor<4xf32> -> f32

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: axis -1 out of range for rank 1
%r = tl.scan "sum" %x {axis = #builtin.int<-1>} : tensor<4xf32> -> tensor<4xf32>

// -----

%x, %y, %a = "test.op"() : () -> (tensor<2x4x8xf32>, tensor<8x4xf32>, tensor<2x4x4xf32>)
// CHECK: tl.dot takes operands that both have rank 2 or 3, got 3 and 2
%r = tl.dot %x, %y, %a : tensor<2x4x8xf32>, tensor<8x4xf32>, tensor<2x4x4xf32>

// -----

%x, %d, %i = "test.op"() : () -> (tensor<8x64xf32>, !tl.tensordesc<#tile.dims<8, 64>, f32>, i32)
// CHECK: unknown kind 'xchg', expected one of add, and, or, xor, max, min
tl.descriptor_reduce "xchg" %x, %d[%i, %i] : tensor<8x64xf32>, !tl.tensordesc<#tile.dims<8, 64>, f32>[i32, i32]

// -----

%x, %xs, %y, %ys, %a = "test.op"() : () -> (tensor<4x32xi8>, tensor<4x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>)
// CHECK: operands and scales are of different lengths along K: [32, 64]
%r = tl.dot_scaled %x scale %xs, %y scale %ys, %a : tensor<4x32xi8>, tensor<4x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>

// -----

%x, %xs, %y, %ys, %a = "test.op"() : () -> (tensor<4x32xf32>, tensor<4x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>)
// CHECK: no format of scaled numbers has elements of type f32
%r = tl.dot_scaled %x scale %xs, %y scale %ys, %a : tensor<4x32xf32>, tensor<4x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>

// -----

%x, %xs, %y, %ys, %a = "test.op"() : () -> (tensor<4x32xf16>, tensor<8x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>)
// CHECK: dims of M and N do not match
%r = tl.dot_scaled %x scale %xs, %y scale %ys, %a : tensor<4x32xf16>, tensor<8x1xi8>, tensor<32x8xbf16>, tensor<8x1xi8>, tensor<4x8xf32>
