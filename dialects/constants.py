"""Constants: the number that a value is, and which numbers an element type holds exactly.

xDSL's `ConstantLike` gives the attribute of a constant by way of three look-ups of traits; what asks here is asked of
every operand that is emitted or printed. What ops make of known numbers is `passes/analysis/folding.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float8E4M3FNType,
    Float8E4M3FNUZType,
    Float8E5M2FNUZType,
    Float8E5M2Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    Signedness,
)
from xdsl.ir import Attribute, SSAValue

Number = float | int
"""The value of an element: a float for floats, an int for integers, 0 or 1 for booleans."""

_BOOLEAN = IntegerType(1)


def constant_of(value: SSAValue) -> Number | None:
    """The number that a scalar constant is; None for any other value."""
    owner = value.owner
    if type(owner) is not ConstantOp or not isinstance(attribute := owner.value, IntegerAttr | FloatAttr):
        return None
    return abs(attribute.value.data) if attribute.type == _BOOLEAN else attribute.value.data


def integer_of(value: SSAValue) -> int | None:
    """The integer that a scalar constant is; None for any other value."""
    number = constant_of(value)
    return number if isinstance(number, int) else None


class FloatFormat(NamedTuple):
    """A float type: `digits` bits of significand, multiples of `2**least` up to `largest`."""

    digits: int
    least: int
    largest: float
    infinite: bool
    signed_zero: bool = True


_FORMATS: dict[type[Attribute], FloatFormat] = {
    Float64Type: FloatFormat(53, -1074, math.ldexp(1 - 2**-53, 1024), infinite=True),
    Float32Type: FloatFormat(24, -149, math.ldexp(1 - 2**-24, 128), infinite=True),
    BFloat16Type: FloatFormat(8, -133, math.ldexp(1 - 2**-8, 128), infinite=True),
    Float16Type: FloatFormat(11, -24, 65504.0, infinite=True),
    Float8E5M2Type: FloatFormat(3, -16, 57344.0, infinite=True),
    Float8E4M3FNType: FloatFormat(4, -9, 448.0, infinite=False),
    Float8E4M3FNUZType: FloatFormat(4, -10, 240.0, infinite=False, signed_zero=False),
    Float8E5M2FNUZType: FloatFormat(3, -17, 57344.0, infinite=False, signed_zero=False),
}


def exact(number: Number, element: Attribute) -> Number | None:
    """`number` as an element of type `element`; None if the type has no such number (a NaN is none)."""
    if isinstance(element, IntegerType):
        return _exact_integer(number, element)
    format_ = _FORMATS.get(type(element))
    if format_ is None or (isinstance(number, int) and abs(number) > format_.largest):
        return None
    value = float(number)
    if value != number or not _fits(value, format_):
        return None
    return value


def _fits(value: float, format_: FloatFormat) -> bool:
    if math.isinf(value):
        return format_.infinite
    if value == 0:
        return format_.signed_zero or math.copysign(1, value) > 0
    mantissa, exponent = math.frexp(value)
    digits = min(format_.digits, exponent - format_.least)
    return abs(value) <= format_.largest and digits > 0 and math.ldexp(mantissa, digits).is_integer()


def _exact_integer(number: Number, element: IntegerType) -> int | None:
    if isinstance(number, float) and not number.is_integer():
        return None
    least, largest = integer_range(element)
    return int(number) if least <= number <= largest else None


def integer_range(element: IntegerType) -> tuple[int, int]:
    """The least and the largest element; signless integers are read as signed, but booleans are 0 and 1."""
    width = element.width.data
    if width == 1 or element.signedness.data is Signedness.UNSIGNED:
        return 0, (1 << width) - 1
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def wrapped(number: int, element: IntegerType) -> int:
    """The element that equals `number` modulo the type's width."""
    least, _ = integer_range(element)
    return (number - least) % (1 << element.width.data) + least


def unsigned(number: int, element: IntegerType) -> int:
    """The bits of an element as an unsigned number."""
    return number % (1 << element.width.data)


def lowest(element: Attribute) -> Number:
    """What no element is below: minus infinity where there is one."""
    if isinstance(element, IntegerType):
        return integer_range(element)[0]
    return -_top(element)


def highest(element: Attribute) -> Number:
    """What no element is above: infinity where there is one."""
    return integer_range(element)[1] if isinstance(element, IntegerType) else _top(element)


def _top(element: Attribute) -> float:
    format_ = _FORMATS[type(element)]
    return math.inf if format_.infinite else format_.largest


def neutral_element(kind: str, element: Attribute) -> Number:
    """`e` with `kind(x, e) == x` for every element `x`: what the padding lanes of a reduction or scan must hold."""
    if kind == "max":
        return lowest(element)
    if kind == "min":
        return highest(element)
    if kind == "and":  # all bits: -1 in signless integers, 1 in booleans
        return highest(element) if element == _BOOLEAN else -1
    number = exact({"sum": 0, "prod": 1, "or": 0, "xor": 0}[kind], element)
    assert number is not None, f"{kind} of {element}"
    return number
