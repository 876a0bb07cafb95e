"""What is settled at compile time."""

from __future__ import annotations

from typing import Any

from .api import ACTIVE, api


@api(host=True)
def register_block_size(min_or_max: Any, max: Any = None) -> Any:
    """A tuned block size between `min_or_max` (1 when it is alone, and then the maximum) and `max`."""


@api(host=True)
def register_tunable(name: str, fragment: Any) -> Any:
    """A tuned value, under its `name` in configs: an int, a float, a bool or a string, as its fragment says
    (`PowerOfTwoFragment`, `IntegerFragment`, `EnumFragment`, `BooleanFragment` of `helion_ir.autotuner`).

    It is a plain Python value in host code and in device code: the kernel is traced for each value that is tried.
    """


@api(host=True)
def specialize(value: Any) -> Any:
    """Make a size or stride, or a tuple of them, a constant of the specialization; returns it."""


class constexpr:
    """An annotation: the argument's value is a constant of the specialization.

    `constexpr(v)` says so of the value of an argument. In a kernel's own code it is the value itself, which becomes
    part of the specialization.
    """

    def __new__(cls, value: Any) -> Any:
        return ACTIVE[-1].constant(value) if ACTIVE else super().__new__(cls)

    def __init__(self, value: Any):
        self.value = value

    def __class_getitem__(cls, _: Any) -> type[constexpr]:
        return cls

    def __eq__(self, other: object) -> bool:
        return isinstance(other, constexpr) and self.value == other.value

    def __hash__(self) -> int:
        return hash((constexpr, self.value))

    def __repr__(self) -> str:
        return f"constexpr({self.value!r})"
