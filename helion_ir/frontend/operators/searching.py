"""Lowerings of searches in sorted sequences and of histograms: every element is compared with every boundary or bin."""

from __future__ import annotations

from typing import Any

import torch

from ... import exc
from ...dialects.dims import dims_of
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from .reductions import total
from .table import aten, device_tensor, lowers
from .taking import lane_numbers
from .views import unsqueeze


@lowers(aten.searchsorted.Tensor, aten.searchsorted.Scalar)
def searchsorted(
    tracer: Tracer,
    sequence: DeviceTensor,
    x: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: DeviceTensor | None = None,
) -> DeviceTensor:
    """How many elements of the sequence, along its last axis, come before each of `x`: all of them before a NaN."""
    if isinstance(sequence, HostTensor):
        raise exc.HostTensorDirectUsage(
            "a search in a host tensor that is not loaded", hint="load the sequence first: boundaries[:]"
        )
    x = device_tensor(tracer, x)
    if sequence.dim() != 1 and (sequence.dim() != x.dim() or dims_of(sequence.ssa)[:-1] != dims_of(x.ssa)[:-1]):
        raise exc.ShapeMismatch(
            f"searchsorted: a sequence of shape {list(dims_of(sequence.ssa))} for values of {list(dims_of(x.ssa))}",
            hint="the sequence is 1-D, or has the values' dimensions but the last",
        )
    if sorter is not None:
        sequence = aten.gather.default(sequence, sequence.dim() - 1, sorter)
    if sequence.dim() > 1:
        sequence = unsqueeze(tracer, sequence, sequence.dim() - 1)
    values = unsqueeze(tracer, x, x.dim())
    reached = sequence > values if right or side == "right" else sequence >= values
    count = total(tracer, device_tensor(tracer, ~reached), -1, dtype=torch.int32 if out_int32 else torch.int64)
    count.reduced = x.reduced
    return count


@lowers(aten.bucketize.Tensor, aten.bucketize.Scalar)
def bucketize(
    tracer: Tracer, x: Any, boundaries: DeviceTensor, *, out_int32: bool = False, right: bool = False
) -> DeviceTensor:
    return searchsorted(tracer, boundaries, x, out_int32=out_int32, right=right)


@lowers(aten.histc.default)
def histc(tracer: Tracer, x: DeviceTensor, bins: Any = 100, min: Any = 0, max: Any = 0) -> DeviceTensor:
    """How many elements lie in each of `bins` equal parts of the range; its end belongs to the last one."""
    count, low, high = (tracer.constant(number) for number in (bins, min, max))
    if low == high:
        raise exc.InductorLoweringError(
            "no lowering for histc over the range of the data, which is known on the device only",
            hint="give min= and max=",
        )
    wide = x.to(torch.float32) if x.dtype.itemsize < 4 or not x.dtype.is_floating_point else x
    place = ((wide - low) * (count / (high - low))).floor().clamp(max=count - 1)
    part = device_tensor(tracer, torch.where((wide >= low) & (wide <= high), place, -1.0).to(torch.int32))
    hits: Any = unsqueeze(tracer, part, part.dim()) == lane_numbers(tracer, count).to(torch.int32)
    return total(tracer, hits, list(range(x.dim())), dtype=x.dtype)


__all__ = ["bucketize", "histc", "searchsorted"]
