"""Reductions and scans over slices, and matrix products."""

from __future__ import annotations

import torch

from .builder import Builder
from .loads import distinct, load
from .nodes import Axes, Axis, Value, dtype_name
from .operators import combine
from .values import EPSILON, floating, makes, noisy, number, settled_exact, small, truth, value


def _inserted(axes: Axes, axis: Axis, position: int) -> Axes:
    return (*axes[:position], axis, *axes[position:])


@makes(2)
def reduced(g: Builder, axes: Axes, depth: int) -> Value:
    """A reduction over a slice axis that is added."""
    if len(axes) > 2:
        return load(g, axes)
    kind = g.pick(["sum", "sum", "amax", "amin", "any", "all", "argmax", "argmin", "prod", "mean", "max-values"])
    axis = g.slice_axis(positive=kind not in ("sum", "any", "all", "prod"))
    position = g.pick([len(axes), *range(len(axes))])
    inner = _inserted(axes, axis, position)
    dim = position if position < len(axes) else -1
    g.use(f"reduce-{kind}")
    count = max(axis.size.values)
    if kind in ("argmax", "argmin"):
        v = distinct(g, inner)
        return v.apply(f"torch.{kind}({{0}}, {dim})", dtype=torch.int64, axes=axes, low=0, high=count)
    v = value(g, inner, depth - 1)
    if kind in ("any", "all"):
        v = truth(g, v)
        return v.apply(f"({{0}}).{kind}({dim})", axes=axes)
    if kind in ("amax", "amin", "max-values"):
        v = number(g, v)
        text = f"({{0}}).{kind}({dim})" if kind != "max-values" else f"torch.max({{0}}, {dim}).values"
        return v.apply(text, axes=axes)
    if kind == "prod":
        v = small(g, settled_exact(g, v), 1)
        v = v if not v.bits else v.apply("torch.floor({0})", bits=0)
        dtype = v.dtype if v.floating else torch.int64
        return v.apply(f"({{0}}).prod({dim})", axes=axes, dtype=dtype, low=-1, high=1)
    if kind == "mean":
        v = floating(g, number(g, v), torch.float32)
        g.use("inexact")
        return v.apply(
            f"({{0}}).mean({dim})", axes=axes, bits=0, error=v.error + 8 * EPSILON[torch.float32] * max(v.magnitude, 1)
        )
    return summed(g, v, axes, f".sum({dim})", count)


def summed(g: Builder, v: Value, axes: Axes, text: str, count: int) -> Value:
    """`v` summed over `count` lanes at most."""
    if v.floating:
        if v.magnitude * max(count, 1) * 2**v.bits > 2**20:
            v = small(g, v)
        dtype = v.dtype
    else:
        dtype = torch.int64
    low, high = min(0, v.low * count), max(0, v.high * count)
    return noisy(v.apply(f"({{0}}){text}", axes=axes, dtype=dtype, low=low, high=high, error=v.error * max(count, 1)))


@makes(2, "slice")
def along(g: Builder, axes: Axes, depth: int) -> Value:
    """Something along a slice axis that keeps it: a scan, or a reduction that is broadcast again."""
    places = [i for i, axis in enumerate(axes) if axis.name is None and min(axis.size.values) > 0]
    if not places:
        return load(g, axes)
    position = g.pick(places)
    count = max(axes[position].size.values)
    v = number(g, value(g, axes, depth - 1))
    kind = g.pick(["cumsum", "keepdim", "softmax", "keepdim", "flip", "sort"])
    g.use(f"along-{kind}")
    if kind == "flip":
        return v.apply(f"torch.flip({{0}}, [{position}])")
    if kind == "sort":
        return v.apply(f"torch.sort({{0}}, {position}).values")
    if kind == "softmax":
        v = small(g, floating(g, v, torch.float32))
        g.use("inexact")
        return v.apply(
            f"torch.softmax({{0}}, {position})", low=0, high=1, bits=0, error=2 * v.error + 32 * EPSILON[torch.float32]
        )
    if kind == "cumsum":
        return summed(g, v, axes, f".cumsum({position})", count)
    v = g.variable(v)
    top = g.pick(["amax", "amin", "sum"])
    if top == "sum":
        reduced_value = summed(g, v, axes, f".sum({position}, keepdim=True)", count)
    else:
        reduced_value = v.apply(f"({{0}}).{top}({position}, keepdim=True)")
    return combine(g, v, g.clamped(reduced_value))


@makes(2, "matrix")
def product(g: Builder, axes: Axes, depth: int) -> Value:
    """A matrix product over a slice axis."""
    axis = g.slice_axis(positive=True)
    if len(axes) == 3:
        left, right = (axes[0], axes[1], axis), (axes[0], axis, axes[2])
    elif len(axes) == 2:
        left, right = (axes[0], axis), (axis, axes[1])
    else:
        return load(g, axes)
    return dot(g, value(g, left, depth - 2), value(g, right, depth - 2), axes, max(axis.size.values))


def operands(g: Builder, a: Value, b: Value) -> tuple[Value, Value]:
    """Two values as operands of a dot: of one dtype, and small."""
    dtype = g.pick([torch.float32, torch.float16, torch.bfloat16, torch.float32, torch.int8, torch.float8_e4m3fn])
    g.use(f"dot-{str(dtype).removeprefix('torch.')}")
    a, b = (small(g, settled_exact(g, v)) for v in (a, b))
    a, b = (v if not v.bits else v.apply("torch.floor({0})", bits=0) for v in (a, b))
    text = f"({{0}}).to({dtype_name(dtype)})"
    return tuple(
        v if v.dtype == dtype else v.apply(text, text + ".double()" if dtype.is_floating_point else text, dtype=dtype)
        for v in (a, b)
    )  # pyright: ignore[reportReturnType]


def dot(g: Builder, a: Value, b: Value, axes: Axes, count: int) -> Value:
    """`a @ b`, one way or another."""
    a, b = operands(g, a, b)
    bound = 9 * max(count, 1)
    if a.dtype in (torch.int8, torch.float8_e4m3fn):
        result = torch.int32 if a.dtype == torch.int8 else torch.float32
        after = ".to(torch.int32)" if a.dtype == torch.int8 else ""
        reference = f"torch.matmul(({a.reference}).double(), ({b.reference}).double()){after}"
        return Value(f"hl.dot({a.kernel}, {b.kernel})", reference, result, axes, -bound, bound)
    reference = f"torch.matmul(({a.reference}).double(), ({b.reference}).double())"
    if g.chance(30):
        return Value(f"hl.dot({a.kernel}, {b.kernel})", reference, torch.float32, axes, -bound, bound)
    text = g.pick(
        ["({0} @ {1})", "torch.matmul({0}, {1})", "torch.bmm({0}, {1})" if len(axes) == 3 else "torch.mm({0}, {1})"]
    )
    return Value(text.format(a.kernel, b.kernel), reference, a.dtype, axes, -bound, bound)
