"""Arithmetic that takes several ops: what Python and PyTorch mean by `%`, `//` and small powers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ...dialects.dims import dims_of, element_of
from ...dialects.value import CompareOp, LibdeviceOp, SelectOp
from ..builder import Builder


def remainder(builder: Builder, values: Sequence[SSAValue], *, signed_by_divisor: bool) -> SSAValue:
    """The remainder of two signed integers or floats of one type; with the sign of the dividend, or of the divisor."""
    floating = not isinstance(element_of(values[0]), IntegerType)
    rest = builder.emit(LibdeviceOp("fmod", values) if floating else arith.RemSIOp(values[0], values[1]))
    if not signed_by_divisor:
        return rest
    zero = builder.filled(0, element_of(rest), dims_of(rest))
    first, second = (builder.emit(CompareOp("lt", value, zero)) for value in (rest, values[1]))
    differ = builder.emit(arith.XOrIOp(first, second))
    wrong = builder.emit(arith.AndIOp(builder.emit(CompareOp("ne", rest, zero)), differ))
    moved = builder.emit((arith.AddfOp if floating else arith.AddiOp)(rest, values[1]))
    return builder.emit(SelectOp(wrong, moved, rest))


def exact_quotient(builder: Builder, values: Sequence[SSAValue]) -> SSAValue:
    """`a / b` of floats, rounded to nearest, which a quotient needs that is rounded to a whole number next.

    Triton's `/` is off by up to two units in the last place in float32 (PTX's div.full): `x / x` may be less than 1.
    """
    return builder.emit(LibdeviceOp("div_rn", values))


def floor_quotient(builder: Builder, values: Sequence[SSAValue]) -> SSAValue:
    """`a // b` of floats: from the exact remainder, as the quotient itself may be rounded up to the next integer."""
    a, b = values
    dims, element = dims_of(a), element_of(a)
    zero, one, half = (builder.filled(value, element, dims) for value in (0, 1, 0.5))

    def test(predicate: str, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        return builder.emit(CompareOp(predicate, lhs, rhs))

    quotient = builder.emit(arith.DivfOp(a, b))
    rest = builder.emit(LibdeviceOp("fmod", values))
    steps = exact_quotient(builder, [builder.emit(arith.SubfOp(a, rest)), b])  # a whole number, but for rounding
    opposite = builder.emit(arith.XOrIOp(test("lt", rest, zero), test("lt", b, zero)))
    below = builder.emit(arith.AndIOp(test("ne", rest, zero), opposite))
    steps = builder.emit(SelectOp(below, builder.emit(arith.SubfOp(steps, one)), steps))
    whole = builder.emit(math.FloorOp(steps))
    short = test("gt", builder.emit(arith.SubfOp(steps, whole)), half)
    whole = builder.emit(SelectOp(short, builder.emit(arith.AddfOp(whole, one)), whole))
    signed_zero = builder.emit(math.CopySignOp(zero, quotient))
    whole = builder.emit(SelectOp(test("ne", steps, zero), whole, signed_zero))
    return builder.emit(SelectOp(test("ne", b, zero), whole, quotient))


def small_power(value: SSAValue, exponent: int, multiply: Callable[[SSAValue, SSAValue], SSAValue]) -> SSAValue:
    """`value` to a positive constant power, as products of squares."""
    if exponent == 1:
        return value
    root = small_power(value, exponent // 2, multiply)
    square = multiply(root, root)
    return multiply(square, value) if exponent % 2 else square
