"""Lowerings of scatters into device values, which have no addresses: each lane looks which entries name it.

That compares every entry with every lane of the axis, so it is meant for short indices, as those of `topk`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from . import jagged
from .reductions import amax, amin, prod, reduce, total
from .table import aten, device_tensor, lowers, same_dim
from .taking import lane_numbers, part
from .views import expand, unsqueeze


def _hits(tracer: Tracer, x: DeviceTensor, axis: int, index: DeviceTensor) -> DeviceTensor:
    """Which entry (along `axis + 1`) names which lane (along `axis`)."""
    dims, own = dims_of(index.ssa), dims_of(x.ssa)
    if len(dims) != len(own) or any(a != b for at, (a, b) in enumerate(zip(dims, own, strict=True)) if at != axis):
        raise exc.ShapeMismatch(
            f"a scatter along dimension {axis} of {list(own)} by an index of {list(dims)}",
            hint="the index has the tensor's dimensions but for that one",
        )
    jagged.refuse(tracer, x, [axis], "scatter along")
    jagged.refuse(tracer, index, [axis], "scatter along")
    lanes = lane_numbers(tracer, own[axis], over=x.tiles[axis])
    for _ in range(x.dim() - axis):
        lanes = unsqueeze(tracer, lanes, 1)
    return device_tensor(tracer, unsqueeze(tracer, index, axis) == lanes)


def _entries(
    tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, src: DeviceTensor, otherwise: Any
) -> tuple[DeviceTensor, int]:
    """For each lane and entry what that brings there, or `otherwise`; and the axis of entries."""
    axis = canonicalize_dim(x.dim(), dim)
    hits = _hits(tracer, x, axis, index)
    brought = torch.where(hits, unsqueeze(tracer, _as_long(tracer, src, index), axis), otherwise)
    return device_tensor(tracer, brought), axis + 1


def _as_long(tracer: Tracer, source: DeviceTensor, index: DeviceTensor) -> DeviceTensor:
    """`source` along every axis as long as the index, as entries past it bring nothing."""
    for axis, (have, want) in enumerate(zip(dims_of(source.ssa), dims_of(index.ssa), strict=True)):
        if have != want and not same_dim(tracer, have, want):
            source = part(tracer, source, axis, 0, want)
    return source


@lowers(aten.scatter.value)
def scatter_value(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, value: Any) -> DeviceTensor:
    axis = canonicalize_dim(x.dim(), dim)
    hit = reduce(tracer, "or", _hits(tracer, x, axis, index), axis + 1, False, torch.bool, torch.bool)
    return device_tensor(tracer, torch.where(_aligned(hit, x), value, x).to(x.dtype))


@lowers(aten.scatter.src)
def scatter(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, src: DeviceTensor) -> DeviceTensor:
    """Of several entries that name a lane, the last one counts."""
    axis = canonicalize_dim(x.dim(), dim)
    entry = lane_numbers(tracer, dims_of(index.ssa)[axis], over=index.tiles[axis])
    for _ in range(x.dim() - axis - 1):
        entry = unsqueeze(tracer, entry, 1)
    hits = _hits(tracer, x, axis, index)
    last = _aligned(amax(tracer, device_tensor(tracer, torch.where(hits, entry, -1)), axis + 1), x)
    found: Any = aten.gather.default(src, axis, last.clamp(min=0))
    return device_tensor(tracer, torch.where(last >= 0, found.to(x.dtype), x))


@lowers(aten.scatter_add.default)
def scatter_add(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, src: DeviceTensor) -> DeviceTensor:
    return scatter_reduce(tracer, x, dim, index, src, "sum")


@lowers(aten.index_add.default)
def index_add(
    tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, source: DeviceTensor, *, alpha: Any = 1
) -> DeviceTensor:
    return scatter_add(tracer, x, dim, _for_all(tracer, dim, index, source), source if alpha == 1 else source * alpha)


@lowers(aten.index_copy.default)
def index_copy(tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, source: DeviceTensor) -> DeviceTensor:
    return scatter(tracer, x, dim, _for_all(tracer, dim, index, source), source)


def _for_all(tracer: Tracer, dim: int, index: DeviceTensor, source: DeviceTensor) -> DeviceTensor:
    """A 1-D index along `dim` as one for each lane of the other axes of the source."""
    for _ in range(source.dim() - canonicalize_dim(source.dim(), dim) - 1):
        index = unsqueeze(tracer, index, index.dim())
    return expand(tracer, index, list(source.shape))


@lowers(aten.scatter_reduce.two)
def scatter_reduce(
    tracer: Tracer, x: DeviceTensor, dim: int, index: DeviceTensor, src: DeviceTensor, reduce: str,
    *, include_self: bool = True,
) -> DeviceTensor:  # fmt: skip
    """What the entries that name a lane combine to, with what the lane held."""
    if reduce not in ("sum", "prod", "amax", "amin") or not include_self:
        raise exc.InductorLoweringError(f"no lowering for scatter_reduce with {reduce!r}, include_self={include_self}")
    if reduce in ("sum", "prod"):
        brought, entries = _entries(tracer, x, dim, index, src, int(reduce == "prod"))
        combined = (total if reduce == "sum" else prod)(tracer, brought, entries, dtype=x.dtype)
        result: Any = x + _aligned(combined, x) if reduce == "sum" else x * _aligned(combined, x)
        return result
    axis = canonicalize_dim(x.dim(), dim)
    pair = unsqueeze(tracer, _as_long(tracer, src, index), axis), unsqueeze(tracer, x, axis + 1)
    brought: Any = torch.where(_hits(tracer, x, axis, index), *pair)
    combined = _aligned((amax if reduce == "amax" else amin)(tracer, brought, axis + 1), x)
    return device_tensor(tracer, (torch.maximum if reduce == "amax" else torch.minimum)(x, combined))


def _aligned(value: DeviceTensor, x: DeviceTensor) -> DeviceTensor:
    """A reduced value that has the axes of `x` again."""
    value.reduced = x.reduced
    return value


__all__ = ["scatter", "scatter_add", "scatter_reduce", "scatter_value"]
