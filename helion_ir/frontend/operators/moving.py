"""Lowerings of what moves lanes along an axis: index_select, gather, roll, unfold, diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ...dialects.dims import dims_of
from ...dialects.value import GatherOp
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .predicates import where
from .table import aten, lowers, lowers_function
from .taking import apply, lane_numbers, numel, part, renamed, take, take_each, take_jointly, valid_lanes
from .views import expand, permute, reshaped


@lowers(aten.index_select.default)
def index_select(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor) -> DeviceTensor:
    return take_each(tracer, x, canonicalize_dim(x.dim(), dim), index)


@lowers(aten.gather.default)
def gather(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, **_: Any) -> DeviceTensor:
    """`x[.., index[.., i, ..], ..]`; along the other axes the index may be shorter than `x`."""
    axis = canonicalize_dim(x.dim(), dim)
    if index.dim() != x.dim():
        raise exc.RankMismatch(f"gather takes an index of the value's rank {x.dim()}, not {index.dim()}")
    for other, (have, want) in enumerate(zip(dims_of(x.ssa), dims_of(index.ssa), strict=True)):
        if other == axis or have == want:
            continue
        if tracer.fixed(have) is not None and tracer.fixed(have) == tracer.fixed(want):
            x = renamed(tracer, x, other, want)
        else:
            tracer.must_equal(want, have)
            x = part(tracer, x, other, 0, want)
    return tracer.tensor(tracer.builder.emit(GatherOp(x.ssa, index.ssa, axis)), x.dtype, index.tiles)


@lowers_function(torch.take_along_dim, torch.Tensor.take_along_dim)
def take_along_dim(tracer: Tracer, input: Any, indices: Any, dim: int | None = None) -> Any:
    """A gather whose operands broadcast along the other dimensions."""
    if not isinstance(input, DeviceTensor) or not isinstance(indices, DeviceTensor):
        return NotImplemented
    if dim is None:
        flat, index = (reshaped(tracer, x, [numel(tracer, x)]) for x in (input, indices))
        return gather(tracer, flat, 0, index)
    axis = canonicalize_dim(input.dim(), dim)
    pairs = list(zip(dims_of(input.ssa), dims_of(indices.ssa), strict=True))
    common = [tracer.size(b if tracer.fixed(a) == 1 else a) for a, b in pairs]
    wide, index = (expand(tracer, x, [*common[:axis], x.size(axis), *common[axis + 1 :]]) for x in (input, indices))
    return gather(tracer, wide, axis, index)


@lowers(aten.roll.default)
def roll(tracer: Tracer, x: DeviceTensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> DeviceTensor:
    """Lane `i` is lane `(i - shift) mod valid`."""
    if not dims:
        flat = roll(tracer, reshaped(tracer, x, [numel(tracer, x)]), shifts, [0])
        return tracer.tensor(reshaped(tracer, flat, dims_of(x.ssa)).ssa, x.dtype, x.tiles)
    for shift, dim in zip(shifts, dims, strict=True):
        axis = canonicalize_dim(x.dim(), dim)
        count, over = valid_lanes(tracer, x, axis), x.tiles[axis]
        lanes = lane_numbers(tracer, dims_of(x.ssa)[axis], over=over)
        if isinstance(count, int) and isinstance(shift, int):
            begin = -shift % max(count, 1)
            wraps = aten.ge.Scalar(lanes, count - begin)
            index = where(tracer, wraps, aten.add.Tensor(lanes, begin - count), aten.add.Tensor(lanes, begin))
        else:
            index = apply(tracer, aten.remainder.Tensor, apply(tracer, aten.sub.Tensor, lanes, shift), count)
        x = take(tracer, x, axis, index)
    return x


@lowers(aten.unfold.default)
def unfold(tracer: Tracer, x: DeviceTensor, dimension: int, size: int, step: int) -> DeviceTensor:
    """Windows along an axis, as a new last axis."""
    axis = canonicalize_dim(x.dim(), dimension)
    length: Any = tracer.size(dims_of(x.ssa)[axis])
    count = tracer.dim((length - size) // step + 1)
    begins = reshaped(tracer, lane_numbers(tracer, count, 0, step), [count, 1])
    index = aten.add.Tensor(begins, lane_numbers(tracer, size))
    taken = take_each(tracer, x, axis, index)
    order = [i for i in range(taken.dim()) if i != axis + 1]
    return permute(tracer, taken, [*order, axis + 1]).view_of(x)


@lowers(aten.diagonal.default)
def diagonal(tracer: Tracer, x: DeviceTensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> DeviceTensor:
    """The elements `[i, i + offset]` of two axes, as a last axis."""
    rows, columns = canonicalize_dim(x.dim(), dim1), canonicalize_dim(x.dim(), dim2)
    if offset < 0:
        rows, columns, offset = columns, rows, -offset
    dims = dims_of(x.ssa)
    n, m = (tracer.known_size(dims[axis]) for axis in (rows, columns))
    if n is None or m is None:
        raise exc.InductorLoweringError(f"no lowering for a diagonal of dimensions {dims[rows]} and {dims[columns]}")
    length = max(0, min(n, m - offset))
    pair = {rows: lane_numbers(tracer, length), columns: lane_numbers(tracer, length, offset)}
    x = permute(tracer, x, [*(axis for axis in range(x.dim()) if axis not in pair), rows, columns])
    first = x.dim() - 2
    return take_jointly(tracer, x, {first: pair[rows], first + 1: pair[columns]}).view_of(x)
