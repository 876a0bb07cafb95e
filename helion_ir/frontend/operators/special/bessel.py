"""Bessel functions of orders 0 and 1.

J and Y are libdevice's. I and K by Chebyshev series, after Abramowitz and Stegun, 9.6.12, 9.6.13 and 9.7.1, 9.7.2: near
zero of what is left without the logarithm, far from it of what is left without the exponential and the root.
"""

from __future__ import annotations

import torch

from ....dialects.value import LibdeviceOp
from ...tracer import Tracer
from ..table import aten, prims
from . import tables
from .decompositions import chebyshev, emitted, polynomial, special


def _of_libdevice(name: str, *overloads: object) -> None:
    @special(*overloads)
    def function(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
        return emitted(tracer, lambda builder, values: builder.emit(LibdeviceOp(name, values)), x)


_of_libdevice("j0", aten.special_bessel_j0.default, prims.bessel_j0.default)
_of_libdevice("j1", aten.special_bessel_j1.default, prims.bessel_j1.default)
_of_libdevice("y0", aten.special_bessel_y0.default)
_of_libdevice("y1", aten.special_bessel_y1.default)


@special(aten.special_i0e.default, prims.bessel_i0e.default)
def i0e(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    """`exp(-|x|) I0(x)`."""
    size = torch.abs(x)
    far = torch.clamp(size, min=8.0)
    return torch.where(size > 8, chebyshev(8 / far, tables.I0_FAR) * torch.rsqrt(far), chebyshev(size, tables.I0_NEAR))


@special(aten.special_i1e.default, prims.bessel_i1e.default)
def i1e(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    """`exp(-|x|) I1(x)`."""
    size = torch.abs(x)
    far = torch.clamp(size, min=8.0)
    near = torch.clamp(size, max=8.0)
    outer = torch.where(x < 0, -1.0, 1.0) * chebyshev(8 / far, tables.I1_FAR) * torch.rsqrt(far)
    return torch.where(size > 8, outer, x * chebyshev(near, tables.I1_NEAR))


@special(aten.i0.default, aten.special_i0.default, aten.special_modified_bessel_i0.default, prims.bessel_i0.default)
def i0(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    return _grown(i0e(tracer, x), torch.abs(x))


@special(aten.special_i1.default, aten.special_modified_bessel_i1.default, prims.bessel_i1.default)
def i1(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    return _grown(i1e(tracer, x), torch.abs(x))


def _grown(value: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """`value * exp(size)`, without overflow on the way."""
    half = torch.exp(size * 0.5)
    return value * half * half


def _near_zero(x: torch.Tensor, order: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`x` up to 2, and I of that: a power series (9.6.10)."""
    near = torch.clamp(x, max=2.0)
    quarter = near * near * 0.25
    terms = [1.0]
    for k in range(1, 16):
        terms.append(terms[-1] / (k * (k + order)))
    value = polynomial(quarter, terms)
    return near, value * near * 0.5 if order else value


def _scaled_k(x: torch.Tensor, order: int) -> tuple[torch.Tensor, torch.Tensor]:
    """K of an argument up to 2, and `exp(x) K` of one beyond."""
    near, regular = _near_zero(x, order)
    logarithm = torch.log(near * 0.5) * regular
    if order:
        small = logarithm + chebyshev(near * near, tables.K1_NEAR) / near
    else:
        small = chebyshev(near * near, tables.K0_NEAR) - logarithm
    far = torch.clamp(x, min=2.0)
    large = chebyshev(2 / far, tables.K1_FAR if order else tables.K0_FAR) * torch.rsqrt(far)
    edge = torch.where(x == 0, float("inf"), float("nan"))
    return torch.where(x > 0, small, edge), large


def _k(order: int, overload: object, scaled_overload: object) -> None:
    @special(overload)
    def k(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
        small, large = _scaled_k(x, order)
        return torch.where(x > 2, large * torch.exp(-x), small)

    @special(scaled_overload)
    def scaled_k(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
        small, large = _scaled_k(x, order)
        return torch.where(x > 2, large, small * torch.exp(torch.clamp(x, max=2.0)))


_k(0, aten.special_modified_bessel_k0.default, aten.special_scaled_modified_bessel_k0.default)
_k(1, aten.special_modified_bessel_k1.default, aten.special_scaled_modified_bessel_k1.default)


@special(aten.special_spherical_bessel_j0.default, prims.spherical_bessel_j0.default)
def spherical_j0(tracer: Tracer, x: torch.Tensor) -> torch.Tensor:
    """`sin(x) / x`; a power series near zero, zero at infinity."""
    terms = [1.0]
    for k in range(1, 7):
        terms.append(-terms[-1] / (2 * k * (2 * k + 1)))
    size = torch.abs(x)
    value = torch.where(size < 0.5, polynomial(x * x, terms), torch.sin(x) / x)
    return torch.where(size == float("inf"), 0.0, value)
