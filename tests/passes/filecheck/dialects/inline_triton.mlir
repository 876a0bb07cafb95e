// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s --print-op-generic | helion-opt | filecheck %s
// RUN: helion-opt %s --print-debuginfo | helion-opt | filecheck %s

%x, %y, %ref = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, f32, !tile.ref<[1000], [1], f32, align 16>)

// A statement: no results, so its effects are all that it is for.
inline_triton.snippet "tl.device_assert({0} > 0)"(%y) : (f32) -> ()
%a = inline_triton.snippet pure "t = {0} * {{0: 2}}[0]\n{0} + t"(%x) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
%b, %c = inline_triton.snippet "{0}, {1}"(%x, %y) : (tensor<?xf32, #tile.dims<b0>>, f32) -> (tensor<?xf32, #tile.dims<b0>>, f32)

%d = inline_triton.call "scaled" source "@triton.jit\ndef scaled(x, factor, FLAG: tl.constexpr = False):\n    return x * factor\n" arguments "{0}, {1}, FLAG=True"(%x, %y) : (tensor<?xf32, #tile.dims<b0>>, f32) -> tensor<?xf32, #tile.dims<b0>>
inline_triton.call "touch" source "@triton.jit\ndef touch(x):\n    tl.store(x, 1)\n"(%ref) : (!tile.ref<[1000], [1], f32, align 16>) -> ()

%e = inline_triton.asm pure "ex2.approx.f32 $0, $1;" "=f,f" pack 1(%x) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
%f, %g = inline_triton.asm "mov.u32 $0, %clock; mov.u32 $1, $2;" "=r,=r,r" pack 2(%x) : (tensor<?xf32, #tile.dims<b0>>) -> (tensor<?xi32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>>)

%peers = inline_triton.tuple(%ref, %ref) : (!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>) -> tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>
%one = arith.constant 1 : i32
%three = arith.constant 3 : i32
%peer = inline_triton.element %peers[%one] : tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>, i32 -> !tile.ref<[1000], [1], f32, align 16>
// The index of a static loop, and what pure ops make of it.
tile.for static (%one) to (%three) by <1> : i32 {
^bb0(%i: i32):
  %j = arith.subi %i, %one : i32
  %each = inline_triton.element %peers[%j] : tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>, i32 -> !tile.ref<[1000], [1], f32, align 16>
  tile.yield
}

// CHECK:      builtin.module {
// CHECK-NEXT:   %x, %y, %ref = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, f32, !tile.ref<[1000], [1], f32, align 16>)
// CHECK-NEXT:   inline_triton.snippet "tl.device_assert({0} > 0)"(%y) : (f32) -> ()
// CHECK-NEXT:   %a = inline_triton.snippet pure "t = {0} * {{.*}}[0]\0A{0} + t"(%x) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
// CHECK-NEXT:   %b, %c = inline_triton.snippet "{0}, {1}"(%x, %y) : (tensor<?xf32, #tile.dims<b0>>, f32) -> (tensor<?xf32, #tile.dims<b0>>, f32)
// CHECK-NEXT:   %d = inline_triton.call "scaled" source "@triton.jit\0Adef scaled(x, factor, FLAG: tl.constexpr = False):\0A    return x * factor\0A" arguments "{0}, {1}, FLAG=True"(%x, %y) : (tensor<?xf32, #tile.dims<b0>>, f32) -> tensor<?xf32, #tile.dims<b0>>
// CHECK-NEXT:   inline_triton.call "touch" source "@triton.jit\0Adef touch(x):\0A    tl.store(x, 1)\0A"(%ref) : (!tile.ref<[1000], [1], f32, align 16>) -> ()
// CHECK-NEXT:   %e = inline_triton.asm pure "ex2.approx.f32 $0, $1;" "=f,f" pack 1(%x) : (tensor<?xf32, #tile.dims<b0>>) -> tensor<?xf32, #tile.dims<b0>>
// CHECK-NEXT:   %f, %g = inline_triton.asm "mov.u32 $0, %clock; mov.u32 $1, $2;" "=r,=r,r" pack 2(%x) : (tensor<?xf32, #tile.dims<b0>>) -> (tensor<?xi32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>>)
// CHECK-NEXT:   %peers = inline_triton.tuple(%ref, %ref) : (!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>) -> tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>
// CHECK:   %peer = inline_triton.element %peers[%one] : tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>, i32 -> !tile.ref<[1000], [1], f32, align 16>
// CHECK-NEXT:   tile.for static(%one) to(%three) by <1> : i32 {
// CHECK-NEXT:   ^bb{{[0-9]+}}(%i: i32):
// CHECK-NEXT:     %j = arith.subi %i, %one : i32
// CHECK-NEXT:     %each = inline_triton.element %peers[%j] : tuple<!tile.ref<[1000], [1], f32, align 16>, !tile.ref<[1000], [1], f32, align 16>>, i32 -> !tile.ref<[1000], [1], f32, align 16>
// CHECK-NEXT:     tile.yield
// CHECK-NEXT:   }
// CHECK-NEXT: }
