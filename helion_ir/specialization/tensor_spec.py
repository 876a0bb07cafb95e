"""`TensorSpec`: what a kernel is specialized to, where no tensor is at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from ..exc import InvalidAPIUsage
from .overlap import address_of


@dataclass(frozen=True, init=False)
class TensorSpec:
    """Shape, dtype, strides and device of a tensor that need not exist: stands for one in `compile` and `bind`.

    The base address counts as aligned to 16 bytes, as a fresh allocation's is.
    """

    shape: torch.Size
    dtype: torch.dtype
    strides: tuple[int, ...]
    device: torch.device

    def __init__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        *,
        strides: Sequence[int] | None = None,
        device: torch.device | str = "cuda",
    ) -> None:
        """`strides` in elements, contiguous when left out; `device` without an index is its device 0.

        Raises InvalidAPIUsage for what no strided tensor has: negative or fractional sizes, strides of
        another rank, an unknown dtype or device.
        """
        size = _sizes("shape", shape)
        steps = None if strides is None else _sizes("strides", strides)
        if steps is not None and len(steps) != len(size):
            raise InvalidAPIUsage(f"TensorSpec: a tensor of rank {len(size)} has {len(size)} strides, got {len(steps)}")
        if not isinstance(dtype, torch.dtype):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidAPIUsage(f"TensorSpec: dtype is a torch.dtype, got {dtype!r}")
        try:
            where = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise InvalidAPIUsage(f"TensorSpec: {device!r} is no device: {error}") from None
        if where.index is None and where.type != "cpu":
            where = torch.device(where.type, 0)
        object.__setattr__(self, "shape", size)
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "strides", _contiguous(size) if steps is None else tuple(steps))
        object.__setattr__(self, "device", where)

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorSpec:
        """The spec of a tensor; of sizes that are symbols it has the values that they have now."""
        sizes, strides = [_hint(size) for size in tensor.shape], [_hint(step) for step in tensor.stride()]
        return cls(sizes, tensor.dtype, strides=strides, device=tensor.device)

    def stride(self, dim: int | None = None) -> int | tuple[int, ...]:
        """The strides in elements, or that of one dimension."""
        return self.strides if dim is None else self.strides[dim]

    def size(self, dim: int | None = None) -> int | torch.Size:
        """The shape, or one extent."""
        return self.shape if dim is None else self.shape[dim]

    def fake(self) -> FakeTensor:
        """A fake tensor of this spec; nothing is allocated."""
        with fakes():
            result = torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device=self.device)
        assert isinstance(result, FakeTensor)
        return result


class PlacedSpec(TensorSpec):
    """The spec of a tensor that was there, with its address: how it was aligned, and what shared its memory."""

    address: int | None

    @classmethod
    def of(cls, tensor: torch.Tensor) -> PlacedSpec:
        result = super().of(tensor)
        assert isinstance(result, PlacedSpec)
        object.__setattr__(result, "address", address_of(tensor))
        return result

    def fake(self) -> FakeTensor:
        result = super().fake()
        result.address = self.address  # type: ignore[attr-defined]
        return result


def _sizes(what: str, values: Sequence[int]) -> torch.Size:
    """Numbers of a tensor's dimensions, none negative. Raises InvalidAPIUsage."""
    try:
        size = torch.Size(values)
    except (TypeError, ValueError, OverflowError):
        raise InvalidAPIUsage(f"TensorSpec: {what} is a sequence of ints, got {values!r}") from None
    if any(each < 0 for each in size):
        raise InvalidAPIUsage(f"TensorSpec: {what} holds nothing negative, got {tuple(size)}")
    return size


def _contiguous(size: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(size):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


_mode: list[FakeTensorMode] = []


def fakes() -> FakeTensorMode:
    """One mode for all fakes, so that they may meet in one operator."""
    if not _mode:
        _mode.append(FakeTensorMode())
    return _mode[0]


def materialize(value: Any) -> Any:
    """`value` with every `TensorSpec` in it made a fake tensor."""
    return map_leaves(value, lambda leaf: leaf.fake() if isinstance(leaf, TensorSpec) else leaf)


def without_fakes(args: tuple[object, ...]) -> tuple[Any, ...]:
    """Arguments with every fake tensor in them made a `TensorSpec`."""
    return map_leaves(args, lambda leaf: TensorSpec.of(leaf) if isinstance(leaf, FakeTensor) else leaf)


def _hint(size: int | torch.SymInt) -> int:
    if isinstance(size, int):
        return size
    hint = size.node.hint
    return UNKNOWN_SIZE if hint is None else int(hint)


UNKNOWN_SIZE = 17
"""Stands for a size of which a graph knows nothing: what is traced with some size."""


def describe(value: Any) -> Any:
    """`value` with every tensor in it made a `TensorSpec`: what to remember of arguments."""
    return map_leaves(value, lambda leaf: TensorSpec.of(leaf) if isinstance(leaf, torch.Tensor) else leaf)


def placed(value: Any) -> Any:
    """`describe`, with addresses: for a trace that must see in the tensors what the first one saw."""
    return map_leaves(value, lambda leaf: PlacedSpec.of(leaf) if isinstance(leaf, torch.Tensor) else leaf)


def map_leaves(value: Any, leaf: Callable[[Any], Any], around: frozenset[int] = frozenset()) -> Any:
    """`value` with `leaf` applied to what its containers, dataclasses and closures hold; itself if nothing changes.

    What a thing holds of those `around` it, by their ids, stays: functions may call themselves.
    """
    if id(value) in around:
        return value
    parts = _parts(value)
    if parts is None:
        return leaf(value)
    items, build = parts
    inside = around | {id(value)}
    mapped = [map_leaves(item, leaf, inside) for item in items]
    return build(mapped) if any(new is not old for new, old in zip(mapped, items, strict=True)) else value


def _parts(value: Any) -> tuple[Sequence[Any], Callable[[list[Any]], Any]] | None:
    """What a container, dataclass or closure holds, and how to make one of other parts; None for anything else."""
    if isinstance(value, dict):
        return list(value.values()), lambda items: dict(zip(value, items, strict=True))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value, lambda items: type(value)(*items)
    if type(value) in (list, tuple):
        return value, type(value)
    if isinstance(value, FunctionType) and value.__closure__:
        return [_content(cell) for cell in value.__closure__], lambda items: _with_closure(value, items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type | TensorSpec):
        names = [each.name for each in dataclasses.fields(value) if each.init]
        return [getattr(value, name) for name in names], lambda items: dataclasses.replace(
            value, **dict(zip(names, items, strict=True))
        )
    return None


def tensors_in(value: object) -> list[torch.Tensor]:
    """The tensors that containers, dataclasses and closures hold, in order."""
    found: list[torch.Tensor] = []

    def note(leaf: object) -> object:
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        return leaf

    map_leaves(value, note)
    return found


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _with_closure(function: FunctionType, contents: list[Any]) -> FunctionType:
    """The function with other closure contents; a cell among them is an empty one."""
    cells = tuple(content if isinstance(content, CellType) else CellType(content) for content in contents)
    result = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    result.__kwdefaults__ = function.__kwdefaults__
    return result


__all__ = ["TensorSpec", "describe", "fakes", "map_leaves", "materialize", "tensors_in"]
