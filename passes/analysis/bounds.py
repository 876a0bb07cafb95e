"""What is known at compile time of scalars and of the bounds of tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from xdsl.dialects import arith
from xdsl.ir import Block, SSAValue

from ...dialects.constants import integer_of
from ...dialects.dims import Dim, dims_of, substitute
from ...dialects.questions import gcd
from ...dialects.tile import BeginOp, EndOp, LoopBase, RangeOp, ShiftOp, SymbolOp, TileType, WholeOp
from .folding import FOLDS, INTEGER_CASTS, folded

Bound: TypeAlias = SSAValue | Dim
"""A bound of a tile: a scalar of the program, or a dim."""

_LINEAR = (arith.AddiOp, arith.SubiOp, arith.MuliOp)


def scalar_dim(value: SSAValue) -> Dim | None:
    """The dim that a scalar is known to equal: an int, a symbol or an expression; None if unknown."""
    owner = value.owner
    if type(owner) is SymbolOp:
        return owner.value
    if type(owner) is EndOp or type(owner) is BeginOp:
        bounds = tile_bounds(owner.tile)
        if bounds.loop is not None or bounds.shifted:
            return None
        bound = bounds.end if type(owner) is EndOp else bounds.begin
        return scalar_dim(bound) if isinstance(bound, SSAValue) else bound
    return constant_value(value)


def constant_value(value: SSAValue) -> int | None:
    """The integer that a scalar always is, through casts and arithmetic; None if unknown."""
    owner = value.owner
    if type(owner) is SymbolOp:
        return owner.value if isinstance(owner.value, int) else None
    if type(owner) is arith.ConstantOp:
        return integer_of(value)
    if isinstance(owner, Block) or type(owner) not in FOLDS or dims_of(value):
        return None
    numbers: list[int] = []
    for operand in owner.operands:
        if (number := constant_value(operand)) is None:
            return None
        numbers.append(number)
    result = folded(owner, numbers)
    return result if isinstance(result, int) else None


class TileBounds(NamedTuple):
    """Where a tile's positions come from.

    `begin` and `end` are those of the whole walk for a loop's tile (its loop is `loop`), else of the tile itself;
    `shifted` says that a run-time offset moved the positions (`tile.shift`), which they do not include.
    """

    begin: Bound
    end: Bound
    loop: LoopBase | None
    shifted: bool = False


def tile_bounds(tile: SSAValue) -> TileBounds:
    """The bounds of a tile, following shifts to their source."""
    owner = tile.owner
    if isinstance(owner, Block):
        loop = owner.parent_op()
        assert isinstance(loop, LoopBase), "a tile that is a block argument belongs to a loop"
        index = loop.loop_args.index(tile)
        return TileBounds(*loop.bounds(index), loop)
    if isinstance(owner, WholeOp):
        return TileBounds(0, tile_dim(tile), None)
    if isinstance(owner, RangeOp):
        return TileBounds(owner.begin, owner.end, None)
    assert isinstance(owner, ShiftOp), f"{owner.name} makes no tile"
    inner = tile_bounds(owner.tile)
    if constant_value(owner.offset) == 0:
        return inner
    return inner._replace(shifted=True)


def tile_dim(tile: SSAValue) -> Dim:
    """The dim of a tile value."""
    assert type(tile.type) is TileType
    return tile.type.dim


def bound_dim(bound: Bound) -> Dim | None:
    """What is known of a bound."""
    return bound if isinstance(bound, int | str) else scalar_dim(bound)


def loop_extent(loop: LoopBase, number: int) -> int | None:
    """How far a dimension of a loop goes; None where only the device, or a size, knows."""
    begin, end = map(bound_dim, loop.bounds(number))
    return end - begin if isinstance(begin, int) and isinstance(end, int) else None


def tile_step(tile: SSAValue) -> int:
    """The distance of a tile's neighbouring positions."""
    owner = tile.owner
    if isinstance(owner, ShiftOp):
        return tile_step(owner.tile)
    return owner.step.data if isinstance(owner, RangeOp) else 1


def same_tile(range_: RangeOp) -> SSAValue | None:
    """The tile whose own begin and end a range spells, if it is one (`x[t.begin : t.end]`)."""
    begin, end = range_.begin.owner, range_.end.owner
    if isinstance(begin, BeginOp) and isinstance(end, EndOp) and begin.tile is end.tile and range_.step.data == 1:
        return begin.tile
    return None


