"""Products of scaled numbers of few bits."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import tile, tl
from .context import Lowering
from .registry import row


@row(tile.DotScaledOp)
def lower_dot_scaled(low: Lowering, op: tile.DotScaledOp) -> Sequence[SSAValue]:
    """Lanes past the tiles' ends hold zeros."""
    operands = tuple([low.value(each) for each in (op.lhs, op.lhs_scale, op.rhs, op.rhs_scale, op.acc)])
    return low.emit.like(op, operands, [low.type(op.result.type)], tl.DotScaledOp).results
