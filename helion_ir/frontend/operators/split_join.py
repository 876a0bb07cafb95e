"""Pairs: two values joined along a new last axis, and taken apart again; any power of two of them by pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ... import exc
from ...dialects.dims import dims_of
from ...dialects.value import JoinOp, ReshapeOp, SplitOp
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .table import broadcast, operand
from .views import permute, reshaped


def join(tracer: Tracer, a: DeviceTensor, b: DeviceTensor) -> DeviceTensor:
    """Two tensors, broadcast, along a new last axis."""
    dtype = torch.promote_types(a.dtype, b.dtype)
    values, tiles, _ = broadcast(tracer, [operand(tracer, x, dtype) for x in (a, b)])
    if not dims_of(values[0]):
        values = [tracer.builder.expand_dims(v, 0) for v in values]
        joined = tracer.builder.emit(JoinOp(*values))
        return tracer.tensor(tracer.builder.emit(ReshapeOp(joined, [2])), dtype)
    return tracer.tensor(tracer.builder.emit(JoinOp(*values)), dtype, [*tiles, None])


def split(tracer: Tracer, x: DeviceTensor) -> tuple[DeviceTensor, DeviceTensor]:
    """The halves along a last axis of size two."""
    dims = dims_of(x.ssa)
    if not dims or tracer.fixed(dims[-1]) != 2:
        raise exc.UnsupportedSplitOperation(f"hl.split needs a last dimension of size 2, got {list(dims)}")
    op = SplitOp(x.ssa)
    tracer.builder.append(op)
    first, second = (tracer.tensor(r, x.dtype, x.tiles[:-1]) for r in op.results)
    return first, second


def is_power_of_two(number: int) -> bool:
    """Whether pairs of pairs make that many."""
    return number > 0 and number & (number - 1) == 0


def moved(tracer: Tracer, x: DeviceTensor, source: int, target: int) -> DeviceTensor:
    """`x` with one axis moved."""
    order = [axis for axis in range(x.dim()) if axis != source]
    order.insert(target, source)
    return permute(tracer, x, order)


def joined(tracer: Tracer, tensors: Sequence[DeviceTensor]) -> DeviceTensor:
    """A power of two of tensors along a new last axis."""
    if len(tensors) == 1:
        (x,) = tensors
        return reshaped(tracer, x, [*dims_of(x.ssa), 1])
    if len(tensors) == 2:
        return join(tracer, *tensors)
    pairs = join(tracer, joined(tracer, tensors[::2]), joined(tracer, tensors[1::2]))
    return reshaped(tracer, pairs, [*dims_of(tensors[0].ssa), len(tensors)])


def halves(tracer: Tracer, x: DeviceTensor, axis: int) -> tuple[DeviceTensor, DeviceTensor]:
    """The two halves of an axis whose size is a power of two."""
    dims = dims_of(x.ssa)
    size = dims[axis]
    assert isinstance(size, int)
    pairs = reshaped(tracer, x, [*dims[:axis], 2, size // 2, *dims[axis + 1 :]])
    return split(tracer, moved(tracer, pairs, axis, x.dim()))
