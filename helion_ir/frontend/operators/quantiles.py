"""Lowerings of quantiles and of the mode, which look into the order of lanes."""

from __future__ import annotations

from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from . import jagged
from .combining import associative_scan
from .reductions import argmax, total
from .sorting import flat, order_of
from .table import aten, device_tensor, lowers, lowers_function
from .taking import lane_numbers
from .views import reshaped, unsqueeze


def _between(tracer: Tracer, x: DeviceTensor, axis: int, rank: Any, interpolation: str) -> Any:
    """What lies at places `rank`, fractions among them, of the order along an axis."""
    order, below = order_of(tracer, x, axis), rank.floor()
    if interpolation == "nearest":
        below = rank.round()

    def at(place: Any) -> Any:
        return aten.gather.default(x, axis, aten.gather.default(order, axis, place.to(torch.int32)))

    if interpolation in ("lower", "nearest"):
        return at(below)
    if interpolation == "higher":
        return at(rank.ceil())
    weight = 0.5 if interpolation == "midpoint" else rank - below
    return torch.lerp(at(below), at(rank.ceil()), weight)


def _quantile(skips_nan: bool) -> Any:
    def lowering(
        tracer: Tracer, x: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> Any:
        if not isinstance(x, DeviceTensor):
            return NotImplemented
        portion = tracer.constant(q)
        if not isinstance(portion, int | float) or not 0 <= portion <= 1:
            raise exc.InductorLoweringError("a quantile in device code is a number from 0 to 1")
        if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
            raise exc.InvalidAPIUsage(f"quantile: unknown interpolation {interpolation!r}")
        if dim is None and keepdim:
            raise exc.InductorLoweringError("a quantile of all dimensions keeps none of them")
        x = flat(tracer, x) if dim is None else x
        axis = canonicalize_dim(x.dim(), 0 if dim is None else dim)
        is_nan = torch.isnan(x)
        counted: Any = ~is_nan if skips_nan else is_nan | True
        last = total(tracer, counted, axis, True, dtype=torch.int32) - 1
        found = _between(tracer, x, axis, last.clamp(min=0).to(x.dtype) * portion, interpolation)
        if not skips_nan:
            found = torch.where(is_nan.any(axis, keepdim=True), float("nan"), found)
        return found if keepdim else _without(tracer, device_tensor(tracer, found), axis)

    return lowering


lowers_function(torch.quantile, torch.Tensor.quantile)(_quantile(False))
lowers_function(torch.nanquantile, torch.Tensor.nanquantile)(_quantile(True))


def _without(tracer: Tracer, x: DeviceTensor, axis: int) -> DeviceTensor:
    dims = dims_of(x.ssa)
    result = reshaped(tracer, x, [*dims[:axis], *dims[axis + 1 :]])
    result.reduced = True
    return result


def _counted(count: Any, value: Any, more: Any, following: Any) -> Any:
    """Of two runs of a sorted sequence: how often the last value came in a row."""
    return torch.where(value == following, count + more, more), following


@lowers(aten.mode.default)
def mode(tracer: Tracer, x: DeviceTensor, dim: int = -1, keepdim: bool = False) -> tuple[DeviceTensor, DeviceTensor]:
    """The least of the values that come most often: where the longest run of the order ends first."""
    axis = canonicalize_dim(x.dim(), dim)
    jagged.refuse(tracer, x, [axis], "the mode along")
    order = order_of(tracer, x, axis)
    ordered = aten.gather.default(x, axis, order)
    ones: Any = lane_numbers(tracer, dims_of(x.ssa)[axis], over=x.tiles[axis]).to(torch.int32) * 0 + 1
    for _ in range(x.dim() - axis - 1):
        ones = unsqueeze(tracer, ones, 1)
    counts, _ = associative_scan(tracer, _counted, (ones, ordered), axis)
    index = aten.gather.default(order, axis, argmax(tracer, counts, axis, True))
    found = (aten.gather.default(x, axis, index), index.to(torch.int64))
    return found if keepdim else (_without(tracer, found[0], axis), _without(tracer, found[1], axis))


__all__ = ["mode"]
