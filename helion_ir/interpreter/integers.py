"""Integer arithmetic that torch lacks: unsigned, total division, logical shifts, `i1` as one bit.

Values are signless: the dtype says the width only, and each function says how it reads the bits. No input traps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_Binary = Callable[[Tensor, Tensor], Tensor]


def bits_of(x: Tensor) -> int:
    """The width of an integer or bool tensor's elements."""
    return 1 if x.dtype == torch.bool else torch.iinfo(x.dtype).bits


def wrapping(function: _Binary) -> _Binary:
    """`function` modulo the width; on `i1` modulo two (torch would saturate)."""

    def run(a: Tensor, b: Tensor) -> Tensor:
        if a.dtype == torch.bool:
            return (function(a.int(), b.int()) & 1).bool()
        return function(a, b)

    return run


def truncate(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The low bits of `x`."""
    return (x & 1).bool() if dtype == torch.bool else x.to(dtype)


def sign_extend(x: Tensor) -> Tensor:
    """`x` as a signed number; true is -1 in one signed bit."""
    return -x.to(torch.int8) if x.dtype == torch.bool else x


def zero_extend(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` read as unsigned, in a wider dtype."""
    if x.dtype == torch.bool:
        return x.to(dtype)
    return x.to(dtype) & ((1 << bits_of(x)) - 1) if bits_of(x) < 64 else x.to(dtype)


def unsigned_to_float(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` read as unsigned, rounded to a float dtype."""
    if bits_of(x) < 64:
        return zero_extend(x, torch.int64).to(dtype)
    halved = shift_right_logical(x, torch.ones_like(x)) | (x & 1)  # the low bit stays sticky, so rounding is right
    return torch.where(x < 0, halved.to(dtype) * 2, x.to(dtype))


def from_float(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` rounded towards zero; numbers that do not fit give some value."""
    finite = torch.nan_to_num(x.double(), nan=0.0, posinf=0.0, neginf=0.0)
    big = finite >= 2.0**63
    low = torch.where(big, finite - 2.0**64, finite).clamp(-(2.0**63), 2.0**63 - 1024)
    return truncate(low.to(torch.int64), dtype)


def _safe(b: Tensor) -> Tensor:
    return torch.where((b == 0) | (b == -1), torch.ones_like(b), b)


def div(a: Tensor, b: Tensor) -> Tensor:
    """Signed division rounded towards zero; the least integer by -1 wraps."""
    return torch.where(b == -1, -a, torch.div(a, _safe(b), rounding_mode="trunc"))


def floor_div(a: Tensor, b: Tensor) -> Tensor:
    """Signed division rounded down."""
    return torch.where(b == -1, -a, torch.div(a, _safe(b), rounding_mode="floor"))


def ceil_div(a: Tensor, b: Tensor) -> Tensor:
    """Signed division rounded up."""
    quotient = div(a, b)
    inexact = quotient * b != a
    return quotient + (inexact & ((a < 0) == (b < 0))).to(a.dtype)


def rem(a: Tensor, b: Tensor) -> Tensor:
    """Signed remainder with the sign of `a`."""
    return torch.where(b == -1, torch.zeros_like(a), torch.fmod(a, _safe(b)))


def unsigned(function: _Binary) -> _Binary:
    """A signed comparison (or choice) as the unsigned one: flipping the sign bit keeps order."""

    def run(a: Tensor, b: Tensor) -> Tensor:
        if a.dtype == torch.bool:
            return function(a, b)
        low = torch.iinfo(a.dtype).min
        return function(a ^ low, b ^ low)

    return run


def unsigned_max(a: Tensor, b: Tensor) -> Tensor:
    """The greater of two unsigned numbers."""
    return torch.where(unsigned(torch.ge)(a, b), a, b)


def unsigned_min(a: Tensor, b: Tensor) -> Tensor:
    """The lesser of two unsigned numbers."""
    return torch.where(unsigned(torch.le)(a, b), a, b)


def unsigned_div(a: Tensor, b: Tensor) -> Tensor:
    """Unsigned division."""
    if bits_of(a) < 64:
        wide = zero_extend(b, torch.int64)
        return truncate(zero_extend(a, torch.int64) // torch.where(wide == 0, 1, wide), a.dtype)
    at_least = unsigned(torch.ge)
    small = torch.where(b > 0, b, torch.ones_like(b))
    estimate = torch.div(shift_right_logical(a, torch.ones_like(a)), small, rounding_mode="trunc") << 1
    estimate = estimate + at_least(a - estimate * small, small).to(a.dtype)
    return torch.where(b < 0, at_least(a, b).to(a.dtype), estimate)


def unsigned_rem(a: Tensor, b: Tensor) -> Tensor:
    """Unsigned remainder."""
    return wrapping(torch.sub)(a, wrapping(torch.mul)(unsigned_div(a, b), b))


def unsigned_ceil_div(a: Tensor, b: Tensor) -> Tensor:
    """Unsigned division rounded up."""
    quotient = unsigned_div(a, b)
    return wrapping(torch.add)(quotient, (quotient * b != a).to(a.dtype))


def _amount(a: Tensor, amount: Tensor) -> tuple[Tensor, Tensor]:
    """The shift amount limited to the width less one, and where it was too far."""
    count = zero_extend(amount, torch.int64)
    return count.clamp(0, bits_of(a) - 1), (count < 0) | (count >= bits_of(a))


def shift_left(a: Tensor, amount: Tensor) -> Tensor:
    """Shift left; zero when shifted by the width or more."""
    count, far = _amount(a, amount)
    return truncate(torch.where(far, 0, a.to(torch.int64) << count), a.dtype)


def shift_right(a: Tensor, amount: Tensor) -> Tensor:
    """Shift right, filling with the sign bit."""
    count, far = _amount(a, amount)
    count = torch.where(far, bits_of(a) - 1, count)
    return truncate(sign_extend(a).to(torch.int64) >> count, a.dtype)


def shift_right_logical(a: Tensor, amount: Tensor) -> Tensor:
    """Shift right, filling with zeros; zero when shifted by the width or more."""
    count, far = _amount(a, amount)
    kept = torch.where(count == 0, -1, torch.iinfo(torch.int64).max >> (count - 1).clamp(min=0))
    return truncate(torch.where(far, 0, (zero_extend(a, torch.int64) >> count) & kept), a.dtype)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    return x & 0xFFFFFFFF, shift_right_logical(x, torch.full_like(x, 32))


def unsigned_high_product(a: Tensor, b: Tensor) -> Tensor:
    """The upper half of the unsigned product."""
    if (bits := bits_of(a)) <= 32:
        product = zero_extend(a, torch.int64) * zero_extend(b, torch.int64)
        return truncate(shift_right_logical(product, torch.full_like(product, bits)), a.dtype)
    (a_low, a_high), (b_low, b_high) = _halves(a), _halves(b)
    carry = _halves(a_low * b_low)[1]
    middle_low, middle_high = _halves(a_high * b_low + carry)
    return a_high * b_high + middle_high + _halves(a_low * b_high + middle_low)[1]


def high_product(a: Tensor, b: Tensor) -> Tensor:
    """The upper half of the signed product."""
    high = unsigned_high_product(a, b)
    return high - torch.where(a < 0, b, 0) - torch.where(b < 0, a, 0)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Integer power; a negative exponent gives the power rounded towards zero."""
    result = torch.ones_like(base)
    factor, left = base, exponent.clamp(min=0)
    while bool((left > 0).any()):
        result = torch.where((left & 1).bool(), result * factor, result)
        factor, left = factor * factor, left >> 1
    sign = torch.where((exponent & 1).bool(), base, torch.ones_like(base))
    return torch.where(exponent >= 0, result, torch.where(base.abs() == 1, sign, torch.zeros_like(base)))


def population(x: Tensor) -> Tensor:
    """The number of set bits."""
    return sum(((x >> i) & 1 for i in range(bits_of(x))), torch.zeros_like(x)) if x.dtype != torch.bool else x


def leading_zeros(x: Tensor) -> Tensor:
    """The number of zero bits above the highest set one."""
    for step in (1, 2, 4, 8, 16, 32):
        if step < bits_of(x):
            x = x | shift_right_logical(x, torch.full_like(x, step))
    return bits_of(x) - population(x)


def trailing_zeros(x: Tensor) -> Tensor:
    """The number of zero bits below the lowest set one."""
    return population(~x & (x - 1))
