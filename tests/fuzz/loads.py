"""Loads: subscripts of arguments that give values of wanted axes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from .builder import FLOATS, Builder
from .nodes import EIGHT, INTEGERS, Axes, Axis, Size, Value, dtype_name, listed


@dataclass
class Subscript:
    """A subscript that is being put together, dimension by dimension of the tensor."""

    sizes: list[Size] = field(default_factory=list)
    kernel: list[str] = field(default_factory=list)
    reference: list[str] = field(default_factory=list)
    around: str = "{0}"
    """What the reference does to the tensor before it subscripts it."""
    expanded: bool = False

    def add(self, size: Size, kernel: str, reference: str) -> None:
        self.sizes.append(size)
        self.kernel.append(kernel)
        self.reference.append(reference)


def index_of(g: Builder, axis: Axis) -> tuple[str, str, Size]:
    """A 1-D index tensor over an axis, and the size of the dimension that it indexes."""
    choice = g.pick(["loaded", "reversed", "halved", "remainder"] if axis.name else ["loaded"])
    g.use(f"gather-{choice}")
    if choice == "loaded":
        size = Size(None, g.pick([3, 1, 5, 8]))
        index = g.tensor([axis.size.plus(axis.begin)], g.pick([torch.int64, torch.int32]), 0, size.extra - 1)
        own = axis.name or (":" if not axis.begin else axis.span)
        return f"{index.name}[{own}]", f"{index.name}[{axis.span}]", size
    positions = f"torch.arange({axis.begin}, {axis.size.plus(axis.begin).text}, dtype=torch.int32)"
    end = axis.size.plus(axis.begin)
    if choice == "reversed":
        return f"{end.text} - 1 - {axis.name}.index", f"{end.text} - 1 - {positions}", end
    if choice == "halved":
        return f"{axis.name}.index // 2", f"{positions} // 2", end
    return f"{axis.name}.index % 3", f"{positions} % 3", Size(None, 3)


def _tile_dimension(g: Builder, subscript: Subscript, axis: Axis) -> None:
    assert axis.name is not None
    position = len(subscript.sizes)
    end = axis.size.plus(axis.begin)
    choice = g.pick(["plain"] * 8 + ["larger", "one", "shifted", "past", "gather", "gather"])
    if choice == "one" and g.static:
        g.use("size-one")
        subscript.expanded = True
        subscript.add(Size(None, 1), axis.name, "0:1")
    elif choice == "shifted":
        g.use("shifted-tile")
        by = g.number(1, 3)
        subscript.add(end.plus(by), f"{axis.name} + {by}", f"{axis.begin + by}:{end.plus(by).text}")
    elif choice == "past" and 1 not in end.values:  # the element of a dim of size 1 is read in every lane
        g.use("past-the-end")
        by = g.number(1, 3)
        subscript.around = f"past({subscript.around}, {position}, {axis.begin + by}, {axis.size.text})"
        subscript.add(end, f"{axis.name} + {by}", ":")
    elif choice == "gather":
        kernel, reference, size = index_of(g, axis)
        subscript.around += f".index_select({position}, ({reference}).long())"
        subscript.add(size, kernel, ":")
    else:
        subscript.add(end.plus(2 if choice == "larger" else 0), axis.name, axis.span)


def _slice_dimension(g: Builder, subscript: Subscript, axis: Axis) -> None:
    assert axis.begin == 0
    position = len(subscript.sizes)
    choice = g.pick(["whole"] * 7 + ["bounds", "strided", "gather"])
    if choice == "strided" and axis.size.dim is None:
        g.use("strided-slice")
        size = Size(None, 2 * axis.size.extra - g.number(0, 1))
        subscript.add(size, "::2", "::2")
    elif choice == "bounds":
        g.use("bounded-slice")
        begin = g.number(0, 2)
        text = f"{begin}:{axis.size.plus(begin).text}"
        subscript.add(axis.size.plus(begin + g.number(0, 1)), text, text)
    elif choice == "gather":
        kernel, reference, size = index_of(g, axis)
        subscript.around += f".index_select({position}, ({reference}).long())"
        subscript.add(size, kernel, ":")
    else:
        subscript.add(axis.size, ":", axis.span)


def _scalar_dimension(g: Builder, subscript: Subscript) -> None:
    options: list[tuple[Size, str]] = [(Size(None, g.pick([2, 3, 5])), str(g.pick([0, -1, 1])))]
    options += [(size, name) for name, size in g.scalars] * 2
    size, text = g.pick(options[::-1])
    g.use("scalar-index")
    subscript.add(size, text, text)


def subscript_for(g: Builder, axes: Axes) -> Subscript:
    """A subscript that selects exactly these axes."""
    subscript = Subscript()
    extra = g.pick([0, 0, 0, 1]) if axes else g.pick([1, 1, 2])
    if len(axes) > 2:
        extra = 0
    places = [g.number(0, len(axes)) for _ in range(extra)]
    for number in range(len(axes) + 1):
        for _ in range(places.count(number)):
            _scalar_dimension(g, subscript)
        if number < len(axes):
            (_tile_dimension if axes[number].name else _slice_dimension)(g, subscript, axes[number])
    return subscript


ELEMENTS = (*FLOATS[:3], torch.int32, torch.float32, torch.int64, torch.bool, *INTEGERS[2:], torch.float64, *EIGHT)


def element(g: Builder, floating: bool = False) -> tuple[torch.dtype, int, int]:
    """A dtype and bounds of elements."""
    dtype = g.pick(FLOATS if floating else ELEMENTS)
    if dtype == torch.bool:
        return dtype, 0, 1
    if dtype == torch.uint8:
        return dtype, 0, g.pick([3, 255])
    if dtype == torch.int8 and g.chance(30):
        return dtype, -128, 127
    return dtype, -3, 3


def load(g: Builder, axes: Axes, *, dtype: torch.dtype | None = None, high: int = 3, low: int = -3) -> Value:
    """A load with these axes; 8-bit floats are widened at once, since PyTorch does not compute in them."""
    if dtype is None and g.published and g.chance(50) and (found := _published(g, axes)) is not None:
        return found
    chosen, low, high = (dtype, low, high) if dtype is not None else element(g)
    subscript = subscript_for(g, axes)
    argument = g.tensor(subscript.sizes, chosen, low, high)
    name = argument.name
    kernel = f"{name}[{', '.join(subscript.kernel)}]"
    if g.chance(8):
        g.use("hl.load")
        kernel = f"hl.load({name}, {listed(subscript.kernel)})"
    before = f"{name}.double()" if chosen.is_floating_point else name
    reference = f"{subscript.around.format(before)}[{', '.join(subscript.reference)}]"
    if subscript.expanded:
        reference += f".expand({', '.join(axis.size.text for axis in axes)})"
    value = Value(kernel, reference, chosen, axes, low, high)
    g.use(str(chosen).removeprefix("torch."))
    if chosen in EIGHT:
        wide = g.pick([torch.float32, torch.float16, torch.bfloat16])
        return value.apply(f"{{0}}.to({dtype_name(wide)})", "{0}", dtype=wide)
    return value


def _published(g: Builder, axes: Axes) -> Value | None:
    """A load of what an earlier loop stored; None where no output has such sizes."""
    sizes = tuple(axis.size.plus(axis.begin) for axis in axes)
    found = [each for each in g.published if len(each[1]) == len(sizes) and _at_least(each[1], sizes)]
    if not found or not axes:
        return None
    g.use("loop-reads-what-a-loop-wrote")
    name, _, v = g.pick(found)
    kernel, reference = ", ".join(axis.name or axis.span for axis in axes), ", ".join(axis.span for axis in axes)
    before = f"{name}.double()" if v.floating else name
    return replace(v, kernel=f"{name}[{kernel}]", reference=f"{before}[{reference}]", axes=axes)


def _at_least(sizes: tuple[Size, ...], wanted: tuple[Size, ...]) -> bool:
    return all(a.dim == b.dim and a.extra >= b.extra for a, b in zip(sizes, wanted, strict=True))


def masked_load(g: Builder, axes: Axes, mask: Value) -> Value:
    """A load under an extra mask."""
    g.use("extra-mask")
    dtype = g.pick([torch.float32, torch.int32, torch.float16, torch.int64])
    subscript = subscript_for(g, axes)
    argument = g.tensor(subscript.sizes, dtype, 1, 3)
    before = f"{argument.name}.double()" if dtype.is_floating_point else argument.name
    reference = f"{subscript.around.format(before)}[{', '.join(subscript.reference)}]"
    return Value(
        f"hl.load({argument.name}, {listed(subscript.kernel)}, extra_mask={mask.kernel})",
        f"torch.where({mask.reference}, {reference}, 0)", dtype, axes, 0, 3,
    )  # fmt: skip


def joint_gather(g: Builder, axes: Axes, index: list[Value], sizes: list[Size]) -> Value:
    """A gather by index tensors of these axes that broadcast."""
    g.use("joint-gather")
    dtype = g.pick([torch.float32, torch.int32, torch.bfloat16])
    argument = g.tensor(sizes, dtype, -3, 3)
    before = f"{argument.name}.double()" if dtype.is_floating_point else argument.name
    kernel = ", ".join(value.kernel for value in index)
    reference = ", ".join(f"({value.reference}).long()" for value in index)
    return Value(f"{argument.name}[{kernel}]", f"{before}[{reference}]", dtype, axes, -3, 3)


def distinct(g: Builder, axes: Axes) -> Value:
    """A load of numbers no two of which are equal, so that there is one largest."""
    sizes = [axis.size.plus(axis.begin) for axis in axes]
    dtype = g.pick([torch.float32, torch.int32, torch.int64])
    argument = g.tensor(sizes, dtype, 0, 0, layout="distinct")
    kernel = ", ".join(axis.name or ":" for axis in axes)
    reference = ", ".join(axis.span for axis in axes)
    before = f"{argument.name}.double()" if dtype.is_floating_point else argument.name
    return Value(f"{argument.name}[{kernel}]", f"{before}[{reference}]", dtype, axes, 0, 40_000)


def clone_of(value: Value) -> Value:
    """A value that shares no memory with what it was made of, in the reference either."""
    return replace(value, reference=f"({value.reference}).clone()")
