"""Tiles and what one can ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch

from .. import exc
from .api import api

if TYPE_CHECKING:
    from xdsl.ir import SSAValue


class Tile(torch.SymInt):
    """A run of positions: an index for subscripts, a size for shapes (that of its block), shifted by `tile + 3`."""

    ssa: SSAValue

    @property
    def begin(self) -> Any:
        """The first position."""
        return tile_begin(self)

    @property
    def end(self) -> Any:
        """One past the last position, clipped to the extent."""
        return tile_end(self)

    @property
    def block_size(self) -> Any:
        """How many positions a full tile has."""
        return tile_block_size(self)

    @property
    def index(self) -> torch.Tensor:
        """The positions, as a 1-D tensor."""
        return tile_index(self)

    @property
    def id(self) -> Any:
        """Which of the loop's tiles this is."""
        return tile_id(self)

    @property
    def count(self) -> Any:
        """How many tiles the loop has."""
        return tile_count(self)

    def __add__(self, other: Any) -> Any:
        return tile_shift(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return tile_shift(self, -other)

    def __hash__(self) -> int:
        return id(self)


class Tiles(tuple[Tile, ...]):
    """The tiles of a loop over several sizes: an index and a shape as a whole, but no tile, also if it is only one."""

    def _refuse(self, *_: object) -> NoReturn:
        raise exc.OverpackedTile(
            f"a tuple of {len(self)} tiles stands where one tile is needed",
            hint="unpack it: `for (tile,) in hl.tile([size])`, or loop over one size: `for tile in hl.tile(size)`",
        )

    begin = end = block_size = id = property(_refuse)
    index = count = property(_refuse)  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    __radd__ = __sub__ = _refuse

    def __add__(self, other: Any) -> Any:
        return tuple(self) + other if isinstance(other, tuple) else self._refuse()


@api()
def tile_begin(tile: Tile) -> Any:
    """The first position of a tile, a scalar."""


@api()
def tile_end(tile: Tile) -> Any:
    """One past the last position of a tile, clipped to the extent; a scalar."""


@api()
def tile_block_size(tile: Tile) -> Any:
    """How many positions a full tile has; a compile-time size."""


@api()
def tile_index(tile: Tile) -> torch.Tensor:
    """The positions of a tile as a 1-D tensor of the index dtype."""
    raise NotImplementedError


@api()
def tile_id(tile: Tile) -> Any:
    """Which of its loop's tiles this is, counted from 0; a scalar."""


@api()
def tile_count(tile: Tile) -> Any:
    """How many tiles the loop of a tile has; a scalar."""


@api()
def tile_shift(tile: Tile, offset: Any) -> Tile:
    """The tile moved by `offset` positions: what `tile + offset` does."""
    raise NotImplementedError
