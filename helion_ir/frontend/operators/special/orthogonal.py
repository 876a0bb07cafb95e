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

_HIGHEST = 1 << 16
"""The highest degree that a recurrence goes to; the results of higher ones are NaN."""
_CLOSED = 6
"""Chebyshev's polynomials of higher degrees are waves of the angle between -1 and 1 (22.3.15, 22.3.16)."""
Function = Callable[[torch.Tensor], torch.Tensor]
Recurrence = Callable[[Any, torch.Tensor], tuple[Any, Any]]
"""Number k of the step and x → factors of p[k] and of p[k - 1] in p[k + 1]."""
Wave = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Degree and angle → the polynomial at the cosine of the angle."""


def _polynomial(
    name: str, first: Function, recurrence: Recurrence, wave: Wave | None = None, *, shifted: bool = False
) -> None:
    packet = getattr(aten, name)

    @special(packet.default, packet.n_scalar, packet.x_scalar)
    def function(tracer: Tracer, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        argument = x + x - 1 if shifted else x
        degree = torch.trunc(n)
        if wave is None:
            return _recurrent(tracer, argument, degree, first, recurrence)
        inside = (torch.abs(argument) < 1) & (degree > _CLOSED)
        value = _recurrent(tracer, argument, torch.where(inside, 0.0, degree), first, recurrence)
        angle = torch.acos(torch.clamp(argument, -1.0, 1.0))
        return torch.where(inside, wave(degree, angle), value)


def _recurrent(
    tracer: Tracer, x: torch.Tensor, degree: torch.Tensor, first: Function, recurrence: Recurrence
) -> torch.Tensor:
    def step(i: torch.Tensor, before: torch.Tensor, value: torch.Tensor) -> list[torch.Tensor]:
        k = (i + 1).to(x.dtype)
        of_value, of_before = recurrence(k, x)
        following = of_value * value - of_before * before
        goes_on = k < degree
        return [torch.where(goes_on, value, before), torch.where(goes_on, following, value)]

    _, value = repeated(tracer, largest(degree - 1, _HIGHEST), [torch.full_like(x, 1.0), first(x)], step)
    value = torch.where(degree <= _HIGHEST, value, float("nan"))
    return torch.where(degree < 0, 0.0, torch.where(degree == 0, 1.0, value))


def _chebyshev(k: Any, x: torch.Tensor) -> tuple[Any, Any]:
    return x + x, 1.0


_CHEBYSHEV: dict[str, tuple[Function, Wave]] = {
    "t": (lambda x: x, lambda n, angle: torch.cos(n * angle)),
    "u": (lambda x: x + x, lambda n, angle: torch.sin((n + 1) * angle) / torch.sin(angle)),
    "v": (lambda x: x + x - 1, lambda n, angle: torch.cos((n + 0.5) * angle) / torch.cos(angle * 0.5)),
    "w": (lambda x: x + x + 1, lambda n, angle: torch.sin((n + 0.5) * angle) / torch.sin(angle * 0.5)),
}
for _kind, (_first, _wave) in _CHEBYSHEV.items():
    _polynomial(f"special_chebyshev_polynomial_{_kind}", _first, _chebyshev, _wave)
    _polynomial(f"special_shifted_chebyshev_polynomial_{_kind}", _first, _chebyshev, _wave, shifted=True)
_polynomial("special_hermite_polynomial_h", lambda x: x + x, lambda k, x: (x + x, k + k))
_polynomial("special_hermite_polynomial_he", lambda x: x, lambda k, x: (x, k))
_polynomial("special_laguerre_polynomial_l", lambda x: 1 - x, lambda k, x: ((k + k + 1 - x) / (k + 1), k / (k + 1)))
_polynomial("special_legendre_polynomial_p", lambda x: x, lambda k, x: ((k + k + 1) * x / (k + 1), k / (k + 1)))
