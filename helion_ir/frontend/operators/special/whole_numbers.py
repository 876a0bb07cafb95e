"""Divisors and multiples of integers."""

from __future__ import annotations

import torch

from ...tracer import Tracer
from ..table import Promotion, aten, prims
from .decompositions import repeated, special

_STEPS = {torch.int8: 12, torch.uint8: 14, torch.int16: 24, torch.int32: 47, torch.int64: 93}
"""The most divisions that Euclid's algorithm takes: for two neighbours in Fibonacci's sequence (Lame, 1844)."""


@special(aten.gcd.default, prims.gcd.default, kind=Promotion.DEFAULT)
def gcd(tracer: Tracer, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclid's algorithm, all of its steps in every lane: done lanes divide by 1."""

    def step(_: torch.Tensor, larger: torch.Tensor, smaller: torch.Tensor) -> list[torch.Tensor]:
        done = smaller == 0
        rest = torch.remainder(larger, torch.where(done, 1, smaller))
        return [torch.where(done, larger, smaller), torch.where(done, smaller, rest)]

    return repeated(tracer, _STEPS[a.dtype], [torch.abs(a), torch.abs(b)], step)[0]


@special(aten.lcm.default, kind=Promotion.DEFAULT)
def lcm(tracer: Tracer, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    divisor = gcd(tracer, a, b)
    product = torch.abs(torch.div(a, torch.where(divisor == 0, 1, divisor), rounding_mode="trunc") * b)
    return torch.where(divisor == 0, 0, product)
