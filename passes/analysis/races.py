"""Loads and stores of one tensor that surely meet in different iterations of a grid: numbers hang on block sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xdsl.dialects import arith
from xdsl.ir import Block, SSAValue

from ...dialects.tile import BlockAttr, ForOp, GridOp, KernelOp, LoadOp, ShiftOp, StoreOp, TileType, WholeOp
from .accesses import Access
from .aliases import may_alias, positions_agree
from .bounds import constant_value, loop_extent


class _Run(NamedTuple):
    """The positions along a dimension, over all iterations: those from `first` up to `last` (None: every one there is);
    `walked` is the tile or index of the grid that they move with."""

    first: int = 0
    last: int | None = None
    walked: SSAValue | None = None


def sure_race(kernel: KernelOp, accesses: Iterable[Access], grid: GridOp) -> tuple[Access, Access] | None:
    """A store and a load of a kernel that meet in different iterations of `grid`, whatever the data; the store first.

    Only what is certain counts: constant extents, no mask, no branch; several programs unless a block is fixed.
    """
    here = [access for access in accesses if grid.is_ancestor(access.op) and _always(access, grid)]
    stores = [access for access in here if isinstance(access.op, StoreOp) and access.op.mask is None]
    loads = [access for access in here if isinstance(access.op, LoadOp) and access.op.mask is None]
    for store in stores:
        for load in loads:
            one_tensor = may_alias(store.memory, load.memory) and positions_agree(store.memory, load.memory)
            if one_tensor and _meet(kernel, grid, store, load):
                return store, load
    return None


def _always(access: Access, grid: GridOp) -> bool:
    """Whether an access runs in every iteration: there are only loops around it, of constant bounds."""
    around = access.op.parent_op()
    while isinstance(around, ForOp):
        if any((loop_extent(around, number) or 0) < 1 for number in range(len(around.loop_args))):
            return False
        around = around.parent_op()
    return around is grid


def _meet(kernel: KernelOp, grid: GridOp, store: Access, load: Access) -> bool:
    pairs: list[tuple[_Run, _Run]] = []
    for one, other in zip(store.indices or (), load.indices or (), strict=True):
        runs = _run(one, grid), _run(other, grid)
        if runs[0] is None or runs[1] is None:
            return False
        pairs.append((runs[0], runs[1]))
    if not pairs or not all(_overlap(one, other) for one, other in pairs):
        return False
    pinned = {one.walked for one, other in pairs if one == other}  # equal only in the same iteration
    return any(arg not in pinned and _iterations(kernel, grid, number) > 1 for number, arg in enumerate(grid.loop_args))


def _overlap(one: _Run, other: _Run) -> bool:
    return (other.last is None or one.first < other.last) and (one.last is None or other.first < one.last)


def _run(index: SSAValue, grid: GridOp, shift: int = 0) -> _Run | None:
    """The positions of an index; None where only the device knows them."""
    owner = index.owner
    if isinstance(owner, WholeOp):
        return _Run()
    if (number := constant_value(index)) is not None:
        return _Run(number + shift, number + shift + 1)
    if isinstance(owner, ShiftOp | arith.AddiOp):
        base, moved = owner.operands
        if constant_value(base) is not None:
            base, moved = moved, base
        offset = constant_value(moved)
        return None if offset is None else _run(base, grid, shift + offset)
    loop = owner.parent_op() if isinstance(owner, Block) else None
    if not isinstance(loop, GridOp | ForOp) or index not in loop.loop_args:
        return None
    begin, end = map(constant_value, loop.bounds(loop.loop_args.index(index)))
    if begin is None or end is None:
        return None
    return _Run(begin + shift, end + shift, index if loop is grid else None)


def _iterations(kernel: KernelOp, grid: GridOp, number: int) -> int:
    """How many iterations a dimension of the grid has, under the least block size that a config may choose."""
    type_ = grid.loop_args[number].type
    dim = type_.dim if isinstance(type_, TileType) else 1
    known = kernel.blocks.data.get(dim) if isinstance(dim, str) else None
    block = known.min.data if isinstance(known, BlockAttr) else dim if isinstance(dim, int) else 1
    return -(-(loop_extent(grid, number) or 0) // block)
