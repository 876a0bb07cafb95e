"""What ops make of known numbers: scalars of one program, or lanes that all hold one number.

Numbers are those of `dialects/constants.py`: exactly what a lane of that element type holds. A result that the type
cannot hold exactly, or that GPUs only approximate, is not known. The folders of xDSL's `HasFolder` are no help here:
they ask which ops make the operands, where the passes ask about numbers that no op spells (what padding holds), and
`arith` has them for few of its ops.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects import arith
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, Operation

from ...dialects.constants import Number, exact, highest, lowest, neutral_element, unsigned, wrapped
from ...dialects.dims import element_of
from ...dialects.value import CASTS, PREDICATES, BitcastOp, CastOp, CompareOp, SelectOp

Fold = Callable[..., Any]
"""Numbers in, the number out, None if it is not known."""


def _exp(x: float) -> float | None:
    return {-math.inf: 0.0, 0.0: 1.0, math.inf: math.inf}.get(x)


def _sqrt(x: float) -> float | None:
    return {0.0: 0.0, 1.0: 1.0, math.inf: math.inf}.get(x)


def _quotient(x: float, y: float) -> float | None:
    """Division is approximate on GPUs, but not of zero, or by one."""
    if y == 1 or (x == 0 and y != 0):
        return x
    return None


def _and(x: int, y: int) -> int:
    return x & y


def _or(x: int, y: int) -> int:
    return x | y


def _xor(x: int, y: int) -> int:
    return x ^ y


def _truncated(x: int, y: int) -> int | None:
    """The quotient toward zero."""
    if y == 0:
        return None
    return abs(x) // abs(y) if (x < 0) == (y < 0) else -(abs(x) // abs(y))


def _remainder(x: int, y: int) -> int | None:
    return None if (quotient := _truncated(x, y)) is None else x - quotient * y


def _floored(x: int, y: int) -> int | None:
    return None if y == 0 else x // y


def _ceiled(x: int, y: int) -> int | None:
    return None if y == 0 else -(-x // y)


_OF_FLOATS: Mapping[type[Operation], Fold] = {
    arith.AddfOp: operator.add, arith.SubfOp: operator.sub, arith.MulfOp: operator.mul, arith.DivfOp: _quotient,
    arith.MaximumfOp: max, arith.MinimumfOp: min, arith.MaxnumfOp: max, arith.MinnumfOp: min,
    arith.NegfOp: operator.neg, arith.ExtFOp: float, arith.TruncFOp: float,
    math_dialect.AbsFOp: abs, math_dialect.ExpOp: _exp, math_dialect.Exp2Op: _exp, math_dialect.SqrtOp: _sqrt,
}  # fmt: skip
_OF_INTEGERS: Mapping[type[Operation], Fold] = {
    arith.AddiOp: operator.add, arith.SubiOp: operator.sub, arith.MuliOp: operator.mul,
    arith.DivSIOp: _truncated, arith.RemSIOp: _remainder, arith.FloorDivSIOp: _floored, arith.CeilDivSIOp: _ceiled,
    arith.MaxSIOp: max, arith.MinSIOp: min,
    arith.AndIOp: _and, arith.OrIOp: _or, arith.XOrIOp: _xor,
}  # fmt: skip
"""Op class → what it makes of signed integers."""
_COMPARISONS: Mapping[str, Fold] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_SCALAR_CASTS = {cls: kind for kind, cls in CASTS.items()}
INTEGER_CASTS = (arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp, arith.IndexCastOp)
"""Casts of scalars, for which no position or size is too large."""

FOLDS = frozenset((
    *_OF_FLOATS, *_OF_INTEGERS, *_SCALAR_CASTS, *INTEGER_CASTS,
    arith.CmpiOp, arith.SelectOp, CompareOp, SelectOp, CastOp, BitcastOp,
))  # fmt: skip
"""The ops of which anything is known."""


def folded(op: Operation, numbers: Sequence[Number]) -> Number | None:
    """The op's result, or each lane of it, where its operands are `numbers`; None if it is not known."""
    result = _computed(op, numbers)
    return None if result is None or result != result else exact(result, element_of(op.results[0]))


