"""The table of lowerings of our ops: class → the function that emits its `tl` form.

Ops of plugins bring their own (`dialects.op_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import tile
from ...dialects.op_rules import lowered
from ...dialects.value import CombinedOp
from .context import Lowering

Row: TypeAlias = Callable[[Lowering, Any], Sequence[SSAValue]]
"""Emits one op and returns what its results became (none for tiles, which `Lowering.tiles` holds)."""

ROWS: dict[type[Operation], Row] = {}


def row(cls: type[Operation]) -> Callable[[Row], Row]:
    """Register the decorated function as the lowering of `cls`."""

    def register(function: Row) -> Row:
        ROWS[cls] = function
        return function

    return register


_TERMINATORS = frozenset((tile.YieldOp, scf.YieldOp, scf.ConditionOp, CombinedOp))


def lower_ops(low: Lowering, block: Block) -> None:
    """Emit the ops of a block, its terminator apart."""
    for op in block.ops:
        if type(op) not in _TERMINATORS:
            lower(low, op)


def lower(low: Lowering, op: Operation) -> None:
    """Emit one op at its location and record what its results became."""
    saved = low.emit.location
    low.emit.location = op.location
    emit_row = ROWS.get(type(op)) or lowered(type(op)) or generic
    with low.emit.named(None):
        for source, result in zip(op.results, emit_row(low, op), strict=False):
            low.values[source] = result
            if result.name_hint is None and source.name_hint is not None:
                result.name_hint = source.name_hint  # setting a hint checks it, which takes a while
    low.emit.location = saved


def generic(low: Lowering, op: Operation) -> Sequence[SSAValue]:
    """An op of a dialect that both levels share: the same op on lowered operands."""
    if op.dialect_name() == "tile" or op.regions:
        raise PassFailedException(f"convert-tile-to-tl: no lowering for {op.name}")
    operands = [low.value(operand) for operand in op.operands]
    return low.emit.like(op, operands, [low.type(result.type) for result in op.results]).results
