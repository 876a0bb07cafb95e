"""Order along an axis: `tl` has it along the last one."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import dims_of
from ...dialects.value import PermuteOp
from .context import Lowering
from .registry import row


@row(tile.ArgsortOp)
def lower_argsort(low: Lowering, op: tile.ArgsortOp) -> Sequence[SSAValue]:
    """Lanes past the tile's end hold the highest number."""
    keys, axis = low.value(op.input), op.axis.data
    rank = len(dims_of(keys))
    last = (*range(axis), *range(axis + 1, rank), axis)
    if axis == rank - 1:
        return low.emit.op(tl.ArgsortOp, (keys,), axis).results
    turned = low.emit.op(PermuteOp, (keys,), last).result
    order = low.emit.op(tl.ArgsortOp, (turned,), rank - 1).result
    back = (*range(axis), rank - 1, *range(axis, rank - 1))
    return low.emit.op(PermuteOp, (order,), back).results
