"""The least position of a tile, as far as it is known: negative ones must not reach memory."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects import arith
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.tile import BeginOp, EndOp, LoopBase, RangeOp, ShiftOp, SymbolOp
from .bounds import Bound, constant_value, tile_bounds
from .folding import is_integer_cast

Begins = Mapping[SSAValue, SSAValue]
"""Where loops begin whose ops are not built yet, by their tiles and indices."""

_NOTHING: Begins = {}


def least_position(tile: SSAValue, begins: Begins = _NOTHING) -> int | None:
    """A number that no position of a tile is below; None if none is known.

    Numbers that were loaded are taken for positions that exist, as those in index tensors are.
    """
    owner = tile.owner
    if isinstance(owner, ShiftOp):
        first, offset = least_position(owner.tile, begins), constant_value(owner.offset)
        return None if first is None or offset is None else first + offset
    if isinstance(owner, RangeOp):
        return _least(owner.begin, begins)
    if (begin := begins.get(tile)) is not None:
        return _least(begin, begins)
    return _least(tile_bounds(tile).begin, begins)


def _least(bound: Bound, begins: Begins) -> int | None:
    if isinstance(bound, int):
        return bound
    if isinstance(bound, str):
        return None if "-" in bound else 0  # a difference of sizes
    if (constant := constant_value(bound)) is not None:
        return constant
    owner = bound.owner
    if isinstance(owner, Block):
        return _least_of_index(bound, owner, begins)
    if isinstance(owner, SymbolOp):
        return _least(owner.value, begins)
    if isinstance(owner, BeginOp | EndOp):
        return least_position(owner.tile, begins)
    return _least_of_arith(owner, begins) if owner.dialect_name() == "arith" else 0


def _least_of_index(value: SSAValue, block: Block, begins: Begins) -> int | None:
    """The begin of the loop that a scalar index belongs to; None for carried values and arguments of the kernel."""
    if (begin := begins.get(value)) is not None:
        return _least(begin, begins)
    loop = block.parent_op()
    if not isinstance(loop, LoopBase) or value not in loop.loop_args:
        return None
    return _least(loop.bounds(loop.loop_args.index(value))[0], begins)


def _least_of_arith(op: Operation, begins: Begins) -> int | None:
    parts = [_least(operand, begins) for operand in op.operands]
    known = [part for part in parts if part is not None]
    if isinstance(op, arith.MaxSIOp):
        return max(known, default=None)
    if isinstance(op, arith.SubiOp):
        taken = constant_value(op.rhs)
        return None if parts[0] is None or taken is None else parts[0] - taken
    if len(known) < len(parts):
        return None
    if is_integer_cast(op):
        return known[0]
    if isinstance(op, arith.AddiOp | arith.MinSIOp):
        return sum(known) if isinstance(op, arith.AddiOp) else min(known)
    return 0 if all(part >= 0 for part in known) else None
