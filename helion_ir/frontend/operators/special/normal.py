"""The quantile of the normal distribution."""

from __future__ import annotations

import math

import torch

from ...tracer import Tracer
from ..table import aten, prims
from . import tables
from .decompositions import chebyshev, special


@special(aten.special_ndtri.default, prims.ndtri.default)
def ndtri(tracer: Tracer, p: torch.Tensor) -> torch.Tensor:
    """The inverse of erf in the middle; in the tails `z = sqrt(-2 log p)`, corrected by a series.

    The correction after Abramowitz and Stegun, 26.2.23, whose rational function is too coarse.
    """
    tail = torch.minimum(p, 1 - p)
    z = torch.sqrt(-2 * torch.log(torch.clamp(tail, max=math.exp(-2))))
    inverse = 1 / z
    outer = torch.log(z) * inverse - z + chebyshev(inverse, tables.QUANTILE) * inverse
    inner = math.sqrt(2) * torch.erfinv(2 * p - 1)
    value = torch.where(tail > math.exp(-2), inner, torch.where(p < 0.5, outer, -outer))
    value = torch.where(p == 0, float("-inf"), torch.where(p == 1, float("inf"), value))
    return torch.where((p >= 0) & (p <= 1), value, float("nan"))
