"""Whole kernels: top-level loops with stores and atomics, host code, and the module that holds kernel and reference."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st

from . import reductions, views  # noqa: F401  They register what they make.
from .builder import Builder
from .loads import index_of
from .loops import nested
from .nodes import Argument, Axes, Axis, Size, Value, dtype_name, holds, listed
from .values import number, settled_exact, small, truth, value

OUTPUTS = (
    torch.float32, torch.float16, torch.int32, torch.float64, torch.bfloat16, torch.int64, torch.int16, torch.int8,
    torch.bool, torch.uint8,
)  # fmt: skip
ATOMIC = (torch.float32, torch.int32, torch.int64)


@dataclass(frozen=True)
class Case:
    """One kernel with its calls: everything that a run needs, and that a reproducer shows."""

    source: str
    """A module with `kernel`, `reference`, `CALLS` (functions of a device that make arguments), and `TOLERANCES`
    (per result how far it may be off)."""
    features: frozenset[str]
    seed: int
    """Of the configs."""
    configs: int


HELPERS = '''
def tensor(seed, shape, dtype, low, high, layout, device="cpu"):
    """Integers from `low` to `high`, in a memory layout."""
    generator = torch.Generator().manual_seed(seed)
    count = math.prod(shape)
    if layout in ("distinct", "permutation"):
        x = torch.randperm(count, generator=generator).reshape(shape)
    else:
        x = torch.randint(low, high + 1, shape, generator=generator)
    x = (x.float() if dtype.is_floating_point else x).to(dtype).to(device)
    if layout == "far" and min(shape) > 0 and shape[0] > 1:
        strides = [2**31 // (shape[0] - 1) + 16, *torch.empty(shape, device="meta").stride()[1:]]
        memory = torch.empty((shape[0] - 1) * strides[0] + math.prod(shape[1:]), dtype=dtype, device=device)
        return memory.as_strided(shape, strides).copy_(x)
    if layout == "transposed":
        order = list(range(x.dim()))[::-1]
        x = x.permute(order).contiguous().permute(order)
    elif layout == "strided":
        x = torch.stack([x, x], -1).flatten(-2)[..., ::2] if x.dim() else x
    elif layout == "offset":
        x = torch.cat([x.flatten()[:1], x.flatten()])[min(count, 1):].view(shape)
    return x


def past(x, dim, begin, length):
    """`length` elements from `begin` on along `dim`, zeros past the end."""
    part = x.narrow(dim, min(begin, x.size(dim)), max(min(length, x.size(dim) - begin), 0))
    missing = list(x.shape)
    missing[dim] = length - part.size(dim)
    return torch.cat([part, torch.zeros(missing, dtype=x.dtype)], dim)
'''


@st.composite
def cases(draw: Any) -> Case:
    """Random cases."""
    static = draw(st.sampled_from([True, True, False]))
    g = Builder(draw, calls=1 if static else 3, static=static)
    outputs: list[Output] = []
    for number_of_loop in range(g.pick([1, 1, 1, 2, 3])):
        if number_of_loop:
            g.use("several-loops")
        g.budget = g.pick([8, 16, 26])
        top_level(g, outputs)
        if g.chance(40):
            publish(g, outputs)
    if not any(a.sizes is not None for a in g.arguments):
        g.tensor([Size(None, 3)], torch.float32, -3, 3, "plain")
    g.use("static" if static else "dynamic")
    return Case(
        render(g, outputs), frozenset(g.features),
        draw(st.integers(0, 10_000)), draw(st.sampled_from([1, 2, 3])),
    )  # fmt: skip


@dataclass
class Output:
    """A tensor that the kernel makes, or an argument that it changes."""

    name: str
    error: float = 0.0
    sizes: tuple[Size, ...] = ()
    dtype: torch.dtype | None = None
    start: int | float = 0
    value: Value | None = None
    """What its elements are, if all were stored exactly."""


# Loops


def top_level(g: Builder, outputs: list[Output]) -> None:
    """A top-level loop with its body."""
    kind = g.pick(["tile", "tile2", "tile2", "tile3", "grid", "grid-tile", "tile-tile"])
    g.use(f"top-{kind}")
    with ExitStack() as stack:
        axes = _open(g, kind, stack)
        for _ in range(g.pick([1, 1, 2])):
            store(g, axes, outputs)


def _tiles(g: Builder, count: int) -> tuple[Axes, str, str]:
    """Tiles over sizes: their axes, the `for` of the kernel, the condition of the reference."""
    fixed = g.chance(15)
    most = (17 if fixed else 33, 9 if fixed else 17, 5)[count - 1]
    sizes = [Size(g.dim(most=most)) if g.chance(85) else Size(None, g.pick([4, 3, 1, 2, 5])) for _ in range(count)]
    axes = tuple(Axis(name, size, name) for size in sizes for name in [g.fresh("t")])
    extents, names = ", ".join(size.text for size in sizes), ", ".join(str(axis.name) for axis in axes)
    block = ""
    if fixed:
        g.use("fixed-block")
        each = [g.pick(["4", "None", "2", "1", "8", "3"]) for _ in sizes]
        block = f", block_size=[{', '.join(each)}]" if count > 1 else f", block_size={each[0]}"
    listed = f"[{extents}]" if count > 1 else extents
    condition = " and ".join(f"{size.text} > 0" for size in sizes)
    return axes, f"for {names} in hl.tile({listed}{block}):", f"if {condition}:"


def _open(g: Builder, kind: str, stack: ExitStack) -> Axes:
    """Open the loops of a kind; the axes of their tiles."""
    if kind.startswith("grid"):
        size = Size(g.dim(most=9))
        name = g.fresh("i")
        stack.enter_context(nested(g, f"for {name} in hl.grid({size.text}):", f"for {name} in range({size.text}):"))
        g.scalars.append((name, size if max(size.values) else Size(None, 1)))
        stack.callback(g.scalars.clear)
        if kind == "grid":
            return ()
        axes, header, condition = _tiles(g, 1)
        stack.enter_context(nested(g, header, condition))
        return axes
    if kind == "tile-tile":
        first, header, condition = _tiles(g, 1)
        stack.enter_context(nested(g, header, condition))
        second, header, condition = _tiles(g, 1)
        stack.enter_context(nested(g, header, condition))
        return (*first, *second)
    axes, header, condition = _tiles(g, int(kind.removeprefix("tile") or 1))
    stack.enter_context(nested(g, header, condition))
    return axes


def publish(g: Builder, outputs: list[Output]) -> None:
    """Let later loops read what this one wrote: a grid-wide barrier must lie between."""
    for output in outputs:
        if output.value is not None:
            g.published.append((output.name, output.sizes, output.value))


# Stores


def store(g: Builder, axes: Axes, outputs: list[Output]) -> None:
    """Something that the loop leaves behind."""
    kinds = ["plain"] * 5 + ["slice", "masked", "scatter", "atomic", "atomic", "atomic-reduce", "in-place", "row"]
    kind = g.pick(kinds)
    if kind in ("masked", "scatter", "atomic-reduce", "in-place", "row") and not axes:
        kind = "plain"
    order = g.draw(st.permutations(range(len(axes)))) if len(axes) > 1 and g.chance(25) else range(len(axes))
    ordered = tuple(axes[i] for i in order)
    g.use(f"store-{kind}")
    special = {
        "atomic": _atomic, "atomic-reduce": _atomic_reduce, "scatter": _scatter, "in-place": _in_place, "row": _row,
    }  # fmt: skip
    special.get(kind, _plain)(g, ordered, outputs, kind)


def _converted(g: Builder, v: Value, dtype: torch.dtype) -> Value:
    """`v` such that a store to `dtype` is exact, or wraps."""
    if dtype == torch.bool:
        return truth(g, v)
    v = number(g, v) if not v.boolean else v
    if not dtype.is_floating_point:
        if v.boolean:
            return v
        if v.floating:
            v = small(g, settled_exact(g, v))
            if dtype == torch.uint8:
                v = v.apply("torch.abs({0})", low=0)
        return v
    if v.exact and not holds(dtype, v):
        v = small(g, v)
    return v


def _subscripts(g: Builder, axes: Axes) -> tuple[list[str], list[str], list[Size]]:
    """The kernel's and the reference's subscript of an output with these axes, and its sizes."""
    kernel, reference, sizes = (
        [name for name, _ in g.scalars],
        [name for name, _ in g.scalars],
        [s for _, s in g.scalars],
    )
    for axis in axes:
        end = axis.size.plus(axis.begin)
        if axis.name and g.chance(8):
            g.use("store-shifted")
            kernel.append(f"{axis.name} + 1")
            reference.append(f"{axis.begin + 1}:{end.plus(1).text}")
            sizes.append(end.plus(1))
        else:
            kernel.append(axis.name or ":")
            reference.append(axis.span)
            sizes.append(end.plus(g.pick([0, 0, 0, 0, 0, 0, 2])) if axis.name else end)
    if g.chance(10):
        at = g.number(len(g.scalars), len(kernel))
        kernel.insert(at, "1")
        reference.insert(at, "1")
        sizes.insert(at, Size(None, 2))
    if not sizes:
        kernel, reference, sizes = ["0"], ["0"], [Size(None, 1)]
    return kernel, reference, sizes


def _new(g: Builder, outputs: list[Output], sizes: list[Size], dtype: torch.dtype, start: int = 0) -> Output:
    made = Output(g.fresh("out"), 0.0, tuple(sizes), dtype, start)
    outputs.append(made)
    g.use(f"out-{str(dtype).removeprefix('torch.')}")
    return made


def _error(v: Value, dtype: torch.dtype) -> float:
    """How far a stored value may be off."""
    if v.exact:
        return 0.0
    coarse = {torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}.get(dtype, 0.0)
    return 2 * v.error + coarse * max(v.magnitude, 1) + 1e-6


def _plain(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    if kind == "slice" and len(axes) < 3:
        position = g.number(0, len(axes))
        axes = (*axes[:position], g.slice_axis(), *axes[position:])
    v = value(g, axes, g.pick([3, 2, 4, 5]))
    dtype = v.dtype if g.chance(40) and v.dtype in OUTPUTS else g.pick(OUTPUTS)
    v = g.settle(_converted(g, v, dtype))
    kernel, reference, sizes = _subscripts(g, axes)
    output = _new(g, outputs, sizes, dtype, g.pick([0, 0, 1]))
    output.error = _error(v, dtype)
    target, whole = f"{output.name}[{', '.join(kernel)}]", f"{output.name}[{', '.join(reference)}]"
    if v.exact and dtype.is_floating_point and holds(dtype, v) and kind != "masked":
        output.value = replace(v, low=min(v.low, 0), high=max(v.high, 1), dtype=dtype)
    if kind == "masked":
        mask = g.settle(truth(g, value(g, axes, 1)))
        g.writer.line(
            f"hl.store({output.name}, {listed(kernel)}, {v.kernel}, extra_mask={mask.kernel})",
            f"{whole} = torch.where({mask.reference}, ({v.reference}).to({dtype_name(dtype)}), {whole})",
        )
    else:
        g.writer.line(f"{target} = {v.kernel}", f"{whole} = {v.reference}")


def _scatter(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    v = value(g, axes, g.pick([2, 1, 3]))
    dtype = g.pick(OUTPUTS)
    v = g.settle(_converted(g, v, dtype))
    first = axes[0]
    end = first.size.plus(first.begin)
    index = g.tensor([end], g.pick([torch.int64, torch.int32]), 0, 0, layout="permutation")
    names = [name for name, _ in g.scalars]
    output = _new(g, outputs, [*(s for _, s in g.scalars), end, *(a.size.plus(a.begin) for a in axes[1:])], dtype)
    output.error = _error(v, dtype)
    rest = [axis.name or ":" for axis in axes[1:]]
    kernel = ", ".join([*names, f"{index.name}[{first.name or ':'}]", *rest])
    inner = output.name + (f"[{', '.join(names)}]" if names else "")
    spans = ", ".join([":", *(axis.span for axis in axes[1:])])
    g.writer.line(
        f"{output.name}[{kernel}] = {v.kernel}",
        f"{inner}[{spans}][{index.name}[{first.span}].long()] = ({v.reference}).to({dtype_name(dtype)})",
    )


def _in_place(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    """An argument is changed where it is."""
    dtype = g.pick([torch.float32, torch.int32, torch.float16])
    sizes = [*(s for _, s in g.scalars), *(a.size.plus(a.begin) for a in axes)]
    names = [name for name, _ in g.scalars]
    argument = Argument(g.fresh("x"), dtype, tuple(sizes), -2, 2, "written")
    g.arguments.append(argument)
    kernel = f"{argument.name}[{', '.join([*names, *(a.name or ':' for a in axes)])}]"
    reference = f"{argument.name}[{', '.join([*names, *(a.span for a in axes)])}]"
    v = small(g, settled_exact(g, number(g, value(g, axes, 2))))
    v = g.settle(v if not v.bits or dtype.is_floating_point else v.apply("torch.floor({0})", bits=0))
    operator = g.pick(["+", "*", "-"])
    g.writer.line(f"{kernel} = {kernel} {operator} {v.kernel}", f"{reference} = {reference} {operator} {v.reference}")


def _row(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    """A row of an argument is read, overwritten (perhaps through a view), and used again."""
    if len(axes) > 2:
        _plain(g, axes, outputs, "plain")
        return
    dtype = g.pick([torch.float32, torch.int32, torch.float64])
    whole = (*axes, g.slice_axis(positive=True))
    sizes = [*(s for _, s in g.scalars), *(a.size.plus(a.begin) for a in whole)]
    argument = Argument(g.fresh("x"), dtype, tuple(sizes), -2, 2, "written")
    g.arguments.append(argument)
    written = argument.name
    if g.chance(50):
        g.use("written-through-a-view")
        written = g.fresh("h")
        g.host.append(f"{written} = {argument.name}.view({argument.name}.shape)")
    names = [name for name, _ in g.scalars]
    kernel = ", ".join([*names, *(a.name or ":" for a in whole)])
    reference = ", ".join([*names, *(a.span for a in whole)])
    row, top = g.fresh("v"), g.fresh("v")
    g.writer.line(f"{row} = {argument.name}[{kernel}]", f"{row} = {argument.name}[{reference}].clone()")
    g.writer.line(f"{top} = {row}.{g.pick(['amax', 'sum', 'amin'])}(-1, keepdim=True)")
    g.writer.line(f"{written}[{kernel}] = {row} - {top}", f"{written}[{reference}] = {row} - {top}")
    output = _new(g, outputs, sizes, dtype)
    text = g.pick([f"({row} * 2 - {top})", f"({row} - {top}) + {row}.sum(-1, keepdim=True)"])
    g.writer.line(f"{output.name}[{kernel}] = {text}", f"{output.name}[{reference}] = {text}")


def _exact_number(g: Builder, v: Value) -> Value:
    v = small(g, settled_exact(g, number(g, v)))
    return v if not v.bits else v.apply("torch.floor({0})", bits=0)


def _atomic(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    """An atomic on each element, or one on elements that an index tensor names."""
    v = g.settle(_exact_number(g, value(g, axes, 2)))
    dtype = g.pick(ATOMIC)
    v = v if v.dtype == dtype else v.apply(f"({{0}}).to({dtype_name(dtype)})", dtype=dtype)
    if axes and g.chance(40):
        _scattered_atomic(g, axes, outputs, v)
        return
    kernel, reference, sizes = _subscripts(g, axes)
    output = _new(g, outputs, sizes, dtype, 1)
    operations = {"add": "{o} + {v}", "max": "torch.maximum({o}, {v})", "min": "torch.minimum({o}, {v})"}
    if not dtype.is_floating_point:
        operations |= {"or": "{o} | {v}", "and": "{o} & {v}", "xor": "{o} ^ {v}"}
    name = g.pick(list(operations))
    g.use(f"atomic-{name}")
    target = f"{output.name}[{', '.join(reference)}]"
    text = operations[name].replace("{o}", target).replace("{v}", f"({v.reference}).to({dtype_name(dtype)})")
    call = f"hl.atomic_{name}({output.name}, {listed(kernel)}, {v.kernel})"
    if g.chance(20):
        g.use("atomic-previous")
        before = _new(g, outputs, sizes, dtype)
        g.writer.line(
            f"{before.name}[{', '.join(kernel)}] = {call}", f"{before.name}[{', '.join(reference)}] = {target}"
        )
        call = None
    g.writer.line(call, f"{target} = {text}")


def _scattered_atomic(g: Builder, axes: Axes, outputs: list[Output], v: Value) -> None:
    g.use("atomic-scatter")
    kernel, reference, size = index_of(g, axes[0])
    names = [name for name, _ in g.scalars]
    output = _new(g, outputs, [*(s for _, s in g.scalars), size, *(a.size.plus(a.begin) for a in axes[1:])], v.dtype)
    target = output.name + (f"[{', '.join(names)}]" if names else "")
    spans = ", ".join([":", *(axis.span for axis in axes[1:])])
    indices = listed([*names, kernel, *(axis.name or ":" for axis in axes[1:])])
    g.writer.line(
        f"hl.atomic_add({output.name}, {indices}, {v.kernel})",
        f"{target}[{spans}].index_add_(0, ({reference}).long(), ({v.reference}).to({dtype_name(v.dtype)}))",
    )


def _atomic_reduce(g: Builder, axes: Axes, outputs: list[Output], kind: str) -> None:
    """An axis of the grid is reduced tile by tile, and the parts are added atomically."""
    v = _exact_number(g, value(g, axes, 3))
    position = g.number(0, len(axes) - 1)
    rest = (*axes[:position], *axes[position + 1 :])
    dtype = g.pick(ATOMIC)
    v = g.settle(v if v.dtype == dtype else v.apply(f"({{0}}).to({dtype_name(dtype)})", dtype=dtype))
    name, method = g.pick([("add", "sum"), ("add", "sum"), ("max", "amax"), ("min", "amin")])
    g.use(f"atomic-{method}")
    part = v.apply(f"({{0}}).{method}({position})", f"({{0}}).{method}({position}).to({dtype_name(dtype)})")
    kernel, reference, sizes = _subscripts(g, rest)
    output = _new(g, outputs, sizes, dtype)
    target = f"{output.name}[{', '.join(reference)}]"
    combined = f"{target} + {part.reference}" if name == "add" else f"torch.{name}imum({target}, {part.reference})"
    g.writer.line(
        f"hl.atomic_{name}({output.name}, {listed(kernel)}, {part.kernel})", f"{target} = {combined}"
    )  # fmt: skip


# Text


def _shape(sizes: tuple[Size, ...]) -> str:
    return f"[{', '.join(size.text for size in sizes)}]"


def _sizes_of(g: Builder) -> list[str]:
    """Host lines that give every named size; adds an int argument for what no tensor shows."""
    lines: list[str] = []
    for dim in list(g.dims):
        found = next(
            (
                (a.name, number) for a in g.arguments if a.sizes is not None
                for number, size in enumerate(a.sizes) if size == Size(dim)
            ), None,
        )  # fmt: skip
        if found is None:
            g.use("int-argument-as-size")
            g.arguments.append(Argument(dim.name, None, None, dim.values[0]))
        else:
            lines.append(f"{dim.name} = {found[0]}.size({found[1]})")
    return lines


def _made(g: Builder, argument: Argument, number: int, call: int) -> str:
    if argument.sizes is None:
        dim = next((d for d in g.dims if d.name == argument.name), None)
        return str(dim.values[call] if dim else argument.low)
    shape = [size.at(call) for size in argument.sizes]
    layout = "plain" if argument.layout == "written" else argument.layout
    return (
        f"tensor({100 * call + number}, {shape}, {dtype_name(argument.dtype)}, "  # pyright: ignore[reportArgumentType]
        f"{argument.low}, {argument.high}, {layout!r}, device)"
    )


EVIL = (
    "tl", "triton", "x0_size_1", "pid", "offset", "mask", "lanes", "count", "num_warps", "_BLOCK_SIZE_0", "libdevice",
    "t0_begin", "t0_index", "loaded", "_kernel", "acc", "grid", "x0_stride_0", "index", "kernel", "value", "_n0",
)  # fmt: skip
"""Names that emitted text might use itself."""


def renamed(g: Builder, parameters: str, bodies: list[str]) -> tuple[str, list[str]]:
    """Some variables and parameters by other names."""
    if not g.chance(12):
        return parameters, bodies
    g.use("evil-names")
    names = sorted(set(re.findall(r"\b(?:[a-z]+\d+)\b", " ".join([parameters, *bodies]))))
    names = [n for n in names if re.fullmatch(r"(?:x|v|t|k|i|n|f|h|acc|out|flag|alias|block)\d+", n)]
    for _ in range(3):
        old, new = g.pick(names), g.pick(EVIL)
        if re.search(rf"\b{new}\b", " ".join([parameters, *bodies])):
            continue
        parameters, *bodies = (re.sub(rf"\b{old}\b", new, text) for text in (parameters, *bodies))
        names = [new if n == old else n for n in names]
    return parameters, bodies


def packed(g: Builder, parameters: str, bodies: list[str], calls: list[str]) -> tuple[str, list[str], list[str]]:
    """Some tensors as elements of one tuple argument, the last one."""
    tensors = [a for a in g.arguments if a.sizes is not None]
    if len(tensors) < 2 or not g.chance(12):
        return parameters, bodies, calls
    g.use("tuple-argument")
    chosen = [a for a in tensors if g.chance(60)] or tensors[:1]
    for place, argument in enumerate(chosen):
        bodies = [re.sub(rf"\b{argument.name}\b", f"xs[{place}]", body) for body in bodies]
    rest = [a for a in g.arguments if a not in chosen]
    parameters = ", ".join([*(f"{a.name}: {a.annotation}" for a in rest), "xs: tuple"])
    calls = []
    for call in range(g.calls):
        lines = [f"        {_made(g, a, g.arguments.index(a), call)}," for a in rest]
        inner = [f"            {_made(g, a, g.arguments.index(a), call)}," for a in chosen]
        calls.append("    lambda device: (\n" + "\n".join([*lines, "        (", *inner, "        ),"]) + "\n    ),")
    return parameters, bodies, calls


def render(g: Builder, outputs: list[Output]) -> str:
    """The module: kernel, reference, and the arguments of each call."""
    sizes = _sizes_of(g)
    parameters = ", ".join(f"{a.name}: {a.annotation}" for a in g.arguments)
    first = next(a.name for a in g.arguments if a.sizes is not None)
    made = [
        f"{o.name} = torch.full({_shape(o.sizes)}, {bool(o.start) if o.dtype == torch.bool else o.start}, "
        f"dtype={dtype_name(o.dtype)}, device={first}.device)"
        for o in outputs if o.dtype is not None
    ]  # fmt: skip
    result = f"return {', '.join(o.name for o in outputs if o.dtype is not None)}"
    if all(o.dtype is None for o in outputs):
        result = "return None"
    host = [*sizes, *g.host, *made]
    kernel = ["    " + line for line in [*sizes, *g.host, *g.blocks, *made]] + g.writer.kernel + ["    " + result]
    reference = ["    " + line for line in host] + g.writer.reference + ["    " + result]
    calls = []
    for call in range(g.calls):
        each = [f"        {_made(g, argument, number, call)}," for number, argument in enumerate(g.arguments)]
        calls.append("    lambda device: (\n" + "\n".join(each) + "\n    ),")
    settings = f"static_shapes={g.static}, autotune_effort='none', dot_precision='ieee', verify_each=True"
    bodies = ["\n".join(each) for each in (kernel, reference)]
    parameters, bodies, calls = packed(g, parameters, bodies, calls)
    parameters, bodies = renamed(g, parameters, bodies)
    return "\n".join([
        "import math", "", "import torch", "", "import helion_ir", "import helion_ir.language as hl", "",
        HELPERS, "", f"@helion_ir.kernel({settings})", f"def kernel({parameters}):", bodies[0], "", "",
        f"def reference({parameters}):", bodies[1], "", "", "CALLS = [", *calls, "]",
        f"TOLERANCES = {tuple(output.error for output in outputs if output.dtype is not None)}", "",
    ])  # fmt: skip
