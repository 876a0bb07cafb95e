"""Integer helpers for host and device code."""

from __future__ import annotations

from typing import Any


def cdiv(numerator: Any, denominator: Any) -> Any:
    """`numerator / denominator` rounded up, for a positive denominator: ints, sizes and scalars of device code."""
    return (numerator + denominator - 1) // denominator


def next_power_of_2(number: int) -> int:
    """The least power of two that is not below `number`; 1 for numbers below 1."""
    return 1 << max(int(number) - 1, 0).bit_length()


__all__ = ["cdiv", "next_power_of_2"]
