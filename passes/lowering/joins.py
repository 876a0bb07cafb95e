"""Pairs: values joined along an axis of two, and taken apart again.

The axis has more than two lanes where a dot contracts a dim of two: equal dims have equal lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from ...dialects import tl
from ...dialects.dims import dims_of
from ...dialects.value import ExpandDimsOp, GatherOp, JoinOp, ReshapeOp, SelectOp, SplatOp, SplitOp
from .context import Lowering
from .registry import row


@row(JoinOp)
def lower_join(low: Lowering, op: JoinOp) -> Sequence[SSAValue]:
    """Past two lanes, which are not valid, the second value is repeated."""
    emit, values = low.emit, [low.value(operand) for operand in op.operands]
    dims = low.physical_dims(dims_of(op.result))
    if dims[-1] == 2:
        return emit.op(JoinOp, values).results
    lanes = emit.op(tl.ArangeOp, (), dims[-1]).result
    is_first = emit.compare("eq", lanes, emit.constant(0, i32))
    first = emit.broadcast(emit.place(is_first, len(dims) - 1, len(dims)), dims)
    wide = [emit.broadcast(emit.op(ExpandDimsOp, (value,), len(dims) - 1).result, dims) for value in values]
    return emit.op(SelectOp, (first, *wide)).results


@row(SplitOp)
def lower_split(low: Lowering, op: SplitOp) -> Sequence[SSAValue]:
    emit, value = low.emit, low.value(op.input)
    *outer, lanes = dims_of(value)
    if lanes == 2:
        return emit.op(SplitOp, (value,)).results
    parts: list[SSAValue] = []
    for at in (0, 1):
        index = emit.op(SplatOp, (emit.constant(at, i32),), (*outer, 1)).result
        found = emit.op(GatherOp, (value, index), len(outer)).result
        parts.append(emit.op(ReshapeOp, (found,), tuple(outer)).result)
    return parts
