// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s --print-op-generic | helion-opt | filecheck %s
// RUN: helion-opt %s --print-debuginfo | helion-opt | filecheck %s

%pads, %tile, %rank, %world, %one = "test.op"() : () -> (!tile.ref<[4, 64], [64, 1], i32, align 16>, !tile.tile<4>, i32, i32, i32)

symm_mem.sync %pads rank %rank of %world : !tile.ref<[4, 64], [64, 1], i32, align 16>, i32, i32
symm_mem.sync %pads id %one : i32 rank %rank of %world {hasPreviousMemAccess = true, hasSubsequentMemAccess = false} : !tile.ref<[4, 64], [64, 1], i32, align 16>, i32, i32

// CHECK:      builtin.module {
// CHECK-NEXT:   %pads, %tile, %rank, %world, %one = "test.op"() : () -> (!tile.ref<[4, 64], [64, 1], i32, align 16>, !tile.tile<4>, i32, i32, i32)
// CHECK-NEXT:   symm_mem.sync %pads rank %rank of %world : !tile.ref<[4, 64], [64, 1], i32, align 16>, i32, i32
// CHECK-NEXT:   symm_mem.sync %pads id %one : i32 rank %rank of %world {hasPreviousMemAccess = true, hasSubsequentMemAccess = false} : !tile.ref<[4, 64], [64, 1], i32, align 16>, i32, i32
// CHECK-NEXT: }
