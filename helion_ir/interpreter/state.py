"""What every part of the interpreter shares: element types, shapes of types, poison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from xdsl.dialects.builtin import (
    Float8E4M3FNType,
    Float8E4M3FNUZType,
    Float8E5M2FNUZType,
    Float8E5M2Type,
    IndexType,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.dims import Dim, dims_of, element_of, substitute

Shape = tuple[int, ...]

DTYPES: dict[Attribute, torch.dtype] = {
    f64: torch.float64, f32: torch.float32, f16: torch.float16, bf16: torch.bfloat16,
    Float8E4M3FNType(): torch.float8_e4m3fn, Float8E5M2Type(): torch.float8_e5m2,
    Float8E4M3FNUZType(): torch.float8_e4m3fnuz, Float8E5M2FNUZType(): torch.float8_e5m2fnuz,
    i1: torch.bool, i8: torch.int8, i16: torch.int16, i32: torch.int32, i64: torch.int64, IndexType(): torch.int64,
    IntegerType(8, Signedness.UNSIGNED): torch.uint8, IntegerType(16, Signedness.UNSIGNED): torch.uint16,
    IntegerType(32, Signedness.UNSIGNED): torch.uint32, IntegerType(64, Signedness.UNSIGNED): torch.uint64,
}  # fmt: skip
"""The torch dtype of an element type."""

SIGNLESS: dict[torch.dtype, torch.dtype] = {
    torch.uint8: torch.int8, torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64,
}  # fmt: skip
"""Unsigned memory is seen through the signless dtype of its width."""


def dtype_of(type_: Attribute) -> torch.dtype:
    """The torch dtype of the elements of a value or ref element type.

    Raises:
        InterpretationError: the element type has no torch dtype.
    """
    element = element_of(type_)
    try:
        return DTYPES[element]
    except KeyError:
        raise InterpretationError(f"no torch dtype for element type {element}") from None


def signless(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` itself, or its memory seen as signless integers where its dtype is unsigned."""
    target = SIGNLESS.get(tensor.dtype)
    return tensor.detach() if target is None else tensor.detach().view(target)


@dataclass
class State:
    """One run's symbols, poison, and caches of what the IR says (keyed by identity: the IR outlives the run).

    `symbols` maps size symbols and block symbols to their values. Poison is NaN for an even `seed`, finite garbage
    of large magnitude for an odd one: each hides from a check that the other does not (a NaN from `max` that
    ignores NaN, a large number from a comparison with a bound).
    """

    symbols: Mapping[str, int]
    seed: int = 0
    program: tuple[int, ...] = (0, 0, 0)
    """The ids of the program that runs; at the `tile` level the first is its number, and the others are 0."""
    grid: tuple[int, ...] = (1, 1, 1)
    """The launch grid that `program` is in."""
    plans: dict[Operation, Any] = field(default_factory=dict)
    _layouts: dict[int, tuple[Attribute, Shape, torch.dtype]] = field(default_factory=dict)
    _generator: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self._generator.manual_seed(self.seed)

    def enter(self, program: tuple[int, ...]) -> None:
        """Let `program` be the one that runs."""
        self.program = program

    def size(self, dim: Dim) -> int:
        """The value of a dim.

        Raises:
            InterpretationError: a symbol of it has no value.
        """
        value = substitute(dim, self.symbols)
        if not isinstance(value, int):
            raise InterpretationError(f"dim {dim} has no value, known symbols: {', '.join(self.symbols) or 'none'}")
        return value

    def layout(self, type_: Attribute) -> tuple[Shape, torch.dtype]:
        """The shape and dtype of values of a type."""
        entry = self._layouts.get(id(type_))
        if entry is None:
            shape = tuple(self.size(dim) for dim in dims_of(type_))
            entry = self._layouts[id(type_)] = (type_, shape, dtype_of(type_))
        return entry[1], entry[2]

    @property
    def flat_program(self) -> int:
        """The number of the program over all axes of the grid."""
        x, y, z = self.program
        return x + self.grid[0] * (y + self.grid[1] * z)

    def shuffled(self, items: list[Any]) -> list[Any]:
        """The items in a random order, the same for equal seeds."""
        return [items[i] for i in torch.randperm(len(items), generator=self._generator).tolist()]

    def poison(self, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
        """A fresh tensor of unspecified values, as different from plausible data as can be."""
        if dtype == torch.bool:
            return torch.rand(shape, generator=self._generator) < 0.5
        if not dtype.is_floating_point:
            info = torch.iinfo(dtype)
            return torch.randint(info.min, info.max, shape, dtype=dtype, generator=self._generator)
        if self.seed % 2 == 0:
            return torch.full(shape, float("nan"), dtype=dtype)
        scale = min(torch.finfo(dtype).max, 60000.0)
        return ((torch.rand(shape, generator=self._generator) - 0.5) * 2 * scale).to(dtype)
