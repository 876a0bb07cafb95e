"""Tiles of the eager reference: runs of positions that are sizes, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch

from .. import exc


class EagerTile(int):
    """A run of positions; as a number its length, so that it stands for a size."""

    begin: int
    end: int
    block_size: int
    first: int
    last: int
    """Where the loop begins and ends."""
    lanes: object
    """What tells the axis of the loop's tiles from other axes; a shifted tile keeps it."""
    device: torch.device

    @staticmethod
    def of(
        begin: int, end: int, block_size: int, *, first: int, last: int, lanes: object, device: torch.device
    ) -> EagerTile:
        """The tile from `begin` to `end`, of a loop from `first` to `last`."""
        tile = EagerTile(end - begin)
        tile.begin, tile.end, tile.block_size, tile.first, tile.last = begin, end, block_size, first, last
        tile.lanes, tile.device = lanes, device
        return tile

    @property
    def id(self) -> int:
        """Which of the loop's tiles this is."""
        return (self.begin - self.first) // self.block_size

    @property
    def count(self) -> int:
        """How many tiles the loop has."""
        return -(-(self.last - self.first) // self.block_size)

    @property
    def index(self) -> torch.Tensor:
        """The positions."""
        return mark(torch.arange(self.begin, self.end, dtype=torch.int32, device=self.device), (self.lanes,))

    def __add__(self, other: Any) -> Any:
        return EagerTile.of(
            self.begin + int(other), self.end + int(other), self.block_size,
            first=self.first, last=self.last, lanes=self.lanes, device=self.device,
        )  # fmt: skip

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -int(other)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other if isinstance(other, EagerTile) else int(self) == other


def mark(value: torch.Tensor, axes: Sequence[object]) -> torch.Tensor:
    """`value`, known to have these axes: a tile's for each dimension, or None."""
    value.helion_axes = tuple(axes)  # type: ignore[attr-defined] - PyTorch lets tensors have attributes
    return value


def axes_of(value: torch.Tensor) -> tuple[object, ...]:
    """The axes of a value; None for what is no tile's."""
    axes = getattr(value, "helion_axes", ())
    return axes if len(axes) == value.dim() else (None,) * value.dim()


def loop(begin: Any, end: Any, block_size: Any, device: torch.device) -> Iterator[Any]:
    """The tiles of a loop over one size, or tuples of tiles for several."""
    if end is None:
        begin, end = (0 if not _several(begin) else [0] * len(begin)), begin
    if not _several(end):
        if _several(block_size):
            raise exc.InvalidAPIUsage("hl.tile over one size takes one block size")
        yield from _tiles(begin, end, block_size, device)
        return
    begins = begin if _several(begin) else [begin] * len(end)
    blocks = block_size if _several(block_size) else [block_size] * len(end)
    every = [list(_tiles(b, e, s, device)) for b, e, s in zip(begins, end, blocks, strict=True)]
    yield from product(*every)


def _several(value: object) -> bool:
    return isinstance(value, list | tuple)


def _tiles(begin: Any, end: Any, block_size: Any, device: torch.device) -> Iterator[EagerTile]:
    first, last = int(begin), int(end)
    if last <= first:
        return
    step = last - first if block_size is None else int(block_size)
    lanes = object()
    for start in range(first, last, step):
        yield EagerTile.of(start, min(start + step, last), step, first=first, last=last, lanes=lanes, device=device)


__all__ = ["EagerTile", "axes_of", "loop", "mark"]
