"""Lanes taken from others along an axis: elements, slices and index tensors of device values.

Everything here becomes a `value.gather` whose index says for each lane of the result which lane it takes. An axis
may be a tile that is partly filled: positions from the end count from the last valid lane.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._prims_common import canonicalize_dim
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.value import CompareOp, GatherOp, SelectOp
from ...passes.analysis.positions import never_negative
from ..builder import UNSIGNED, element_type
from ..symbols.nodes import poly_of, sym_int
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from .reductions import count_of
from .split_join import halves, is_power_of_two
from .table import LOWERINGS, aten, like, lowers, operand
from .views import local_scalar, permute, reshaped, viewed

_MOST_HALVINGS = 2
"""A part of a power-of-two axis is split off by this many `split`s at most; a gather is cheaper than more."""


def take(tracer: Tracer, x: DeviceTensor, axis: int, index: DeviceTensor) -> DeviceTensor:
    """Along `axis`, the lanes of `x` that the 1-D `index` names."""
    dims, builder = dims_of(x.ssa), tracer.builder
    (length,), (over,) = dims_of(index.ssa), index.tiles
    target = [*dims[:axis], length, *dims[axis + 1 :]]
    if tracer.fixed(dims[axis]) == 1:
        value = builder.broadcast(renamed(tracer, x, axis, 1).ssa, target)
    else:
        value = builder.emit(GatherOp(x.ssa, builder.broadcast(index.ssa, target, [axis]), axis))
    return tracer.tensor(value, x.dtype, [*x.tiles[:axis], over, *x.tiles[axis + 1 :]])


def renamed(tracer: Tracer, x: DeviceTensor, axis: int, dim: Dim) -> DeviceTensor:
    """`x` with the axis under another dim of the same size."""
    dims = dims_of(x.ssa)
    return reshaped(tracer, x, [*dims[:axis], dim, *dims[axis + 1 :]])


def lane_numbers(tracer: Tracer, dim: Dim, begin: Any = 0, step: int = 1, over: AxisTile = None) -> DeviceTensor:
    """`begin + lane * step` for the lanes of a 1-D tensor, whose tile is `over`."""
    if dim == 1 and over is None:
        return tracer.tensor(tracer.builder.splat(tracer.integer(begin), [1]), tracer.options.index_dtype)
    whole = tracer.builder.emit(tile.WholeOp(dim))
    value = tracer.builder.emit(tile.IndexOp(whole, tracer.index_type))
    for op, factor, neutral in ((arith.MuliOp, step, 1), (arith.AddiOp, begin, 0)):
        if not (isinstance(factor, int) and factor == neutral):
            scalar = tracer.integer(factor, tracer.index_type)
            value = tracer.builder.emit(op(value, tracer.builder.splat(scalar, [dim])))
    return tracer.tensor(value, tracer.options.index_dtype, [whole if over is None else over])


def apply(tracer: Tracer, overload: Any, *args: Any) -> DeviceTensor:
    """An elementwise operator on tensors and numbers, run-time ones among them."""
    return LOWERINGS[overload](tracer, *args)


def valid_lanes(tracer: Tracer, x: DeviceTensor, axis: int) -> Any:
    """How many lanes of an axis there are: a size, or for a tile that may be partly filled a run-time number."""
    dim = tracer.fixed(dims_of(x.ssa)[axis])
    if dim is not None and not isinstance(x.tiles[axis], SSAValue):
        return dim
    return count_of(tracer, x, [axis])


# Slices


def slice_bound(tracer: Tracer, size: Any, bound: Any, default: Any) -> Any:
    """A bound of a slice: negative constants count from the end, constants are clipped to the size."""
    if bound is None:
        return default
    if isinstance(bound, DeviceTensor) and bound.dim() == 0:
        return local_scalar(tracer, bound)
    if isinstance(bound, int) and isinstance(size, int):
        return max(0, bound + size) if bound < 0 else min(bound, size)
    if isinstance(bound, int):
        reaches = tracer.decide("ge", poly_of(size), poly_of(abs(bound)))
        if reaches is False:
            return 0 if bound < 0 else size
        return size + bound if bound < 0 else bound
    if isinstance(bound, int | torch.SymInt):
        tracer.within(bound, size)
        return bound
    raise exc.TensorSliceBound(f"a {type(bound).__name__} cannot bound a slice")


def slice_length(tracer: Tracer, begin: Any, end: Any, step: int) -> Dim:
    """The number of positions of a slice, which is known at compile time."""
    length = sym_int(tracer, tracer.resolved(poly_of(end) - poly_of(begin)))
    if step != 1:
        length = (length + step - 1) // step
    try:
        dim = tracer.dim(length)
    except exc.ShapeSpecializingAllocation:
        raise exc.TensorSliceBound(
            f"the slice has the length {length}, which is known on the device only",
            hint="use a tile: for t in hl.tile(begin, end)",
        ) from None
    if isinstance(dim, int) and dim < 0:
        raise exc.TensorSliceBound(f"the slice {begin}:{end} ends before it begins")
    return dim


def slice_step(item: slice) -> int:
    """The step of a slice."""
    step = 1 if item.step is None else item.step
    if not isinstance(step, int) or step <= 0:
        raise exc.InvalidSliceStep(f"the step of a slice must be a positive constant, got {item.step}")
    return step


def sliced(tracer: Tracer, x: DeviceTensor, axis: int, item: slice) -> DeviceTensor:
    """`x[..., item, ...]`."""
    step, dim = slice_step(item), dims_of(x.ssa)[axis]
    size = tracer.size(dim)
    begin, end = (slice_bound(tracer, size, bound, default) for bound, default in ((item.start, 0), (item.stop, size)))
    if step == 1 and poly_of(begin).value == 0 and poly_of(end) == poly_of(size):
        return x
    length = slice_length(tracer, begin, end, step)
    valid = valid_lanes(tracer, x, axis)
    over: AxisTile = None
    if poly_of(valid) != poly_of(size) or not tracer.at_most(end, size):
        if item.start is not None:
            begin = slice_bound(tracer, valid, item.start, 0)
        last = valid if item.stop is None else slice_bound(tracer, valid, item.stop, valid)
        span = tracer.builder.emit(arith.MinSIOp(tracer.integer(last), tracer.integer(valid)))
        span = tracer.builder.emit(arith.SubiOp(span, tracer.integer(begin)))
        count = tracer.device_scalar(lambda: span)
        if step != 1:
            count = (count + (step - 1)) // step
        over = tracer.builder.emit(tile.RangeOp(tracer.integer(0), tracer.integer(count), length))
    return part(tracer, x, axis, begin, length, step, over)


def part(
    tracer: Tracer, x: DeviceTensor, axis: int, begin: Any, length: Dim, step: int = 1, over: AxisTile = None
) -> DeviceTensor:
    """The lanes `begin + i * step` of an axis, `length` of them, which are valid as the tile `over` says."""
    size = dims_of(x.ssa)[axis]
    if over is None and step == 1 and isinstance(begin, int) and isinstance(length, int) and isinstance(size, int):
        aligned = 0 < length < size and begin % length == 0
        if aligned and is_power_of_two(size) and is_power_of_two(length) and size <= length << _MOST_HALVINGS:
            while size > length:
                size //= 2
                x = halves(tracer, x, axis)[begin // size]
                begin %= size
            return x
    result = take(tracer, x, axis, lane_numbers(tracer, length, begin, step, over))
    return result.view_of(x)


@lowers(aten.slice.Tensor)
def slice_value(
    tracer: Tracer, x: DeviceTensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> DeviceTensor:
    stop = None if isinstance(end, int) and end >= 2**62 else end
    return sliced(tracer, x, canonicalize_dim(x.dim(), dim), slice(start, stop, step))


# Elements


@lowers(aten.select.int)
def select(tracer: Tracer, x: DeviceTensor, dim: int, index: Any) -> DeviceTensor:
    """`x[..., index, ...]`: an int or a run-time scalar, negative ones from the end."""
    axis = canonicalize_dim(x.dim(), dim)
    dims = dims_of(x.ssa)
    size = tracer.fixed(dims[axis])
    if isinstance(index, int) and size is not None and not -size <= index < size:
        raise exc.InvalidIndexingType(f"index {index} is out of range for dimension {axis} of size {size}")
    if size != 1:
        if not isinstance(index, int):
            one = lane_at(tracer, x, axis, index)
        else:
            one = part(tracer, x, axis, index if index >= 0 else valid_lanes(tracer, x, axis) + index, 1)
        x, dims = one.view_of(x), dims_of(one.ssa)
    kept = [i for i in range(len(dims)) if i != axis]
    if not kept:
        return viewed(tracer, reshaped(tracer, x, []).ssa, x, [])
    return viewed(tracer, reshaped(tracer, x, [dims[i] for i in kept]).ssa, x, [x.tiles[i] for i in kept])


def lane_at(tracer: Tracer, x: DeviceTensor, axis: int, index: Any) -> DeviceTensor:
    """The lane of an axis that a run-time number names, as an axis of dim 1."""
    scalar = operand(tracer, index, tracer.options.index_dtype).ssa
    position = tracer.tensor(tracer.builder.splat(scalar, [1]), tracer.options.index_dtype)
    return take(tracer, x, axis, _positions(tracer, position, valid_lanes(tracer, x, axis)))


def from_the_end(tracer: Tracer, positions: SSAValue, size: int | torch.SymInt) -> SSAValue:
    """Positions of which negative ones count from the end, as in PyTorch."""
    if never_negative(positions, tracer.begins):
        return positions
    builder, element, dims = tracer.builder, element_of(positions), dims_of(positions)
    assert isinstance(element, IntegerType)
    negative = builder.emit(CompareOp("lt", positions, builder.filled(0, element, dims)))
    moved = builder.emit(arith.AddiOp(positions, builder.splat(tracer.integer(size, element), dims)))
    return builder.emit(SelectOp(negative, moved, positions))


# Index tensors


def positions(tracer: Tracer, index: DeviceTensor, size: Any) -> DeviceTensor:
    """An index tensor as positions in an axis of `size`."""
    if index.dtype == torch.bool:
        raise exc.DataDependentOutputShapeNotSupported(
            "a boolean mask selects a number of elements that depends on data", hint="use torch.where"
        )
    if index.dtype.is_floating_point:
        raise exc.InvalidIndexingType(f"an index tensor holds integers, not {index.dtype}")
    element = element_type(tracer.options.index_dtype)
    value = tracer.builder.integer(index.ssa, element, unsigned=index.dtype in UNSIGNED)  # pyright: ignore[reportArgumentType]
    narrow = tracer.tensor(value, tracer.options.index_dtype, index.tiles)
    return narrow if index.dtype in UNSIGNED else _positions(tracer, narrow, size)


def _positions(tracer: Tracer, index: DeviceTensor, size: Any) -> DeviceTensor:
    return like(tracer, from_the_end(tracer, index.ssa, size), index)


def take_each(tracer: Tracer, x: DeviceTensor, axis: int, index: DeviceTensor) -> DeviceTensor:
    """`x[..., index, ...]`: the axis gives way to those of the index tensor."""
    index = positions(tracer, index, valid_lanes(tracer, x, axis))
    if index.dim() == 1:
        return take(tracer, x, axis, index)
    flat = reshaped(tracer, index, [numel(tracer, index)])
    taken = take(tracer, x, axis, flat)
    dims = dims_of(x.ssa)
    result = reshaped(tracer, taken, [*dims[:axis], *dims_of(index.ssa), *dims[axis + 1 :]])
    tiles = [*x.tiles[:axis], *index.tiles, *x.tiles[axis + 1 :]]
    return tracer.tensor(result.ssa, x.dtype, tiles)


def numel(tracer: Tracer, x: DeviceTensor) -> Dim:
    """How many lanes there are, as a dim."""
    count: Any = 1
    for size in x.shape:
        count = count * size
    return tracer.dim(count)


def take_jointly(tracer: Tracer, x: DeviceTensor, indices: dict[int, DeviceTensor]) -> DeviceTensor:
    """Index tensors, by axis, that go together: their common axes come first unless theirs are neighbours."""
    axes = sorted(indices)
    if axes[-1] - axes[0] >= len(axes):
        x = permute(tracer, x, [*axes, *(axis for axis in range(x.dim()) if axis not in indices)])
        indices = {place: indices[axis] for place, axis in enumerate(axes)}
        axes = sorted(indices)
    first, dims = axes[0], dims_of(x.ssa)
    number: Any = None
    width: Any = 1
    for axis in axes:
        size = tracer.size(dims[axis])
        index = positions(tracer, indices[axis], size)
        number = (
            index
            if number is None
            else apply(tracer, aten.add.Tensor, apply(tracer, aten.mul.Tensor, number, size), index)
        )
        width = width * size
    merged = reshaped(tracer, x, [*dims[:first], tracer.dim(width), *dims[axes[-1] + 1 :]])
    return take_each(tracer, merged, first, number)
