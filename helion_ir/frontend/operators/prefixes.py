"""Lowerings of scans that are no sums or products: running extrema with their positions, logcumsumexp.

Each is a scan by a function of two elements, written with PyTorch's operators (`combining`).
"""

from __future__ import annotations

from typing import Any

import torch

from ... import exc
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .combining import associative_scan
from .table import aten, lowers
from .taking import lane_numbers


def _running(tracer: Tracer, x: DeviceTensor, dim: int, better: Any) -> tuple[DeviceTensor, DeviceTensor]:
    """The best element so far and its position: of equals the last; a NaN stays."""
    if not x.dim():
        return x, aten.zeros_like.default(x, dtype=torch.int64)
    values = x.to(torch.int32) if x.dtype == torch.bool else x
    axis = dim % x.dim()
    shape = [1] * x.dim()
    shape[axis] = -1
    lanes = lane_numbers(tracer, dims_of(x.ssa)[axis], over=x.tiles[axis]).to(torch.int32).reshape(shape)

    def combine(value: Any, lane: Any, following: Any, following_lane: Any) -> Any:
        takes = better(following, value)
        if values.dtype.is_floating_point:
            takes = takes | torch.isnan(following)
        return torch.where(takes, following, value), torch.where(takes, following_lane, lane)

    found, places = associative_scan(tracer, combine, (values, lanes), axis)
    return found.to(x.dtype), places.to(torch.int64)


@lowers(aten.cummax.default)
def cummax(tracer: Tracer, x: DeviceTensor, dim: int) -> tuple[DeviceTensor, DeviceTensor]:
    return _running(tracer, x, _dimension(x, dim), torch.ge)


@lowers(aten.cummin.default)
def cummin(tracer: Tracer, x: DeviceTensor, dim: int) -> tuple[DeviceTensor, DeviceTensor]:
    return _running(tracer, x, _dimension(x, dim), torch.le)


@lowers(aten.logcumsumexp.default)
def logcumsumexp(tracer: Tracer, x: DeviceTensor, dim: int) -> DeviceTensor:
    """`log(exp(a) + exp(b))` from the larger of the two, which alone counts where both are the same infinity."""

    def combine(a: Any, b: Any) -> Any:
        most, least = torch.maximum(a, b), torch.minimum(a, b)
        total = most + torch.log1p(torch.exp(least - most))
        return torch.where((most == least) & torch.isinf(most), most, total)

    return associative_scan(tracer, combine, x, _dimension(x, dim)) if x.dim() else x


def _dimension(x: DeviceTensor, dim: int) -> int:
    if not -max(x.dim(), 1) <= dim < max(x.dim(), 1):
        raise exc.ReductionDimInvalidForShape(f"dimension {dim} of a value with shape {list(dims_of(x.ssa))}")
    return dim


__all__ = ["cummax", "cummin", "logcumsumexp"]
