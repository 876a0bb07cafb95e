"""Lowerings of what orders lanes: sort, topk, kthvalue, medians, mode.

All of them ask `tile.argsort` for the order of integer keys, and take values by it. Keys are ordered as PyTorch orders
values: a NaN is the largest number, and zeros of both signs are equal.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ...dialects import tile
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from . import jagged
from .reductions import total
from .table import HALVES, aten, device_tensor, like, lowers
from .taking import lane_numbers, take, valid_lanes
from .views import reshaped

Pair = tuple[DeviceTensor, DeviceTensor]


def keys_of(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    """Integers, of 32 bits or of 64, in the order of the values of `x`."""
    return device_tensor(tracer, _keys(x))


def _keys(x: Any) -> Any:
    if not x.dtype.is_floating_point:
        wide = x.dtype in (torch.int64, torch.uint32)
        if x.dtype == torch.uint64:  # signed comparison orders them once the top bit is flipped
            return aten.bitwise_xor.Scalar(x.view(torch.int64), torch.iinfo(torch.int64).min)
        return x.to(torch.int64 if wide else torch.int32)
    x = x.to(torch.float32) if x.dtype in HALVES else x
    bits, top = (torch.int64, 63) if x.dtype == torch.float64 else (torch.int32, 31)
    most = torch.iinfo(bits).max
    pattern = torch.where(x == 0, 0.0, x).view(bits)
    ordered = pattern ^ ((pattern >> top) & most)
    return torch.where(torch.isnan(x), most, ordered)


def order_of(tracer: Tracer, x: DeviceTensor, axis: int, descending: bool = False) -> DeviceTensor:
    """For each lane of an axis the number (int32) of the lane of `x` that comes there; equals keep their order."""
    keys = keys_of(tracer, x)
    keys = device_tensor(tracer, ~keys) if descending else keys
    over = tracer.axis_tile(dims_of(x.ssa)[axis], x.tiles[axis])
    found = jagged.filled(tracer, keys.ssa, x.tiles, [axis], torch.iinfo(keys.dtype).max)
    return like(tracer, tracer.builder.emit(tile.ArgsortOp(found, axis, over)), x, torch.int32)


def _axis_of(x: DeviceTensor, dim: int) -> int:
    try:
        return canonicalize_dim(x.dim(), dim)
    except IndexError:
        raise exc.ReductionDimInvalidForShape(f"dimension {dim} of a value with shape {list(dims_of(x.ssa))}") from None


def _ordered(tracer: Tracer, x: DeviceTensor, axis: int, order: DeviceTensor) -> Pair:
    """The lanes of `x` in an order, and the order as PyTorch gives it."""
    return aten.gather.default(x, axis, order), device_tensor(tracer, order.to(torch.int64))


@lowers(aten.sort.default)
def sort(tracer: Tracer, x: DeviceTensor, dim: int = -1, descending: bool = False) -> Pair:
    if not x.dim():
        return x, aten.zeros_like.default(x, dtype=torch.int64)
    axis = _axis_of(x, dim)
    return _ordered(tracer, x, axis, order_of(tracer, x, axis, descending))


@lowers(aten.sort.stable)
def sort_stable(
    tracer: Tracer, x: DeviceTensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> Pair:
    return sort(tracer, x, dim, descending)


@lowers(aten.argsort.default)
def argsort(tracer: Tracer, x: DeviceTensor, dim: int = -1, descending: bool = False) -> DeviceTensor:
    return sort(tracer, x, dim, descending)[1]


@lowers(aten.argsort.stable)
def argsort_stable(
    tracer: Tracer, x: DeviceTensor, *, stable: bool, dim: int = -1, descending: bool = False
) -> DeviceTensor:
    return sort(tracer, x, dim, descending)[1]


def _count(tracer: Tracer, k: Any, x: DeviceTensor, axis: int, least: int) -> int:
    """`k` as an int, which is at most the number of lanes."""
    count = tracer.constant(k)
    size = tracer.fixed(dims_of(x.ssa)[axis])
    if count < least or (isinstance(size, int) and count > size):
        raise exc.InvalidAPIUsage(f"k = {count} of a dimension of size {dims_of(x.ssa)[axis]}")
    return count


@lowers(aten.topk.default)
def topk(tracer: Tracer, x: DeviceTensor, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Pair:
    """The first `k` lanes in order; of a tile that has fewer valid lanes, as many as there are."""
    axis = _axis_of(x, dim)
    jagged.refuse(tracer, x, [axis], "topk along")
    count = _count(tracer, k, x, axis, 0)
    order = order_of(tracer, x, axis, descending=largest)
    over = tracer.builder.emit(tile.WholeOp(count))
    source = tracer.axis_tile(dims_of(x.ssa)[axis], x.tiles[axis])
    if not isinstance(source.owner, tile.WholeOp):
        over = tracer.first_lanes([over, source])
    first = take(tracer, order, axis, lane_numbers(tracer, count, over=over))
    return _ordered(tracer, x, axis, first)


# One lane of the order


def _picked(tracer: Tracer, x: DeviceTensor, axis: int, order: DeviceTensor, lane: Any, keepdim: bool) -> Pair:
    """The lane of `x` that comes at place `lane` (a number, or a tensor with one lane along the axis)."""
    jagged.refuse(tracer, x, [axis], "one place of the order along")
    dims = [*dims_of(x.ssa)]
    dims[axis] = 1
    if not isinstance(lane, DeviceTensor):
        lane = reshaped(tracer, lane_numbers(tracer, 1, lane), [1] * x.dim()).expand([tracer.size(dim) for dim in dims])
    index = aten.gather.default(order, axis, lane)
    value, place = _ordered(tracer, x, axis, index)
    return (value, place) if keepdim else (_dropped(tracer, value, axis), _dropped(tracer, place, axis))


def _dropped(tracer: Tracer, x: DeviceTensor, axis: int) -> DeviceTensor:
    dims = dims_of(x.ssa)
    result = reshaped(tracer, x, [*dims[:axis], *dims[axis + 1 :]])
    result.reduced = True
    return result


@lowers(aten.kthvalue.default)
def kthvalue(tracer: Tracer, x: DeviceTensor, k: Any, dim: int = -1, keepdim: bool = False) -> Pair:
    axis = _axis_of(x, dim)
    count = _count(tracer, k, x, axis, 1)
    return _picked(tracer, x, axis, order_of(tracer, x, axis), count - 1, keepdim)


@lowers(aten.median.dim)
def median(tracer: Tracer, x: DeviceTensor, dim: int, keepdim: bool = False) -> Pair:
    """The lower one of two in the middle; a NaN, which comes last, where there is any."""
    axis = _axis_of(x, dim)
    last = valid_lanes(tracer, x, axis) - 1
    middle: Any = last // 2
    if x.dtype.is_floating_point:
        spoilt = torch.isnan(x).any(axis, keepdim=True)
        middle = torch.where(spoilt, last, middle).to(torch.int32)
    return _picked(tracer, x, axis, order_of(tracer, x, axis), middle, keepdim)


@lowers(aten.nanmedian.dim)
def nanmedian(tracer: Tracer, x: DeviceTensor, dim: int, keepdim: bool = False) -> Pair:
    if not x.dtype.is_floating_point:
        return median(tracer, x, dim, keepdim)
    axis = _axis_of(x, dim)
    numbers = total(tracer, device_tensor(tracer, ~torch.isnan(x)), axis, True, dtype=torch.int32)
    middle = torch.clamp((numbers - 1) >> 1, min=0)
    return _picked(tracer, x, axis, order_of(tracer, x, axis), middle, keepdim)


def flat(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    """All lanes along one axis."""
    if x.dim() == 1:
        return x
    numel: Any = 1
    for size in x.shape:
        numel = numel * size
    return reshaped(tracer, x, [tracer.dim(numel)])


@lowers(aten.median.default)
def median_of_all(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    return median(tracer, flat(tracer, x), 0)[0]


@lowers(aten.nanmedian.default)
def nanmedian_of_all(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    return nanmedian(tracer, flat(tracer, x), 0)[0]


__all__ = ["flat", "keys_of", "order_of", "sort", "topk"]
