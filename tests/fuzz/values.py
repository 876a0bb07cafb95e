"""Values: expressions of wanted axes, made of loads, constants, operators, views, reductions, dots and loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from hypothesis import strategies as st

from .builder import Builder
from .loads import clone_of, distinct, joint_gather, load, masked_load
from .nodes import INTEGERS, MANTISSA, Axes, Axis, Size, Value, dtype_name, holds, limits

Make = Callable[[Builder, Axes, int], Value]
EPSILON = {dtype: 2.0**-bits for dtype, bits in MANTISSA.items()}


def value(g: Builder, axes: Axes, depth: int) -> Value:
    """A value with these axes; `depth` bounds how far it nests."""
    g.budget -= 1
    known = g.known(axes)
    if known and g.chance(25):
        return g.pick(known)
    if depth <= 0 or g.budget <= 0:
        return g.settle(g.clamped(load(g, axes) if g.budget > -30 or not known else known[0]))
    options: list[Make] = [loaded, unary, binary, binary, broadcasting, scaled, cast, cast, selected, reduced, reduced]
    options += [constant, masked, smooth] + ([viewed, viewed, indexed] if axes else []) + [statement] * 3
    if len(axes) >= 2:
        options += [product, product, gathered]
    if any(axis.name is None for axis in axes):
        options += [along, along]
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


# Leaves


def loaded(g: Builder, axes: Axes, depth: int) -> Value:
    return load(g, axes)


def masked(g: Builder, axes: Axes, depth: int) -> Value:
    if not axes:
        return load(g, axes)
    return masked_load(g, axes, g.settle(truth(g, value(g, axes, depth - 1))))


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


def noisy(v: Value) -> Value:
    """`v` with the rounding of its dtype added, where it is not exact."""
    return v if v.exact else replace(v, error=v.error + EPSILON.get(v.dtype, 0) * max(v.magnitude, 1) * 2)


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


def smooth(g: Builder, axes: Axes, depth: int) -> Value:
    """A function that rounds; its results are compared with a tolerance."""
    v = floating(g, number(g, value(g, axes, depth - 1)), g.pick([torch.float32, torch.float32, torch.float64]))
    if v.magnitude > 64:
        v = small(g, v)
    text = g.pick(SMOOTH)
    g.use("inexact")
    reach = max(v.magnitude, 1)
    return v.apply(text, low=-reach, high=reach, bits=0, error=1.2 * v.error + 16 * EPSILON[torch.float32] * reach)


# Views


def viewed(g: Builder, axes: Axes, depth: int) -> Value:
    """A value of other axes, viewed as these."""
    choice = g.pick(["squeeze", "permute", "reshape", "expand", "flatten"])
    g.use(choice)
    if choice == "permute" and len(axes) >= 2:
        order = g.draw(st.permutations(range(len(axes))))
        v = value(g, tuple(axes[order.index(i)] for i in range(len(axes))), depth - 1)
        text = f"({{0}}).permute({', '.join(map(str, order))})"
        if list(order) == [1, 0]:
            text = g.pick(["({0}).T", "({0}).permute(1, 0)", "({0}).transpose(0, 1)"])
        return v.apply(text, axes=axes)
    if choice == "expand" and len(axes) >= 2:
        v = value(g, axes[1:], depth - 1)
        shape, whole = ", ".join(a.shape for a in axes), ", ".join(a.size.text for a in axes)
        return v.apply(f"({{0}})[None].expand([{shape}])", f"({{0}})[None].expand([{whole}])", axes=axes)
    v = value(g, axes, depth - 1)
    if choice == "reshape":
        shape, whole = ", ".join(["1", *(a.shape for a in axes)]), ", ".join(["1", *(a.size.text for a in axes)])
        return v.apply(f"({{0}}).reshape([{shape}]).squeeze(0)", f"({{0}}).reshape([{whole}]).squeeze(0)")
    if choice == "flatten" and len(axes) >= 2:
        shape, whole = ", ".join(a.shape for a in axes), ", ".join(a.size.text for a in axes)
        flat = g.pick([".flatten()", ".reshape(-1)"])
        return v.apply(f"({{0}}){flat}.reshape([{shape}])", f"({{0}}){flat}.reshape([{whole}])")
    at = g.number(0, len(axes))
    return v.apply(f"({{0}}).unsqueeze({at}).squeeze({at})")


def gathered(g: Builder, axes: Axes, depth: int) -> Value:
    """A joint gather by index tensors of rank 2."""
    if len(axes) != 2:
        return load(g, axes)
    size = Size(None, g.pick([4, 3, 1, 7]))
    first = g.settle(load(g, axes, dtype=torch.int64, low=0, high=size.extra - 1))
    position = next((i for i, axis in enumerate(axes) if axis.name), None)
    if position is None or g.chance(50):
        other = Size(None, g.pick([3, 2, 5]))
        return joint_gather(
            g, axes, [first, g.settle(load(g, axes, dtype=torch.int32, low=0, high=other.extra - 1))], [size, other]
        )
    axis = axes[position]
    end = axis.size.plus(axis.begin)
    put = "[None, :]" if position else "[:, None]"
    second = Value(
        f"{axis.name}.index{put}", f"torch.arange({axis.begin}, {end.text}){put}", torch.int32, axes, 0, 0
    )  # fmt: skip
    return joint_gather(g, axes, [first, second], [size, end])


# Reductions over slices


def _inserted(axes: Axes, axis: Axis, position: int) -> Axes:
    return (*axes[:position], axis, *axes[position:])


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


def along(g: Builder, axes: Axes, depth: int) -> Value:
    """Something along a slice axis that keeps it: a scan, or a reduction that is broadcast again."""
    places = [i for i, axis in enumerate(axes) if axis.name is None and min(axis.size.values) > 0]
    if not places:
        return load(g, axes)
    position = g.pick(places)
    count = max(axes[position].size.values)
    v = number(g, value(g, axes, depth - 1))
    kind = g.pick(["cumsum", "keepdim", "softmax", "keepdim"])
    g.use(f"along-{kind}")
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


# Products


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


# What takes statements: filled by `loops`

STATEMENTS: list[Make] = []


def statement(g: Builder, axes: Axes, depth: int) -> Value:
    return g.pick(STATEMENTS)(g, axes, depth)


def fresh_copy(g: Builder, v: Value, dtype: torch.dtype | None = None, prefix: str = "v") -> Value:
    """`v` in a new variable that shares memory with nothing."""
    return g.variable(clone_of(v), prefix)
