"""Integer functions for host and device code: ceiling division, powers of two, multiprocessors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CDIV, NEXT_POWER_OF_2, MULTIPROCESSORS = "__cdiv__", "__next_power_of_2__", "__multiprocessors__"
TOGETHER, BARRIER_STATE, EARLY_LAUNCH = "__together__", "__barrier_state__", "__early_launch__"
"""Functions that host text and host expressions may call, each spelled by the backend that prints them: the ceiling of
a quotient, the least power of two that is not below a size, the multiprocessors of the device of a tensor; of a number
of programs, those that run at the same time on the device of a tensor (an interpreter may run one after the other);
the memory by which the programs of a launch meet there; whether kernels can start early there, 1 or 0."""
CPU_SMS = 4
"""Programs of a persistent kernel on a machine without GPU: few, because an interpreter runs them."""


def cdiv(numerator: Any, denominator: Any) -> Any:
    """`numerator / denominator` rounded up, for a positive denominator: ints, sizes and scalars of device code."""
    return (numerator + denominator - 1) // denominator


def next_power_of_2(number: int) -> int:
    """The least power of two that is not below `number`; 1 for numbers below 1."""
    return 1 << max(int(number) - 1, 0).bit_length()


def multiprocessors(tensor: Any) -> int:
    """The number for a tensor on the CPU; RuntimeError for another, as only a backend knows its device."""
    if tensor.device.type != "cpu":
        raise RuntimeError(f"the multiprocessors of {tensor.device} are not known here")
    return CPU_SMS


def together(tensor: Any, programs: int) -> int:
    """All of them: the reference interpreter takes programs from barrier to barrier."""
    return programs


def barrier_state(tensor: Any) -> Any:
    """32 bits, at which the reference interpreter does not look."""
    return tensor.new_zeros(1).int()


def early_launch(tensor: Any) -> int:
    """0: kernels on a CPU run one after the other."""
    return 0


HOST_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    CDIV: cdiv, NEXT_POWER_OF_2: next_power_of_2, MULTIPROCESSORS: multiprocessors, TOGETHER: together,
    BARRIER_STATE: barrier_state, EARLY_LAUNCH: early_launch,
}  # fmt: skip
"""What host text calls, where an interpreter runs it."""

__all__ = [
    "BARRIER_STATE", "CDIV", "CPU_SMS", "EARLY_LAUNCH", "HOST_FUNCTIONS", "MULTIPROCESSORS", "NEXT_POWER_OF_2",
    "TOGETHER", "cdiv", "next_power_of_2",
]  # fmt: skip
