"""The least position of a tile, and which numbers are never negative: negative positions must not reach memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ...dialects.tile import (
    ArgReduceOp,
    BeginOp,
    CountOp,
    EndOp,
    IdOp,
    IndexOp,
    LoadOp,
    LoopBase,
    RangeOp,
    RefType,
    ShiftOp,
    SymbolOp,
)
from ...dialects.value import (
    BroadcastOp,
    CastOp,
    ExpandDimsOp,
    JoinOp,
    PermuteOp,
    ReshapeOp,
    SelectOp,
    SplatOp,
    SplitOp,
)
from .bounds import Bound, constant_value, tile_bounds
from .folding import INTEGER_CASTS

Begins = Mapping[SSAValue, SSAValue]
"""Where loops begin whose ops are not built yet, by their tiles and indices."""

_NOTHING: Begins = {}

_KEEP_SIGN = (
    arith.AddiOp, arith.MuliOp, arith.DivSIOp, arith.FloorDivSIOp, arith.CeilDivSIOp, arith.MinSIOp, arith.RemSIOp,
    arith.OrIOp, arith.XOrIOp, arith.ShRSIOp, SplatOp, BroadcastOp, ExpandDimsOp, ReshapeOp, PermuteOp, JoinOp, SplitOp,
)  # fmt: skip
"""Ops that give no negative number where no operand is negative."""


_INTEGER_KINDS = ("extsi", "trunci")


def never_negative(value: SSAValue, begins: Begins = _NOTHING) -> bool:
    """Whether a number, or each lane of a tensor of them, is known not to be negative."""
    owner = value.owner
    least: int | None = None
    if isinstance(owner, Block):
        least = _least_of_index(value, owner, begins)
    elif isinstance(owner, IndexOp | BeginOp | EndOp):
        least = least_position(owner.tile, begins)
    elif isinstance(owner, SymbolOp):
        least = _least(owner.value, begins)
    elif isinstance(owner, arith.ConstantOp):
        least = constant_value(value)
    if least is not None:
        return least >= 0
    if isinstance(owner, LoadOp):
        assert isinstance(owner.ref.type, RefType)
        element = owner.ref.type.element_type
        return isinstance(element, IntegerType) and element.signedness.data is Signedness.UNSIGNED
    if isinstance(owner, CastOp):
        return owner.kind.data == "extui" or (owner.kind.data in _INTEGER_KINDS and never_negative(owner.input, begins))
    if isinstance(owner, SelectOp):
        return never_negative(owner.on_true, begins) and never_negative(owner.on_false, begins)
    if isinstance(owner, arith.MaxSIOp | arith.AndIOp):
        return any(never_negative(operand, begins) for operand in owner.operands)
    if isinstance(owner, (*_KEEP_SIGN, *INTEGER_CASTS)):
        return all(never_negative(operand, begins) for operand in owner.operands)
    return isinstance(owner, IdOp | CountOp | ArgReduceOp | arith.ExtUIOp)


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
    if isinstance(owner, scf.IfOp):
        return _least_of_arms(owner, [*owner.results].index(cast("OpResult", bound)), begins)
    if owner.regions:
        return None  # what a loop carried
    return _least_of_arith(owner, begins) if owner.dialect_name() == "arith" else 0


def _least_of_arms(op: scf.IfOp, number: int, begins: Begins) -> int | None:
    """The least of what the arms of a branch yield."""
    ends = [region.block.last_op for region in op.regions]
    parts = [None if end is None else _least(end.operands[number], begins) for end in ends]
    known = [part for part in parts if part is not None]
    return min(known) if len(known) == len(parts) else None


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
    if isinstance(op, INTEGER_CASTS):
        return known[0]
    if isinstance(op, arith.AddiOp | arith.MinSIOp):
        return sum(known) if isinstance(op, arith.AddiOp) else min(known)
    return 0 if all(part >= 0 for part in known) else None
