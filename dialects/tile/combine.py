"""Reductions and scans of the valid lanes of a tile by a function of the user's.

Lanes past the end of the tile are left out by the lowering, as no element need be neutral to the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from xdsl.dialects.builtin import FloatAttr, IntAttr, IntegerAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, traits_def

from ..axes import At, Axes, AxisFacts, Consumed, DeclaresAxes, Dropping, OwnAxes
from ..axis_kinds import tile_matches
from ..dims import dims_of
from ..value import CombineReduceBase, CombineScanBase
from .along_axis import OverTile


@irdl_op_definition
class CombineReduceOp(CombineReduceBase, OverTile, DeclaresAxes):
    """Reduce one axis of values that go together away.

    ```mlir
    %v, %i = tile.combine_reduce %x, %at over %tile_n {axis = #builtin.int<1>, empty = [0.0 : f32, 0 : i32]} : … {
    ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
      …
      value.combined %value, %index : f32, i32
    }
    ```
    """

    name = "tile.combine_reduce"

    traits = traits_def(OwnAxes())
    assembly_format = "$inputs `over` $tile attr-dict `:` type($inputs) `over` type($tile) `->` type($outputs) $body"

    def verify_(self) -> None:
        super().verify_()
        tile_matches(self, self.inputs[0], self.axis.data, self.tile)

    def axis_facts(self) -> AxisFacts:
        return _facts(self, keeps=False)

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """One lane is what it combines to."""
        if _renumbered(self, dropping):
            return None
        build = dropping.build
        return [
            dropping.if_valid(self.tile, value, partial(build.full, number_of(empty), value.type))
            for value, empty in zip(self.inputs, self.empty, strict=True)
        ]


@irdl_op_definition
class CombineScanOp(CombineScanBase, OverTile, DeclaresAxes):
    """Inclusive prefixes of values that go together, from the other end when `reverse`."""

    name = "tile.combine_scan"

    traits = traits_def(OwnAxes())
    assembly_format = "$inputs `over` $tile attr-dict `:` type($inputs) `over` type($tile) `->` type($outputs) $body"

    def verify_(self) -> None:
        super().verify_()
        tile_matches(self, self.inputs[0], self.axis.data, self.tile)

    def axis_facts(self) -> AxisFacts:
        return _facts(self, keeps=True)

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        return None if _renumbered(self, dropping) else list(self.inputs)


def _facts(op: CombineReduceOp | CombineScanOp, *, keeps: bool) -> AxisFacts:
    """Along the axis the op works as a whole; the other axes go lane by lane."""
    at, count, rank = op.axis.data, len(op.inputs), len(dims_of(op.inputs[0]))

    def each(axis: int) -> tuple[At, ...]:
        return tuple([At(number, axis) for number in range(count)])

    lanes = [Axes(each(axis), each(axis - (not keeps and axis > at))) for axis in range(rank) if axis != at]
    along = Axes(each(at), each(at) if keeps else ())
    consumed = tuple([Consumed(At(number, at), count, None) for number in range(count)])
    return AxisFacts(tuple(lanes), along, ((count, along),), consumed)


def _renumbered(op: CombineReduceOp | CombineScanOp, dropping: Dropping) -> bool:
    """Whether the axis is still there; it has its new number then."""
    axis = dropping.now(dropping.operand_dims(0), op.axis.data)
    if axis is not None:
        op.axis = IntAttr(axis)
    return axis is not None


def number_of(constant: object) -> float | int:
    """The number of a constant attribute."""
    assert isinstance(constant, FloatAttr | IntegerAttr)
    return constant.value.data


__all__ = ["CombineReduceOp", "CombineScanOp", "number_of"]
