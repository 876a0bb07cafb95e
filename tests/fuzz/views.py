"""Views of values, and gathers by index tensors of rank 2."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st

from .builder import Builder
from .loads import joint_gather, load
from .nodes import Axes, Size, Value, dtype_name
from .values import makes, number, small, value


@makes(2, "axes")
def viewed(g: Builder, axes: Axes, depth: int) -> Value:
    """A value of other axes, viewed as these."""
    choice = g.pick(["squeeze", "permute", "reshape", "expand", "flatten", "stack", "join"])
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
    if choice in ("stack", "join"):
        return _stacked(g, number(g, v), choice, depth)
    if choice == "reshape":
        shape, whole = ", ".join(["1", *(a.shape for a in axes)]), ", ".join(["1", *(a.size.text for a in axes)])
        return v.apply(f"({{0}}).reshape([{shape}]).squeeze(0)", f"({{0}}).reshape([{whole}]).squeeze(0)")
    if choice == "flatten" and len(axes) >= 2:
        shape, whole = ", ".join(a.shape for a in axes), ", ".join(a.size.text for a in axes)
        flat = g.pick([".flatten()", ".reshape(-1)"])
        return v.apply(f"({{0}}){flat}.reshape([{shape}])", f"({{0}}){flat}.reshape([{whole}])")
    at = g.number(0, len(axes))
    return v.apply(f"({{0}}).unsqueeze({at}).squeeze({at})")


def _stacked(g: Builder, v: Value, choice: str, depth: int) -> Value:
    """Two values along a new axis, and one or both of them again."""
    v = small(g, v)
    other = g.variable(small(g, number(g, value(g, v.axes, depth - 2))))
    text = f"({{0}}).to({dtype_name(v.dtype)})"
    if other.dtype != v.dtype or (other.bits and not v.floating):
        other = replace(other, bits=0, low=-3, high=3)
        floor = other.apply("torch.floor({0})") if other.floating and not v.floating else other
        other = floor.apply(text, text + ".double()" if v.floating else text, dtype=v.dtype)
    if v.dtype == torch.uint8:
        other = other.apply("torch.abs({0})") if other.low < 0 else other
    together = f"torch.stack([{v.reference}, {other.reference}], -1)"
    if choice == "stack" or g.chance(50):
        kernel = f"torch.stack([{v.kernel}, {other.kernel}], -1)"
        if choice == "join":
            kernel = f"hl.join({v.kernel}, {other.kernel})"
        result = replace(v, kernel=f"{kernel}.amax(-1)", reference=f"{together}.amax(-1)", low=-3, high=255)
    else:
        part = g.number(0, 1)
        kernel = f"hl.split(hl.join({v.kernel}, {other.kernel}))[{part}]"
        result = replace(v, kernel=kernel, reference=f"{together}[..., {part}]", low=-3, high=255)
    high = max(v.high, other.high)
    return replace(result, high=high, bits=max(v.bits, other.bits), error=max(v.error, other.error))


@makes(1, "matrix")
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
