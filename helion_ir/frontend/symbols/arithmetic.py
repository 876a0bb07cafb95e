"""Arithmetic that takes several ops: what Python and PyTorch mean by `%` and by small powers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ...dialects import tile
from ...dialects.dims import dims_of, element_of
from ..builder import Builder


def remainder(builder: Builder, values: Sequence[SSAValue], *, signed_by_divisor: bool) -> SSAValue:
    """The remainder of two signed integers or floats of one type; with the sign of the dividend, or of the divisor."""
    floating = not isinstance(element_of(values[0]), IntegerType)
    rest = builder.emit(tile.LibdeviceOp("fmod", values) if floating else arith.RemSIOp(values[0], values[1]))
    if not signed_by_divisor:
        return rest
    zero = builder.filled(0, element_of(rest), dims_of(rest))
    first, second = (builder.emit(tile.CompareOp("lt", value, zero)) for value in (rest, values[1]))
    differ = builder.emit(arith.XOrIOp(first, second))
    wrong = builder.emit(arith.AndIOp(builder.emit(tile.CompareOp("ne", rest, zero)), differ))
    moved = builder.emit((arith.AddfOp if floating else arith.AddiOp)(rest, values[1]))
    return builder.emit(tile.SelectOp(wrong, moved, rest))


def small_power(value: SSAValue, exponent: int, multiply: Callable[[SSAValue, SSAValue], SSAValue]) -> SSAValue:
    """`value` to a small positive constant power, as products."""
    result = value
    for _ in range(exponent - 1):
        result = multiply(result, value)
    return result
