"""Opaque text: the same ops on what their operands became."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import inline_triton
from ...dialects.tile import TileType
from .context import Lowering
from .registry import row


@row(inline_triton.SnippetOp)
@row(inline_triton.CallOp)
@row(inline_triton.AsmOp)
@row(inline_triton.MakeTupleOp)
def lower_opaque(low: Lowering, op: Operation) -> Sequence[SSAValue]:
    """A tile is its positions, a ref its pointer, a tuple a tuple of those."""
    operands = [low.tile(v).positions if isinstance(v.type, TileType) else low.value(v) for v in op.operands]
    if isinstance(op, inline_triton.MakeTupleOp):
        types: list[Attribute] = [inline_triton.MakeTupleOp(operands).result.type]
    else:
        types = [low.type(result.type) for result in op.results]
    return low.emit.like(op, operands, types).results
