"""Loops and branches."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr, UnitAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...dialects import tile, tl
from ...dialects.inline_triton import is_static_loop
from .context import Lowering
from .registry import lower_ops, row

LOOP_OPTIONS = ("num_stages", "unroll_factor", "flatten", "multi_buffer", "warp_specialize")
"""Attributes of annotate-ranges that a loop keeps."""


def loop_options(op: Operation, body: Block) -> dict[str, Attribute]:
    """The range options that a schedule pass put on a loop whose lowered body is `body`.

    Triton's pipeliner cannot predicate the creation of a descriptor, so a loop that makes one has one stage.
    A static loop is none for Triton's passes: it has no options.
    """
    if is_static_loop(op):
        return {"static": UnitAttr()}
    options = {name: op.attributes[name] for name in LOOP_OPTIONS if name in op.attributes}
    if any(type(inner) is tl.MakeTensorDescriptorOp for inner in body.ops):
        options["num_stages"] = IntAttr(1)
    return options


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
    loop.attributes.update(loop_options(op, body))
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
