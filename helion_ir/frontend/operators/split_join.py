"""Lowerings of split, join and concatenation: by pairs, any power of two of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ...dialects.dims import dims_of
from ...dialects.value import JoinOp, ReshapeOp, SplitOp
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .table import aten, lowers, lowers_function, operand
from .views import permute, reshaped


def join(tracer: Tracer, a: DeviceTensor, b: DeviceTensor) -> DeviceTensor:
    """Two tensors along a new last axis."""
    if dims_of(a.ssa) != dims_of(b.ssa):
        raise exc.ShapeMismatch(f"cannot join {list(dims_of(a.ssa))} and {list(dims_of(b.ssa))}")
    dtype = torch.promote_types(a.dtype, b.dtype)
    values = [operand(tracer, x, dtype).ssa for x in (a, b)]
    if not dims_of(a.ssa):
        values = [tracer.builder.expand_dims(v, 0) for v in values]
        joined = tracer.builder.emit(JoinOp(*values))
        return tracer.tensor(tracer.builder.emit(ReshapeOp(joined, [2])), dtype)
    return tracer.tensor(tracer.builder.emit(JoinOp(*values)), dtype, [*a.tiles, None])


def split(tracer: Tracer, x: DeviceTensor) -> tuple[DeviceTensor, DeviceTensor]:
    """The halves along a last axis of size two."""
    dims = dims_of(x.ssa)
    if not dims or tracer.fixed(dims[-1]) != 2:
        raise exc.UnsupportedSplitOperation(f"hl.split needs a last dimension of size 2, got {list(dims)}")
    op = SplitOp(x.ssa)
    tracer.builder.append(op)
    first, second = (tracer.tensor(r, x.dtype, x.tiles[:-1]) for r in op.results)
    return first, second


def _power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _moved(tracer: Tracer, x: DeviceTensor, source: int, target: int) -> DeviceTensor:
    """`x` with one axis moved."""
    order = [axis for axis in range(x.dim()) if axis != source]
    order.insert(target, source)
    return permute(tracer, x, order)


def _joined(tracer: Tracer, tensors: Sequence[DeviceTensor]) -> DeviceTensor:
    """A power of two of tensors along a new last axis."""
    if len(tensors) == 1:
        (x,) = tensors
        return reshaped(tracer, x, [*dims_of(x.ssa), 1])
    if len(tensors) == 2:
        return join(tracer, *tensors)
    pairs = join(tracer, _joined(tracer, tensors[::2]), _joined(tracer, tensors[1::2]))
    return reshaped(tracer, pairs, [*dims_of(tensors[0].ssa), len(tensors)])


@lowers(aten.stack.default)
def stack(tracer: Tracer, tensors: Sequence[DeviceTensor], dim: int = 0) -> DeviceTensor:
    if not _power_of_two(len(tensors)):
        raise exc.InductorLoweringError(
            f"torch.stack in device code takes a power of two of tensors, not {len(tensors)}"
        )
    joined = _joined(tracer, tensors)
    return _moved(tracer, joined, joined.dim() - 1, canonicalize_dim(joined.dim(), dim))


@lowers(aten.cat.default)
def cat(tracer: Tracer, tensors: Sequence[DeviceTensor], dim: int = 0) -> DeviceTensor:
    axis = canonicalize_dim(tensors[0].dim(), dim)
    sizes = {dims_of(x.ssa)[axis] for x in tensors}
    (size,) = sizes if len(sizes) == 1 else (None,)
    if not (isinstance(size, int) and _power_of_two(size) and _power_of_two(len(tensors))):
        raise exc.InductorLoweringError(
            f"torch.cat in device code takes a power of two of tensors, whose equal sizes along dimension {axis} are "
            f"constant powers of two; got {[dims_of(x.ssa)[axis] for x in tensors]}",
            hint="store the parts one by one",
        )
    stacked = stack(tracer, tensors, axis)
    dims = dims_of(stacked.ssa)
    return reshaped(tracer, stacked, [*dims[:axis], size * len(tensors), *dims[axis + 2 :]])


def _parts(tracer: Tracer, x: DeviceTensor, count: int, axis: int) -> list[DeviceTensor]:
    """`count` equal parts along an axis; count and size are powers of two."""
    if count == 1:
        return [x]
    dims = dims_of(x.ssa)
    size = dims[axis]
    assert isinstance(size, int)
    pairs = reshaped(tracer, x, [*dims[:axis], 2, size // 2, *dims[axis + 1 :]])
    halves = split(tracer, _moved(tracer, pairs, axis, x.dim()))
    return [part for half in halves for part in _parts(tracer, half, count // 2, axis)]


def _axis_to_part(x: DeviceTensor, dim: int, count: int | None) -> tuple[int, int]:
    """The axis, and the number of parts (all, for None), checked."""
    axis = canonicalize_dim(x.dim(), dim)
    size = dims_of(x.ssa)[axis]
    count = size if count is None else count  # type: ignore[assignment]
    if not (isinstance(size, int) and isinstance(count, int) and _power_of_two(size) and _power_of_two(count)):
        raise exc.UnsupportedSplitOperation(
            f"a dimension of size {size} cannot be taken into {count} parts: both must be constant powers of two",
            hint="load the parts: x[begin:end]",
        )
    return axis, min(size, count)


@lowers_function(torch.chunk, torch.Tensor.chunk)
def chunk(tracer: Tracer, x: Any, chunks: int, dim: int = 0) -> Any:
    if not isinstance(x, DeviceTensor):
        return NotImplemented
    axis, count = _axis_to_part(x, dim, chunks)
    return tuple(_parts(tracer, x, count, axis))


@lowers(aten.unbind.int)
def unbind(tracer: Tracer, x: DeviceTensor, dim: int = 0) -> list[DeviceTensor]:
    axis, count = _axis_to_part(x, dim, None)
    dims = dims_of(x.ssa)
    return [reshaped(tracer, part, [*dims[:axis], *dims[axis + 1 :]]) for part in _parts(tracer, x, count, axis)]
