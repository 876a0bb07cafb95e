"""Fragments: the legal values of one site of a config key, and how a search moves among them.

A fragment has two sets: what is *legal* (`contains`), and what a search *proposes* (`candidates`), which may be
smaller: any power of two is a legal block size, but none above the extent is worth trying.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from ..sizes import next_power_of_2

Value: TypeAlias = "int | float | str | bool | list[int] | None"
"""One entry of a config: what a site is set to."""


def is_power_of_two(value: object) -> bool:
    """Whether `value` is an int (no bool) that is a power of two."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0 and value & (value - 1) == 0


class Fragment(ABC):
    """The values of one site."""

    nested = False
    """Whether a value is itself a list, so that a config's nested list must not be flattened into it."""

    @abstractmethod
    def default(self) -> Value:
        """What an untuned kernel uses."""

    @abstractmethod
    def candidates(self) -> Sequence[Value]:
        """The values a search proposes, in an order where neighbours are alike."""

    @abstractmethod
    def legal(self) -> str:
        """The legal values in words, for diagnostics."""

    def contains(self, value: object) -> bool:
        """Whether `value` is legal."""
        return any(value == known and type(value) is type(known) for known in self.candidates())

    def random(self, rng: Random) -> Value:
        """One of the candidates."""
        return rng.choice(list(self.candidates()))

    def neighbors(self, value: Value) -> list[Value]:
        """Candidates one step away from `value`."""
        values = list(self.candidates())
        if value not in values:
            return values[:1]
        at = values.index(value)
        return values[max(at - 1, 0) : at] + values[at + 1 : at + 2]

    def encode(self, value: Value) -> list[float]:
        """`value` as features of a surrogate model: its position among the candidates."""
        values = list(self.candidates())
        return [float(values.index(value)) if value in values else float(len(values))]


@dataclass(frozen=True)
class PowerOfTwoFragment(Fragment):
    """Powers of two: `lo` to `hi` are proposed, `min_size` to `max_size` are legal (None: no bound)."""

    lo: int
    hi: int
    default_value: int | None = None
    max_size: int | None = field(default=None, kw_only=True)
    min_size: int | None = field(default=None, kw_only=True)
    size_hint: int | None = field(default=None, kw_only=True)
    """The extent that the site covers, where it is known."""

    def default(self) -> int:
        return self.lo if self.default_value is None else self.default_value

    def candidates(self) -> list[Value]:
        low = next_power_of_2(self.lo)
        return [low << i for i in range(max(self.hi // low, 1).bit_length())]

    def contains(self, value: object) -> bool:
        lo, hi = self._limits()
        return is_power_of_two(value) and isinstance(value, int) and lo <= value <= (hi or value)

    def _limits(self) -> tuple[int, int | None]:
        return self.lo if self.min_size is None else self.min_size, self.max_size

    def legal(self) -> str:
        lo, hi = self._limits()
        return f"a power of two from {lo}" + (f" to {hi}" if hi else "")

    def encode(self, value: Value) -> list[float]:
        return [math.log2(value) if isinstance(value, int) and value > 0 else -1.0]


@dataclass(frozen=True)
class IntegerFragment(Fragment):
    """Integers from `lo` to `hi`; those up to `max_legal` are legal, too."""

    lo: int
    hi: int
    default_value: int | None = None
    max_legal: int | None = field(default=None, kw_only=True)

    def default(self) -> int:
        return self.lo if self.default_value is None else self.default_value

    def candidates(self) -> list[Value]:
        return list(range(self.lo, self.hi + 1))

    def contains(self, value: object) -> bool:
        return (
            isinstance(value, int) and not isinstance(value, bool) and self.lo <= value <= (self.max_legal or self.hi)
        )

    def legal(self) -> str:
        return f"an integer from {self.lo} to {self.max_legal or self.hi}"

    def random(self, rng: Random) -> int:
        return rng.randint(self.lo, self.hi)

    def neighbors(self, value: Value) -> list[Value]:
        assert isinstance(value, int)
        return [near for near in (value - 1, value + 1) if self.lo <= near <= self.hi]

    def encode(self, value: Value) -> list[float]:
        assert isinstance(value, int)
        return [float(value)]


@dataclass(frozen=True)
class EnumFragment(Fragment):
    """One of `choices`; the first is the default unless `default_value` says otherwise.

    `also_legal` holds values that are accepted but not proposed.
    """

    choices: tuple[Value, ...]
    default_value: Value = field(default=None, kw_only=True)
    also_legal: tuple[Value, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))

    def default(self) -> Value:
        return self.choices[0] if self.default_value is None else self.default_value

    def candidates(self) -> list[Value]:
        return list(self.choices)

    def contains(self, value: object) -> bool:
        return any(value == known and type(value) is type(known) for known in (*self.choices, *self.also_legal))

    def legal(self) -> str:
        return "one of " + ", ".join(repr(choice) for choice in (*self.choices, *self.also_legal))

    def neighbors(self, value: Value) -> list[Value]:
        return [choice for choice in self.choices if choice != value]

    def encode(self, value: Value) -> list[float]:
        return [float(choice == value) for choice in self.choices]


class BooleanFragment(EnumFragment):
    """False or True."""

    def __init__(self, default: bool = False) -> None:
        super().__init__((default, not default))


@dataclass(frozen=True)
class OptionalBlockFragment(PowerOfTwoFragment):
    """None, or a power of two: the chunk of a rolled reduction."""

    none_default: bool = field(default=True, kw_only=True)

    def default(self) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None if self.none_default else super().default()

    def candidates(self) -> list[Value]:
        return [*super().candidates(), None]

    def contains(self, value: object) -> bool:
        return value is None or super().contains(value)

    def legal(self) -> str:
        return f"None or {super().legal()}"


@dataclass(frozen=True)
class PermutationFragment(Fragment):
    """An order of `length` axes, the identity by default."""

    length: int
    nested = True

    def default(self) -> list[int]:
        return list(range(self.length))

    def candidates(self) -> list[Value]:
        return [list(order) for order in itertools.permutations(range(self.length))]

    def contains(self, value: object) -> bool:
        return isinstance(value, list | tuple) and list(value) in self.candidates()  # pyright: ignore[reportUnknownArgumentType]

    def legal(self) -> str:
        return f"a permutation of {list(range(self.length))}"

    def neighbors(self, value: Value) -> list[Value]:
        """The permutations one swap away."""
        assert isinstance(value, list)
        swaps: list[Value] = []
        for i, j in itertools.combinations(range(self.length), 2):
            order = list(value)
            order[i], order[j] = order[j], order[i]
            swaps.append(order)
        return swaps

    def encode(self, value: Value) -> list[float]:
        assert isinstance(value, list)
        return [float(axis) for axis in value]


@dataclass(frozen=True)
class AnyFragment(Fragment):
    """Any value of a type: an option of a plugin pass that declares no search space."""

    type_: type
    default_value: Value = None

    def default(self) -> Value:
        return self.default_value

    def candidates(self) -> list[Value]:
        return [self.default_value]

    def contains(self, value: object) -> bool:
        return isinstance(value, self.type_) and (self.type_ is bool or not isinstance(value, bool))

    def legal(self) -> str:
        return f"any {self.type_.__name__}"
