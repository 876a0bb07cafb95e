// RUN: helion-opt %s --split-input-file --verify-diagnostics | filecheck %s

%x = "test.op"() : () -> f32
// CHECK: placeholder {1}, but there are 1 operands
inline_triton.snippet "{0} + {1}"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: malformed placeholder in '{0': expected '}' before end of string
inline_triton.snippet "{0"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: a placeholder must be an operand number such as {0}, got {x}
inline_triton.snippet "{x}"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: a placeholder must be an operand number such as {0}, got {0}
inline_triton.snippet "{0!r}"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: a snippet needs text
inline_triton.snippet "  \n"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: the source of 'f' is not Python: invalid syntax
inline_triton.call "f" source "def f(:\n"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: the source does not define 'f'
inline_triton.call "f" source "def g(x): pass\n"(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: placeholder {2}, but there are 1 operands
inline_triton.call "f" source "def f(x): pass\n" arguments "x={2}"(%x) : (f32) -> ()

// -----

%x, %y = "test.op"() : () -> (tensor<?xf32, #tile.dims<b0>>, tensor<?xf32, #tile.dims<b1>>)
// CHECK: operands and results of inline assembly must have the same dims
%z = inline_triton.asm "add.f32 $0, $1, $2;" "=f,f,f" pack 1(%x, %y) : (tensor<?xf32, #tile.dims<b0>>, tensor<?xf32, #tile.dims<b1>>) -> tensor<?xf32, #tile.dims<b0>>

// -----

%x = "test.op"() : () -> f32
// CHECK: inline assembly needs a result
inline_triton.asm "nop;" "" pack 1(%x) : (f32) -> ()

// -----

%x = "test.op"() : () -> f32
// CHECK: pack must be positive, got 0
%y = inline_triton.asm "mov.f32 $0, $1;" "=f,f" pack 0(%x) : (f32) -> f32

// -----

%x = "test.op"() : () -> f32
// CHECK: the result must be the tuple of the operands' types
%y = inline_triton.tuple(%x) : (f32) -> tuple<f32, f32>

// -----

%x = "test.op"() : () -> tuple<f32, i32>
%i = arith.constant 2 : i32
// CHECK: element 2 of a tuple of 2
%y = inline_triton.element %x[%i] : tuple<f32, i32>, i32 -> f32

// -----

%x = "test.op"() : () -> tuple<f32, i32>
%i = arith.constant 1 : i32
// CHECK: element 1 is i32, got f32
%y = inline_triton.element %x[%i] : tuple<f32, i32>, i32 -> f32

// -----

%x, %i = "test.op"() : () -> (tuple<f32, f32>, i32)
// CHECK: the index must be a constant, or computed from those and indices of static loops
%y = inline_triton.element %x[%i] : tuple<f32, f32>, i32 -> f32

// -----

%x, %i = "test.op"() : () -> (tuple<f32, i32>, i32)
// CHECK: only a constant may choose among elements of different types
%y = inline_triton.element %x[%i] : tuple<f32, i32>, i32 -> f32

// -----

%x = "test.op"() : () -> tuple<f32, f32>
%c0 = arith.constant 0 : i32
%c2 = arith.constant 2 : i32
// CHECK: the index must be a constant, or computed from those and indices of static loops
tile.for (%c0) to (%c2) by <1> : i32 {
^bb0(%i: i32):
  %y = inline_triton.element %x[%i] : tuple<f32, f32>, i32 -> f32
  tile.yield
}
