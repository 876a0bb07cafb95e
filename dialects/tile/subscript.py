"""Subscripts: which index selects along which dimension of the ref, and which axes of the value that gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from ..dims import Dim, dims_of
from .types import TileType


def are_joint(ranks: Iterable[int]) -> bool:
    """Whether index tensors of these ranks go together: they do as soon as one has rank 2 or more.

    1-D index tensors alone select an outer product, each along an axis of its own.
    """
    return any(rank > 1 for rank in ranks)


@dataclass(frozen=True, slots=True)
class Subscript:
    """What the indices of an access select; index `i` is that of dimension `i` of the ref.

    - `spans[i]`: the axes of the value along which index `i` varies: one for a tile, none for a scalar, those of an
      index tensor (its own if it is 1-D and all are; else all index tensors span the same axes, which stand where
      the first of them stands);
    - `dims[a]`: the dim of axis `a`;
    - `walked[a]`: the dimension whose index is the tile of axis `a`; None for an axis of index tensors, whose tile
      is the access's next one of `tiles`.

    Everything is told by dimension and by axis, never by the index as an object: one tile may stand in two
    dimensions (`x[t, t]`), and each of them has its own size.
    """

    spans: tuple[tuple[int, ...], ...]
    dims: tuple[Dim, ...]
    walked: tuple[int | None, ...]

    @staticmethod
    def of(indices: Sequence[SSAValue]) -> Subscript:
        """The subscript of these indices."""
        joint = are_joint([len(dims_of(index)) for index in indices])
        spans: list[tuple[int, ...]] = []
        dims: list[Dim] = []
        walked: list[int | None] = []
        common: tuple[int, ...] | None = None
        for dimension, index in enumerate(indices):
            first, type_ = len(dims), index.type
            if type(type_) is TileType:
                dims.append(type_.dim)
                walked.append(dimension)
                spans.append((first,))
            elif type(type_) is not TensorType:
                spans.append(())
            elif joint and common is not None:
                spans.append(common)
            else:
                dims.extend(dims_of(index))
                walked.extend([None] * (len(dims) - first))
                spans.append(common := tuple(range(first, len(dims))))
        return Subscript(tuple(spans), tuple(dims), tuple(walked))

    @property
    def tile_operands(self) -> tuple[int, ...]:
        """For each axis, the number of the operand that is its tile: after the ref come the indices, then `tiles`."""
        numbers: list[int] = []
        extra = 1 + len(self.spans)
        for dimension in self.walked:
            numbers.append(extra if dimension is None else 1 + dimension)
            extra += dimension is None
        return tuple(numbers)


def access_dims(indices: Sequence[SSAValue]) -> tuple[Dim, ...]:
    """The dims that a subscript selects."""
    return Subscript.of(indices).dims
