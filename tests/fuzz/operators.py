"""Leaves and operators: loads, constants, positions of tiles, arithmetic, casts, selections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from .builder import Builder
from .loads import load, masked_load
from .nodes import INTEGERS, Axes, Value, dtype_name, holds, limits
from .values import EPSILON, floating, integer, like, makes, noisy, number, settled_exact, small, truth, value

# Leaves


@makes(1)
def loaded(g: Builder, axes: Axes, depth: int) -> Value:
    return load(g, axes)


@makes(1)
def masked(g: Builder, axes: Axes, depth: int) -> Value:
    if not axes:
        return load(g, axes)
    return masked_load(g, axes, g.settle(truth(g, value(g, axes, depth - 1))))


@makes(1)
def constant(g: Builder, axes: Axes, depth: int) -> Value:
    tiles = all(axis.name or (g.static and axis.size.dim is not None) or axis.size.dim is None for axis in axes)
    if not axes or not tiles:
        return load(g, axes)
    dtype = g.pick([torch.float32, torch.int32, torch.bfloat16, torch.int64])
    amount = g.number(-2, 3)
    g.use("full")
    shape, whole = ", ".join(a.shape for a in axes), ", ".join(a.size.text for a in axes)
    wide = torch.float64 if dtype.is_floating_point else dtype
    return Value(
        f"hl.full([{shape}], {amount}, dtype={dtype_name(dtype)})",
        f"torch.full([{whole}], {amount}, dtype={dtype_name(wide)})", dtype, axes, amount, amount,
    )  # fmt: skip


def place(rank: int, position: int) -> str:
    """The subscript that puts a 1-D value on an axis: `[:, None]`; nothing where it is the last one."""
    return "" if position == rank - 1 else "[:" + ", None" * (rank - 1 - position) + "]"


@makes(1, "axes")
def indexed(g: Builder, axes: Axes, depth: int) -> Value:
    """Something of the positions of a tile."""
    places = [i for i, axis in enumerate(axes) if axis.name]
    if not places:
        return load(g, axes)
    g.use("tile.index")
    position = g.pick(places)
    axis = axes[position]
    put = place(len(axes), position)
    other = number(g, value(g, axes, depth - 1))
    high = max(axis.size.plus(axis.begin).values)
    kernel = f"({axis.name}.index{put} % 4)"
    reference = f"(torch.arange({axis.begin}, {axis.size.plus(axis.begin).text}, dtype=torch.int32){put} % 4)"
    own = Value(kernel, reference, torch.int32, axes, 0, min(3, high))
    return combine(g, other, own)


# Operators


def combine(g: Builder, a: Value, b: Value) -> Value:
    """An arithmetic operator of two values whose shapes broadcast to the axes of `a`."""
    a, b = number(g, a), number(g, b)
    dtype = like(a, b)
    operator = g.pick(["+", "-", "*", "maximum", "minimum"])
    wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    if operator == "*":
        ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        low, high, bits = min(ends), max(ends), a.bits + b.bits
        error = a.error * b.magnitude + b.error * a.magnitude + a.error * b.error
    else:
        low, high = {
            "+": (a.low + b.low, a.high + b.high), "-": (a.low - b.high, a.high - b.low),
            "maximum": (max(a.low, b.low), max(a.high, b.high)), "minimum": (min(a.low, b.low), min(a.high, b.high)),
        }[operator]  # fmt: skip
        bits, error = max(a.bits, b.bits), a.error + b.error
    text = f"torch.{operator}({{0}}, {{1}})" if operator[0] == "m" else f"({{0}} {operator} {{1}})"
    result = Value(
        text.format(a.kernel, b.kernel), text.format(a.reference, b.reference), dtype, a.axes, low, high, bits, error
    )
    if result.floating and not holds(wide, result):
        return a if a.dtype == dtype else small(g, a)
    return noisy(result)


@makes(2)
def binary(g: Builder, axes: Axes, depth: int) -> Value:
    a = value(g, axes, depth - 1)
    b = value(g, axes, depth - 1)
    if g.chance(30):
        return bitwise(g, a, b)
    return combine(g, a, b)


def bitwise(g: Builder, a: Value, b: Value) -> Value:
    """An operator of bools or of integers."""
    operator = g.pick(["&", "|", "^"])
    if a.boolean or b.boolean:
        a, b = truth(g, a), truth(g, b)
        text = f"({{0}} {operator} {g.pick(['', '~'])}{{1}})"
        kernel, reference = text.format(a.kernel, b.kernel), text.format(a.reference, b.reference)
        return Value(kernel, reference, torch.bool, a.axes, 0, 1)
    a, b = integer(g, a), integer(g, b)
    g.use("bitwise")
    dtype = like(a, b)
    low, high = limits(dtype)
    text = f"({{0}} {operator} {{1}})"
    return Value(text.format(a.kernel, b.kernel), text.format(a.reference, b.reference), dtype, a.axes, low, high)


@makes(1)
def broadcasting(g: Builder, axes: Axes, depth: int) -> Value:
    """An operator with a value of fewer axes."""
    if not axes:
        return binary(g, axes, depth)
    a = value(g, axes, depth - 1)
    if len(axes) == 1:
        return combine(g, a, value(g, (), depth - 1)) if g.scalars else combine(g, a, value(g, axes, depth - 1))
    if g.chance(50):
        b = value(g, axes[1:], depth - 1)
        return combine(g, a, b)
    position = g.number(0, len(axes) - 2)
    b = value(g, (axes[position],), depth - 1)
    put = place(len(axes), position)
    unsqueezed = put if g.chance(50) else ".unsqueeze(-1)" * (len(axes) - 1 - position)
    g.use("unsqueeze")
    return combine(g, a, b.apply(f"({{0}}){unsqueezed}"))


@makes(1)
def scaled(g: Builder, axes: Axes, depth: int) -> Value:
    """An operator with a number or a scalar argument."""
    v = value(g, axes, depth - 1)
    if g.chance(20):
        v = integer(g, v)
        text, low, high = g.pick([
            ("({0} // 3)", v.low // 3, v.high // 3), ("({0} % 3)", 0, 2), ("(~{0})", -v.high - 1, -v.low - 1),
            ("({0} // -2)", -v.high / 2 - 1, -v.low / 2 + 1), ("({0} >> 1)", v.low // 2, v.high // 2),
            ("({0} << 2)", 4 * v.low, 4 * v.high),
            ("({0} & 5)", 0, 7), ("(7 - {0})", 7 - v.high, 7 - v.low), ("(-7 % ({0}.abs() % 4 + 2))", 0, 8),
        ])  # fmt: skip
        g.use("integer-arithmetic")
        return v.apply(text, low=low, high=high)
    v = number(g, v)
    operator = g.pick(["+", "*", "-"])
    kind = g.pick(["int", "int-argument", "float", "float-argument", "loop"])
    amount: int | float = g.pick([2, 3, 1, -1, 0]) if "int" in kind else g.pick([0.5, 2.0, -1.5])
    text = str(amount)
    if kind.endswith("argument"):
        g.use(f"{kind}-as-value")
        text = g.scalar(amount).name
    if kind == "loop" and g.scalars:
        text, extent = g.pick(g.scalars)
        amount = max(max(extent.values) - 1, 0)
        g.use("loop-index-as-value")
    elif kind == "loop":
        text = str(amount)
    other = Value(text, text, v.dtype, (), min(amount, 0), max(amount, 0), 1 if isinstance(amount, float) else 0)
    if isinstance(amount, float) and not v.floating:
        other = replace(other, dtype=torch.float32)
    low = min(v.low * other.low, v.low * other.high, v.high * other.low, v.high * other.high)
    high = max(v.low * other.low, v.low * other.high, v.high * other.low, v.high * other.high)
    if operator != "*":
        low, high = v.low - max(other.high, -other.low), v.high + max(other.high, -other.low)
    bits = v.bits + other.bits if operator == "*" else max(v.bits, other.bits)
    result = v.apply(
        f"({{0}} {operator} {text})", low=low, high=high, bits=bits, error=v.error * max(other.magnitude, 1),
        dtype=like(v, other) if isinstance(amount, float) else v.dtype,
    )  # fmt: skip
    wide = torch.float32 if result.dtype in (torch.float16, torch.bfloat16) else result.dtype
    if result.floating and not holds(wide, result):
        return v
    return noisy(result)


UNARY: list[tuple[str, Callable[[float, float], tuple[float, float]]]] = [
    ("(-{0})", lambda low, high: (-high, -low)),
    ("torch.abs({0})", lambda low, high: (0, max(-low, high, 0))),
    ("torch.relu({0})", lambda low, high: (max(low, 0), max(high, 0))),
    ("torch.sign({0})", lambda low, high: (-1, 1)),
    ("({0}).clamp(-2, 5)", lambda low, high: (min(max(low, -2), 5), max(min(high, 5), -2))),
    ("({0}).square()", lambda low, high: (0, max(low * low, high * high))),
    ("({0}) ** 2", lambda low, high: (0, max(low * low, high * high))),
]


@makes(1)
def unary(g: Builder, axes: Axes, depth: int) -> Value:
    v = settled_exact(g, number(g, value(g, axes, depth - 1)))
    if v.dtype == torch.uint8:
        return v.apply("({0}).clamp(1, 5)", low=1, high=5)
    text, bounds = g.pick(UNARY)
    if "square" in text or "**" in text:
        v = small(g, v) if v.floating else v
    low, high = bounds(v.low, v.high)
    result = v.apply(text, low=low, high=high, bits=2 * v.bits if "square" in text or "**" in text else v.bits)
    return replace(result, bits=0) if "sign" in text else result


@makes(2)
def cast(g: Builder, axes: Axes, depth: int) -> Value:
    """A cast that the user wrote; it may round."""
    v = value(g, axes, depth - 1)
    wide = v.floating and v.exact
    target = g.pick(
        [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.int64, *INTEGERS[2:]]
    )
    g.use("cast")
    if not v.exact or target.is_floating_point:
        if not v.exact and not target.is_floating_point:
            target = torch.float32
        if wide and v.magnitude < 200 and g.chance(30):
            narrow = g.pick([torch.float8_e4m3fn, torch.float8_e5m2])
            g.use("fake-quantization")
            bits = v.bits if holds(narrow, v) else v.bits + 1
            text = f"({{0}}).to({dtype_name(narrow)}).to({dtype_name(target)})"
            low, high = v.low * 1.25 - 1, v.high * 1.25 + 1
            if not holds(target, replace(v, low=low, high=high, bits=bits)):
                return v
            return v.apply(text, text + ".double()", dtype=target, low=low, high=high, bits=bits)
        if v.exact and not holds(target, v):
            v = small(g, v)
        text = f"({{0}}).to({dtype_name(target)})"
        return noisy(v.apply(text, text + ".double()", dtype=target))
    if v.floating and not holds(target, replace(v, bits=0)):
        v = small(g, v)
    if v.floating and target == torch.uint8:
        v = v.apply("torch.abs({0})", low=0, high=max(v.magnitude, 0))
    low, high = v.low, v.high
    if not holds(target, replace(v, bits=0)):
        low, high = limits(target)
    return v.apply(f"({{0}}).to({dtype_name(target)})", dtype=target, low=low, high=high, bits=0)


@makes(1)
def selected(g: Builder, axes: Axes, depth: int) -> Value:
    """`torch.where`."""
    mask = g.settle(truth(g, value(g, axes, depth - 1)))
    a, b = number(g, value(g, axes, depth - 1)), number(g, value(g, axes, depth - 1))
    g.use("where")
    texts = f"torch.where({{m}}, {a.kernel}, {b.kernel})", f"torch.where({{m}}, {a.reference}, {b.reference})"
    return Value(
        texts[0].replace("{m}", mask.kernel), texts[1].replace("{m}", mask.reference), like(a, b), axes,
        min(a.low, b.low), max(a.high, b.high), max(a.bits, b.bits), max(a.error, b.error),
    )  # fmt: skip


SMOOTH = (
    "torch.exp(-torch.abs({0}))", "torch.sigmoid({0})", "torch.tanh({0})", "torch.sin({0})",
    "torch.rsqrt(torch.abs({0}) + 1)", "torch.log1p(torch.abs({0}))", "torch.nn.functional.silu({0})",
    "torch.nn.functional.gelu({0})", "({0} / 3)", "torch.exp2(-torch.abs({0}))", "torch.sqrt(torch.abs({0}) + 1)",
)  # fmt: skip


@makes(1)
def smooth(g: Builder, axes: Axes, depth: int) -> Value:
    """A function that rounds; its results are compared with a tolerance."""
    v = floating(g, number(g, value(g, axes, depth - 1)), g.pick([torch.float32, torch.float32, torch.float64]))
    if v.magnitude > 64:
        v = small(g, v)
    text = g.pick(SMOOTH)
    g.use("inexact")
    reach = max(v.magnitude, 1)
    return v.apply(text, low=-reach, high=reach, bits=0, error=1.2 * v.error + 16 * EPSILON[torch.float32] * reach)
