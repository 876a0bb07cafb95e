"""Building blocks of the printer's table: precedence, dtypes, literals, and rows that make expressions of operands.

A *row* is a function from an op to the Python expression of its result; it decides nothing that the op does not say.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from xdsl.dialects import builtin
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, Signedness
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects.constants import integer_of
from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.tl import PtrType
from ...dialects.value import BroadcastOp, SplatOp


class Precedence:
    """Python's operator precedence, weakest first."""

    TERNARY, NOT, COMPARE, OR, XOR, AND, SHIFT, ADD, MUL, UNARY, ATOM = range(11)


class Expr(NamedTuple):
    """A Python expression and the precedence of its outermost operator."""

    text: str
    precedence: int = Precedence.ATOM

    def at(self, precedence: int) -> str:
        """The text as an operand of an operator that binds with `precedence`."""
        return self.text if self.precedence >= precedence else f"({self.text})"


class PrinterContext(Protocol):
    """What a row may ask of the printer."""

    def expr(self, value: SSAValue) -> Expr:
        """The expression of an operand."""
        ...

    def helper(self, name: str) -> str:
        """The name of a jit function of `emitted_helpers`, which the module then contains."""
        ...

    def libdevice(self, name: str) -> str:
        """The name of a libdevice function, which the module then imports."""
        ...

    def source(self, name: str, text: str) -> None:
        """Make the module contain `text`, which defines `name`, once."""
        ...


Row = Callable[[PrinterContext, Any], Expr]
"""How the result of an op prints; each row takes the op class that the table gives it for."""

DTYPES: dict[type[Attribute], str] = {
    builtin.Float16Type: "float16",
    builtin.BFloat16Type: "bfloat16",
    builtin.Float32Type: "float32",
    builtin.Float64Type: "float64",
    builtin.Float8E4M3FNType: "float8e4nv",
    builtin.Float8E5M2Type: "float8e5",
    builtin.Float8E4M3FNUZType: "float8e4b8",
    builtin.Float8E5M2FNUZType: "float8e5b16",
}
"""Float types in `triton.language`."""
ELEMENTS = frozenset((*DTYPES, IntegerType))
"""The element types of values."""


def dtype(element: Attribute) -> str:
    """The `triton.language` dtype of an element type.

    Raises:
        NotImplementedError: Triton has none.
    """
    if isinstance(element, IntegerType):
        unsigned = element.signedness.data is Signedness.UNSIGNED
        return f"tl.{'uint' if unsigned else 'int'}{element.width.data}"
    if (name := DTYPES.get(type(element))) is None:
        raise NotImplementedError(f"Triton has no element type {element}")
    return f"tl.{name}"


def unsigned_dtype(element: Attribute) -> str:
    """The unsigned dtype of the width of an integer type."""
    assert isinstance(element, IntegerType)
    return f"tl.uint{element.width.data}"


def is_unsigned_ptr(type_: Attribute) -> bool:
    """Whether values behind a pointer are unsigned: the IR's values are signless and print as signed."""
    element = type_.element_type if isinstance(type_, PtrType) else None
    return isinstance(element, IntegerType) and element.signedness.data is Signedness.UNSIGNED


def bits(element: Attribute) -> int:
    """The width of an element type."""
    return element.width.data if isinstance(element, IntegerType) else element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]


def shape(dims: Sequence[Dim]) -> str:
    """Dims as a list."""
    return f"[{', '.join(map(str, dims))}]"


# --- literals ----------------------------------------------------------------------------------------------------


def float_literal(value: float, width: int) -> Expr:
    """The shortest spelling that gives `value` back in a float of `width` bits."""
    if math.isnan(value) or math.isinf(value):
        return Expr(f'float("{value}")')
    text = repr(value)
    if width <= 32 and abs(value) < 3e38:
        single = struct.pack("f", value)
        for digits in range(1, 10):
            short = f"{value:.{digits}g}"
            if abs(float(short)) < 3e38 and struct.pack("f", float(short)) == single:
                text = repr(float(short))
                break
    return Expr(text, Precedence.UNARY if text.startswith("-") else Precedence.ATOM)


def literal(attribute: Attribute) -> Expr:
    """The Python literal of a scalar constant."""
    if type(attribute) is FloatAttr:
        return float_literal(attribute.value.data, attribute.type.bitwidth)
    assert isinstance(attribute, IntegerAttr)
    value = attribute.value.data
    if attribute.type == builtin.i1:
        return Expr(str(bool(value)))
    return Expr(str(value), Precedence.UNARY if value < 0 else Precedence.ATOM)


