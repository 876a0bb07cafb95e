"""Subscripts of the eager reference: positions and a mask for each lane, then PyTorch's own indexing.

A tile that reaches past a dimension has no lanes there: they read zero and store nothing. A tile over a dimension of
size 1 reads its one element. Index tensors of rank 1 select an outer product; of higher rank they broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .. import exc
from .tiles import EagerTile, axes_of, mark


@dataclass(eq=False)
class _Part:
    """One index: the positions along its dimension, which of them are there, their axes; whether a tensor gave them."""

    positions: torch.Tensor
    axes: tuple[object, ...] = ()
    valid: torch.Tensor | None = None
    gathers: bool = False


@dataclass
class Access:
    """The positions of an access: an index tensor for each dimension, all of the result's shape; and its mask."""

    positions: tuple[torch.Tensor, ...]
    mask: torch.Tensor | None
    shape: tuple[int, ...]
    axes: tuple[object, ...]

    def within(self, mask: torch.Tensor | None) -> Access:
        """The access where `mask` is true, too."""
        if mask is None:
            return self
        mask = aligned(mask, self.axes).broadcast_to(self.shape)
        return Access(self.positions, mask if self.mask is None else self.mask & mask, self.shape, self.axes)


def special(index: Sequence[Any]) -> bool:
    """Whether PyTorch's own subscript would not do."""
    tensors = [each for each in index if isinstance(each, torch.Tensor) and each.dim() and each.dtype != torch.bool]
    return len(tensors) > 1 or any(isinstance(each, EagerTile | tuple | list) for each in index)


def access(tensor: torch.Tensor, index: Any) -> Access:
    """Where a subscript of a tensor reads or writes."""
    entries = _entries(tensor, index)
    parts: list[_Part | None] = []
    dim = 0
    for entry in entries:
        if entry is None:
            parts.append(None)
            continue
        parts.append(_part(tensor, dim, entry))
        dim += 1
    return _combined(parts)


def _entries(tensor: torch.Tensor, index: Any) -> list[Any]:
    given = list(index) if isinstance(index, tuple | list) else [index]
    flat: list[Any] = []
    for each in given:
        flat.extend(each if isinstance(each, tuple | list) else [each])
    used = sum(each is not None and each is not Ellipsis for each in flat)
    if used > tensor.dim():
        raise exc.RankMismatch(f"{used} subscripts for a tensor of rank {tensor.dim()}")
    rest = [slice(None)] * (tensor.dim() - used)
    where = next((i for i, each in enumerate(flat) if each is Ellipsis), None)
    return [*flat, *rest] if where is None else [*flat[:where], *rest, *flat[where + 1 :]]


def _part(tensor: torch.Tensor, dim: int, entry: Any) -> _Part:
    size, device = tensor.size(dim), tensor.device
    if isinstance(entry, EagerTile):
        positions = torch.arange(entry.begin, entry.end, device=device)
        if size == 1:
            return _Part(torch.zeros_like(positions), (entry.lanes,))
        return _Part(positions, (entry.lanes,), positions < size)
    if isinstance(entry, slice):
        given: tuple[Any, ...] = (entry.start, entry.stop, entry.step)
        bounds = [None if each is None else int(each) for each in given]
        return _Part(torch.arange(size, device=device)[slice(*bounds)], (None,))
    if isinstance(entry, torch.Tensor) and entry.dim():
        return _Part(entry.long(), axes_of(entry), gathers=True)
    return _Part(torch.as_tensor(int(entry), device=device))


def _combined(parts: Sequence[_Part | None]) -> Access:
    """Positions of the result's shape. Each index has dimensions of its own, but as soon as one tensor has rank 2,
    tensors share theirs."""
    tensors = [part for part in parts if part is not None and part.gathers]
    shared = tensors if any(part.positions.dim() > 1 for part in tensors) else []
    shape = torch.broadcast_shapes(*(part.positions.shape for part in shared))
    dims: list[int] = []
    axes: list[object] = []
    placed: list[tuple[_Part, int]] = []
    end = None
    for part in parts:
        if part is None:
            dims, axes = [*dims, 1], [*axes, None]
        elif part in shared:
            if end is None:
                dims, axes = [*dims, *shape], [*axes, *max((each.axes for each in shared), key=len)]
                end = len(dims)
            placed.append((part, end))
        else:
            dims, axes = [*dims, *part.positions.shape], [*axes, *part.axes]
            placed.append((part, len(dims)))
    positions: list[torch.Tensor] = []
    mask: torch.Tensor | None = None
    for part, last in placed:
        spread = (*part.positions.shape, *[1] * (len(dims) - last))
        found = part.positions.reshape(spread)
        if part.valid is not None:
            valid = part.valid.reshape(spread)
            found = found.where(valid, 0)
            mask = valid if mask is None else mask & valid
        positions.append(found.broadcast_to(dims))
    return Access(tuple(positions), None if mask is None else mask.broadcast_to(dims), tuple(dims), tuple(axes))


