"""What a scalar integer op makes of constants."""

from __future__ import annotations

import operator
from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import Operation

from ...dialects.value import CompareOp

Fold = Callable[..., int | None]


def _truncated(lhs: int, rhs: int) -> int | None:
    """The quotient toward zero."""
    if rhs == 0:
        return None
    quotient = abs(lhs) // abs(rhs)
    return quotient if (lhs < 0) == (rhs < 0) else -quotient


def _remainder(lhs: int, rhs: int) -> int | None:
    quotient = _truncated(lhs, rhs)
    return None if quotient is None else lhs - quotient * rhs


def _floored(lhs: int, rhs: int) -> int | None:
    return None if rhs == 0 else lhs // rhs


def _ceiled(lhs: int, rhs: int) -> int | None:
    return None if rhs == 0 else -(-lhs // rhs)


def _same(value: int) -> int:
    return value


def _and(lhs: int, rhs: int) -> int:
    return lhs & rhs


def _or(lhs: int, rhs: int) -> int:
    return lhs | rhs


def _xor(lhs: int, rhs: int) -> int:
    return lhs ^ rhs


def _select(condition: int, on_true: int, on_false: int) -> int:
    return on_true if condition else on_false


_FOLDS: dict[type[Operation], Fold] = {
    arith.AddiOp: operator.add, arith.SubiOp: operator.sub, arith.MuliOp: operator.mul,
    arith.DivSIOp: _truncated, arith.RemSIOp: _remainder,
    arith.FloorDivSIOp: _floored, arith.CeilDivSIOp: _ceiled,
    arith.MinSIOp: min, arith.MaxSIOp: max,
    arith.AndIOp: _and, arith.OrIOp: _or, arith.XOrIOp: _xor,
    arith.ExtSIOp: _same, arith.TruncIOp: _same, arith.IndexCastOp: _same,
    arith.SelectOp: _select,
}  # fmt: skip
"""Op class → what it makes of its operands, as signed integers (booleans are 0 and -1)."""

_COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
"""The signed predicates of `arith.cmpi`, in its order."""

_PREDICATES: dict[str, Fold] = dict(zip(("eq", "ne", "lt", "le", "gt", "ge"), _COMPARISONS, strict=True))


def constant_of(op: object) -> int | None:
    """The integer of a scalar `arith.constant`."""
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        return op.value.value.data
    return None


def folded(op: Operation) -> IntegerAttr[IntegerType] | None:
    """The constant that a scalar integer op is, if its operands are constants and it is known what it does."""
    if len(op.results) != 1 or not isinstance(type_ := op.results[0].type, IntegerType):
        return None
    fold = _fold_of(op)
    values = [constant_of(operand.owner) for operand in op.operands]
    if fold is None or not values or any(value is None for value in values):
        return None
    result = fold(*values)
    return None if result is None else IntegerAttr(_signed(int(result), type_.width.data), type_)


def _fold_of(op: Operation) -> Fold | None:
    if isinstance(op, arith.CmpiOp):
        number = op.predicate.value.data
        return _COMPARISONS[number] if number < len(_COMPARISONS) else None
    if isinstance(op, CompareOp):
        return _PREDICATES.get(op.predicate.data)
    return _FOLDS.get(type(op))


def _signed(value: int, width: int) -> int:
    """`value` as a signed integer of `width` bits; a boolean is 0 or -1, as `arith.constant true` holds it."""
    half = 1 << (width - 1)
    return (value + half) % (2 * half) - half
