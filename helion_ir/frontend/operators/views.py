"""Lowerings of views and of what makes tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ...dialects.value import PermuteOp, ReshapeOp, kept_axes
from ..builder import element_type
from ..symbols.expressions import Poly
from ..symbols.nodes import BoolNode, FloatNode, poly_of, sym_int
from ..tensors import EVERY_LANE, AxisTile, DeviceTensor
from ..tracer import Tracer
from . import jagged
from .merged_axes import tiles_after
from .table import Operand, aten, broadcast_to, device_tensor, lowers, lowers_function, operand, place, prims


def viewed(
    tracer: Tracer, ssa: SSAValue, source: DeviceTensor, tiles: Sequence[AxisTile], reduced: bool | None = None
) -> DeviceTensor:
    """A view of `source`."""
    result = tracer.tensor(ssa, source.dtype, tiles, reduced=source.reduced if reduced is None else reduced)
    return result.view_of(source)


def to_dims(tracer: Tracer, sizes: Sequence[Any]) -> list[Dim]:
    """The dims of a shape that the user wrote: ints, tiles, block sizes."""
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        sizes = sizes[0]
    dims: list[Dim] = []
    for size in sizes:
        if isinstance(size, torch.Tensor):
            raise exc.ShapeSpecializingAllocation(
                "a size is known on the device only", hint="sizes are tiles, block sizes, or host sizes"
            )
        if not isinstance(size, int | torch.SymInt):
            raise exc.InvalidAPIUsage(f"a size must be an int, a tile or a block size, not {type(size).__name__}")
        dims.append(tracer.dim(size))
    return dims


@lowers(aten.unsqueeze.default)
def unsqueeze(tracer: Tracer, x: DeviceTensor, dim: int) -> DeviceTensor:
    axis = canonicalize_dim(x.dim() + 1, dim)
    tiles = [*x.tiles[:axis], None, *x.tiles[axis:]]
    return viewed(tracer, tracer.builder.expand_dims(x.ssa, axis), x, tiles, False)


@lowers(aten.squeeze.dim, aten.squeeze.dims, aten.squeeze.default)
def squeeze(tracer: Tracer, x: DeviceTensor, dim: Any = None) -> DeviceTensor:
    wanted = range(x.dim()) if dim is None else dim if isinstance(dim, list | tuple) else [dim]
    axes = {canonicalize_dim(x.dim(), d) for d in wanted}
    dims = dims_of(x.ssa)
    kept = [i for i in range(len(dims)) if i not in axes or tracer.fixed(dims[i]) != 1]
    if len(kept) == len(dims):
        return x
    return viewed(
        tracer, tracer.builder.emit(ReshapeOp(x.ssa, [dims[i] for i in kept])), x, [x.tiles[i] for i in kept], True
    )


@lowers(aten.permute.default)
def permute(tracer: Tracer, x: DeviceTensor, dims: Sequence[int]) -> DeviceTensor:
    order = [canonicalize_dim(x.dim(), d) for d in dims]
    if order == list(range(x.dim())):
        return x
    return viewed(tracer, tracer.builder.emit(PermuteOp(x.ssa, order)), x, [x.tiles[i] for i in order])


@lowers(aten.transpose.int)
def transpose(tracer: Tracer, x: DeviceTensor, dim0: int, dim1: int) -> DeviceTensor:
    order = list(range(x.dim()))
    a, b = canonicalize_dim(x.dim(), dim0), canonicalize_dim(x.dim(), dim1)
    order[a], order[b] = order[b], order[a]
    return permute(tracer, x, order)


@lowers(aten.t.default, aten.numpy_T.default)
def t(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    return permute(tracer, x, list(reversed(range(x.dim()))))


@lowers(aten.expand.default)
def expand(tracer: Tracer, x: DeviceTensor, size: Sequence[Any], *, implicit: bool = False) -> DeviceTensor:
    wanted = to_dims(tracer, size)
    source = dims_of(x.ssa)
    lead = len(wanted) - len(source)
    dims = [source[i - lead] if dim == -1 and i >= lead else dim for i, dim in enumerate(wanted)]
    tiles = tiles_of_sizes(size)
    if lead < 0 or any(tracer.fixed(s) != 1 and s != d for s, d in zip(source, dims[lead:], strict=True)):
        return _expanded_by_identity(tracer, x, dims, tiles)
    for axis, (dim, known) in enumerate(zip(source, x.tiles, strict=True), lead):
        tiles[axis] = known if dim == dims[axis] else tiles[axis]
    return viewed(tracer, place(tracer, x.ssa, dims, range(lead, len(dims))), x, tiles)


def _expanded_by_identity(
    tracer: Tracer, x: DeviceTensor, dims: Sequence[Dim], tiles: Sequence[AxisTile]
) -> DeviceTensor:
    """`scale[rows].expand(rows, columns)`: the axes go where the tiles are theirs, as operands do."""
    value = broadcast_to(tracer, Operand(x.ssa, x.tiles, x.reduced), dims)
    if value is None:
        raise exc.ShapeMismatch(f"cannot expand {list(dims_of(x.ssa))} to {list(dims)}")
    known = dict(zip(dims_of(x.ssa), x.tiles, strict=True))
    found = [known[dim] if dim != 1 and dim in known else each for dim, each in zip(dims, tiles, strict=True)]
    return viewed(tracer, value, x, found)


def reshaped(tracer: Tracer, x: DeviceTensor, dims: Sequence[Dim]) -> DeviceTensor:
    """The value under other dims of the same number of elements; axes that stay keep their tiles."""
    source = dims_of(x.ssa)
    if tuple(dims) == source:
        return x
    kept = [before for before, _ in kept_axes(source, dims)]
    tiles = tiles_after(tracer, source, x.tiles, dims)
    jagged.refuse(tracer, x, set(range(len(source))).difference(kept), "a reshape merges or splits")
    value = tracer.builder.emit(ReshapeOp(x.ssa, dims)) if source else tracer.builder.splat(x.ssa, dims)
    return viewed(tracer, value, x, tiles, x.reduced and len(dims) <= len(source))


@lowers(
    aten.view.default,
    aten.reshape.default,
    aten._unsafe_view.default,
    aten._reshape_alias.default,
    aten.view_copy.default,
)
def view(tracer: Tracer, x: DeviceTensor, size: Sequence[Any], stride: Any = None) -> DeviceTensor:
    result = reshaped(tracer, x, _infer(tracer, x, to_dims(tracer, size)))
    named = tiles_of_sizes(size)
    if result is not x and any(isinstance(each, SSAValue) for each in named):
        result.tiles = tuple(
            each if known is None and isinstance(each, SSAValue) else known
            for known, each in zip(result.tiles, named, strict=True)
        )
    return result


def _infer(tracer: Tracer, x: DeviceTensor, dims: list[Dim]) -> list[Dim]:
    """`dims` with -1 replaced; the numbers of elements must agree."""
    total, known = Poly.constant(1), Poly.constant(1)
    for dim in dims_of(x.ssa):
        total = total * _poly(tracer, dim)
    for dim in dims:
        known = known * _poly(tracer, dim) if dim != -1 else known
    rest = total.exact_div(known)
    if rest is None or (-1 not in dims and rest.value != 1):
        for dim in dims_of(x.ssa):
            tracer.known_size(dim)
        raise exc.ShapeMismatch(f"cannot view {list(dims_of(x.ssa))} as {dims}: the numbers of elements differ")
    return [tracer.dim(sym_int(tracer, rest)) if dim == -1 else dim for dim in dims]


def _poly(tracer: Tracer, dim: Dim) -> Poly:
    return Poly.constant(1) if tracer.fixed(dim) == 1 else tracer.poly_of_dim(dim)


@lowers_function(torch.Tensor.view, torch.Tensor.reshape, torch.reshape)
def view_function(tracer: Tracer, x: Any, *size: Any, **kwargs: Any) -> Any:
    if not isinstance(x, DeviceTensor) or (size and isinstance(size[0], torch.dtype)) or "dtype" in kwargs:
        return NotImplemented
    shape = kwargs.get("shape", kwargs.get("size", size))
    return view(tracer, x, shape)


@lowers_function(torch.flatten, torch.Tensor.flatten)
def flatten(tracer: Tracer, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if not isinstance(x, DeviceTensor):
        return NotImplemented
    first, last = canonicalize_dim(x.dim(), start_dim), canonicalize_dim(x.dim(), end_dim)
    dims = dims_of(x.ssa)
    size = Poly.constant(1)
    for dim in dims[first : last + 1]:
        size = size * _poly(tracer, dim)
    return reshaped(tracer, x, [*dims[:first], tracer.dim(sym_int(tracer, size)), *dims[last + 1 :]])


# Making tensors


def filled(tracer: Tracer, sizes: Sequence[Any], value: Any, dtype: torch.dtype) -> DeviceTensor:
    """`value` in every lane of a shape that the user wrote."""
    scalar = operand(tracer, value, dtype).ssa
    return tracer.tensor(tracer.builder.splat(scalar, to_dims(tracer, sizes)), dtype, tiles_of_sizes(sizes))


def tiles_of_sizes(sizes: Sequence[Any]) -> list[AxisTile]:
    """A tile that is a size says which lanes are valid; a block size has all of them."""
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        sizes = sizes[0]
    tiles = (getattr(size.node, "tile", None) if isinstance(size, torch.SymInt) else None for size in sizes)
    return [EVERY_LANE if known is None else known for known in tiles]


def _default_dtype(value: Any) -> torch.dtype:
    if isinstance(value, bool | torch.SymBool):
        return torch.bool
    if isinstance(value, torch.Tensor):
        return value.dtype
    return torch.get_default_dtype() if isinstance(value, float | torch.SymFloat) else torch.int64


@lowers(aten.full.default)
def full(tracer: Tracer, size: Sequence[Any], value: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, value, dtype or _default_dtype(value))


@lowers(aten.zeros.default, aten.empty.memory_format)
def zeros(tracer: Tracer, size: Sequence[Any], *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, 0, dtype or torch.get_default_dtype())


@lowers(aten.ones.default)
def ones(tracer: Tracer, size: Sequence[Any], *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, 1, dtype or torch.get_default_dtype())


def _like(tracer: Tracer, x: DeviceTensor, value: Any, dtype: Any) -> DeviceTensor:
    scalar = operand(tracer, value, dtype or x.dtype).ssa
    return tracer.tensor(tracer.builder.splat(scalar, dims_of(x.ssa)), dtype or x.dtype, x.tiles)


@lowers(aten.full_like.default)
def full_like(tracer: Tracer, x: DeviceTensor, value: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return _like(tracer, x, value, dtype)


@lowers(aten.zeros_like.default, aten.empty_like.default)
def zeros_like(tracer: Tracer, x: DeviceTensor, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return _like(tracer, x, 0, dtype)


@lowers(aten.ones_like.default)
def ones_like(tracer: Tracer, x: DeviceTensor, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return _like(tracer, x, 1, dtype)


@lowers(aten.new_full.default)
def new_full(tracer: Tracer, x: Any, size: Any, value: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, value, dtype or x.dtype)


@lowers(aten.new_zeros.default, aten.new_empty.default)
def new_zeros(tracer: Tracer, x: Any, size: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, 0, dtype or x.dtype)


@lowers(aten.new_ones.default)
def new_ones(tracer: Tracer, x: Any, size: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, size, 1, dtype or x.dtype)


@lowers(aten.scalar_tensor.default)
def scalar_tensor(tracer: Tracer, value: Any, *, dtype: Any = None, **_: Any) -> DeviceTensor:
    return filled(tracer, [], value, dtype or torch.get_default_dtype())


@lowers(aten.arange.start_step)
def arange(
    tracer: Tracer, start: Any, end: Any, step: Any = 1, *, dtype: torch.dtype | None = None, **_: Any
) -> DeviceTensor:
    """`start + i * step`; the length must be a compile-time size."""
    if any(isinstance(v, float | torch.SymFloat) for v in (start, end, step)):
        raise exc.InductorLoweringError("torch.arange in device code takes integers")
    if not isinstance(step, int) or step == 0:
        raise exc.InvalidAPIUsage("the step of arange must be a constant other than 0")
    span = poly_of(end) - poly_of(start)
    sign = 1 if step > 0 else -1
    length = sym_int(tracer, span) if step == 1 else (sym_int(tracer, span) + (step - sign)) // step
    dtype = torch.int64 if dtype is None else dtype
    element = element_type(dtype)
    whole = tracer.builder.emit(tile.WholeOp(tracer.dim(length)))
    value = tracer.builder.emit(tile.IndexOp(whole, tracer.index_type))
    if dtype.is_floating_point:
        index = tracer.tensor(value, _index_dtype(tracer))
        return aten.add.Tensor(aten.mul.Tensor(index, step), start).to(dtype)
    assert isinstance(element, IntegerType)
    value = tracer.builder.integer(value, element)
    for op, factor in ((arith.MuliOp, step), (arith.AddiOp, start)):
        if not (isinstance(factor, int) and factor == (1 if op is arith.MuliOp else 0)):
            scalar = tracer.integer(factor, element)
            value = tracer.builder.emit(op(value, tracer.builder.splat(scalar, dims_of(value))))
    return tracer.tensor(value, dtype, [whole])


def _index_dtype(tracer: Tracer) -> torch.dtype:
    return torch.int64 if tracer.index_type.width.data == 64 else torch.int32


@lowers(aten.arange.default)
def arange_end(tracer: Tracer, end: Any, **kwargs: Any) -> DeviceTensor:
    return arange(tracer, 0, end, 1, **kwargs)


@lowers(aten.arange.start)
def arange_start(tracer: Tracer, start: Any, end: Any, **kwargs: Any) -> DeviceTensor:
    return arange(tracer, start, end, 1, **kwargs)


@lowers(prims.iota.default)
def iota(tracer: Tracer, length: Any, *, start: Any, step: Any, dtype: torch.dtype, **_: Any) -> DeviceTensor:
    return arange(tracer, start, sym_int(tracer, poly_of(start) + poly_of(length) * poly_of(step)), step, dtype=dtype)


def one_lane(tracer: Tracer, x: Any) -> Any:
    """A device value of one element as a scalar; anything else as it is."""
    if isinstance(x, DeviceTensor) and x.dim() and all(tracer.fixed(dim) == 1 for dim in dims_of(x.ssa)):
        return reshaped(tracer, x, [])
    return x


@lowers(aten._local_scalar_dense.default)
def local_scalar(tracer: Tracer, x: Any) -> Any:
    """`x.item()` of a device scalar: a run-time number."""
    x = one_lane(tracer, device_tensor(tracer, x))
    if dims_of(x.ssa):
        raise exc.ShapeMismatch(f"only a scalar can be converted to a Python number, got {list(dims_of(x.ssa))}")
    if x.dtype == torch.bool:
        return torch.SymBool(BoolNode(tracer, x.ssa))
    if x.dtype.is_floating_point:
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        return torch.SymFloat(FloatNode(tracer, tracer.builder.convert(x.ssa, x.dtype, wide)))
    element = x.ssa.type
    assert isinstance(element, IntegerType)
    return tracer.device_scalar(lambda: x.ssa, element=element)
