"""The kinds of axis semantics that many ops share, and what the ops of xDSL declare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from xdsl.dialects import scf
from xdsl.dialects.arith import Arith, ConstantOp
from xdsl.dialects.builtin import IntAttr
from xdsl.dialects.math import Math
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from .axes import (
    NO_AXES,
    At,
    Axes,
    AxisFacts,
    AxisSemantics,
    Consumed,
    Dropping,
    declare,
    folds_chunks,
    opaque_facts,
    semantics_of,
)
from .dims import dims_of


@dataclass(frozen=True)
class LaneWise(AxisSemantics):
    """All tensor operands and results have the same axes; a result lane depends on the operands' same lane only."""

    def facts(self, op: Any) -> AxisFacts:
        operands = [(i, len(dims)) for i, value in enumerate(op.operands) if (dims := dims_of(value))]
        results = [(i, len(dims)) for i, value in enumerate(op.results) if (dims := dims_of(value))]
        rank = max([rank for _, rank in (*operands, *results)], default=0)
        return AxisFacts(tuple([_same(operands, results, axis) for axis in range(rank)]))

    def drop(self, op: Any, dropping: Dropping) -> None:
        """Valid as it is: all types change alike."""

    def verify(self, op: Operation) -> None:
        """All tensors have the same dims."""
        if len(dims := {dims_of(v) for v in (*op.operands, *op.results)} - {()}) > 1:
            raise VerifyException(f"{op.name} is lane-wise, so its tensors must have equal dims, got {sorted(dims)}")


def _same(operands: Sequence[tuple[int, int]], results: Sequence[tuple[int, int]], axis: int) -> Axes:
    return Axes(tuple([At(i, axis) for i, _ in operands]), tuple([At(i, axis) for i, _ in results]))


@dataclass(frozen=True)
class CarriesAxes(AxisSemantics):
    """Control flow: values go through the op, and in and out of its blocks, with all their axes.

    `carried(op)` gives the values that are one variable: what it is before, in the blocks, and after.
    """

    carried: Callable[[Any], Sequence[Sequence[SSAValue]]] = lambda op: ()

    def facts(self, op: Any) -> AxisFacts:
        return opaque_facts(op)

    def drop(self, op: Any, dropping: Dropping) -> None:
        """Valid as it is: types in its blocks change alike."""


def is_lane_wise(op: Operation) -> bool:
    """Whether an op computes each lane from the same lanes of its operands."""
    return type(semantics_of(type(op))) is LaneWise


@cache
def may_consume(cls: type[Operation]) -> bool:
    """Whether ops of a class may say that they consume an axis; of most classes no op need be asked."""
    return not isinstance(semantics_of(cls), LaneWise | CarriesAxes | None)


@dataclass(frozen=True)
class AlongAxis(AxisSemantics):
    """Works along the axis `axis` (a property) of operand 0, whose tile is operand 1; other axes go lane by lane.

    Args:
        keeps: whether the results have the axis; else they have one axis less.
        fill: what the op must find past the tile's end, by the op (a neutral element); None if it never looks there.
        equal: what lanes of one value give, by the op and the value; None: that value, as lanes are moved.
        one_lane: for each result, whether over one lane it is that lane; else it is 0 (a position).
    """

    keeps: bool
    fill: Callable[[Any], float | int | None] | None = None
    equal: Callable[[Any, float | int], float | int | None] | None = None
    one_lane: tuple[bool, ...] = (True,)

    def facts(self, op: Any) -> AxisFacts:
        at, rank, results = op.properties["axis"].data, len(dims_of(op.operands[0])), range(len(op.results))
        kept = tuple([At(k, at) for k in results]) if self.keeps else ()
        along = Axes((At(0, at),), kept)
        lanes = [self._axis(axis, at, results) for axis in range(rank) if axis != at]
        consumed = Consumed(At(0, at), 1, self.fill(op) if self.fill is not None else None)
        made_of = (0,) if all(self.one_lane) else ()
        cut = not self.keeps and folds_chunks(op)
        return AxisFacts(tuple(lanes), NO_AXES if cut else along, ((1, along),), (consumed,), made_of)

    def _axis(self, axis: int, at: int, results: range) -> Axes:
        target = axis if self.keeps else axis - (axis > at)
        return Axes((At(0, axis),), tuple([At(k, target) for k in results]))

    def of_equal(self, op: Any, value: float | int) -> float | int | None:
        return value if self.equal is None else self.equal(op, value)

    def verify(self, op: Any) -> None:
        """The tile is that of the axis."""
        tile_matches(op, op.operands[0], op.properties["axis"].data, op.operands[1])

    def drop(self, op: Any, dropping: Dropping) -> Sequence[SSAValue] | None:
        """Renumber the axis; over one lane, the results are that lane, or the fill where it is past the tile's end."""
        if (axis := dropping.now(dropping.operand_dims(0), op.properties["axis"].data)) is not None:
            op.properties["axis"] = IntAttr(axis)
            return None
        build, (value, *_) = dropping.build, op.operands
        if not self.keeps and self.fill is not None and (fill := self.fill(op)) is not None:
            value = dropping.if_valid(op.operands[1], value, partial(build.full, fill, value.type))
        return [value if same else build.full(0, r.type) for same, r in zip(self.one_lane, op.results, strict=True)]


def tile_matches(op: Operation, value: SSAValue, axis: int, tile: Any) -> None:
    """Check that `tile` has the dim of an axis of `value`.

    Raises:
        VerifyException: it has another one, or there is no such axis.
    """
    dims = dims_of(value)
    if not 0 <= axis < len(dims):
        raise VerifyException(f"{op.name}: axis {axis} out of range for rank {len(dims)}")
    if tile.type.dim != dims[axis]:
        raise VerifyException(f"{op.name}: the tile has dim {tile.type.dim}, axis {axis} has dim {dims[axis]}")


def _branches(op: scf.IfOp) -> list[tuple[SSAValue, ...]]:
    """What the branches yield is the result."""
    last = [region.block.last_op for region in op.regions if region.blocks]
    return [(*(end.operands[i] for end in last if end is not None), result) for i, result in enumerate(op.results)]


def _while_variables(op: scf.WhileOp) -> list[tuple[SSAValue, ...]]:
    """The operands of the loop's test, and the values that the test passes to the body and past the loop."""
    before, after = op.before_region.block, op.after_region.block
    test, end = before.last_op, after.last_op
    assert test is not None
    assert end is not None
    into = zip(op.operands, before.args, end.operands, strict=True)
    return [*into, *zip(test.operands[1:], after.args, op.results, strict=True)]


# MLIR marks all ops of these dialects as elementwise (ElementwiseMappable), but for the constant.
declare(LaneWise(), *(cls for cls in (*Arith.operations, *Math.operations) if cls is not ConstantOp))
declare(CarriesAxes(_branches), scf.IfOp)
declare(CarriesAxes(_while_variables), scf.WhileOp)
