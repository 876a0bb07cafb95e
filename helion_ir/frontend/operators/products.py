"""Lowerings of matrix products: all become `tile.dot`, which accumulates in float32 (float64, int32)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ..builder import element_type
from ..tensors import EVERY_LANE, DeviceTensor, HostTensor, MergedTiles
from ..tracer import Tracer
from . import jagged
from .merged_axes import zeroed
from .pointwise import ADD, MUL, pointwise
from .reductions import reduce
from .table import aten, broadcast_to, lowers, lowers_function, operand, promote, same_dim
from .views import expand, reshaped, squeeze, unsqueeze

_NARROW_FLOATS = (torch.float8_e4m3fn, torch.float8_e5m2)


def accumulator_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which products of `dtype` are summed."""
    if dtype.is_floating_point:
        return torch.float64 if dtype == torch.float64 else torch.float32
    return torch.int64 if dtype.itemsize > 4 or dtype == torch.uint32 else torch.int32


def _operands(tracer: Tracer, a: Any, b: Any) -> tuple[DeviceTensor, DeviceTensor, torch.dtype]:
    """The factors in one dtype (two float8 types stay as they are), which is returned too."""
    for x in (a, b):
        if isinstance(x, HostTensor) or not isinstance(x, DeviceTensor):
            raise exc.HostTensorDirectUsage(
                "a host tensor is used in device code without a subscript", hint="load what you need of it: x[tile]"
            )
    if a.dtype in _NARROW_FLOATS and b.dtype in _NARROW_FLOATS:
        return a, b, a.dtype
    dtype = promote([a, b])[1]
    if dtype == torch.bool:
        raise exc.InductorLoweringError(f"no lowering for a matrix product of {dtype}")
    parts = []
    for x in (a, b):
        parts.append(x if x.dtype == dtype else tracer.tensor(operand(tracer, x, dtype).ssa, dtype, x.tiles))
    return parts[0], parts[1], dtype


def dot(tracer: Tracer, a: Any, b: Any, acc: Any = None) -> DeviceTensor:
    """`acc + a @ b` in the accumulator's dtype; `acc`, if any, must have that dtype.

    Both are matrices, or batches of them with equal batch dims; a `b` of rank 2 is that of every batch.
    """
    a, b, dtype = _operands(tracer, a, b)
    wide = accumulator_dtype(dtype)
    left, right = dims_of(a.ssa), dims_of(b.ssa)
    if len(left) < 2 or len(right) not in (2, len(left)):
        raise exc.RankMismatch(f"a matrix product of {list(left)} and {list(right)}")
    if left[-1] != right[-2]:
        b = _unify(tracer, b, -2, left, right)
    if len(right) > 2 and left[:-2] != dims_of(b.ssa)[:-2]:
        raise exc.DotBatchDimensionMismatch(f"the batch dimensions of {list(left)} and {list(right)} differ")
    dims = (*left[:-1], dims_of(b.ssa)[-1])
    tiles = (*a.tiles[:-1], b.tiles[-1])
    if not dtype.is_floating_point and dtype != torch.int8:
        return _summed(tracer, a, b, acc, dims)
    known = tracer.joint_tile([a.tiles[-1], b.tiles[-2]])
    contracted = ((a, a.dim() - 1), (b, b.dim() - 2))
    factors = [jagged.filled(tracer, x.ssa, x.tiles, [axis], 0) for x, axis in contracted]
    if isinstance(known, MergedTiles) and tracer.partial_parts(known) != [0]:
        factors = [zeroed(tracer, value, axis, known) for value, (_, axis) in zip(factors, contracted, strict=True)]
        known = EVERY_LANE
    over = tracer.axis_tile(left[-1], known)
    zeros = tracer.builder.filled(0, element_type(wide), dims) if acc is None else None
    start = shaped(tracer, acc, dims, wide) if zeros is None else zeros
    op = tile.DotOp(*factors, start, over, precision=tracer.options.dot_precision)
    return tracer.tensor(tracer.builder.emit(op), wide, tiles)


def _summed(tracer: Tracer, a: DeviceTensor, b: DeviceTensor, acc: Any, dims: Sequence[Dim]) -> DeviceTensor:
    """A product of integers that no `tl.dot` takes: all products of elements, summed."""
    wide = accumulator_dtype(a.dtype)
    products = pointwise(tracer, MUL, [unsqueeze(tracer, a, -1), unsqueeze(tracer, b, -3)], dtypes=(wide, wide))
    result = reduce(tracer, "sum", products, -2, False, wide, wide)
    result.reduced = False
    if acc is None:
        return result
    start = tracer.tensor(shaped(tracer, acc, tuple(dims), wide), wide, result.tiles)
    return pointwise(tracer, ADD, [result, start], dtypes=(wide, wide))


def _unify(tracer: Tracer, b: DeviceTensor, axis: int, left: Any, right: Any) -> DeviceTensor:
    """Unify axes of equal fixed size under different names."""
    if tracer.fixed(left[-1]) is None or tracer.fixed(left[-1]) != tracer.fixed(right[axis]):
        tracer.must_equal(left[-1], right[axis])
        raise exc.ShapeMismatch(f"the inner dimensions of {list(left)} and {list(right)} differ")
    dims = list(right)
    dims[axis] = left[-1]
    return reshaped(tracer, b, dims)


def shaped(tracer: Tracer, acc: Any, dims: tuple[Any, ...], dtype: torch.dtype) -> Any:
    """The accumulator broadcast to `dims`."""
    value = operand(tracer, acc, dtype)
    result = broadcast_to(tracer, value, dims)
    if result is None:
        raise exc.ShapeMismatch(f"an accumulator {list(dims_of(value.ssa))} for a product {list(dims)}")
    return result