def typed(text: str, element: Attribute) -> Expr:
    """A scalar that keeps its type beside any other operand."""
    return Expr(f"tl.full([], {text}, {dtype(element)})")


# --- rows --------------------------------------------------------------------------------------------------------


def binary(operator: str, precedence: int, left: Expr, right: Expr) -> Expr:
    """`left operator right`, evaluated left to right."""
    return Expr(f"{left.at(precedence)} {operator} {right.at(precedence + 1)}", precedence)


def call(function: str, *args: Expr | str) -> Expr:
    """`function(args)`."""
    return Expr(f"{function}({', '.join(arg if isinstance(arg, str) else arg.text for arg in args)})")


def cast(value: Expr, to: str, *, scalar: bool = False, bitcast: bool = False) -> Expr:
    """`value.to(dtype)`; a scalar may be a plain number at compile time, which has no such method."""
    flag = ", bitcast=True" if bitcast else ""
    if scalar:
        return Expr(f"tl.cast({value.text}, {to}{flag})")
    return Expr(f"{value.at(Precedence.ATOM)}.to({to}{flag})")


def infix(operator: str, precedence: int) -> Row:
    """A row for a binary operator."""

    def row(context: PrinterContext, op: Operation) -> Expr:
        left, right = op.operands
        return binary(operator, precedence, context.expr(left), context.expr(right))

    return row


def function(name: str, *extra: str) -> Row:
    """A row for a function of all operands."""

    def row(context: PrinterContext, op: Operation) -> Expr:
        return call(name, *map(context.expr, op.operands), *extra)

    return row


def helper(name: str) -> Row:
    """A row for a helper function of all operands."""

    def row(context: PrinterContext, op: Operation) -> Expr:
        return call(context.helper(name), *map(context.expr, op.operands))

    return row


def libdevice(name: str) -> Row:
    """A row for a libdevice function of all operands."""

    def row(context: PrinterContext, op: Operation) -> Expr:
        return call(context.libdevice(name), *map(context.expr, op.operands))

    return row


def narrow(row: Row) -> Row:
    """A row for what Triton computes in 32 bits: small types are cast back."""

    def wrapped(context: PrinterContext, op: Operation) -> Expr:
        result = row(context, op)
        element = element_of(op.results[0])
        return cast(result, dtype(element)) if bits(element) < 32 else result

    return wrapped


def _prints_its_input(op: Operation) -> bool:
    """Whether `prepare-for-print` left it to Triton to broadcast the operand of `op`."""
    return "implicit" in op.attributes


def as_unsigned(context: PrinterContext, value: SSAValue, *, beside_tensor: bool = False) -> Expr:
    """The operand as an unsigned integer of its width; a scalar that Triton broadcasts by itself stays one.

    A bare constant is of 32 bits: beside a tensor it takes the tensor's type, beside a narrower scalar it does not.
    """
    element = element_of(value)
    assert isinstance(element, IntegerType)
    owner = value.owner
    if isinstance(owner, SplatOp | BroadcastOp) and _prints_its_input(owner):
        return as_unsigned(context, owner.input, beside_tensor=True)
    if (constant := integer_of(value)) is not None:
        text, bare = str(constant % (1 << element.width.data)), beside_tensor or element.width.data >= 32
        return Expr(text if bare else f"tl.full([], {text}, {unsigned_dtype(element)})")
    if element == builtin.i1:
        return context.expr(value)
    return cast(context.expr(value), unsigned_dtype(element), scalar=not dims_of(value), bitcast=True)


def as_byte(context: PrinterContext, value: SSAValue) -> Expr:
    """A truth value as 0 or 1 in eight bits; a scalar that Triton broadcasts by itself stays one."""
    owner = value.owner
    if isinstance(owner, SplatOp | BroadcastOp) and _prints_its_input(owner):
        return as_byte(context, owner.input)
    if (constant := integer_of(value)) is not None:
        return Expr(str(int(bool(constant))))
    return cast(context.expr(value), "tl.int8", scalar=is_scalar(value))


def unsigned(make: Callable[[Expr, Expr], Expr]) -> Row:
    """A row for a binary operation on unsigned integers with a result of their type."""

    def row(context: PrinterContext, op: Operation) -> Expr:
        result = make(as_unsigned(context, op.operands[0]), as_unsigned(context, op.operands[1]))
        return cast(result, dtype(element_of(op.results[0])), bitcast=True)

    return row


def is_scalar(value: SSAValue) -> bool:
    """Whether a value has rank 0."""
    return not dims_of(value)
