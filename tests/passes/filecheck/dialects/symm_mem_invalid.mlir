// RUN: helion-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

%pads, %i = "test.op"() : () -> (!tile.ref<[8], [1], i32, align 16>, f32)
// CHECK: f32 should be of base attribute integer_type
symm_mem.sync %pads rank %i of %i : !tile.ref<[8], [1], i32, align 16>, f32, f32
