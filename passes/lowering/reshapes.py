"""Reshapes, also of axes that have more lanes in registers than they say."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects import tl
from ...dialects.dims import Dim, dims_of, substitute
from ...dialects.value import ReshapeOp, SplatOp, kept_axes
from ..construction import reduce_op
from .context import Lowering
from .gathers import gather, lane_count
from .registry import row


class _Axis(NamedTuple):
    """An axis of more than one lane: its dim, that with the sizes of blocks put in, its dim in registers."""

    dim: Dim
    size: Dim
    lanes: Dim


@row(ReshapeOp)
def lower_reshape(low: Lowering, op: ReshapeOp) -> Sequence[SSAValue]:
    """`tl.reshape` takes what is in registers, padding lanes among it: right unless an axis that has some is mixed."""
    value, dims = low.value(op.input), low.physical_dims(dims_of(op.result))
    if not dims_of(value):
        return (low.emit.op(SplatOp, (value,), dims).result,)
    if not dims:
        for _ in dims_of(value):
            value = low.emit.op(reduce_op, (value,), "max", 0, True).result
        return (value,)
    value = _fetch_mixed(low, value, _axes(low, op.input), _axes(low, op.result))
    return (value if dims_of(value) == dims else low.emit.op(ReshapeOp, (value,), dims).result,)


def _axes(low: Lowering, value: SSAValue) -> list[_Axis]:
    signature = low.signature
    dims = [dim for dim in dims_of(value) if signature.physical.lanes(dim) != 1]
    return [_Axis(dim, substitute(dim, signature.sizes), signature.lanes(dim)) for dim in dims]


def _fetch_mixed(low: Lowering, value: SSAValue, source: list[_Axis], target: list[_Axis]) -> SSAValue:
    """Where the axes that the reshape mixes have padding, one axis of what they become: each lane is fetched.

    Lanes of the result that exist only in registers fetch some lane.
    """
    physical = low.signature.physical
    kept = [
        (i, o)
        for i, o in kept_axes([axis[1:] for axis in source], [axis[1:] for axis in target])
        if physical.lanes(source[i].dim) == physical.lanes(target[o].dim)  # else one number, but more lanes for a dot
    ]
    front = next((n for n, pair in enumerate(kept) if pair != (n, n)), len(kept))
    back = len(kept) - front
    inner, outer = source[front : len(source) - back], target[front : len(target) - back]
    if _in_order(low, inner, outer):
        return value
    emit = low.emit
    before, after = ([axis.lanes for axis in part] for part in (source[:front], source[len(source) - back :]))
    merged, made = (product_of([axis.lanes for axis in part]) for part in (inner, outer))
    value = emit.op(ReshapeOp, (value,), (*before, merged, *after)).result
    lane = emit.cast_int(emit.op(tl.ArangeOp, (), made).result, low.index_type)
    number = _renumber(
        low, lane, [lane_count(low, axis.dim) for axis in outer], [low.dim_value(axis.dim) for axis in outer]
    )
    index = _renumber(
        low, number, [low.dim_value(axis.dim) for axis in inner], [lane_count(low, axis.dim) for axis in inner]
    )
    index = emit.binary(arith.MinSIOp, index, emit.sub(_all_lanes(low, inner), emit.constant(1, low.index_type)))
    if not all(isinstance(axis.size, int) for axis in inner):  # a run-time extent of 0 makes any number
        index = emit.binary(arith.MaxSIOp, index, emit.constant(0, low.index_type))
    index = emit.broadcast(emit.place(index, front, len(kept) + 1), (*before, made, *after))
    have, want = (product_of([low.signature.physical.lanes(axis.dim) for axis in part]) for part in (inner, outer))
    return gather(low, value, index, front, have, want)


def _in_order(low: Lowering, inner: Sequence[_Axis], outer: Sequence[_Axis]) -> bool:
    """Whether the lanes in registers are in the order of the reshape: padding of a leading axis comes last."""
    physical = low.signature.physical
    if any(physical.is_padded(axis.dim) for axis in (*inner[1:], *outer[1:])):
        return False
    have, want = (product_of([physical.lanes(axis.dim) for axis in part]) for part in (inner, outer))
    return have == want


def _renumber(low: Lowering, number: SSAValue, widths: Sequence[SSAValue], others: Sequence[SSAValue]) -> SSAValue:
    """The row-major number, where axes have the widths `others`, of what has the row-major `number` under `widths`."""
    emit, result = low.emit, low.emit.constant(0, low.index_type)
    stride = emit.constant(1, low.index_type)
    for n, (width, other) in reversed(list(enumerate(zip(widths, others, strict=True)))):
        place = number if n == 0 else emit.binary(arith.RemSIOp, number, width)
        result = emit.add(result, emit.mul(place, stride))
        if n > 0:
            number, stride = emit.binary(arith.DivSIOp, number, width), emit.mul(stride, other)
    return result


def _lanes(low: Lowering, axes: Sequence[_Axis]) -> list[SSAValue]:
    return [lane_count(low, axis.dim) for axis in axes]


def _all_lanes(low: Lowering, axes: Sequence[_Axis]) -> SSAValue:
    result = low.emit.constant(1, low.index_type)
    for lanes in _lanes(low, axes):
        result = low.emit.mul(result, lanes)
    return result


def product_of(dims: Sequence[Dim]) -> Dim:
    """The product of dims in registers."""
    number = prod([dim for dim in dims if isinstance(dim, int)])
    names = [dim if dim.isidentifier() else f"({dim})" for dim in dims if isinstance(dim, str)]
    return "*".join([*([str(number)] if number != 1 else []), *names]) if names else number
