"""Value ops of the `tile` level: those of `arith`, `math` and `value` stay what they are (`registry.generic`)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import dims_of, element_of, with_element
from ...dialects.value import BroadcastOp, ExpandDimsOp, SelectOp, SplatOp
from .context import Lowering
from .registry import row


@row(BroadcastOp)
def lower_broadcast(low: Lowering, op: BroadcastOp) -> Sequence[SSAValue]:
    """Dims that are equal in registers need no op."""
    return (low.emit.broadcast(low.value(op.input), low.physical_dims(dims_of(op.result))),)


@row(ExpandDimsOp)
def lower_expand_dims(low: Lowering, op: ExpandDimsOp) -> Sequence[SSAValue]:
    value = low.value(op.input)
    if not dims_of(value):
        return (low.emit.op(SplatOp, (value,), (1,)).result,)
    return (low.emit.op(ExpandDimsOp, (value,), op.axis.data).result,)


@row(tile.PadOp)
def lower_pad(low: Lowering, op: tile.PadOp) -> Sequence[SSAValue]:
    return (_past(low, op, low.value(op.input), op.fill),)


@row(tile.KeepOp)
def lower_keep(low: Lowering, op: tile.KeepOp) -> Sequence[SSAValue]:
    return (_past(low, op, low.value(op.new), op.old),)


def _past(low: Lowering, op: tile.PadOp | tile.KeepOp, value: SSAValue, other: SSAValue) -> SSAValue:
    """`value`, and `other` in the lanes of the axis that are past the tile's end."""
    if (mask := low.tile(op.tile).valid) is None:
        return value
    dims = dims_of(value)
    mask = low.emit.broadcast(low.emit.place(mask, op.axis.data, len(dims)), dims)
    return low.emit.op(SelectOp, (mask, value, low.emit.broadcast(low.value(other), dims))).result


@row(tile.ReduceOp)
@row(tile.ScanOp)
def lower_contraction(low: Lowering, op: tile.ReduceOp | tile.ScanOp) -> Sequence[SSAValue]:
    """The op over all lanes of the axis: those past the tile's end hold what it does not see."""
    operands = [low.value(operand) for operand in op.operands if operand is not op.tile]
    return low.emit.like(op, operands, [low.type(op.result.type)], _OVER_ALL_LANES[type(op)]).results


_OVER_ALL_LANES = {tile.ReduceOp: tl.ReduceOp, tile.ScanOp: tl.ScanOp}


@row(tile.ArgReduceOp)
def lower_arg_reduce(low: Lowering, op: tile.ArgReduceOp) -> Sequence[SSAValue]:
    """Lanes are numbered in 32 bits."""
    type_ = low.type(op.value.type)
    found = low.emit.like(op, (low.value(op.input),), [type_, with_element(type_, i32)], tl.ArgReduceOp)
    value, index = found.results
    return value, low.emit.cast_int(index, element_of(op.index))
