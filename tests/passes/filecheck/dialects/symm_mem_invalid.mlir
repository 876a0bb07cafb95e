// RUN: helion-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, i32)
// CHECK: unknown op 'atomic_mul', expected one of atomic_add
symm_mem.signal "atomic_mul" "release" %pads[%i] value %i : !tile.ref<[8], [1], i32, align 16>[i32], i32

// -----

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, i32)
// CHECK: unknown semantics 'seq_cst', expected one of relaxed, acquire, release, acq_rel
symm_mem.signal "atomic_add" "seq_cst" %pads[%i] value %i : !tile.ref<[8], [1], i32, align 16>[i32], i32

// -----

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, i32)
// CHECK: unknown scope 'world', expected one of gpu, cta, sys
symm_mem.wait "ld" "acquire" %pads[%i] value %i {scope = "world"} : !tile.ref<[8], [1], i32, align 16>[i32], i32

// -----

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, i32)
// CHECK: wait_for and atomic_cas go together
symm_mem.signal "atomic_add" "release" %pads[%i] value %i wait_for %i : i32 : !tile.ref<[8], [1], i32, align 16>[i32], i32

// -----

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, i32)
// CHECK: update and atomic_cas go together
symm_mem.wait "atomic_cas" "acquire" %pads[%i] value %i : !tile.ref<[8], [1], i32, align 16>[i32], i32

// -----

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, f32)
// CHECK: f32 should be of base attribute integer_type
symm_mem.sync %pads rank %i of %i : !tile.ref<[8], [1], i32, align 16>, f32, f32
