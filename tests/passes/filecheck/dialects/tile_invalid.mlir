// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%ref, %t, %v = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, !tile.tile<b0>, tensor<?xi32, #tile.dims<b0>>)
// CHECK: unknown semantics 'seq_cst', expected one of relaxed, acquire, release, acq_rel
%r = tile.atomic_cas %v, %v, %ref[%t] {sem = "seq_cst"} : tensor<?xi32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>>, !tile.ref<[8], [1], i32, align 16>[!tile.tile<b0>] -> tensor<?xi32, #tile.dims<b0>>

// -----

%ref, %t, %v, %e = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, !tile.tile<b0>, tensor<?xi32, #tile.dims<b0>>, i32)
// CHECK: expected and value must have one type, got i32
%r = tile.atomic_cas %e, %v, %ref[%t] : i32, tensor<?xi32, #tile.dims<b0>>, !tile.ref<[8], [1], i32, align 16>[!tile.tile<b0>] -> tensor<?xi32, #tile.dims<b0>>

// -----

%ref, %t = "test.op"() : () -> (!tile.ref<[8, 8], [8, 1], f32, align 16>, !tile.tile<b0>)
// CHECK: 1 indices for a ref of rank 2
%r = tile.load %ref[%t] : !tile.ref<[8, 8], [8, 1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>

// -----

%ref, %t = "test.op"() : () -> (!tile.ref<[8], [1], f32, align 16>, !tile.tile<b0>)
// CHECK: the indices select tensor<?xf32, #tile.dims<b0>>, got tensor<?xf32, #tile.dims<b1>>
%r = tile.load %ref[%t] : !tile.ref<[8], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b1>>

// -----

%x, %t = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, !tile.tile<b1>)
// CHECK: tile.reduce: the tile has dim b1, axis 0 has dim b0
%r = tile.reduce "sum" %x over %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b1> -> f32

// -----

%x, %t = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, !tile.tile<b1>)
// CHECK: tile.keep: the tile has dim b1, axis 0 has dim b0
%r = tile.keep %x, %x past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b1>

// -----

%x, %t = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>)
// CHECK: tile.keep: axis 1 out of range for rank 1
%r = tile.keep %x, %x past %t {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>

// -----

%x, %t = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>)
// CHECK: unknown kind 'mean', expected one of sum, prod, max, min
%r = tile.reduce "mean" %x over %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32

// -----

%x, %y, %a, %t = "test.op"() : () -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !tile.tile<8>)
// CHECK: dot operands do not match: (4, 8) and (4, 8)
%r = tile.dot %x, %y, %a over %t : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !tile.tile<8>

// -----

%x, %y, %a, %t = "test.op"() : () -> (tensor<2x4x8xf32>, tensor<3x8x4xf32>, tensor<2x4x4xf32>, !tile.tile<8>)
// CHECK: dot operands do not match: (2, 4, 8) and (3, 8, 4)
%r = tile.dot %x, %y, %a over %t : tensor<2x4x8xf32>, tensor<3x8x4xf32>, tensor<2x4x4xf32>, !tile.tile<8>

// -----

%x, %y, %a, %t = "test.op"() : () -> (tensor<8xf32>, tensor<8x4xf32>, tensor<4xf32>, !tile.tile<8>)
// CHECK: dot operands must have equal rank of at least 2, got 1 and 2
%r = tile.dot %x, %y, %a over %t : tensor<8xf32>, tensor<8x4xf32>, tensor<4xf32>, !tile.tile<8>

// -----

%x = "test.op"() : () -> tensor<4xf32>
// CHECK: is a tensor; use value.compare for tensors
%r = arith.cmpf olt, %x, %x : tensor<4xf32>

// -----

%c0, %n = "test.op"() : () -> (i32, i32)
// CHECK: the bounds of a static loop must be constants
tile.for static (%c0) to (%n) by <1> : i32 {
^bb0(%i: i32):
  tile.yield
}

// -----

%c0 = arith.constant 0 : i32
// CHECK: a static loop has one scalar index with an int step
tile.for static (%c0) to (%c0) by <b0> : i32 {
^bb0(%i: !tile.tile<b0>):
  tile.yield
}

// -----

%c0 = arith.constant 0 : i32
// CHECK: a static loop has one scalar index with an int step
tile.for static (%c0, %c0) to (%c0, %c0) by <1, 1> : i32, i32 {
^bb0(%i: i32, %j: i32):
  tile.yield
}

// -----

// CHECK: host is no Python: invalid syntax, line 1
tile.kernel @k attributes {arg_names = [], arg_exprs = [], symbols = {}, blocks = {}, host = "deff k():\n    __launch__()", index_type = i32} {
^bb0():
  tile.yield
}

// -----

// CHECK: host never launches the kernel: it has no statement __launch__()
tile.kernel @k attributes {arg_names = [], arg_exprs = [], symbols = {}, blocks = {}, host = "def k():\n    pass", index_type = i32} {
^bb0():
  tile.yield
}

// -----

%ref, %t, %v = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, !tile.tile<b0>, tensor<?xi32, #tile.dims<b0>>)
// CHECK: unknown scope 'world', expected one of gpu, cta, sys
tile.atomic_wait %v, %ref[%t] {scope = "world"} : tensor<?xi32, #tile.dims<b0>>, !tile.ref<[8], [1], i32, align 16>[!tile.tile<b0>]
