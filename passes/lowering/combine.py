"""Reductions and scans by a function of the user's: lanes past the end of the tile are left out."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, i8
from xdsl.ir import Block, Region, SSAValue

from ...dialects import tile, tl
from ...dialects.dims import dims_of, element_of
from ...dialects.tile.combine import number_of
from ...dialects.value import CombineBase, CombinedOp, SelectOp
from ..analysis.bounds import tile_dim
from .context import Lowering
from .emitter import Emitter
from .registry import lower_ops, row

_VALID = i8
"""The element type that says whether a lane counts: Triton moves no single bits between threads."""


@row(tile.CombineReduceOp)
def lower_reduce(low: Lowering, op: tile.CombineReduceOp) -> Sequence[SSAValue]:
    inputs, valid = _operands(low, op)
    empty = op.empty if valid is None else ArrayAttr([*op.empty, IntegerAttr(0, _VALID)])
    body = _body(low, op, padded=valid is not None)
    new = low.emit.effect(tl.CombineReduceOp(inputs, op.axis.data, body, empty))
    results = list(new.outputs)
    if valid is None or not _may_be_empty(op.tile):
        return results[: len(op.inputs)]
    zero = low.emit.constant(0, _VALID)
    any_lane = low.emit.compare("ne", results[-1], low.emit.broadcast(zero, dims_of(results[-1])))
    filled = [low.emit.constant(number_of(c), element_of(v)) for c, v in zip(op.empty, results, strict=False)]
    return [
        low.emit.op(SelectOp, (any_lane, value, low.emit.broadcast(other, dims_of(value)))).result
        for value, other in zip(results, filled, strict=False)
    ]


@row(tile.CombineScanOp)
def lower_scan(low: Lowering, op: tile.CombineScanOp) -> Sequence[SSAValue]:
    """From the near end a scan reaches the padding last, and what it gives there does not exist."""
    reverse = op.reverse is not None
    inputs, valid = _operands(low, op) if reverse else ([low.value(value) for value in op.inputs], None)
    new = low.emit.effect(tl.CombineScanOp(inputs, op.axis.data, _body(low, op, padded=valid is not None), reverse))
    return list(new.outputs)[: len(op.inputs)]


def _operands(low: Lowering, op: tile.CombineReduceOp | tile.CombineScanOp) -> tuple[list[SSAValue], SSAValue | None]:
    """The inputs, and behind them which lanes count, where some do not."""
    inputs = [low.value(value) for value in op.inputs]
    if (mask := low.tile(op.tile).valid) is None:
        return inputs, None
    dims = dims_of(inputs[0])
    flags = low.emit.cast_int(mask, _VALID)
    valid = low.emit.broadcast(low.emit.place(flags, op.axis.data, len(dims)), dims)
    return [*inputs, valid], valid


def _may_be_empty(over: SSAValue) -> bool:
    """Whether a tile may have no lane at all: that of a loop has one, and so has a slice of a known size."""
    owner = over.owner
    if isinstance(owner, Block):
        return False
    dim = tile_dim(over)
    return not (isinstance(owner, tile.WholeOp) and isinstance(dim, int) and dim > 0)


def _body(low: Lowering, op: CombineBase, *, padded: bool) -> Region:
    """The function that combines two lanes, of which only those that count are taken where some may not."""
    elements = [element_of(value) for value in op.inputs]
    count, own = len(elements), [*elements, *([_VALID] if padded else [])]
    block = Block(arg_types=own * 2)
    first, second = block.args[: len(own)], block.args[len(own) :]
    for new, old in zip((*first[:count], *second[:count]), op.block.args, strict=True):
        low.values[old] = new
        new.name_hint = old.name_hint
    outer, low.emit = low.emit, Emitter(block)  # nothing of the function comes from outside
    low.emit.location = op.location
    lower_ops(low, op.block)
    end = op.block.last_op
    assert isinstance(end, CombinedOp)
    results = [low.value(value) for value in end.operands]
    if padded:
        results = _of_those_that_count(low.emit, first, second, results)
    low.emit.effect(CombinedOp(*results))
    low.emit = outer
    return Region(block)


def _of_those_that_count(
    emit: Emitter, first: Sequence[SSAValue], second: Sequence[SSAValue], combined: Sequence[SSAValue]
) -> list[SSAValue]:
    """The combination where both lanes count, else the one that does."""
    *values, valid = first
    *others, other_valid = second
    for value, name in (valid, "valid"), (other_valid, "other_valid"):
        value.name_hint = name
    zero = emit.constant(0, _VALID)
    left, right = (emit.compare("ne", flag, zero) for flag in (valid, other_valid))
    both = emit.op(arith.AndIOp, (left, right)).result
    results = [
        emit.op(SelectOp, (both, new, emit.op(SelectOp, (left, value, other)).result)).result
        for new, value, other in zip(combined, values, others, strict=True)
    ]
    return [*results, emit.op(arith.OrIOp, (valid, other_valid)).result]
