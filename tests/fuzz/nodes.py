"""What a random kernel is made of: sizes, axes, arguments, values, and the two texts that are written in step.

A value is a pair of texts of one meaning: device code for the kernel, and plain PyTorch over whole tensors for the
reference. The reference holds floats in float64; `Value` knows between which bounds a value lies and how many
fractional bits it has, so that generated arithmetic is exact in the kernel's own dtype, too, and results can be
compared exactly. Where it cannot be (exp, mean), `error` bounds the difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import torch

MANTISSA = {
    torch.float64: 52, torch.float32: 23, torch.float16: 10, torch.bfloat16: 7,
    torch.float8_e4m3fn: 3, torch.float8_e5m2: 2,
}  # fmt: skip
"""Integers up to two to this power are exact."""
INTEGERS = (torch.int32, torch.int64, torch.int16, torch.int8, torch.uint8)
EIGHT = (torch.float8_e4m3fn, torch.float8_e5m2)


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float32`."""
    return str(dtype)


@dataclass(frozen=True)
class Dim:
    """A size that has a name in the kernel, with its value in each call."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """`dim + extra`, or a constant."""

    dim: Dim | None
    extra: int = 0

    @property
    def text(self) -> str:
        """The size as an expression of the kernel and of the reference."""
        if self.dim is None:
            return str(self.extra)
        return self.dim.name if not self.extra else f"{self.dim.name} + {self.extra}"

    def at(self, call: int) -> int:
        """Its value in a call."""
        return self.extra + (self.dim.values[call] if self.dim else 0)

    @property
    def values(self) -> tuple[int, ...]:
        """Its values in all calls."""
        return (self.extra,) if self.dim is None else tuple(self.extra + value for value in self.dim.values)

    def plus(self, number: int) -> Size:
        """`self + number`."""
        return replace(self, extra=self.extra + number)


@dataclass(frozen=True)
class Axis:
    """An axis of device values: the lanes of a tile, or a slice.

    `name` is the tile's variable, or None for a slice; `shape` is what stands for the axis in the shapes of
    `hl.zeros`; the axis covers `begin` to `begin + size` of what it indexes.
    """

    name: str | None
    size: Size
    shape: str
    begin: int = 0

    @property
    def span(self) -> str:
        """The axis as a slice of the reference."""
        end = self.size.plus(self.begin)
        return f"{self.begin}:{end.text}"


Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class Argument:
    """An argument of the kernel: a tensor of integers in `low` to `high`, or a number (`sizes` is None)."""

    name: str
    dtype: torch.dtype | None
    sizes: tuple[Size, ...] | None
    low: int | float | bool = 0
    high: int = 0
    layout: str = "plain"

    @property
    def annotation(self) -> str:
        """The parameter's type."""
        return "torch.Tensor" if self.sizes is not None else type(self.low).__name__


@dataclass(frozen=True)
class Value:
    """A device value: its two texts, its dtype and axes, and what is known of its elements.

    `low`, `high`: bounds; `bits`: fractional bits (elements are multiples of `2 ** -bits`); `error`: how far the
    kernel's may be from the reference's, 0 if not at all.
    """

    kernel: str
    reference: str
    dtype: torch.dtype
    axes: Axes
    low: float
    high: float
    bits: int = 0
    error: float = 0.0

    @property
    def exact(self) -> bool:
        return self.error == 0.0

    @property
    def magnitude(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def floating(self) -> bool:
        return self.dtype.is_floating_point

    @property
    def boolean(self) -> bool:
        return self.dtype == torch.bool

    def apply(self, kernel: str, reference: str | None = None, **changes: object) -> Value:
        """The value of templates in which `{0}` is this one."""
        texts = kernel.format(self.kernel), (reference or kernel).format(self.reference)
        return replace(self, kernel=texts[0], reference=texts[1], **changes)  # pyright: ignore[reportArgumentType]


def limits(dtype: torch.dtype) -> tuple[float, float]:
    """The least and the largest integer of a dtype up to which all are exact."""
    if dtype in MANTISSA:
        bound = float(2 ** MANTISSA[dtype])
        return -bound, bound
    if dtype == torch.bool:
        return 0, 1
    info = torch.iinfo(dtype)
    return float(info.min), float(info.max)


def holds(dtype: torch.dtype, value: Value) -> bool:
    """Whether every element is exact in `dtype`."""
    low, high = limits(dtype)
    scale = 2**value.bits
    if not dtype.is_floating_point and value.bits:
        return False
    return low <= value.low * scale and value.high * scale <= high


def listed(subscripts: list[str]) -> str:
    """Subscripts as a list for `hl.load` and others, in which slices are `slice(…)`."""
    return "[" + ", ".join(_as_call(text) for text in subscripts) + "]"


def _as_call(text: str) -> str:
    found = re.fullmatch(r"([\w +]*):([\w +]*)(?::(\d+))?", text)
    return f"slice({', '.join(part or 'None' for part in found.groups())})" if found else text


@dataclass
class Writer:
    """The bodies of the kernel and of the reference, line by line, each with its own indentation."""

    kernel: list[str] = field(default_factory=list)
    reference: list[str] = field(default_factory=list)
    depth: tuple[int, int] = (1, 1)

    def line(self, kernel: str | None, reference: str | None = None) -> None:
        """A statement in either text; the same in both unless `reference` is given (`""` for none)."""
        reference = kernel if reference is None else reference
        for text, lines, depth in ((kernel, self.kernel, self.depth[0]), (reference, self.reference, self.depth[1])):
            if text:
                lines.append("    " * depth + text)

    def indent(self, kernel: int, reference: int) -> None:
        """Indent what follows by so many levels more."""
        self.depth = (self.depth[0] + kernel, self.depth[1] + reference)
