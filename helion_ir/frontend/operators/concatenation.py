"""Values put side by side along an axis, and taken apart: `cat`, `stack`, `chunk`, `unbind`, `pad`, repetitions.

Powers of two of equal parts, of a power of two of lanes each, are joined by pairs; else each lane of the result is
taken from the part that it lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import dims_of
from ..symbols.nodes import poly_of
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from .predicates import where
from .split_join import halves, is_power_of_two, joined, moved
from .table import aten, device_tensor, like, lowers, lowers_function, operand
from .taking import apply, lane_numbers, part, renamed, sliced, take, valid_lanes
from .views import expand, reshaped, unsqueeze


@lowers(aten.stack.default)
def stack(tracer: Tracer, tensors: Sequence[DeviceTensor], dim: int = 0) -> DeviceTensor:
    tensors = _of_one_dtype(tracer, tensors)
    axis = canonicalize_dim(tensors[0].dim() + 1, dim)
    if not is_power_of_two(len(tensors)):
        return cat(tracer, [unsqueeze(tracer, x, axis) for x in tensors], axis)
    pairs = joined(tracer, tensors)
    return moved(tracer, pairs, pairs.dim() - 1, axis)


def _of_one_dtype(tracer: Tracer, tensors: Sequence[Any]) -> list[DeviceTensor]:
    values = [device_tensor(tracer, x) for x in tensors]
    dtype = values[0].dtype
    for x in values[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    return [x if x.dtype == dtype else like(tracer, operand(tracer, x, dtype).ssa, x, dtype) for x in values]


@lowers(aten.cat.default)
def cat(tracer: Tracer, tensors: Sequence[DeviceTensor], dim: int = 0) -> DeviceTensor:
    tensors = _of_one_dtype(tracer, tensors)
    axis = canonicalize_dim(tensors[0].dim(), dim)
    tensors = _alike(tracer, [x for x in tensors if dims_of(x.ssa)[axis] != 0] or tensors[:1], axis)
    if len(tensors) == 1:
        return like(tracer, tensors[0].ssa, tensors[0])
    sizes = {dims_of(x.ssa)[axis] for x in tensors}
    (size,) = sizes if len(sizes) == 1 else (None,)
    if not (isinstance(size, int) and is_power_of_two(size) and is_power_of_two(len(tensors))):
        return _side_by_side(tracer, tensors, axis)
    stacked = stack(tracer, tensors, axis)
    dims = dims_of(stacked.ssa)
    return reshaped(tracer, stacked, [*dims[:axis], size * len(tensors), *dims[axis + 2 :]])


def _alike(tracer: Tracer, tensors: Sequence[DeviceTensor], axis: int) -> list[DeviceTensor]:
    """The parts with equal dims beside `axis`."""
    dims = dims_of(tensors[0].ssa)
    result: list[DeviceTensor] = []
    for x in tensors:
        for other, (want, have) in enumerate(zip(dims, dims_of(x.ssa), strict=False)):
            if other != axis and want != have and tracer.fixed(want) is not None:
                x = renamed(tracer, x, other, want) if tracer.fixed(want) == tracer.fixed(have) else x
        own = dims_of(x.ssa)
        if len(own) != len(dims) or any(a != b for i, (a, b) in enumerate(zip(own, dims, strict=True)) if i != axis):
            for want, have in zip(dims, own, strict=False):
                tracer.must_equal(want, have)
            raise exc.ShapeMismatch(
                f"cannot put {list(dims)} and {list(own)} side by side along dimension {axis}: the others must be equal"
            )
        result.append(x)
    return result


def _side_by_side(tracer: Tracer, tensors: Sequence[DeviceTensor], axis: int) -> DeviceTensor:
    """Each lane is taken from the last part that begins at or before it."""
    counts = [valid_lanes(tracer, x, axis) for x in tensors]
    size, total = (sum(parts[1:], parts[0]) for parts in ([x.size(axis) for x in tensors], counts))
    dim = tracer.dim(size)
    over: AxisTile = None
    if poly_of(total) != poly_of(size):
        over = tracer.builder.emit(tile.RangeOp(tracer.integer(0), tracer.integer(total), dim))
    lanes = lane_numbers(tracer, dim, over=over)
    result = take(tracer, tensors[0], axis, lanes)
    begin = counts[0]
    for x, count in zip(tensors[1:], counts[1:], strict=True):
        found = take(tracer, x, axis, apply(tracer, aten.sub.Tensor, lanes, begin))
        result = where(tracer, along(tracer, apply(tracer, aten.ge.Tensor, lanes, begin), axis, x.dim()), found, result)
        begin = begin + count
    known = [tracer.joint_tile([x.tiles[other] for x in tensors]) for other in range(tensors[0].dim())]
    known[axis] = lanes.tiles[0]
    return tracer.tensor(result.ssa, result.dtype, known)


def along(tracer: Tracer, lanes: DeviceTensor, axis: int, rank: int) -> DeviceTensor:
    """A 1-D tensor as one of `rank` axes, all but `axis` of dim 1."""
    for other in range(rank):
        if other != axis:
            lanes = unsqueeze(tracer, lanes, other)
    return lanes


# Parts


def _parts(tracer: Tracer, x: DeviceTensor, axis: int, length: int) -> list[DeviceTensor]:
    """An axis of constant size as parts of `length` lanes; the last one may be shorter."""
    size = dims_of(x.ssa)[axis]
    assert isinstance(size, int)
    if size <= length:
        return [x]
    if is_power_of_two(size) and is_power_of_two(length):
        return [each for half in halves(tracer, x, axis) for each in _parts(tracer, half, axis, length)]
    return [part(tracer, x, axis, begin, min(length, size - begin)) for begin in range(0, size, length)]


def _constant_size(tracer: Tracer, x: DeviceTensor, dim: int) -> tuple[int, int]:
    """The axis that is taken into parts, and its size, which is a constant."""
    axis = canonicalize_dim(x.dim(), dim)
    named = dims_of(x.ssa)[axis]
    if (size := tracer.known_size(named)) is None or size != named:
        raise exc.UnsupportedSplitOperation(
            f"a dimension of size {named} cannot be taken into parts: its size is no constant",
            hint="load the parts: x[begin:end]",
        )
    return axis, size


@lowers_function(torch.chunk, torch.Tensor.chunk)
def chunk(tracer: Tracer, x: Any, chunks: int, dim: int = 0) -> Any:
    if not isinstance(x, DeviceTensor):
        return NotImplemented
    axis, size = _constant_size(tracer, x, dim)
    if not isinstance(chunks, int) or chunks <= 0:
        raise exc.UnsupportedSplitOperation(f"a dimension cannot be taken into {chunks} parts")
    return tuple(_parts(tracer, x, axis, max(1, -(-size // chunks))))


@lowers(aten.unbind.int)
def unbind(tracer: Tracer, x: DeviceTensor, dim: int = 0) -> list[DeviceTensor]:
    axis, _ = _constant_size(tracer, x, dim)
    dims = dims_of(x.ssa)
    return [reshaped(tracer, each, [*dims[:axis], *dims[axis + 1 :]]) for each in _parts(tracer, x, axis, 1)]


@lowers_function(torch.Tensor.split, torch.split)
def split_function(tracer: Tracer, x: Any, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(x, DeviceTensor):
        return NotImplemented
    raise exc.UnsupportedSplitOperation(
        "torch.split is not supported in device code", hint="use hl.split, torch.chunk, or slices: v[:, begin:end]"
    )


# Padding and repetition


@lowers(aten.constant_pad_nd.default)
def constant_pad_nd(tracer: Tracer, x: DeviceTensor, pad: Sequence[int], value: Any = 0) -> DeviceTensor:
    """`pad` has (before, after) for the last axis, then for the one before; negative ones take lanes away."""
    for pair in range(len(pad) // 2):
        before, after = pad[2 * pair : 2 * pair + 2]
        axis = x.dim() - 1 - pair
        if before < 0 or after < 0:
            x = sliced(tracer, x, axis, slice(max(-before, 0), -max(-after, 0) or None))
            before, after = max(before, 0), max(after, 0)
        if before or after:
            x = _padded(tracer, x, axis, before, after, value)
    return x


def _padded(tracer: Tracer, x: DeviceTensor, axis: int, before: int, after: int, value: Any) -> DeviceTensor:
    count, dim = valid_lanes(tracer, x, axis), tracer.dim(x.size(axis) + before + after)
    over: AxisTile = None
    if poly_of(count) != poly_of(x.size(axis)):
        end = tracer.integer(count + before + after)
        over = tracer.builder.emit(tile.RangeOp(tracer.integer(0), end, dim))
    lanes = lane_numbers(tracer, dim, over=over)
    moved_ = aten.sub.Tensor(lanes, before)
    inside = apply(tracer, aten.lt.Tensor, lanes, count + before)
    if before:
        inside = aten.logical_and.default(inside, aten.ge.Scalar(lanes, before))
    found = take(tracer, x, axis, moved_ if before else lanes)
    scalar = tracer.tensor(operand(tracer, value, x.dtype).ssa, x.dtype)
    result = where(tracer, along(tracer, inside, axis, x.dim()), found, scalar)
    return like(tracer, result.ssa, found)


@lowers(aten.repeat.default)
def repeat(tracer: Tracer, x: DeviceTensor, repeats: Sequence[Any]) -> DeviceTensor:
    """All lanes of an axis, again and again."""
    for _ in range(len(repeats) - x.dim()):
        x = unsqueeze(tracer, x, 0)
    for axis, times in enumerate(repeats):
        if isinstance(times, int) and times == 1:
            continue
        if tracer.fixed(dims_of(x.ssa)[axis]) == 1:
            shape: list[Any] = [-1] * x.dim()
            shape[axis] = times
            x = expand(tracer, renamed(tracer, x, axis, 1), shape)
            continue
        over = x.tiles[axis]
        partial = isinstance(over, SSAValue) and not isinstance(over.owner, tile.WholeOp)
        if partial or tracer.known_size(dims_of(x.ssa)[axis]) is None:
            raise exc.InductorLoweringError(
                f"a tile that may be partly filled is repeated along dimension {axis}",
                hint="expand it along a dimension of its own: v[:, None, :].expand(-1, times, -1)",
            )
        x = _merged(tracer, x, axis, times, axis)
    return x


def _merged(tracer: Tracer, x: DeviceTensor, axis: int, times: Any, at: int) -> DeviceTensor:
    """`times` copies of an axis, along a new axis `at`, merged with it."""
    wide = unsqueeze(tracer, x, at)
    shape: list[Any] = [-1] * wide.dim()
    shape[at] = times
    wide = expand(tracer, wide, shape)
    dims = dims_of(wide.ssa)
    size = tracer.dim(x.size(axis) * times)
    return reshaped(tracer, wide, [*dims[:axis], size, *dims[axis + 2 :]])
