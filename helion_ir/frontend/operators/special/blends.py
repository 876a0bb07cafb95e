"""Elementwise operators that PyTorch's decompositions would round on the way, or take apart by reading sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND as Promotion

from .... import exc
from ...tracer import Tracer
from ..table import aten, device_tensor, lowers_function
from .decompositions import special


@special(aten.lerp.Scalar, aten.lerp.Tensor, kind=Promotion.DEFAULT)
def lerp(tracer: Tracer, start: torch.Tensor, end: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """From the nearer end, so that both ends are exact."""
    span = end - start
    return torch.where(torch.abs(weight) < 0.5, start + weight * span, end - span * (1 - weight))


@special(aten._prelu_kernel.default, kind=Promotion.DEFAULT)
def prelu_kernel(tracer: Tracer, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, weight * x)


@lowers_function(torch.prelu)
def prelu(tracer: Tracer, input: Any, weight: Any) -> torch.Tensor:
    """One slope, or one for each channel, which is the second axis."""
    x, slopes = device_tensor(tracer, input), device_tensor(tracer, weight)
    if slopes.dim() > 1:
        raise exc.ShapeMismatch(f"prelu: a weight of {slopes.dim()} dimensions", hint="give a slope for each channel")
    if slopes.dim() and x.dim() > 2:
        slopes = slopes.reshape([-1, *[1] * (x.dim() - 2)])
    return aten._prelu_kernel.default(x, slopes)
