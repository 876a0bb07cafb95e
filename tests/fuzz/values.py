"""A value of wanted axes, drawn from what the other modules register; and coercions of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch

from .builder import Builder
from .loads import load
from .nodes import MANTISSA, Axes, Value, dtype_name, holds

Make = Callable[[Builder, Axes, int], Value]
EPSILON = {dtype: 2.0**-bits for dtype, bits in MANTISSA.items()}

Shape = Literal["any", "axes", "matrix", "slice"]
_MAKERS: dict[Shape, list[Make]] = {"any": [], "axes": [], "matrix": [], "slice": []}


def makes(weight: int, shape: Shape = "any") -> Callable[[Make], Make]:
    """Register a way to make values of `any` axes, of some, of two or more, or of some that hold a slice."""

    def register(make: Make) -> Make:
        _MAKERS[shape].extend([make] * weight)
        return make

    return register


def value(g: Builder, axes: Axes, depth: int) -> Value:
    """A value with these axes; `depth` bounds how far it nests."""
    g.budget -= 1
    known = g.known(axes)
    if known and g.chance(25):
        return g.pick(known)
    if depth <= 0 or g.budget <= 0:
        return g.settle(g.clamped(load(g, axes) if g.budget > -30 or not known else known[0]))
    options = list(_MAKERS["any"]) + (_MAKERS["axes"] if axes else [])
    if len(axes) >= 2:
        options += _MAKERS["matrix"]
    if any(axis.name is None for axis in axes):
        options += _MAKERS["slice"]
    return g.settle(g.clamped(g.pick(options)(g, axes, depth)))


# Coercions


def number(g: Builder, v: Value) -> Value:
    """`v`, no bool."""
    return v if not v.boolean else v.apply("({0}).to(torch.float32)", dtype=torch.float32)


def floating(g: Builder, v: Value, dtype: torch.dtype | None = None) -> Value:
    """`v` as floats: of `dtype`, which must hold it, else of its own, else of a wide one."""
    if dtype is None:
        dtype = v.dtype if v.floating else torch.float32
    if dtype == v.dtype:
        return v
    if not holds(dtype, v):
        v = small(g, v)
    return v.apply(f"({{0}}).to({dtype_name(dtype)})", f"({{0}}).to({dtype_name(dtype)}).double()", dtype=dtype)


def small(g: Builder, v: Value, bound: int = 3) -> Value:
    """`v` clamped to a few small numbers; no bool."""
    v = number(g, v)
    if -bound <= v.low and v.high <= bound and v.bits <= 2:
        return v
    low = 0 if v.dtype == torch.uint8 else -bound
    if v.bits > 2:
        v = v.apply("torch.floor({0})", bits=0)
    return v.apply(f"({{0}}).clamp({low}, {bound})", low=max(low, min(v.low, bound)), high=min(bound, max(v.high, low)))


def truth(g: Builder, v: Value) -> Value:
    """`v` as bools."""
    if v.boolean:
        return v
    v = settled_exact(g, v)
    compare, against = g.pick([">", "<", ">=", "==", "!="]), g.pick([0, 1, -1] if v.dtype != torch.uint8 else [0, 1, 2])
    return v.apply(f"({{0}} {compare} {against})", dtype=torch.bool, low=0, high=1, bits=0)


def settled_exact(g: Builder, v: Value) -> Value:
    """`v`, or something exact with its axes in place of what is not."""
    return v if v.exact else g.clamped(load(g, v.axes, dtype=torch.float32))


def integer(g: Builder, v: Value) -> Value:
    """`v` as integers."""
    v = settled_exact(g, v)
    if not v.floating and not v.boolean:
        return v
    dtype = g.pick([torch.int32, torch.int64])
    return small(g, v, 100).apply(f"({{0}}).to({dtype_name(dtype)})", dtype=dtype, bits=0)


def like(a: Value, b: Value) -> torch.dtype:
    """The dtype of an operator of both: a value without axes counts less."""
    shapes = [() if not v.axes and (a.axes or b.axes) else (1,) for v in (a, b)]
    return torch.result_type(*(torch.empty(s, dtype=v.dtype) for s, v in zip(shapes, (a, b), strict=True)))


def noisy(v: Value) -> Value:
    """`v` with the rounding of its dtype added, where it is not exact."""
    return v if v.exact else replace(v, error=v.error + EPSILON.get(v.dtype, 0) * max(v.magnitude, 1) * 2)
