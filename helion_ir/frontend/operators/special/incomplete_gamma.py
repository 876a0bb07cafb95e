"""The incomplete gamma functions P and Q, regularized: `Gamma(a, x) / Gamma(a)` is Q.

Four expansions, each where it converges fast (DLMF 8.7.1, 8.9.2, 8.12.3, 8.12.4), a lane takes the result of its own: P
by its power series below `a + 1`; Q by its continued fraction above, and near zero by the series of its small
difference; both by the expansion that is uniform in x, for large a near x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...tracer import Tracer
from ..table import aten, prims
from . import tables
from .decompositions import polynomial, repeated, special

_LARGE, _NEAR = 20.0, 0.3
"""From which a, and up to which `|x / a - 1|`, the uniform expansion holds."""
_TINY = 1e-30


def _scale(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`x^a exp(-x) / Gamma(a)`; of large a by Stirling's series, where the logarithms would cancel."""
    small = torch.exp(a * torch.log(x) - x - torch.lgamma(a))
    large = torch.clamp(a, min=8.0)
    square = 1 / (large * large)
    series = polynomial(square, [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360]) / large
    ratio = x / large
    apart = ratio - 1
    logarithm = torch.where(torch.abs(apart) < 0.5, torch.log1p(apart), torch.log(ratio))
    stirling = torch.exp(large * (logarithm - apart) - series) * torch.sqrt(large * (0.5 / math.pi))
    return torch.where(a > 8, stirling, small)


def _loops(tracer: Tracer, a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The sums of P's series and of Q's difference, and Q's continued fraction by Lentz's method."""

    def nonzero(value: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.abs(value) < _TINY, _TINY, value)

    def step(i: torch.Tensor, *carried: torch.Tensor) -> Sequence[torch.Tensor]:
        term, total, power, difference, b, c, d, fraction = carried
        n = (i + 1).to(x.dtype)
        term = term * x / (a + n)
        power = -power * x / n
        factor = n * (a - n)
        b = b + 2
        d = 1 / nonzero(factor * d + b)
        c = nonzero(b + factor / c)
        return [term, total + term, power, difference + power / (a + n), b, c, d, fraction * d * c]

    one = torch.full_like(x, 1.0)
    begin = nonzero(x + 1 - a)
    first = [one, one, one, one * 0, begin, one / _TINY, 1 / begin, 1 / begin]
    steps = 128 if x.dtype == torch.float64 else 64
    _, total, _, difference, *_, fraction = repeated(tracer, steps, first, step)
    return total, difference, fraction


def _uniform(a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """P and Q for large a and x near it."""
    apart = torch.clamp(x / a - 1, -_NEAR, _NEAR)
    half_square = torch.where(torch.abs(apart) < 0.01, _small_difference(apart), apart - torch.log1p(apart))
    eta = torch.sqrt(torch.clamp(half_square, min=0.0) * 2)
    eta = torch.where(apart < 0, -eta, eta)
    rows = tables.GAMMA if x.dtype == torch.float64 else [row[:8] for row in tables.GAMMA[:4]]
    inverse, series = 1 / a, torch.zeros_like(x)
    for row in reversed(rows):
        series = series * inverse + polynomial(eta, row)
    rest = torch.exp(-a * half_square) * torch.rsqrt(a * (2 * math.pi)) * series
    middle = eta * torch.sqrt(a * 0.5)
    return 0.5 * torch.erfc(-middle) - rest, 0.5 * torch.erfc(middle) + rest


def _small_difference(apart: torch.Tensor) -> torch.Tensor:
    """`u - log(1 + u)` of a small u."""
    return apart * apart * polynomial(apart, [(-1) ** k / k for k in range(2, 10)])


def _both(tracer: Tracer, a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = _scale(a, x)
    total, difference, fraction = _loops(tracer, a, x)
    p, q = scale * total / a, scale * fraction
    logarithm = torch.log(x)
    near_zero = (
        -torch.expm1(a * logarithm - torch.lgamma(a + 1)) - torch.exp(a * logarithm - torch.lgamma(a)) * difference
    )
    small = (x <= 1.1) & (a < torch.where(x <= 0.5, -0.4 / logarithm, x * 1.1))
    below = (x < a + 1) | small
    q = torch.where(small, near_zero, torch.where(below, 1 - p, q))
    p = torch.where(below, p, 1 - q)
    large_p, large_q = _uniform(a, x)
    large = (a > _LARGE) & (torch.abs(x / a - 1) < _NEAR)
    return torch.where(large, large_p, p), torch.where(large, large_q, q)


def _at_edges(value: torch.Tensor, a: torch.Tensor, x: torch.Tensor, begin: float, end: float) -> torch.Tensor:
    """The value with those at 0 and infinity: `begin` for x of 0, `end` for large x."""
    infinity: Any = float("inf")
    value = torch.where(x == infinity, end, value)
    value = torch.where(a == infinity, torch.where(x == infinity, float("nan"), begin), value)
    value = torch.where(x == 0, begin, value)
    value = torch.where(a == 0, torch.where(x > 0, end, float("nan")), value)
    return torch.where((x >= 0) & (a >= 0), value, float("nan"))


@special(aten.igamma.default, prims.igamma.default, aten.special_gammainc.default)
def igamma(tracer: Tracer, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return _at_edges(_both(tracer, a, x)[0], a, x, 0.0, 1.0)


@special(aten.igammac.default, prims.igammac.default, aten.special_gammaincc.default)
def igammac(tracer: Tracer, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return _at_edges(_both(tracer, a, x)[1], a, x, 1.0, 0.0)
