"""Between which numbers the lanes of an integer tensor lie, those past an end among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Operation, SSAValue

from ...dialects.dims import Dim, element_of
from ...dialects.tile import IndexOp, SymbolOp, WholeOp
from ...dialects.value import BroadcastOp, CastOp, ExpandDimsOp, PermuteOp, ReshapeOp, SelectOp, SplatOp
from .bounds import constant_value, tile_dim
from .folding import INTEGER_CASTS

_VIEWS = (SplatOp, BroadcastOp, ExpandDimsOp, ReshapeOp, PermuteOp, *INTEGER_CASTS)


class Reach(NamedTuple):
    """The least and the largest number."""

    least: int
    largest: int


def _added(a: Reach, b: Reach) -> Reach:
    return Reach(a.least + b.least, a.largest + b.largest)


def _subtracted(a: Reach, b: Reach) -> Reach:
    return Reach(a.least - b.largest, a.largest - b.least)


def _multiplied(a: Reach, b: Reach) -> Reach:
    products = [x * y for x in a for y in b]
    return Reach(min(products), max(products))


_COMBINED: dict[type[Operation], Callable[[Reach, Reach], Reach]] = {
    arith.AddiOp: _added, arith.SubiOp: _subtracted, arith.MuliOp: _multiplied,
    arith.MinSIOp: lambda a, b: Reach(min(a.least, b.least), min(a.largest, b.largest)),
    arith.MaxSIOp: lambda a, b: Reach(max(a.least, b.least), max(a.largest, b.largest)),
}  # fmt: skip


def reach_of(value: SSAValue, lanes: Callable[[Dim], Dim]) -> Reach | None:
    """The reach of every lane in registers; None if it is not known.

    Args:
        lanes: how many lanes a dim has in registers: an int where that is known.
    """
    owner = value.owner
    if isinstance(owner, arith.ConstantOp | SymbolOp):
        number = constant_value(value)
        return None if number is None else Reach(number, number)
    if isinstance(owner, IndexOp):
        count = lanes(tile_dim(owner.tile)) if isinstance(owner.tile.owner, WholeOp) else None
        return Reach(0, count - 1) if isinstance(count, int) else None
    if isinstance(owner, _VIEWS) or (isinstance(owner, CastOp) and isinstance(element_of(owner.input), IntegerType)):
        return reach_of(owner.operands[0], lanes)
    if isinstance(owner, SelectOp):
        first, second = reach_of(owner.on_true, lanes), reach_of(owner.on_false, lanes)
        if first is None or second is None:
            return None
        return Reach(min(first.least, second.least), max(first.largest, second.largest))
    if not isinstance(owner, Operation) or (combine := _COMBINED.get(type(owner))) is None:
        return None
    lhs, rhs = (reach_of(operand, lanes) for operand in owner.operands)
    return None if lhs is None or rhs is None else combine(lhs, rhs)
