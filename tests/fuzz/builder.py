"""The state of one kernel while it is drawn: choices, names, sizes, arguments, variables in scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from hypothesis import strategies as st

from .nodes import Argument, Axes, Axis, Dim, Size, Value, Writer, holds

T = TypeVar("T")
SIZES = (5, 3, 8, 1, 2, 7, 16, 9, 0, 12, 17, 33)
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SPECIAL = ("distinct", "permutation", "written")
"""Layouts of tensors that are made for one use."""
LONG = 70
"""Texts of values longer than this become variables."""


@dataclass
class Builder:
    """Draws from hypothesis and writes both texts."""

    draw: Any
    calls: int
    """How many calls, of different sizes when shapes are dynamic."""
    static: bool
    writer: Writer = field(default_factory=Writer)
    host: list[str] = field(default_factory=list)
    """Lines of host code that both texts share, before the outputs are made."""
    blocks: list[str] = field(default_factory=list)
    """Lines of host code of the kernel alone: registered block sizes."""
    dims: list[Dim] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    scopes: list[list[Value]] = field(default_factory=lambda: [[]])
    scalars: list[tuple[str, Size]] = field(default_factory=list)
    """Indices of scalar loops that are open, with their extents."""
    published: list[tuple[str, tuple[Size, ...], Value]] = field(default_factory=list)
    """Outputs of earlier loops that later ones may read."""
    features: set[str] = field(default_factory=set)
    counters: dict[str, int] = field(default_factory=dict)
    budget: int = 26
    """How many values may still be made: it bounds the size of a kernel."""

    # Choices

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; shrinks towards the first."""
        return options[0] if len(options) == 1 else self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        """An integer, both ends included; shrinks towards `low`."""
        return self.draw(st.integers(low, high))

    def chance(self, percent: int) -> bool:
        """True so many times in a hundred; shrinks towards False."""
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def use(self, feature: str) -> None:
        """Note what the kernel has, for statistics and for telling findings apart."""
        self.features.add(feature)

    # Names and sizes

    def fresh(self, prefix: str) -> str:
        """A new name."""
        self.counters[prefix] = self.counters.get(prefix, -1) + 1
        return f"{prefix}{self.counters[prefix]}"

    def dim(self, positive: bool = False, most: int = 33) -> Dim:
        """A named size of at most `most`: one that is known, or a new one."""
        known = [dim for dim in self.dims if max(dim.values) <= most and (not positive or min(dim.values) > 0)]
        if known and self.chance(40):
            return self.pick(known)
        sizes = [size for size in SIZES if size <= most and (size or not positive)]
        made = Dim(self.fresh("n"), tuple(self.pick(sizes) for _ in range(self.calls)))
        self.dims.append(made)
        return made

    def size(self, positive: bool = False, constant: int = 40) -> Size:
        """A size; `constant` percent of them are numbers."""
        if self.chance(constant):
            return Size(None, self.pick([4, 3, 8, 2, 1, 5, 6, 7, 16]))
        return Size(self.dim(positive))

    def slice_axis(self, positive: bool = False) -> Axis:
        """A new axis that is a slice."""
        constant = 50 if self.static else 25
        size = self.size(positive, constant)
        return Axis(None, size, size.text)

    # Arguments

    def tensor(
        self, sizes: Sequence[Size], dtype: torch.dtype, low: int, high: int, layout: str | None = None
    ) -> Argument:
        """A tensor argument; sometimes one that is there."""
        alike = [
            a for a in self.arguments
            if a.sizes == tuple(sizes) and a.dtype == dtype and (a.low, a.high) == (low, high) and layout is None
            and a.layout not in SPECIAL
        ]  # fmt: skip
        if alike and self.chance(50):
            return self.pick(alike)
        if layout is None and sizes and self.chance(8):
            return self.host_view(sizes, dtype, low, high)
        if layout is None:
            far = ["far"] if dtype.itemsize == 1 and len(sizes) > 1 and self.chance(10) else []
            layout = self.pick(far or ["plain"] * 6 + ["transposed", "strided", "offset"])
            if far:
                self.use("far-apart")
        made = Argument(self.fresh("x"), dtype, tuple(sizes), low, high, layout)
        self.arguments.append(made)
        return made

    def host_view(self, sizes: Sequence[Size], dtype: torch.dtype, low: int, high: int) -> Argument:
        """A view that host code makes of a new argument."""
        kind = self.pick(["select", "part", "transpose", "steps", "view"])
        self.use(f"host-{kind}")
        own, text = tuple(sizes), "{0}.view({0}.shape)"
        if kind == "transpose":
            own, text = own[::-1], "{0}.permute(" + ", ".join(map(str, range(len(sizes))[::-1])) + ")"
        elif kind == "select":
            own, text = (Size(None, 2), *own), "{0}[1]"
        elif kind == "part":
            own, text = (own[0].plus(1), *own[1:]), "{0}[1:]"
        elif kind == "steps":
            own, text = (*own[:-1], Size(None, 2), own[-1]), "{0}[..., 1, :]"
        base = self.tensor(own, dtype, low, high, layout="plain")
        name = self.fresh("h")
        self.host.append(f"{name} = {text.format(base.name)}")
        return Argument(name, dtype, tuple(sizes), low, high, "view")

    def scalar(self, value: int | float | bool) -> Argument:
        """An int, float or bool argument."""
        prefix = {int: "i", float: "f", bool: "flag"}[type(value)]
        same = [a for a in self.arguments if a.sizes is None and a.low == value and type(a.low) is type(value)]
        if same:
            return same[0]
        made = Argument(self.fresh(prefix), None, None, value)
        self.arguments.append(made)
        return made

    # Values

    def variable(self, value: Value, prefix: str = "v") -> Value:
        """Assign a value to a new variable."""
        name = self.fresh(prefix)
        self.writer.line(f"{name} = {value.kernel}", f"{name} = {value.reference}")
        named = replace(value, kernel=name, reference=name)
        self.scopes[-1].append(named)
        return named

    def settle(self, value: Value) -> Value:
        """The value, in a variable if its text is long."""
        return self.variable(value) if max(len(value.kernel), len(value.reference)) > LONG else value

    def known(self, axes: Axes) -> list[Value]:
        """Variables in scope with these axes."""
        return [value for scope in self.scopes for value in scope if value.axes == axes]

    def clamped(self, value: Value) -> Value:
        """The value, clamped where its dtype could not hold its elements exactly; integers wrap as they do."""
        if holds(value.dtype, value):
            return value
        if not value.floating:
            low, high = (0, 1) if value.boolean else _range(value.dtype)
            return replace(value, low=low, high=high)
        bound = next(b for b in (8, 4, 2, 1) if holds(value.dtype, replace(value, low=-b, high=b)) or b == 1)
        bits = value.bits if holds(value.dtype, replace(value, low=-1, high=1)) else 0
        text = (
            f"({{0}}).clamp(-{bound}, {bound})"
            if bits == value.bits
            else f"torch.floor({{0}}).clamp(-{bound}, {bound})"
        )
        return value.apply(text, low=max(value.low, -bound), high=min(value.high, bound), bits=bits)


def _range(dtype: torch.dtype) -> tuple[float, float]:
    info = torch.iinfo(dtype)
    return float(info.min), float(info.max)