def _to(tracer: Tracer, x: DeviceTensor, dtype: torch.dtype, *, elidable: bool = True) -> DeviceTensor:
    """A product, accumulated wide, in its dtype; `elidable` unless the user chose that."""
    if x.dtype == dtype:
        return x
    return tracer.tensor(tracer.builder.convert(x.ssa, x.dtype, dtype, elidable=elidable), dtype, x.tiles)


@lowers(aten.mm.default, aten.bmm.default, aten.mm.dtype, aten.bmm.dtype)
@lowers_function(torch.mm, torch.Tensor.mm, torch.bmm, torch.Tensor.bmm)
def mm(tracer: Tracer, a: Any, b: Any, out_dtype: torch.dtype | None = None, **_: Any) -> Any:
    if _on_host(a, b):
        return NotImplemented
    result = dot(tracer, a, b)
    return _to(tracer, result, out_dtype or promote([a, b])[1], elidable=out_dtype is None)


@lowers(aten.addmm.default, aten.baddbmm.default, aten.addmm.dtype, aten.baddbmm.dtype)
@lowers_function(torch.addmm, torch.Tensor.addmm, torch.baddbmm, torch.Tensor.baddbmm)
def addmm(
    tracer: Tracer, acc: Any, a: Any, b: Any, out_dtype: torch.dtype | None = None, *, beta: Any = 1, alpha: Any = 1
) -> Any:
    """A float32 accumulator with half operands is allowed, and goes straight into the dot."""
    if _on_host(acc, a, b):
        return NotImplemented
    if isinstance(acc, HostTensor):
        operand(tracer, acc, torch.float32)  # raises
    wide = accumulator_dtype(promote([a, b])[1])
    plain = isinstance(alpha, int | float) and alpha == 1
    if plain and isinstance(beta, int | float) and beta == 1 and acc.dtype == wide and out_dtype in (None, wide):
        return dot(tracer, a, b, acc)
    result = dot(tracer, a, b)
    same = (wide, wide)
    if not plain:
        result = pointwise(tracer, MUL, [result, alpha], dtypes=same)
    if not (isinstance(beta, int | float) and beta == 0):
        scaled = (
            acc if isinstance(beta, int | float) and beta == 1 else pointwise(tracer, MUL, [acc, beta], dtypes=same)
        )
        result = pointwise(tracer, ADD, [result, scaled], dtypes=same)
    return _to(tracer, result, out_dtype or acc.dtype, elidable=out_dtype is None)


@lowers_function(torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.linalg.matmul)
def matmul(tracer: Tracer, a: Any, b: Any) -> Any:
    if _on_host(a, b):
        return NotImplemented
    a, b, dtype = _operands(tracer, a, b)
    vector_a, vector_b = a.dim() == 1, b.dim() == 1
    a = unsqueeze(tracer, a, 0) if vector_a else a
    b = unsqueeze(tracer, b, 1) if vector_b else b
    if a.dim() != 2 or b.dim() != 2:
        a, b = _common_batch(tracer, a, b)
    result = _to(tracer, dot(tracer, a, b), dtype)
    result = squeeze(tracer, result, -2) if vector_a else result
    return squeeze(tracer, result, -1) if vector_b else result


def _common_batch(tracer: Tracer, a: DeviceTensor, b: DeviceTensor) -> tuple[DeviceTensor, DeviceTensor]:
    """The factors with their batch dims broadcast; one matrix on the right stays one."""
    batches = [dims_of(x.ssa)[:-2] for x in (a, b)]
    rank = max(map(len, batches))
    padded = [(1,) * (rank - len(batch)) + batch for batch in batches]
    batch: list[Dim] = []
    for left, right in zip(*padded, strict=True):
        if 1 not in (left, right) and not same_dim(tracer, left, right):
            tracer.must_equal(left, right)
            raise exc.DotBatchDimensionMismatch(
                f"the batch dimensions {list(batches[0])} and {list(batches[1])} differ"
            )
        batch.append(right if left == 1 else left)
    return _with_batch(tracer, a, batch), b if b.dim() == 2 else _with_batch(tracer, b, batch)


def _with_batch(tracer: Tracer, x: DeviceTensor, batch: Sequence[Dim]) -> DeviceTensor:
    own = dims_of(x.ssa)
    lead = len(batch) + 2 - len(own)
    named = [dim if dim == 1 else batch[lead + axis] for axis, dim in enumerate(own[:-2])]
    if tuple(named) != own[:-2]:
        x = reshaped(tracer, x, [*named, *own[-2:]])
    return expand(tracer, x, [*map(tracer.size, batch), *x.shape[-2:]])


def hl_dot(tracer: Tracer, a: Any, b: Any, acc: Any = None, out_dtype: torch.dtype | None = None) -> DeviceTensor:
    """`hl.dot`."""
    a, b, dtype = _operands(tracer, a, b)
    wide = accumulator_dtype(dtype)
    if acc is not None and acc.dtype == wide:
        return dot(tracer, a, b, acc)
    result = _to(tracer, dot(tracer, a, b), out_dtype or wide, elidable=False)
    if acc is None:
        return result
    return _to(tracer, pointwise(tracer, ADD, [result, acc], dtypes=(wide, wide)), acc.dtype)


def _on_host(*tensors: Any) -> bool:
    return not any(isinstance(x, DeviceTensor) for x in tensors)