def _computed(op: Operation, numbers: Sequence[Number]) -> Number | None:
    cls, source, target = type(op), element_of(op.operands[0]), element_of(op.results[0])
    if isinstance(op, SelectOp | arith.SelectOp):
        return numbers[1] if numbers[0] else numbers[2]
    if isinstance(op, CompareOp):
        return _compared(op.predicate.data, source, numbers)
    if isinstance(op, arith.CmpiOp):
        return _compared(PREDICATES[op.predicate.value.data], IntegerType(64), [_signed(n, source) for n in numbers])
    if (kind := op.kind.data if isinstance(op, CastOp) else _SCALAR_CASTS.get(cls)) is not None:
        return _cast(kind, numbers[0], source, target)
    if isinstance(op, arith.IndexCastOp):
        return numbers[0]
    if isinstance(op, BitcastOp):
        return 0 if numbers[0] == 0 and math.copysign(1, numbers[0]) > 0 else None
    if not isinstance(target, IntegerType):
        return None if (fold := _OF_FLOATS.get(cls)) is None else fold(*numbers)
    fold = _OF_INTEGERS.get(cls)
    result = None if fold is None else fold(*[_signed(number, target) for number in numbers])
    return None if result is None else wrapped(result, target)


def _signed(number: Number, element: Attribute) -> int:
    """A number as ops of signed integers read it: true is -1."""
    return -int(number) if element == IntegerType(1) else int(number)


def _compared(predicate: str, element: Attribute, numbers: Sequence[Number]) -> int:
    """False is below true."""
    if predicate.startswith("u"):
        assert isinstance(element, IntegerType)
        predicate, numbers = predicate[1:], [unsigned(int(number), element) for number in numbers]
    return int(_COMPARISONS[predicate](*numbers))


def _cast(kind: str, number: Number, source: Attribute, target: Attribute) -> Number | None:
    if isinstance(source, IntegerType):
        bits = unsigned(int(number), source)
        if kind in ("sitofp", "extsi"):
            return _signed(number, source)
        return wrapped(bits, target) if isinstance(target, IntegerType) else bits
    if math.isinf(number) or number != int(number):
        return None
    return int(number) if kind == "fptosi" or number >= 0 else None


# --- operands that decide, and operands that do nothing ----------------------------------------------------------


def absorbed(op: Operation, operand: int, number: Number) -> Number | None:
    """The result of `op` where an operand holds `number`, whatever the other holds (`x and 0`); None: that counts."""
    if isinstance(op, CompareOp):
        return _decided(op.predicate.data, operand, number, element_of(op.lhs))
    if isinstance(op, arith.AndIOp) and number == 0:
        return 0
    if isinstance(op, arith.OrIOp) and number == neutral_element("and", element_of(op.results[0])):
        return number
    return None


def _decided(predicate: str, operand: int, number: Number, element: Attribute) -> Number | None:
    """Nothing is below the lowest element or above the highest one, nor is a NaN."""
    if predicate not in ("lt", "gt") or element == IntegerType(1):
        return None
    end = lowest(element) if (predicate == "gt") == (operand == 0) else highest(element)
    return 0 if number == end else None


_NEUTRAL: Mapping[type[Operation], str] = {
    arith.AddfOp: "sum", arith.AddiOp: "sum", arith.MulfOp: "prod", arith.MuliOp: "prod",
    arith.MaximumfOp: "max", arith.MinimumfOp: "min", arith.MaxSIOp: "max", arith.MinSIOp: "min",
    arith.AndIOp: "and", arith.OrIOp: "or", arith.XOrIOp: "xor",
}  # fmt: skip
"""Ops with a neutral element on both sides. `maxnumf` has none, as it turns a NaN into the other operand."""
_RIGHT_NEUTRAL: Mapping[type[Operation], str] = {arith.SubfOp: "sum", arith.SubiOp: "sum", arith.DivfOp: "prod"}
_BOOLEAN_ORDER = (arith.MaxSIOp, arith.MinSIOp)


def unseen(op: Operation, operand: int) -> Number | None:
    """What operand number `operand` must hold for `op` to give the other operand, as it is; None if nothing does.

    As numbers: `x + 0` is `x`, although it turns a negative zero into a positive one.
    """
    kind = _NEUTRAL.get(type(op)) or (_RIGHT_NEUTRAL.get(type(op)) if operand == 1 else None)
    element = element_of(op.results[0])
    if kind is None or (element == IntegerType(1) and isinstance(op, _BOOLEAN_ORDER)):
        return None
    return neutral_element(kind, element)