def aligned(value: torch.Tensor, axes: Sequence[object]) -> torch.Tensor:
    """A value of lower rank with unit dimensions, so that its tiles meet the same tiles of `axes`."""
    own = axes_of(value)
    if len(own) >= len(axes) or not own or any(each is None for each in own):
        return value
    if list(axes[len(axes) - len(own) :]) == list(own) or any(axes.count(each) != 1 for each in own):
        return value
    places = [axes.index(each) for each in own]
    if places != sorted(places):
        return value
    return value.reshape([value.size(places.index(i)) if i in places else 1 for i in range(len(axes))])


def load(tensor: torch.Tensor, index: Any, extra_mask: torch.Tensor | None = None) -> torch.Tensor:
    """The value of a subscript; zero where there is no lane."""
    at = access(tensor, index).within(extra_mask)
    if at.mask is None:
        return mark(tensor[at.positions] if at.positions else tensor.clone(), at.axes)
    positions = tuple(each.where(at.mask, 0) for each in at.positions)
    if tensor.numel() == 0:
        return mark(torch.zeros(at.shape, dtype=tensor.dtype, device=tensor.device), at.axes)
    return mark(tensor[positions].where(at.mask, torch.zeros((), dtype=tensor.dtype, device=tensor.device)), at.axes)


def store(tensor: torch.Tensor, index: Any, value: Any, extra_mask: torch.Tensor | None = None) -> None:
    """Store where there are lanes; the value is cast and broadcast."""
    at, given = _selected(tensor, index, value, extra_mask)
    if at[0].numel():
        tensor.index_put_(at, given)


def _selected(
    tensor: torch.Tensor, index: Any, value: Any, mask: torch.Tensor | None
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """The positions that an access has, one-dimensional, and the value for each."""
    at = access(tensor, index).within(mask)
    given = torch.as_tensor(value, device=tensor.device).to(tensor.dtype)
    given = given.reshape(()) if given.numel() == 1 else aligned(_axes_kept(value, given), at.axes)
    if given.dim() and given.dim() > len(at.shape):
        raise exc.RankMismatch(f"a value of rank {given.dim()} is stored where the subscript has rank {len(at.shape)}")
    given = given.broadcast_to(at.shape)
    if at.mask is None:
        return tuple(each.reshape(-1) for each in at.positions), given.reshape(-1)
    return tuple(each[at.mask] for each in at.positions), given[at.mask]


def _axes_kept(value: Any, cast: torch.Tensor) -> torch.Tensor:
    return mark(cast, axes_of(value)) if isinstance(value, torch.Tensor) and cast is not value else cast


def atomic(tensor: torch.Tensor, index: Any, combine: Callable[..., torch.Tensor], *values: Any) -> torch.Tensor:
    """Lane after lane, `tensor[position] = combine(old, *values of the lane)`; the old values, zero without a lane."""
    at, whole = _selected(tensor, index, 0, None)[0], access(tensor, index)
    given = [_selected(tensor, index, value, None)[1] for value in values]
    count = at[0].numel() if at else 1
    before = torch.zeros(count, dtype=tensor.dtype, device=tensor.device)
    for lane in range(count):
        place = tuple(int(each[lane]) for each in at)
        before[lane] = tensor[place]
        tensor[place] = combine(before[lane], *(value.reshape(-1)[lane] for value in given))
    old = torch.zeros(whole.shape, dtype=tensor.dtype, device=tensor.device)
    if whole.mask is None:
        return mark(before.reshape(whole.shape), whole.axes)
    old[whole.mask] = before
    return mark(old, whole.axes)


__all__ = ["aligned", "atomic", "load", "special", "store"]
