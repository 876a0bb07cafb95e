"""Values that take statements: loops that accumulate, recurrences, branches, updates in place, tuples of tensors."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import torch

from .builder import Builder
from .loads import clone_of, load
from .nodes import Axes, Axis, Size, Value, dtype_name, holds
from .operators import combine
from .reductions import dot, operands, summed
from .values import makes, number, settled_exact, small, value


@contextmanager
def nested(g: Builder, kernel: str, reference: str | None, body: str | None = None):
    """A block: its header in either text, and a scope of its own. `reference` None: no block there."""
    g.writer.line(kernel, reference if reference is not None else "")
    g.writer.indent(1, int(reference is not None))
    g.scopes.append([])
    yield
    g.scopes.pop()
    g.writer.indent(-1, -int(reference is not None))


def fresh_copy(g: Builder, v: Value, prefix: str = "v") -> Value:
    """`v` in a new variable that shares memory with nothing."""
    return g.variable(clone_of(v), prefix)


def _shapes(axes: Axes) -> tuple[str, str]:
    return ", ".join(a.shape for a in axes), ", ".join(a.size.text for a in axes)


def _can_be_allocated(g: Builder, axes: Axes) -> bool:
    return bool(axes) and all(a.name or a.size.dim is None or g.static for a in axes)


def initial(g: Builder, axes: Axes, amount: int, dtype: torch.dtype, prefix: str = "acc") -> Value:
    """A new variable full of `amount`."""
    name = g.fresh(prefix)
    shape, whole = _shapes(axes)
    wide = dtype_name(torch.float64 if dtype.is_floating_point else dtype)
    kernel = f"hl.zeros([{shape}], dtype={dtype_name(dtype)})"
    if amount:
        kernel = f"hl.full([{shape}], {amount}, dtype={dtype_name(dtype)})"
    g.writer.line(f"{name} = {kernel}", f"{name} = torch.full([{whole}], {amount}, dtype={wide})")
    return Value(name, name, dtype, axes, amount, amount)


def tile_axis(g: Builder, prefix: str = "k") -> tuple[Axis, str, str]:
    """A tile over a size of its own: the axis, the `for` of the kernel, and the condition of the reference."""
    name = g.fresh(prefix)
    size = g.size()
    begin = g.pick([0, 0, 0, 0, 1, 2])
    end = size.plus(begin)
    bounds = end.text if not begin else f"{begin}, {end.text}"
    block = ""
    if g.chance(20):
        g.use("fixed-block")
        block = f", block_size={g.pick([4, 2, 1, 3, 8])}"
    if begin:
        g.use("loop-from")
    return Axis(name, size, name, begin), f"for {name} in hl.tile({bounds}{block}):", f"if {size.text} > 0:"


@makes(1)
def accumulated(g: Builder, axes: Axes, depth: int) -> Value:
    """An inner tile loop that accumulates what it reduces."""
    if not _can_be_allocated(g, axes) or len(axes) > 2:
        return load(g, axes)
    axis, header, condition = tile_axis(g)
    count = max(axis.size.values)
    kinds = ["sum", "sum", "amax", "amin"] + (["dot", "addmm", "hl.dot"] if len(axes) == 2 else [])
    kind = g.pick(kinds)
    g.use(f"loop-{kind}")
    wide = g.pick([torch.float32, torch.int32, torch.float64, torch.int64]) if kind != "dot" else torch.float32
    if kind in ("amax", "amin"):
        start = -50 if kind == "amax" else 50
        result = initial(g, axes, start, g.pick([torch.float32, torch.int32, torch.float16, torch.int8]))
    else:
        result = initial(g, axes, g.pick([0, 0, 1]), torch.float32 if "do" in kind or kind == "addmm" else wide)
    name = result.kernel
    with nested(g, header, condition):
        g.use("inner-loop")
        if kind in ("dot", "addmm", "hl.dot"):
            part = _dot_step(g, axes, axis, depth, kind, name)
            bound = 9 * count + 1
            return_value = replace(result, low=-bound, high=bound)
        else:
            position = g.pick([len(axes), *range(len(axes))])
            inner = (*axes[:position], axis, *axes[position:])
            part = settled_exact(g, number(g, value(g, inner, depth - 1)))
            part = part if not part.bits or result.floating else part.apply("torch.floor({0})", bits=0)
            dim = position if position < len(axes) else -1
            if kind == "sum":
                part = summed(g, small(g, part), axes, f".sum({dim})", count)
                part = _as(part, result.dtype)
                return_value = replace(
                    result, low=min(part.low, 0), high=max(part.high, 0) + 1, bits=part.bits, error=part.error
                )
                text = g.pick(["{n} = {n} + {v}", "{n} += {v}"])
                g.writer.line(_filled(text, name, part.kernel), _filled(text, name, part.reference))
            else:
                part = _as(small(g, part).apply(f"({{0}}).{kind}({dim})", axes=axes), result.dtype)
                operator = "maximum" if kind == "amax" else "minimum"
                text = f"{{n}} = torch.{operator}({{n}}, {{v}})"
                g.writer.line(_filled(text, name, part.kernel), _filled(text, name, part.reference))
                return_value = replace(
                    result, low=min(result.low, -3), high=max(result.high, 3), bits=part.bits, error=part.error
                )
    g.scopes[-1].append(return_value)
    return return_value


def _filled(template: str, name: str, text: str) -> str:
    return template.replace("{n}", name).replace("{v}", text)


def _as(v: Value, dtype: torch.dtype) -> Value:
    """`v`, whose elements `dtype` holds, in that dtype."""
    if v.dtype == dtype:
        return v
    text = f"({{0}}).to({dtype_name(dtype)})"
    return v.apply(text, text + ".double()" if dtype.is_floating_point else text, dtype=dtype)


def _dot_step(g: Builder, axes: Axes, axis: Axis, depth: int, kind: str, name: str) -> Value:
    a = value(g, (axes[0], axis), depth - 2)
    b = value(g, (axis, axes[1]), depth - 2)
    if kind == "dot":
        part = dot(g, a, b, axes, max(axis.size.values))
        part = _as(part, torch.float32)
        g.writer.line(f"{name} = {name} + {part.kernel}", f"{name} = {name} + {part.reference}")
        return part
    a, b = operands(g, a, b)
    if not a.floating or a.dtype == torch.float8_e4m3fn:
        a, b = _as(a, torch.float32), _as(b, torch.float32)
    kernel = f"torch.addmm({name}, {a.kernel}, {b.kernel})"
    if kind == "hl.dot":
        kernel = f"hl.dot({a.kernel}, {b.kernel}, acc={name})"
    g.writer.line(
        f"{name} = {kernel}", f"{name} = {name} + torch.matmul(({a.reference}).double(), ({b.reference}).double())"
    )
    return a


@makes(1)
def by_lane(g: Builder, axes: Axes, depth: int) -> Value:
    """A registered block: accumulated lane by lane, reduced after the loop."""
    if not _can_be_allocated(g, axes) or len(axes) > 2:
        return load(g, axes)
    g.use("lane-accumulator")
    size = g.size()
    block, name = g.fresh("block"), g.fresh("k")
    g.blocks.append(f"{block} = hl.register_block_size({size.text})")
    position = g.pick([len(axes), *range(len(axes))])
    lanes = Axis(None, size, block)
    tile = Axis(name, size, name)
    outer, inner = ((*axes[:position], a, *axes[position:]) for a in (lanes, tile))
    kind = g.pick(["sum", "sum", "amax", "where", "prod"])
    start = -9 if kind == "amax" else 0  # the number of lanes depends on the config: each must start neutral
    acc = initial(g, outer, start, g.pick([torch.float32, torch.int32, torch.float16]))
    with nested(g, f"for {name} in hl.tile({size.text}, block_size={block}):", f"if {size.text} > 0:"):
        part = small(g, settled_exact(g, number(g, value(g, inner, depth - 1))))
        part = part if not part.bits else part.apply("torch.floor({0})", bits=0)
        part = _as(part, acc.dtype)
        text = {
            "sum": g.pick(["{n} += {v}", "{n} = {n} + {v}"]), "amax": "{n} = torch.maximum({n}, {v})",
            "where": f"{{n}} = {{n}} + torch.where({{v}} > 1, 1, 2).to({dtype_name(acc.dtype)})",
            "prod": "{n} = {n} + {v} * {v}",
        }[kind]  # fmt: skip
        part = g.variable(part) if kind == "prod" else part
        g.writer.line(_filled(text, acc.kernel, part.kernel), _filled(text, acc.kernel, part.reference))
    count = max(max(size.values), 1)
    dim = position if position < len(axes) else -1
    if kind == "amax" or (kind == "prod" and g.chance(50)):
        if min(size.values) == 0 or kind == "prod":
            bound = 10 * count
            return acc.apply(
                f"({{0}}).sum({dim})",
                axes=axes,
                low=-bound,
                high=bound,
                dtype=acc.dtype if acc.floating else torch.int64,
            )
        return acc.apply(f"({{0}}).amax({dim})", axes=axes, low=-9, high=3)
    bound = 10 * count
    return acc.apply(
        f"({{0}}).sum({dim})", axes=axes, low=-bound, high=bound, dtype=acc.dtype if acc.floating else torch.int64
    )  # fmt: skip


@makes(1)
def recurrence(g: Builder, axes: Axes, depth: int) -> Value:
    """A loop over scalars that updates a variable, step by step."""
    start = settled_exact(g, number(g, value(g, axes, depth - 1)))
    start = _as(small(g, start), g.pick([torch.float32, torch.int32])) if not start.bits else small(g, start)
    acc = fresh_copy(g, start, prefix="acc")
    g.scopes[-1].pop()  # It changes in the loop, where the same name may stand for an earlier value.
    index = g.fresh("i")
    kind = g.pick(["static_range", "range", "grid", "argument"])
    g.use(f"recurrence-{kind}")
    trips = g.pick([2, 1, 3, 0])
    extent = Size(None, trips)
    if kind == "argument":
        bound = g.scalar(trips).name
        header = f"for {index} in range({bound}):"
    elif kind == "grid":
        extent = g.size()
        header = f"for {index} in hl.grid({extent.text}):"
    else:
        header = f"for {index} in {'hl.static_range' if kind == 'static_range' else 'range'}({trips}):"
    bound = extent.text if kind != "argument" else g.scalar(trips).name
    with nested(g, header, f"for {index} in range({bound}):"):
        g.scalars.append((index, extent if max(extent.values) > 0 else Size(None, 1)))
        step = small(g, settled_exact(g, number(g, value(g, axes, depth - 2))))
        step = step if not step.bits or acc.floating else step.apply("torch.floor({0})", bits=0)
        step = _as(step, acc.dtype)
        text = g.pick(["{n} = {n} + {v}", "{n} += {v}", "{n} = torch.maximum({n}, {v})", "{n} = {v} - {n}"])
        g.writer.line(_filled(text, acc.kernel, step.kernel), _filled(text, acc.kernel, step.reference))
        g.scalars.pop()
    reach = 3 * (max(extent.values) + 1) + acc.magnitude
    result = replace(acc, low=-reach, high=reach, bits=max(acc.bits, step.bits))
    g.scopes[-1].append(result)
    return result


@makes(1)
def branch(g: Builder, axes: Axes, depth: int) -> Value:
    """An `if` on a run-time scalar that gives a variable one value or another."""
    kind = g.pick(["int", "bool", "parity", "loaded"])
    g.use(f"if-{kind}")
    if kind == "bool":
        condition = g.scalar(g.chance(50)).name
    elif kind == "loaded":
        argument = g.tensor([Size(None, 2)], torch.int32, 0, 1, layout="plain")
        condition = f"{argument.name}[{g.number(0, 1)}] > 0"
    else:
        name = g.scalar(g.pick([2, 3, 1, 0])).name
        condition = f"{name} > 1" if kind == "int" else f"{name} % 2 == 0"
    dtype = g.pick([torch.float32, torch.int32])
    name = g.fresh("v")
    made: list[Value] = []
    if g.chance(40):
        g.use("if-without-else")
        first = _arm(g, axes, depth, dtype)
        made.append(first)
        g.writer.line(f"{name} = {first.kernel}", f"{name} = {first.reference}")
        arms = [f"if {condition}:"]
    else:
        arms = [f"if {condition}:", "else:"]
    for header in arms:
        with nested(g, header, header):
            v = _arm(g, axes, depth, dtype)
            made.append(v)
            g.writer.line(f"{name} = {v.kernel}", f"{name} = {v.reference}")
    result = Value(
        name, name, dtype, axes, min(v.low for v in made), max(v.high for v in made), max(v.bits for v in made)
    )
    g.scopes[-1].append(result)
    return result


def _arm(g: Builder, axes: Axes, depth: int, dtype: torch.dtype) -> Value:
    v = small(g, settled_exact(g, number(g, value(g, axes, depth - 1))))
    v = v if not v.bits or dtype.is_floating_point else v.apply("torch.floor({0})", bits=0)
    return _as(v, dtype)


@makes(1)
def in_place(g: Builder, axes: Axes, depth: int) -> Value:
    """A variable that is changed in place, perhaps through an alias."""
    v = small(g, settled_exact(g, number(g, value(g, axes, depth - 1))))
    v = fresh_copy(g, v.apply("({0} + 0)"))
    g.scopes[-1].pop()
    g.use("in-place")
    target = v.kernel
    if g.chance(30):
        g.use("alias")
        target = g.fresh("alias")
        g.writer.line(f"{target} = {v.kernel}")
    other = small(g, settled_exact(g, number(g, value(g, axes, depth - 1))))
    if other.bits and not v.floating:
        other = other.apply("torch.floor({0})", bits=0)
    other = _as(other, v.dtype)
    operator = g.pick(["+=", "-=", "*="])
    g.writer.line(f"{target} {operator} {other.kernel}", f"{target} {operator} {other.reference}")
    result = replace(v, low=-9, high=9, bits=v.bits + other.bits)
    if not result.floating and not holds(result.dtype, result):
        result = replace(result, low=0, high=255)
    g.scopes[-1].append(result)
    return result


@makes(1)
def several(g: Builder, axes: Axes, depth: int) -> Value:
    """Two variables that a loop updates together."""
    first = fresh_copy(g, _arm(g, axes, depth, torch.float32), prefix="acc")
    g.scopes[-1].pop()
    second = fresh_copy(g, _arm(g, axes, depth, torch.float32), prefix="acc")
    g.scopes[-1].pop()
    g.use("carried-swap")
    trips = g.pick([2, 1, 3, 0])
    index = g.fresh("i")
    header = f"for {index} in range({trips}):"
    with nested(g, header, header):
        step = _arm(g, axes, depth - 1, torch.float32)
        a, b = first.kernel, second.kernel
        g.writer.line(f"{a}, {b} = {b}, {a} + {step.kernel}", f"{a}, {b} = {b}, {a} + {step.reference}")
    made = [replace(v, low=-3 - 3 * trips, high=3 + 3 * trips, bits=2) for v in (first, second)]
    return combine(g, made[0], made[1])


@makes(1)
def collected(g: Builder, axes: Axes, depth: int) -> Value:
    """A list, or a dict, that a loop fills."""
    kind = g.pick(["list", "dict"])
    g.use(f"python-{kind}")
    trips = g.pick([2, 1, 3])
    name, index = g.fresh("parts"), g.fresh("i")
    g.writer.line(f"{name} = []" if kind == "list" else f"{name} = {{}}")
    g.writer.line(f"for {index} in range({trips}):")
    g.writer.indent(1, 1)
    g.scopes.append([])
    g.scalars.append((index, Size(None, trips)))
    v = _arm(g, axes, depth - 1, g.pick([torch.float32, torch.int32]))
    put = f"{name}.append({{v}})" if kind == "list" else f"{name}[{index}] = {{v}}"
    g.writer.line(put.replace("{v}", v.kernel), put.replace("{v}", v.reference))
    g.scalars.pop()
    g.scopes.pop()
    g.writer.indent(-1, -1)
    text = f"sum({name})" if kind == "list" else f"({name}[0] + {name}[{trips - 1}])"
    return replace(v, kernel=text, reference=text, low=-3 * trips - 3, high=3 * trips + 3)
