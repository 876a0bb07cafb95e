"""Matrix products: `tl.dot` takes matrices, or one batch axis of them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import Dim, dims_of, with_dims
from ...dialects.value import ReshapeOp, SplatOp
from .context import Lowering
from .registry import row
from .reshapes import product_of


@row(tile.DotOp)
def lower_dot(low: Lowering, op: tile.DotOp) -> Sequence[SSAValue]:
    """Batches of one common `rhs` are rows of it; several batch axes are one.

    Lanes of axes that are merged stay in their order, padding lanes among them: all of them are computed.
    """
    lhs, rhs, acc = (low.value(operand) for operand in (op.lhs, op.rhs, op.acc))
    *batch, m, k = dims_of(lhs)
    right, n = dims_of(rhs), dims_of(acc)[-1]
    outer: tuple[Dim, ...]
    if batch and len(right) == 2:
        outer = (product_of((*batch, m)),)
    elif len(batch) > 1:
        outer = (product_of(batch), m)
        rhs = low.emit.op(ReshapeOp, (rhs,), (outer[0], *right[-2:])).result
    else:
        return low.emit.like(op, (lhs, rhs, acc), [low.type(op.result.type)], tl.DotOp).results
    lhs = low.emit.op(ReshapeOp, (lhs,), (*outer, k)).result
    if isinstance(acc.owner, SplatOp):
        acc = low.emit.op(SplatOp, (acc.owner.input,), (*outer, n)).result
    else:
        acc = low.emit.op(ReshapeOp, (acc,), (*outer, n)).result
    found = low.emit.like(op, (lhs, rhs, acc), [with_dims(acc.type, (*outer, n))], tl.DotOp).results[0]
    return low.emit.op(ReshapeOp, (found,), (*batch, m, n)).results
