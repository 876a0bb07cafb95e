"""Lowerings of reductions, scans and what is computed from them.

Every reduction takes the tile of the axis it contracts, so it never sees lanes past the end; what divides by a
number of elements counts the valid ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ..tensors import AxisTile, DeviceTensor, MergedTiles
from ..tracer import Tracer
from . import jagged
from .merged_axes import taken_apart
from .predicates import isinf, where
from .table import HALVES, aten, like, lowers
from .views import reshaped, unsqueeze


def axes_of(x: DeviceTensor, dim: Any) -> list[int]:
    """The axes that `dim` names: all for None or an empty list."""
    dim = _constant(dim)
    dims = [] if dim is None else [dim] if isinstance(dim, int) else list(dim)
    try:
        return sorted({canonicalize_dim(x.dim(), d) for d in dims} or range(x.dim()))
    except IndexError:
        raise exc.ReductionDimInvalidForShape(f"dimension {dim} of a value with shape {list(dims_of(x.ssa))}") from None


def _constant(dim: Any) -> Any:
    """A dimension as an int, as every argument is one at each call; raises InvalidReductionDim for other numbers."""
    if isinstance(dim, torch.SymInt | torch.Tensor):
        try:
            return int(dim)
        except exc.Base:
            raise exc.InvalidReductionDim(
                "the dimension of a reduction must be a constant", hint="loop over dimensions with hl.static_range"
            ) from None
    return dim


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in HALVES else dtype


def reduce(
    tracer: Tracer, kind: str, x: DeviceTensor, dim: Any, keepdim: bool, dtype: torch.dtype, compute: torch.dtype
) -> DeviceTensor:
    """Reduce `x` over `dim`, computed in `compute`; the result is of `dtype`."""
    builder = tracer.builder
    axes = axes_of(x, dim)
    value, tiles = builder.convert(x.ssa, x.dtype, compute), list(x.tiles)
    value = jagged.filled(tracer, value, tiles, axes, kind)
    for axis in reversed(axes):
        known = tiles.pop(axis)
        if isinstance(known, MergedTiles):
            value = _over_merged(tracer, kind, value, axis, known)
            continue
        over = tracer.axis_tile(dims_of(value)[axis], known)
        value = builder.emit(tile.ReduceOp(kind, value, axis, over))
    value = builder.convert(value, compute, dtype, elidable=dtype == x.dtype)
    for axis in axes if keepdim else ():
        value = builder.expand_dims(value, axis)
        tiles.insert(axis, None)
    return tracer.tensor(value, dtype, tiles, reduced=bool(axes) and not keepdim)


def _over_merged(tracer: Tracer, kind: str, value: SSAValue, axis: int, merged: MergedTiles) -> SSAValue:
    """Reduce the axes that an axis was merged of."""
    value = taken_apart(tracer, value, axis, merged)
    for place in reversed(range(len(merged.dims))):
        known, at = merged.tiles[place], axis + place
        if isinstance(known, MergedTiles):
            value = _over_merged(tracer, kind, value, at, known)
        else:
            over = tracer.axis_tile(merged.dims[place], known)
            value = tracer.builder.emit(tile.ReduceOp(kind, value, at, over))
    return value


def _accumulates(x: DeviceTensor, dtype: torch.dtype | None) -> torch.dtype:
    if dtype is not None:
        return dtype
    return x.dtype if x.dtype.is_floating_point else torch.int64


@lowers(aten.sum.dim_IntList, aten.sum.default)
def total(
    tracer: Tracer, x: DeviceTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> DeviceTensor:
    result = _accumulates(x, dtype)
    return reduce(tracer, "sum", x, dim, keepdim, result, _wide(result))


@lowers(aten.prod.dim_int, aten.prod.default)
def prod(tracer: Tracer, x: DeviceTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> DeviceTensor:
    result = _accumulates(x, dtype)
    return reduce(tracer, "prod", x, dim, keepdim, result, _wide(result))


def _extremum(kind: str) -> Any:
    def lowering(tracer: Tracer, x: DeviceTensor, dim: Any = None, keepdim: bool = False) -> DeviceTensor:
        if x.dtype == torch.bool:
            return reduce(tracer, "or" if kind == "max" else "and", x, dim, keepdim, x.dtype, x.dtype)
        return reduce(tracer, kind, x, dim, keepdim, x.dtype, _signed(x.dtype, _wide(x.dtype)))

    return lowering


def _signed(dtype: torch.dtype, compute: torch.dtype) -> torch.dtype:
    """Unsigned integers are compared in a wider signed type."""
    return {torch.uint8: torch.int16, torch.uint16: torch.int32, torch.uint32: torch.int64}.get(dtype, compute)


amax, amin = _extremum("max"), _extremum("min")
lowers(aten.amax.default, aten.max.default)(amax)
lowers(aten.amin.default, aten.min.default)(amin)


def _truth(kind: str) -> Any:
    def lowering(tracer: Tracer, x: DeviceTensor, dim: Any = None, keepdim: bool = False) -> DeviceTensor:
        result = torch.uint8 if x.dtype == torch.uint8 else torch.bool  # as NumPy once had it
        return reduce(tracer, kind, x, dim, keepdim, result, torch.bool)

    return lowering


lowers(aten.any.default, aten.any.dim, aten.any.dims)(_truth("or"))
lowers(aten.all.default, aten.all.dim, aten.all.dims)(_truth("and"))


def _arg_reduce(
    tracer: Tracer, kind: str, x: DeviceTensor, dim: int | None, keepdim: bool
) -> tuple[DeviceTensor, DeviceTensor]:
    if dim is None and x.dim() != 1:
        return _arg_reduce_all(tracer, kind, x, keepdim)
    (axis,) = axes_of(x, 0 if dim is None else dim)
    builder = tracer.builder
    compute = _signed(x.dtype, torch.int32 if x.dtype == torch.bool else _wide(x.dtype))
    over = tracer.axis_tile(dims_of(x.ssa)[axis], x.tiles[axis])
    value = jagged.filled(tracer, builder.convert(x.ssa, x.dtype, compute), x.tiles, [axis], kind)
    op = tile.ArgReduceOp(kind, value, axis, i64, over)
    builder.append(op)
    tiles = [*x.tiles[:axis], *x.tiles[axis + 1 :]]
    value = builder.convert(op.value, compute, x.dtype, elidable=True)
    value = tracer.tensor(value, x.dtype, tiles, reduced=not keepdim)
    index = tracer.tensor(op.index, torch.int64, tiles, reduced=not keepdim)
    return (unsqueeze(tracer, value, axis), unsqueeze(tracer, index, axis)) if keepdim else (value, index)


def _arg_reduce_all(tracer: Tracer, kind: str, x: DeviceTensor, keepdim: bool) -> tuple[DeviceTensor, DeviceTensor]:
    """One dimension after the other, the last one first: the first row that has the extremum, and where it has it."""
    value, index, count = x, None, 1
    for axis in reversed(range(x.dim())):
        value, at = _arg_reduce(tracer, kind, value, axis, True)
        index = at if index is None else at * count + aten.gather.default(index, axis, at)
        count = count * count_of(tracer, x, [axis])
    index = index if index is not None else aten.zeros_like.default(x, dtype=torch.int64)
    if keepdim:
        return value, index
    value, index = reshaped(tracer, value, []), reshaped(tracer, index, [])
    value.reduced = index.reduced = True
    return value, index


@lowers(aten.max.dim)
def max_dim(tracer: Tracer, x: DeviceTensor, dim: int, keepdim: bool = False) -> Any:
    return torch.return_types.max(_arg_reduce(tracer, "max", x, dim, keepdim))  # type: ignore[attr-defined]


@lowers(aten.min.dim)
def min_dim(tracer: Tracer, x: DeviceTensor, dim: int, keepdim: bool = False) -> Any:
    return torch.return_types.min(_arg_reduce(tracer, "min", x, dim, keepdim))  # type: ignore[attr-defined]


@lowers(aten.argmax.default)
def argmax(tracer: Tracer, x: DeviceTensor, dim: int | None = None, keepdim: bool = False) -> DeviceTensor:
    return _arg_reduce(tracer, "max", x, dim, keepdim)[1]


@lowers(aten.argmin.default)
def argmin(tracer: Tracer, x: DeviceTensor, dim: int | None = None, keepdim: bool = False) -> DeviceTensor:
    return _arg_reduce(tracer, "min", x, dim, keepdim)[1]


# Averages


def counts_of(tracer: Tracer, x: DeviceTensor, axes: Sequence[int], keepdim: bool) -> Any:
    """The number of valid elements along `axes`, a tensor where lanes of the other axes differ in it."""
    counts = jagged.counted(tracer, x, axes, keepdim)
    return count_of(tracer, x, axes) if counts is None else counts


def count_of(tracer: Tracer, x: DeviceTensor, axes: Sequence[int]) -> Any:
    """The number of valid elements along `axes`: an int or a run-time scalar."""
    jagged.refuse(tracer, x, axes, "an operator counts the lanes of")
    count: Any = 1
    for axis in axes:
        count = count * _valid_along(tracer, dims_of(x.ssa)[axis], x.tiles[axis])
    return count


def _valid_along(tracer: Tracer, dim: Dim, known: AxisTile) -> Any:
    """How many lanes of an axis are valid, of a merged one as many as its parts have together."""
    if not isinstance(known, MergedTiles):
        return _valid(tracer, tracer.axis_tile(dim, known))
    count: Any = 1
    for part in zip(known.dims, known.tiles, strict=True):
        count = count * _valid_along(tracer, *part)
    return count


def _valid(tracer: Tracer, over: SSAValue) -> Any:
    """How many lanes of a tile are valid."""
    assert isinstance(over.type, tile.TileType)
    dim = over.type.dim
    if isinstance(over.owner, tile.WholeOp):
        return tracer.size(dim)
    element = tracer.index_type
    begin, end = (tracer.builder.emit(op(over, element)) for op in (tile.BeginOp, tile.EndOp))
    span = tracer.device_scalar(lambda: end) - tracer.device_scalar(lambda: begin)
    step = over.owner.step.data if isinstance(over.owner, tile.RangeOp) else 1
    return span if step == 1 else (span + (step - 1)) // step


def _mean(tracer: Tracer, x: DeviceTensor, axes: list[int], keepdim: bool) -> DeviceTensor:
    """The mean in the dtype of `x`, which is no half."""
    return aten.div.Tensor(total(tracer, x, axes, keepdim), counts_of(tracer, x, axes, keepdim))


@lowers(aten.mean.dim, aten.mean.default)
def mean(tracer: Tracer, x: DeviceTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> DeviceTensor:
    result = dtype or x.dtype
    if not result.is_floating_point:
        raise exc.TorchOpTracingError(f"mean: the dtype must be a floating point type, got {result}")
    average = _mean(tracer, _cast(tracer, x, _wide(result)), axes_of(x, dim), keepdim)
    return _cast(tracer, average, result, elidable=result == x.dtype)


def _cast(tracer: Tracer, x: DeviceTensor, dtype: torch.dtype, *, elidable: bool = False) -> DeviceTensor:
    if x.dtype == dtype:
        return x
    return like(tracer, tracer.builder.convert(x.ssa, x.dtype, dtype, elidable=elidable), x, dtype)


@lowers(aten.var_mean.correction)
def var_mean(
    tracer: Tracer, x: DeviceTensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False
) -> tuple[DeviceTensor, DeviceTensor]:
    """Two passes: the mean, then the mean of squared distances from it."""
    axes, dtype = axes_of(x, dim), x.dtype
    wide = _cast(tracer, x, _wide(dtype))
    average = _mean(tracer, wide, axes, True)
    distance = aten.sub.Tensor(wide, average)
    squares = total(tracer, aten.mul.Tensor(distance, distance), axes, keepdim)
    freedom = counts_of(tracer, x, axes, keepdim) - (1 if correction is None else correction)
    if isinstance(freedom, int | float):
        freedom = max(freedom, 0)
    variance = aten.div.Tensor(squares, freedom)
    if not keepdim:
        kept = [i for i in range(x.dim()) if i not in axes]
        average = reshaped(tracer, average, [dims_of(average.ssa)[i] for i in kept])
        average.reduced = True
    return _cast(tracer, variance, dtype, elidable=True), _cast(tracer, average, dtype, elidable=True)


@lowers(aten.var.correction)
def var(tracer: Tracer, x: DeviceTensor, dim: Any = None, **kwargs: Any) -> DeviceTensor:
    return var_mean(tracer, x, dim, **kwargs)[0]


@lowers(aten.logsumexp.default)
def logsumexp(tracer: Tracer, x: DeviceTensor, dim: Any, keepdim: bool = False) -> DeviceTensor:
    """`log(sum(exp(x - m))) + m` with `m` the maximum, 0 where that is infinite."""
    dtype = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
    wide = _cast(tracer, x, _wide(dtype))
    top = amax(tracer, wide, dim, True)
    top = where(tracer, isinf(tracer, top), 0.0, top)
    total_ = total(tracer, aten.exp.default(aten.sub.Tensor(wide, top)), dim, True)
    result = aten.add.Tensor(aten.log.default(total_), top)
    if not keepdim:
        kept = [i for i in range(x.dim()) if i not in axes_of(x, dim)]
        result = reshaped(tracer, result, [dims_of(result.ssa)[i] for i in kept])
        result.reduced = True
    return _cast(tracer, result, dtype, elidable=True)


# Scans and flips


def scan(tracer: Tracer, kind: str, x: DeviceTensor, dim: int, dtype: Any, reverse: bool = False) -> DeviceTensor:
    """Inclusive prefixes along `dim`."""
    result = _accumulates(x, dtype)
    wide = _cast(tracer, x, _wide(result))
    if dim is None or isinstance(dim, list | tuple):
        raise exc.MultipleReductionDims("a scan goes along one dimension", hint="scan one after the other")
    (axis,) = axes_of(x, dim)
    over = tracer.axis_tile(dims_of(x.ssa)[axis], x.tiles[axis])
    terms = jagged.filled(tracer, wide.ssa, wide.tiles, [axis], kind)
    value = tracer.builder.emit(tile.ScanOp(kind, terms, axis, over, reverse=reverse))
    return _cast(tracer, like(tracer, value, wide), result, elidable=result == x.dtype)


@lowers(aten.cumsum.default)
def cumsum(tracer: Tracer, x: DeviceTensor, dim: int, *, dtype: Any = None) -> DeviceTensor:
    return scan(tracer, "sum", x, dim, dtype)


@lowers(aten.cumprod.default)
def cumprod(tracer: Tracer, x: DeviceTensor, dim: int, *, dtype: Any = None) -> DeviceTensor:
    return scan(tracer, "prod", x, dim, dtype)


@lowers(aten.flip.default)
def flip(tracer: Tracer, x: DeviceTensor, dims: Sequence[int]) -> DeviceTensor:
    value = x.ssa
    jagged.refuse(tracer, x, [canonicalize_dim(x.dim(), dim) for dim in dims], "flip along")
    for axis in (canonicalize_dim(x.dim(), dim) for dim in dims):
        over = tracer.axis_tile(dims_of(value)[axis], x.tiles[axis])
        value = tracer.builder.emit(tile.FlipOp(value, axis, over))
    return like(tracer, value, x)
