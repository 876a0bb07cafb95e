"""Computes `helion_ir/frontend/operators/special/tables.py`; `python -m tests.opinfo.chebyshev` prints it.

Each is the Chebyshev series of a smooth part of a special function, from values of mpmath at 40 digits. Which parts are
smooth is said in Abramowitz and Stegun, Handbook of Mathematical Functions: 9.6 and 9.7 (modified Bessel functions),
10.4 (Airy functions), 26.2 (the normal quantile). And power series for the incomplete gamma functions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath as mp

POINTS = 64
SMALLEST = 1e-17
"""Terms below this part of the largest one are left out: float64 does not see them."""

HEAD = '''"""Chebyshev series of the smooth parts of special functions, which `tests/opinfo/chebyshev.py` computes.

Of each: the interval of its argument, and the coefficients. `GAMMA` are power series, see `gamma_corrections` there.
"""

from __future__ import annotations

Series = tuple[float, float, tuple[float, ...]]

'''


def series(function: Callable[[Any], Any], low: float, high: float) -> list[float]:
    """The coefficients on an interval, the first one halved."""
    angles = [mp.pi * (k + mp.mpf(1) / 2) / POINTS for k in range(POINTS)]
    values = [function((high - low) / 2 * mp.cos(angle) + mp.mpf(high + low) / 2) for angle in angles]
    found = []
    for n in range(POINTS):
        total = mp.fsum(value * mp.cos(n * angle) for value, angle in zip(values, angles, strict=True))
        found.append(total * 2 / POINTS if n else total / POINTS)
    largest = max(abs(c) for c in found)
    last = max(n for n, c in enumerate(found) if abs(c) > SMALLEST * largest)
    return [float(c) for c in found[: last + 1]]


def _airy(t: Any, part: int) -> Any:
    """With t = 1/zeta^2, a = zeta + pi/4: `sqrt(pi) x^(1/4) Ai(-x)` is `part 0 * sin(a) - part 1 * cos(a) / zeta`."""
    zeta = 1 / mp.sqrt(t)
    x = (zeta * 3 / 2) ** (mp.mpf(2) / 3)
    scale, angle = mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4), zeta + mp.pi / 4
    a, b = mp.airyai(-x), mp.airybi(-x)
    if part == 0:
        return scale * (a * mp.sin(angle) + b * mp.cos(angle))
    return scale * zeta * (b * mp.sin(angle) - a * mp.cos(angle))


def _decaying_airy(t: Any) -> Any:
    """With t = 1/zeta: `2 sqrt(pi) x^(1/4) exp(zeta) Ai(x)`."""
    zeta = 1 / t
    x = (zeta * 3 / 2) ** (mp.mpf(2) / 3)
    return 2 * mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4) * mp.exp(zeta) * mp.airyai(x)


def _quantile(t: Any) -> Any:
    """With t = 1/z, z = sqrt(-2 log p): how far the quantile of p is from `log(z)/z - z`, times z."""
    z = 1 / t
    p = mp.exp(-z * z / 2)
    x = z - mp.log(z) / z
    for _ in range(60):
        step = (mp.ncdf(-x) - p) / mp.npdf(x)
        x += step
        if abs(step) < mp.mpf(10) ** -36:
            break
    return (z - mp.log(z) / z - x) * z


def _scaled_k(order: int) -> Callable[[Any], Any]:
    return lambda t: mp.sqrt(2 / t) * mp.exp(2 / t) * mp.besselk(order, 2 / t)


TABLES: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "I0_NEAR": (lambda x: mp.exp(-x) * mp.besseli(0, x), 0, 8),
    "I0_FAR": (lambda t: mp.sqrt(8 / t) * mp.exp(-8 / t) * mp.besseli(0, 8 / t), 0, 1),
    "I1_NEAR": (lambda x: mp.exp(-x) * mp.besseli(1, x) / x, 0, 8),
    "I1_FAR": (lambda t: mp.sqrt(8 / t) * mp.exp(-8 / t) * mp.besseli(1, 8 / t), 0, 1),
    "K0_NEAR": (lambda t: mp.besselk(0, mp.sqrt(t)) + mp.log(mp.sqrt(t) / 2) * mp.besseli(0, mp.sqrt(t)), 0, 4),
    "K0_FAR": (_scaled_k(0), 0, 1),
    "K1_NEAR": (
        lambda t: mp.sqrt(t) * (mp.besselk(1, mp.sqrt(t)) - mp.log(mp.sqrt(t) / 2) * mp.besseli(1, mp.sqrt(t))), 0, 4,
    ),
    "K1_FAR": (_scaled_k(1), 0, 1),
    "AIRY_SINE": (lambda t: _airy(t, 0), 0, 0.25),
    "AIRY_COSINE": (lambda t: _airy(t, 1), 0, 0.25),
    "AIRY_DECAY": (_decaying_airy, 0, 0.5),
    "QUANTILE": (_quantile, 0.025, 0.5),
}  # fmt: skip


def gamma_corrections(orders: int, terms: int) -> list[list[float]]:
    """Power series in eta of the functions c[k] of the uniform expansion of the incomplete gamma functions.

    DLMF 8.12.7 to 8.12.11: with `eta^2 / 2 = mu - log(1 + mu)`, c[0] is `1 / mu - 1 / eta`, and c[k] is
    `c[k - 1]' / eta + (-1)^k g[k] / mu`, where g[k] are Stirling's coefficients.
    """
    length = terms + 2 * orders + 2
    mu = [Fraction(0), Fraction(1)]
    for n in range(2, length + 2):
        known = sum((mu[i] * mu[n + 1 - i] for i in range(2, n)), Fraction(0))
        mu.append((2 * mu[n - 1] / (n + 1) - known) / 2)
    inverse = [Fraction(1)]  # of mu / eta
    for n in range(1, length + 1):
        inverse.append(-sum((mu[i + 1] * inverse[n - i] for i in range(1, n + 1)), Fraction(0)))
    c, found = inverse[1:], []
    for k, stirling in enumerate(_stirling(orders)):
        if k:
            derivative = [n * value for n, value in enumerate(c)][1:]
            added = [d + (-1) ** k * stirling * i for d, i in zip(derivative, inverse, strict=False)]
            assert added[0] == 0
            c = added[1:]
        found.append([float(value) for value in c[:terms]])
    return found


def _stirling(count: int) -> list[Fraction]:
    """`Gamma(z) / (sqrt(2 pi) exp(-z) z^(z - 1/2))` in powers of 1/z."""
    bernoulli = [Fraction(1)]
    for m in range(1, count + 2):
        total = sum((math.comb(m + 1, k) * bernoulli[k] for k in range(m)), Fraction(0))
        bernoulli.append(-total / (m + 1))
    exponent = [Fraction(0)] * count
    for n in range(1, count, 2):
        exponent[n] = bernoulli[n + 1] / (n * (n + 1))
    result = [Fraction(1)]
    for n in range(1, count):
        result.append(sum((k * exponent[k] * result[n - k] for k in range(1, n + 1)), Fraction(0)) / n)
    return result


def text() -> str:
    """The text of the file."""
    parts = [HEAD]
    for name, (function, low, high) in TABLES.items():
        numbers = [repr(c) for c in series(function, low, high)]
        lines = [", ".join(numbers[i : i + 4]) for i in range(0, len(numbers), 4)]
        body = ",\n        ".join(lines)
        parts.append(
            f"{name}: Series = (\n    {float(low)}, {float(high)}, (\n        {body},\n    ),\n)  # fmt: skip\n"
        )
    rows = ["(" + ", ".join(map(repr, row)) + ")" for row in gamma_corrections(10, 20)]
    parts.append("GAMMA: tuple[tuple[float, ...], ...] = (\n    " + ",\n    ".join(rows) + ",\n)\n")
    return "".join(parts)


if __name__ == "__main__":
    mp.mp.dps = 40
    sys.stdout.write(text())