def range_behind(tile: SSAValue) -> RangeOp | None:
    """The range of its own bounds that a tile is, shifted or not: it may be empty. None for loops' and whole tiles."""
    owner = tile.owner
    while isinstance(owner, ShiftOp):
        owner = owner.tile.owner
    if not isinstance(owner, RangeOp):
        return None
    inner = same_tile(owner)
    return owner if inner is None else range_behind(inner)


def tile_exact(tile: SSAValue, block_sizes: Mapping[str, int]) -> bool:
    """Whether every one of the tile's `dim` lanes is always below its end.

    True where the block size divides the constant extent of the loop, for blocks of one, and for whole tiles;
    lanes that a dim gets beyond itself in registers are another matter (`PhysicalDims.is_padded`).
    """
    owner = tile.owner
    if isinstance(owner, WholeOp):
        return True
    if isinstance(owner, ShiftOp):
        return tile_exact(owner.tile, block_sizes)
    size = substitute(tile_dim(tile), block_sizes)
    if isinstance(owner, RangeOp):
        if (inner := same_tile(owner)) is not None and substitute(tile_dim(inner), block_sizes) == size:
            return tile_exact(inner, block_sizes)
        begin, end = constant_value(owner.begin), constant_value(owner.end)
        if begin is None or end is None or not isinstance(size, int):
            return False
        return begin + (size - 1) * owner.step.data < end
    if size == 1:
        return True
    bounds = tile_bounds(tile)
    begin, end = bound_dim(bounds.begin), bound_dim(bounds.end)
    if isinstance(begin, int) and isinstance(end, int) and isinstance(size, int):
        return (end - begin) % size == 0
    divisor = gcd(known_divisor(bounds.begin, block_sizes), known_divisor(bounds.end, block_sizes))
    return isinstance(size, int) and divisor % size == 0


def known_divisor(bound: Bound, block_sizes: Mapping[str, int]) -> int:
    """The largest number known to divide a bound; 0 for the bound 0, which everything divides."""
    if not isinstance(bound, SSAValue):
        size = substitute(bound, block_sizes)
        return abs(size) if isinstance(size, int) else 1
    if (constant := constant_value(bound)) is not None:
        return abs(constant)
    owner = bound.owner
    if isinstance(owner, SymbolOp):
        return known_divisor(owner.value, block_sizes)
    if isinstance(owner, BeginOp | EndOp):
        return _edge_divisor(owner, block_sizes)
    if isinstance(owner, INTEGER_CASTS):
        return known_divisor(owner.operands[0], block_sizes)
    if isinstance(owner, _LINEAR):
        lhs, rhs = (known_divisor(operand, block_sizes) for operand in owner.operands)
        return lhs * rhs if isinstance(owner, arith.MuliOp) else gcd(lhs, rhs)
    return 1


def _edge_divisor(op: BeginOp | EndOp, block_sizes: Mapping[str, int]) -> int:
    """What divides an edge of a tile: a loop's tiles begin at multiples of the block, and end there if exact."""
    bounds = tile_bounds(op.tile)
    if bounds.shifted:
        return 1
    if bounds.loop is None:
        return known_divisor(bounds.begin if isinstance(op, BeginOp) else bounds.end, block_sizes)
    if isinstance(op, EndOp) and not tile_exact(op.tile, block_sizes):
        return 1
    size = substitute(tile_dim(op.tile), block_sizes)
    return gcd(known_divisor(bounds.begin, block_sizes), size) if isinstance(size, int) else 1


def at_most(bound: Bound) -> Dim | None:
    """A dim that `bound` never exceeds: the edges of a loop's tile lie within the loop's bounds."""
    if (dim := bound_dim(bound)) is not None:
        return dim
    owner = bound.owner if isinstance(bound, SSAValue) else None
    if isinstance(owner, arith.MinSIOp):
        return next((dim for side in owner.operands if (dim := at_most(side)) is not None), None)
    if not isinstance(owner, BeginOp | EndOp):
        return None
    bounds = tile_bounds(owner.tile)
    return None if bounds.shifted else at_most(bounds.end)
