"""Value ops: most have one `tl` op of the same meaning."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import dims_of, element_of
from ..construction import arg_reduce_op, cast_op, reduce_op, scan_op
from .context import Lowering
from .registry import row


@row(arith.ConstantOp)
def lower_constant(low: Lowering, op: arith.ConstantOp) -> Sequence[SSAValue]:
    return (low.emit.scalar(op.value),)


@row(tile.BroadcastOp)
def lower_broadcast(low: Lowering, op: tile.BroadcastOp) -> Sequence[SSAValue]:
    return (low.emit.broadcast(low.value(op.input), low.physical_dims(dims_of(op.result))),)


@row(tile.SplatOp)
def lower_splat(low: Lowering, op: tile.SplatOp) -> Sequence[SSAValue]:
    dims = low.physical_dims(dims_of(op.result))
    return (low.emit.op(tl.FullOp, (low.value(op.input),), dims).result,)


@row(tile.ExpandDimsOp)
def lower_expand_dims(low: Lowering, op: tile.ExpandDimsOp) -> Sequence[SSAValue]:
    value = low.value(op.input)
    if not dims_of(value):
        return (low.emit.op(tl.FullOp, (value,), (1,)).result,)
    return (low.emit.op(tl.ExpandDimsOp, (value,), op.axis.data).result,)


@row(tile.PermuteOp)
def lower_permute(low: Lowering, op: tile.PermuteOp) -> Sequence[SSAValue]:
    return (low.emit.op(tl.TransOp, (low.value(op.input),), op.permutation).result,)


@row(tile.PadOp)
def lower_pad(low: Lowering, op: tile.PadOp) -> Sequence[SSAValue]:
    value, mask = low.value(op.input), low.tile(op.tile).valid
    if mask is None:
        return (value,)
    dims = dims_of(value)
    mask = low.emit.broadcast(low.emit.place(mask, op.axis.data, len(dims)), dims)
    return (low.emit.op(tl.WhereOp, (mask, value, low.emit.broadcast(low.value(op.fill), dims))).result,)


@row(tile.KeepOp)
def lower_keep(low: Lowering, op: tile.KeepOp) -> Sequence[SSAValue]:
    new, mask = low.value(op.new), low.tile(op.tile).valid
    if mask is None:
        return (new,)
    dims = dims_of(new)
    mask = low.emit.broadcast(low.emit.place(mask, op.axis.data, len(dims)), dims)
    return (low.emit.op(tl.WhereOp, (mask, new, low.value(op.old))).result,)


@row(tile.ReduceOp)
def lower_reduce(low: Lowering, op: tile.ReduceOp) -> Sequence[SSAValue]:
    value, kind, axis, ignore = low.value(op.input), op.kind.data, op.axis.data, op.ignore_nan is not None
    return low.emit.op(reduce_op, (value,), kind, axis, ignore).results


@row(tile.ArgReduceOp)
def lower_arg_reduce(low: Lowering, op: tile.ArgReduceOp) -> Sequence[SSAValue]:
    value, kind, axis = low.value(op.input), op.kind.data, op.axis.data
    found = low.emit.op(arg_reduce_op, (value,), kind, axis)
    return found.value, low.emit.cast_int(found.index, element_of(op.index))


@row(tile.ScanOp)
def lower_scan(low: Lowering, op: tile.ScanOp) -> Sequence[SSAValue]:
    value, kind, axis, reverse = low.value(op.input), op.kind.data, op.axis.data, op.reverse is not None
    return low.emit.op(scan_op, (value,), kind, axis, reverse).results


@row(tile.DotOp)
def lower_dot(low: Lowering, op: tile.DotOp) -> Sequence[SSAValue]:
    operands = [low.value(v) for v in (op.lhs, op.rhs, op.acc)]
    return low.emit.op(tl.DotOp, operands, op.precision.data).results


@row(tile.CompareOp)
def lower_compare(low: Lowering, op: tile.CompareOp) -> Sequence[SSAValue]:
    return (low.emit.compare(op.predicate.data, low.value(op.lhs), low.value(op.rhs)),)


@row(tile.SelectOp)
def lower_select(low: Lowering, op: tile.SelectOp) -> Sequence[SSAValue]:
    return low.emit.op(tl.WhereOp, [low.value(v) for v in op.operands]).results


@row(tile.BitcastOp)
def lower_bitcast(low: Lowering, op: tile.BitcastOp) -> Sequence[SSAValue]:
    return low.emit.op(tl.BitcastOp, (low.value(op.input),), element_of(op.result)).results


@row(tile.CastOp)
def lower_cast(low: Lowering, op: tile.CastOp) -> Sequence[SSAValue]:
    value, kind, element = low.value(op.input), op.kind.data, element_of(op.result)
    return low.emit.op(cast_op, (value,), kind, element).results


@row(tile.LibdeviceOp)
def lower_libdevice(low: Lowering, op: tile.LibdeviceOp) -> Sequence[SSAValue]:
    args, function = [low.value(v) for v in op.args], op.function.data
    return low.emit.pure((tl.LibdeviceOp, function), args, lambda: tl.LibdeviceOp(function, args)).results


@row(tile.JoinOp)
def lower_join(low: Lowering, op: tile.JoinOp) -> Sequence[SSAValue]:
    return low.emit.op(tl.JoinOp, (low.value(op.lhs), low.value(op.rhs))).results


@row(tile.SplitOp)
def lower_split(low: Lowering, op: tile.SplitOp) -> Sequence[SSAValue]:
    return low.emit.op(tl.SplitOp, (low.value(op.input),)).results
