"""What belongs to the gamma function: zeta, digamma, polygamma.

Sums go by the formula of Euler and Maclaurin; arguments below zero by reflection (Abramowitz and Stegun, 6.3.7, 6.3.18,
6.4.10, 23.1.3, 23.2.7).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import torch

from ...tensors import DeviceTensor
from ...tracer import Tracer
from ..table import aten, lowers, prims
from .decompositions import applied, polynomial, special

_BERNOULLI = tuple(
    Fraction(*each)
    for each in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510), (43867, 798))
)
"""Those of even order, from 2 on."""
_DIRECT = 10
"""Terms that are added one by one, so that the rest is smooth."""


def _tail_sum(s: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """The sum over k of `(q + k)^-s`, for s > 1 and q > 0."""
    total: Any = torch.pow(q, -s)
    for k in range(1, _DIRECT):
        total = total + torch.pow(q + k, -s)
    edge = q + _DIRECT
    power = torch.pow(edge, -s)
    total = total + power * edge / (s - 1) + power * 0.5
    factor, inverse = s * power / edge, 1 / (edge * edge)
    for k, number in enumerate(_BERNOULLI, 1):
        total = total + factor * float(number / math.factorial(2 * k))
        factor = factor * (s + (2 * k - 1)) * (s + 2 * k) * inverse
    return total


@special(aten.special_zeta.default, aten.special_zeta.other_scalar, aten.special_zeta.self_scalar, prims.zeta.default)
def zeta(tracer: Tracer, s: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Hurwitz's; for negative q, where s must be whole, sums from both sides of the gap that holds zero."""
    below = q <= 0
    rest = q - torch.floor(q)
    direct = _tail_sum(s, torch.where(below, rest, q))
    gap = _tail_sum(s, 1 - rest) - _tail_sum(s, torch.where(below, 1 - q, 1.0))
    odd = torch.floor(s * 0.5) * 2 != s
    value = torch.where(below, direct + torch.where(odd, -gap, gap), direct)
    value = torch.where(below & (torch.floor(s) != s), float("nan"), value)
    value = torch.where(below & (torch.floor(q) == q), float("inf"), value)
    value = torch.where(s == 1, float("inf"), torch.where(s > 1, value, float("nan")))
    return torch.where(torch.isnan(q), q, value)


@special(aten.digamma.default, aten.special_digamma.default, prims.digamma.default)
def digamma(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    """The asymptotic series, behind a recurrence to where it holds."""
    above = torch.where(x > 0, x, 1 - x)
    shift: Any = -1 / above
    for k in range(1, _DIRECT):
        shift = shift - 1 / (above + k)
    far = above >= _DIRECT
    edge = torch.where(far, above, above + _DIRECT)
    inverse = 1 / (edge * edge)
    terms = [float(-number / (2 * k)) for k, number in enumerate(_BERNOULLI[:7], 1)]
    value = torch.log(edge) - 0.5 / edge + inverse * polynomial(inverse, terms)
    value = torch.where(far, value, value + shift)
    rest = x - torch.round(x)
    mirrored = value - math.pi / torch.tan(math.pi * rest)
    mirrored = torch.where(rest == 0, float("nan"), mirrored)
    value = torch.where(x > 0, value, mirrored)
    value = torch.where(x == 0, -torch.copysign(torch.full_like(x, float("inf")), x), value)
    return torch.where(x == float("inf"), x, value)


@lowers(aten.polygamma.default, aten.special_polygamma.default)
def polygamma(tracer: Tracer, n: Any, x: Any) -> DeviceTensor:
    order = int(n)
    if order == 0:
        return aten.digamma.default(x)

    def scaled(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
        return zeta(tracer, torch.full_like(x, order + 1.0), x) * ((-1.0) ** (order + 1) * math.factorial(order))

    return applied(tracer, scaled, [x])
