"""Lanes that are fetched from elsewhere along an axis: gathers, flips."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.value import ExpandDimsOp, GatherOp, ReshapeOp
from ..analysis.bounds import tile_dim
from ..analysis.reach import reach_of
from .context import Lowering
from .registry import row


@row(GatherOp)
def lower_gather(low: Lowering, op: GatherOp) -> Sequence[SSAValue]:
    """Lanes of the index that are past an end hold anything, so they are folded into the lanes that there are."""
    axis, lanes = op.axis.data, low.signature.physical.lanes
    have, want = lanes(dims_of(op.input)[axis]), lanes(dims_of(op.index)[axis])
    index, reach = low.value(op.index), reach_of(op.index, lanes)
    if reach is None or not isinstance(have, int) or reach[0] < 0 or reach[1] >= have:
        index = _folded(low, index, dims_of(op.input)[axis])
    return (gather(low, low.value(op.input), index, axis, have, want),)


def _folded(low: Lowering, index: SSAValue, dim: Dim) -> SSAValue:
    """An index whose every lane is one of those of `dim`, a power of two of them: those that are stay."""
    emit, element = low.emit, element_of(index)
    last = emit.sub(emit.cast_int(lane_count(low, dim), element), emit.constant(1, element))
    return emit.binary(arith.AndIOp, index, emit.broadcast(last, dims_of(index)))


def lane_count(low: Lowering, dim: Dim) -> SSAValue:
    """How many lanes a dim has in registers, as a scalar of the index type."""
    lanes = low.signature.lanes(dim)
    if isinstance(lanes, str) and lanes.isidentifier():
        return low.emit.op(tl.ConstexprOp, (), lanes, low.index_type).result
    return low.dim_value(low.signature.physical.of(dim))


def gather(low: Lowering, value: SSAValue, index: SSAValue, axis: int, have: Dim, want: Dim) -> SSAValue:
    """Along `axis`, which has `have` lanes, the `want` lanes that `index` names.

    A gather of `tl` takes no more indices than there are lanes, so the lanes are repeated where there are more.
    """
    if isinstance(have, int) and isinstance(want, int) and want > have:
        dims = dims_of(value)
        value = low.emit.op(ExpandDimsOp, (value,), axis).result
        value = low.emit.broadcast(value, (*dims[:axis], want // have, *dims[axis:]))
        value = low.emit.op(ReshapeOp, (value,), (*dims[:axis], want, *dims[axis + 1 :])).result
    return low.emit.op(GatherOp, (value, index), axis).result


@row(tile.FlipOp)
def lower_flip(low: Lowering, op: tile.FlipOp) -> Sequence[SSAValue]:
    """A flip of what is in registers would put padding lanes first, so each lane is fetched from its mirror image."""
    emit, value, axis = low.emit, low.value(op.input), op.axis.data
    dims = dims_of(value)
    last = emit.sub(_valid_lanes(low, op.tile), emit.constant(1, low.index_type))
    lanes = emit.cast_int(emit.op(tl.ArangeOp, (), dims[axis]).result, low.index_type)
    mirrored = emit.binary(arith.MaxSIOp, emit.sub(last, lanes), emit.constant(0, low.index_type))
    index = emit.broadcast(emit.place(mirrored, axis, len(dims)), dims)
    return emit.op(GatherOp, (value, index), axis).results


def _valid_lanes(low: Lowering, over: SSAValue) -> SSAValue:
    """How many lanes of a tile are valid; not positive for an empty range."""
    emit, lowered, size = low.emit, low.tile(over), low.dim_value(tile_dim(over))
    if lowered.end is None:
        return size
    span = emit.sub(lowered.end, lowered.begin)
    if lowered.step != 1:
        span = emit.op(tl.CdivOp, (span, emit.constant(lowered.step, low.index_type))).result
    return emit.binary(arith.MinSIOp, size, span)
