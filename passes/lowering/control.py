"""Loops and branches."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import scf
from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...dialects import tile
from ...dialects.inline_triton import is_static_loop
from .context import Lowering
from .registry import lower_ops, row

_LOWERED = frozenset(("site", "pid_type", "l2_grouping", "num_sm_multiplier"))
"""Attributes of a loop that the conversion uses up; what else passes say of it is for the backend."""


def loop_options(op: Operation) -> dict[str, Attribute]:
    """The options that schedule passes put on a loop; a static loop, of which nothing is left, has none."""
    if is_static_loop(op):
        return {"static": UnitAttr()}
    return {name: value for name, value in op.attributes.items() if name not in _LOWERED}


def bind_loop_arg(low: Lowering, arg: SSAValue, start: SSAValue, end: SSAValue) -> None:
    """Say what a loop's own argument is: a tile from `start` on, or the index `start` itself."""
    if isinstance(arg.type, tile.TileType):
        low.make_tile(arg, start, end, stop=end)
    else:
        low.values[arg] = start


@row(tile.ForOp)
def lower_for(low: Lowering, op: tile.ForOp) -> Sequence[SSAValue]:
    return loop_nest(low, op, 0, [low.value(arg) for arg in op.iter_args])


def loop_nest(low: Lowering, op: tile.ForOp, dim: int, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
    """The loops over dimensions `dim`… of `op`, and its body inside the last of them."""
    emit = low.emit
    if dim == len(op.begins):
        low.values.update(zip(op.carried_args, carried, strict=True))
        lower_ops(low, op.body.block)
        last = op.body.block.last_op
        assert isinstance(last, tile.YieldOp)
        emit.location = op.location
        return [low.value(value) for value in last.operands]
    arg = op.loop_args[dim]
    begin, end = low.value(op.begins[dim]), low.value(op.ends[dim])
    step = low.dim_value(op.blocks.as_tuple()[dim])
    body = Block(arg_types=[begin.type, *(value.type for value in carried)])
    scalar = not isinstance(arg.type, tile.TileType)
    body.args[0].name_hint = (arg.name_hint or "i") if scalar else f"{arg.name_hint or 'tile'}_begin"
    for value, source in zip(body.args[1:], op.carried_args, strict=True):
        value.name_hint = source.name_hint
    with emit.named(None), emit.nested(body, hoistable=True):
        bind_loop_arg(low, arg, body.args[0], end)
        results = loop_nest(low, op, dim + 1, body.args[1:])
        emit.location = op.location
        emit.effect_op(scf.YieldOp, results)
    loop = emit.effect(scf.ForOp(begin, end, step, carried, body))
    loop.attributes.update(loop_options(op))
    for result, source in zip(loop.results, op.results, strict=True):
        result.name_hint = source.name_hint
    return loop.results


def region(low: Lowering, source: Block, arg_types: Sequence[Attribute]) -> Block:
    """The lowered copy of an arm or a loop region that ops must not leave; its terminator included."""
    block = Block(arg_types=arg_types)
    for old, new in zip(source.args, block.args, strict=True):
        low.values[old] = new
        new.name_hint = old.name_hint
    with low.emit.named(None), low.emit.nested(block, hoistable=False):
        lower_ops(low, source)
        last = source.last_op
        assert last is not None
        low.emit.location = last.location
        low.emit.effect(type(last).create(operands=[low.value(v) for v in last.operands]))
    return block


@row(scf.IfOp)
def lower_if(low: Lowering, op: scf.IfOp) -> Sequence[SSAValue]:
    then = Region(region(low, op.true_region.block, []))
    otherwise = Region(region(low, op.false_region.block, [])) if op.false_region.blocks else Region()
    types = [low.type(result.type) for result in op.results]
    return low.emit.effect(scf.IfOp(low.value(op.cond), types, then, otherwise)).results


@row(scf.WhileOp)
def lower_while(low: Lowering, op: scf.WhileOp) -> Sequence[SSAValue]:
    operands = [low.value(v) for v in op.operands]
    before = region(low, op.before_region.block, [v.type for v in operands])
    types = [low.type(result.type) for result in op.results]
    after = region(low, op.after_region.block, types)
    return low.emit.effect(scf.WhileOp(operands, types, Region(before), Region(after))).results
