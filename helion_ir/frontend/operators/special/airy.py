"""The Airy function Ai.

Between -2.08 and 2.08 its power series (Abramowitz and Stegun, 10.4.2); beyond, Chebyshev series of what is left
without the oscillation (10.4.60) or the decay (10.4.59).
"""

from __future__ import annotations

import math

import torch

from ...tracer import Tracer
from ..table import aten
from . import tables
from .decompositions import chebyshev, polynomial, special

_EDGE = 2.0801
"""Where zeta, `2/3 x^1.5`, is 2."""
_AT_ZERO, _SLOPE = 0.355028053887817239, -0.258819403792806798


@special(aten.special_airy_ai.default)
def airy_ai(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    cube = x * x * x
    even, odd = [1.0], [1.0]
    for k in range(1, 16):
        even.append(even[-1] / ((3 * k - 1) * 3 * k))
        odd.append(odd[-1] / (3 * k * (3 * k + 1)))
    middle = _AT_ZERO * polynomial(cube, even) + _SLOPE * x * polynomial(cube, odd)
    size = torch.clamp(torch.abs(x), min=_EDGE)
    root = torch.sqrt(size)
    zeta = size * root * (2 / 3)
    inverse = 1 / zeta
    amplitude = torch.rsqrt(torch.sqrt(size)) * (1 / math.sqrt(math.pi))
    sine, cosine = chebyshev(inverse * inverse, tables.AIRY_SINE), chebyshev(inverse * inverse, tables.AIRY_COSINE)
    angle = zeta + math.pi / 4
    waves = amplitude * (sine * torch.sin(angle) - cosine * inverse * torch.cos(angle))
    decay = 0.5 * amplitude * torch.exp(-zeta) * chebyshev(inverse, tables.AIRY_DECAY)
    value = torch.where(x > _EDGE, decay, torch.where(x < -_EDGE, waves, middle))
    return torch.where(torch.isinf(x), torch.where(x > 0, 0.0, float("nan")), value)
