"""Orthogonal polynomials of a degree that is a value of each lane: recurrences, up to the largest degree of a tile.

`p[k + 1] = (a x + b) p[k] - c p[k - 1]`, after Abramowitz and Stegun, 22.7. A degree below zero gives 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...tracer import Tracer
from ..table import aten
from .decompositions import largest, repeated, special

_HIGHEST = 1 << 20
"""A loop of a degree that is no number, or hardly one, ends."""
Recurrence = Callable[[Any, torch.Tensor], tuple[Any, Any]]
"""Number k of the step and x → factors of p[k] and of p[k - 1] in p[k + 1]."""


def _polynomial(
    name: str, first: Callable[[torch.Tensor], torch.Tensor], recurrence: Recurrence, shifted: bool = False
) -> None:
    packet = getattr(aten, name)

    @special(packet.default, packet.n_scalar, packet.x_scalar)
    def function(tracer: Tracer, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        argument = x + x - 1 if shifted else x
        degree = torch.trunc(n)
        one = torch.full_like(x, 1.0)

        def step(i: torch.Tensor, before: torch.Tensor, value: torch.Tensor) -> list[torch.Tensor]:
            k = (i + 1).to(x.dtype)
            of_value, of_before = recurrence(k, argument)
            following = of_value * value - of_before * before
            goes_on = k < degree
            return [torch.where(goes_on, value, before), torch.where(goes_on, following, value)]

        _, value = repeated(tracer, largest(degree - 1, _HIGHEST), [one, first(argument)], step)
        return torch.where(degree < 0, 0.0, torch.where(degree == 0, 1.0, value))


def _chebyshev(k: Any, x: torch.Tensor) -> tuple[Any, Any]:
    return x + x, 1.0


for _shifted in (False, True):
    _prefix = "special_shifted_chebyshev_polynomial_" if _shifted else "special_chebyshev_polynomial_"
    _polynomial(_prefix + "t", lambda x: x, _chebyshev, _shifted)
    _polynomial(_prefix + "u", lambda x: x + x, _chebyshev, _shifted)
    _polynomial(_prefix + "v", lambda x: x + x - 1, _chebyshev, _shifted)
    _polynomial(_prefix + "w", lambda x: x + x + 1, _chebyshev, _shifted)
_polynomial("special_hermite_polynomial_h", lambda x: x + x, lambda k, x: (x + x, k + k))
_polynomial("special_hermite_polynomial_he", lambda x: x, lambda k, x: (x, k))
_polynomial("special_laguerre_polynomial_l", lambda x: 1 - x, lambda k, x: ((k + k + 1 - x) / (k + 1), k / (k + 1)))
_polynomial("special_legendre_polynomial_p", lambda x: x, lambda k, x: ((k + k + 1) * x / (k + 1), k / (k + 1)))
