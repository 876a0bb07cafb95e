"""Reductions and scans of the valid lanes of a tile by a function of the user's.

Lanes past the end of the tile are left out by the lowering, as no element need be neutral to the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import FloatAttr, IntAttr, IntegerAttr, IntegerType
from xdsl.ir import Block, SSAValue
from xdsl.irdl import irdl_op_definition, traits_def

from ..axes import NO_AXES, At, Axes, AxisFacts, Consumed, DeclaresAxes, Dropping, FoldsChunks, OpBuilder, OwnAxes
from ..axis_kinds import tile_matches
from ..dims import Dim, dims_of, type_of, with_dims
from ..value import CombineReduceBase, CombineScanBase, CompareOp, SelectOp
from .along_axis import OverTile
from .tiles import BeginOp


@irdl_op_definition
class CombineReduceOp(CombineReduceBase, OverTile, DeclaresAxes, FoldsChunks):
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

    def before_chunks(self, chunk_dims: Sequence[Dim], build: OpBuilder) -> list[SSAValue]:
        return [build.full(number_of(empty), value.type) for value, empty in zip(self.outputs, self.empty, strict=True)]

    def fold_chunk(
        self,
        values: Sequence[SSAValue],
        found: Sequence[SSAValue],
        chunk: SSAValue,
        index_type: IntegerType,
        build: OpBuilder,
    ) -> list[SSAValue]:
        """The chunk is reduced, and combined with those before it; the first one stands alone."""
        local = CombineReduceOp(values, self.axis.data, self.body.clone(), self.empty, chunk)
        local.attributes.update(self.attributes)
        outputs = build.op(local).outputs
        zero = build.constant(0, index_type)
        later = build.op(CompareOp("gt", build.op(BeginOp(chunk, index_type)).result, zero)).result
        dims = dims_of(outputs[0])
        condition = build.splat(later, dims)
        combined = lane_by_lane(self.block, [*found, *outputs], dims, build)
        return [build.op(SelectOp(condition, new, alone)).result for new, alone in zip(combined, outputs, strict=True)]

    def after_chunks(self, found: Sequence[SSAValue], build: OpBuilder) -> list[SSAValue]:
        return list(found)


def lane_by_lane(block: Block, values: Sequence[SSAValue], dims: Sequence[Dim], build: OpBuilder) -> list[SSAValue]:
    """What the block of a combine function makes of tensors of `dims`, in every lane alike."""
    mapped: dict[SSAValue, SSAValue] = dict(zip(block.args, values, strict=True))
    *ops, end = block.ops
    for op in ops:
        new = build.op(op.clone(mapped))
        for old, result in zip(op.results, new.results, strict=True):
            if isinstance(op, ConstantOp):
                mapped[old] = build.splat(result, dims)
            else:
                result._type = with_dims(type_of(old), dims)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    return [mapped[value] for value in end.operands]


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
    """Along the axis a scan works as a whole; that of a reduction is one in all inputs; others go lane by lane."""
    at, count, rank = op.axis.data, len(op.inputs), len(dims_of(op.inputs[0]))

    def each(axis: int) -> tuple[At, ...]:
        return tuple([At(number, axis) for number in range(count)])

    lanes = [Axes(each(axis), each(axis - (not keeps and axis > at))) for axis in range(rank) if axis != at]
    along = Axes(each(at), each(at) if keeps else ())
    consumed = tuple([Consumed(At(number, at), count, None) for number in range(count)])
    if keeps:
        return AxisFacts(tuple(lanes), along, ((count, along),), consumed)
    return AxisFacts((*lanes, along), NO_AXES, ((count, along),), consumed)


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
