"""What an op that works lane by lane makes of lanes that hold known numbers, and which numbers it does not see.

Numbers are those of `constants`: exactly what the lane of that element type holds. A result that the type cannot
hold exactly, or that GPUs only approximate, is not known.
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

from ...dialects.constants import Number, exact, highest, lowest, unsigned, wrapped
from ...dialects.dims import element_of
from ...dialects.neutral import neutral_element
from ...dialects.value import BitcastOp, CastOp, CompareOp

Fold = Callable[..., Any]
"""Numbers in, the number out, None if it is not known."""


def _and(x: int, y: int) -> int:
    return x & y


def _or(x: int, y: int) -> int:
    return x | y


def _xor(x: int, y: int) -> int:
    return x ^ y


def _exp(x: float) -> float | None:
    return {-math.inf: 0.0, 0.0: 1.0, math.inf: math.inf}.get(x)


def _sqrt(x: float) -> float | None:
    return {0.0: 0.0, 1.0: 1.0, math.inf: math.inf}.get(x)


def _quotient(x: float, y: float) -> float | None:
    """Division is approximate on GPUs, but not of zero, or by one."""
    if y == 1 or (x == 0 and y != 0):
        return x
    return None


_FLOAT_FOLDS: Mapping[type[Operation], Fold] = {
    arith.AddfOp: operator.add, arith.SubfOp: operator.sub, arith.MulfOp: operator.mul, arith.DivfOp: _quotient,
    arith.MaximumfOp: max, arith.MinimumfOp: min, arith.MaxnumfOp: max, arith.MinnumfOp: min,
    arith.NegfOp: operator.neg, arith.ExtFOp: float, arith.TruncFOp: float,
    math_dialect.AbsFOp: abs, math_dialect.ExpOp: _exp, math_dialect.Exp2Op: _exp, math_dialect.SqrtOp: _sqrt,
}  # fmt: skip
_INTEGER_FOLDS: Mapping[type[Operation], Fold] = {
    arith.AddiOp: operator.add, arith.SubiOp: operator.sub, arith.MuliOp: operator.mul,
    arith.AndIOp: _and, arith.OrIOp: _or, arith.XOrIOp: _xor,
}  # fmt: skip
_SIGNED_FOLDS: Mapping[type[Operation], Fold] = {arith.MaxSIOp: max, arith.MinSIOp: min}
"""Not of booleans, whose true is -1 as a signed number."""
_PREDICATES: Mapping[str, Fold] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def folded(op: Operation, numbers: Sequence[Number]) -> Number | None:
    """The lanes of the op's result where its operands' lanes hold `numbers`; None if it is not known."""
    target = element_of(op.results[0])
    result = _computed(op, numbers)
    return None if result is None or result != result else exact(result, target)


def _computed(op: Operation, numbers: Sequence[Number]) -> Number | None:
    if isinstance(op, CompareOp):
        return _compared(op, numbers)
    if isinstance(op, CastOp):
        return _cast(op.kind.data, numbers[0], element_of(op.input), element_of(op.result))
    if isinstance(op, BitcastOp):
        (number,) = numbers
        return 0 if number == 0 and math.copysign(1, number) > 0 else None
    target = element_of(op.results[0])
    if not isinstance(target, IntegerType):
        fold = _FLOAT_FOLDS.get(type(op))
        return None if fold is None else fold(*numbers)
    fold = _INTEGER_FOLDS.get(type(op))
    if fold is None and target.width.data > 1:
        fold = _SIGNED_FOLDS.get(type(op))
    result = None if fold is None else fold(*numbers)
    return wrapped(result, target) if isinstance(result, int) else None


def _compared(op: CompareOp, numbers: Sequence[Number]) -> Number | None:
    predicate, element = op.predicate.data, element_of(op.lhs)
    if isinstance(element, IntegerType):
        if element.width.data == 1 and predicate not in ("eq", "ne"):
            return None
        if predicate.startswith("u"):
            predicate, numbers = predicate[1:], [unsigned(int(number), element) for number in numbers]
    return int(_PREDICATES[predicate](*numbers))


def _cast(kind: str, number: Number, source: Attribute, target: Attribute) -> Number | None:
    """A conversion as `arith` defines it; true is -1 where a cast reads signed integers."""
    if isinstance(source, IntegerType):
        bits = unsigned(int(number), source)
        if kind in ("sitofp", "extsi"):
            return -bits if source.width.data == 1 else number
        return wrapped(bits, target) if isinstance(target, IntegerType) else bits
    if math.isinf(number) or number != int(number):
        return None
    return int(number) if kind == "fptosi" or number >= 0 else None


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
