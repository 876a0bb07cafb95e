"""Which elements a `tile` access touches: the lanes of its tiles, its mask and its ref, and their offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from xdsl.interpreter import PythonValues
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.dims import dims_of
from helion_ir.dialects.tile import AccessBase

from .memory import AddressSpace, Memory, flat_view
from .state import Shape, State


@dataclass(frozen=True)
class TileValue:
    """The value of a tile: `dim` positions from `begin` by `step`, valid below `end`; number `id` of `count`."""

    begin: int
    end: int
    dim: int
    id: int = 0
    count: int = 1
    step: int = 1

    @cached_property
    def valid(self) -> int:
        """How many lanes are valid; they come first."""
        return max(0, min(self.dim, -((self.begin - self.end) // self.step)))

    @cached_property
    def positions(self) -> Tensor:
        """The int64 positions of all lanes."""
        return torch.arange(self.dim) * self.step + self.begin


@dataclass(frozen=True)
class AccessPlan:
    """What an access op says once: where its operands lie, and which axes of the access each index spans.

    `index_axes[i]` are the axes that index `i` spans; `axis_tiles[a]` is the number of the operand that is the tile of
    axis `a`; `mask` is an operand number; `boxed`: tiles and scalars only, no mask.
    """

    shape: Shape
    index_axes: tuple[tuple[int, ...], ...]
    axis_tiles: tuple[int, ...]
    mask: int | None
    boxed: bool

    @staticmethod
    def of(op: AccessBase, state: State) -> AccessPlan:
        """The plan of `op`, cached in `state`."""
        plan = state.plans.get(op)
        if plan is None:
            plan = state.plans[op] = AccessPlan._make(op, state)
        return plan

    @staticmethod
    def _make(op: AccessBase, state: State) -> AccessPlan:
        subscript = op.subscript
        return AccessPlan(
            shape=tuple(state.size(dim) for dim in subscript.dims),
            index_axes=subscript.spans,
            axis_tiles=subscript.tile_operands,
            mask=None if op.mask is None else 1 + len(op.indices) + len(op.tiles),
            boxed=op.mask is None and not any(dims_of(index) for index in op.indices),
        )


@dataclass(frozen=True)
class Box:
    """A rectangular access without mask: `region` of the ref is the leading corner `corner` of the value."""

    region: Tensor
    corner: tuple[slice, ...]
    full: bool


@dataclass(frozen=True)
class Scattered:
    """Any access: element offsets from the ref's start, for the `lanes` of the value that are touched."""

    flat: Tensor
    offsets: Tensor
    lanes: Tensor


def box_access(plan: AccessPlan, ref: Memory, indices: Sequence[Any]) -> Box | None:
    """The box of an access with tiles and scalars only, or None where it takes a closer look."""
    if isinstance(ref, AddressSpace):
        return None
    region: list[slice | int] = []
    corner: list[slice] = []
    full = True
    for index, size in zip(indices, ref.shape, strict=True):
        if isinstance(index, TileValue):
            lanes = min(index.valid, max(0, -((index.begin - size) // index.step)))
            if index.begin < 0 and lanes:
                return None
            full = full and lanes == index.dim
            region.append(slice(index.begin, index.begin + lanes * index.step, index.step) if lanes else slice(0, 0))
            corner.append(slice(0, lanes))
        else:
            position = int(index)
            if not 0 <= position < size:
                return None
            region.append(position)
    return Box(ref[tuple(region)], tuple(corner), full)


def zero_outside(plan: AccessPlan, args: PythonValues, value: Tensor) -> Tensor:
    """`value` with zeros in the lanes whose positions are outside of the ref, as a descriptor reads there."""
    outside = torch.zeros(plan.shape, dtype=torch.bool)
    for dimension, axes in enumerate(plan.index_axes):
        index = args[1 + dimension]
        if isinstance(index, TileValue):
            inside = (index.positions >= 0) & (index.positions < args[0].shape[dimension])
            outside = outside | ~_along(inside, axes, plan.shape)
    return torch.where(outside, torch.zeros((), dtype=value.dtype), value)


def scattered_access(plan: AccessPlan, args: PythonValues) -> Scattered:
    """The touched lanes of an access and their offsets.

    Lanes past a tile's end, before the ref or past its size through a tile, or masked off are not touched.

    Raises:
        InterpretationError: a touched lane is out of bounds through a scalar or tensor index.
    """
    ref: Memory = args[0]
    lanes = torch.ones(plan.shape, dtype=torch.bool)
    for axis, operand in enumerate(plan.axis_tiles):
        tile: TileValue = args[operand]
        if tile.valid < tile.dim:
            lanes = lanes & _along(torch.arange(tile.dim) < tile.valid, (axis,), plan.shape)
    if plan.mask is not None:
        lanes = lanes & args[plan.mask]
    offsets = torch.zeros(plan.shape, dtype=torch.int64)
    outside: list[tuple[Tensor, Tensor, int]] = []
    for dimension, axes in enumerate(plan.index_axes):
        index, size = args[1 + dimension], ref.shape[dimension]
        is_tile = isinstance(index, TileValue)
        positions = _along(index.positions if is_tile else index.to(torch.int64), axes, plan.shape)
        if is_tile:
            lanes = lanes & (positions >= 0) & (positions < size)
        outside.append(((positions < 0) | (positions >= size), positions, dimension))
        offsets = offsets + positions * ref.stride(dimension)
    for wrong, positions, dimension in outside:
        touched = wrong & lanes
        if bool(touched.any()):
            position = int(positions.expand(plan.shape)[touched].flatten()[0])
            raise InterpretationError(
                f"index {position} is out of bounds for dimension {dimension} of size {ref.shape[dimension]}"
            )
    return Scattered(flat_view(ref), offsets, lanes)


def _along(value: Tensor, axes: tuple[int, ...], shape: Shape) -> Tensor:
    """`value`, whose own axes are `axes` of the access, shaped to broadcast against `shape`."""
    view = [1] * len(shape)
    for size, axis in zip(value.shape, axes, strict=True):
        view[axis] = size
    return value.reshape(view)
