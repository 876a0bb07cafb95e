"""Copies of modules, one for each config that is lowered."""

from __future__ import annotations

from typing import TypeVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

OpT = TypeVar("OpT", bound=Operation)


def copy_module(module: ModuleOp) -> ModuleOp:
    """`module.clone()` at half the cost, in one walk: in structured code every value is defined above its uses."""
    copied: dict[int, SSAValue] = {}
    return _copy(module, copied)


def _copy(op: OpT, copied: dict[int, SSAValue]) -> OpT:
    """A copy of `op` on copied operands; `copied` finds the copy of a value by identity, and learns the results."""
    new = type(op).create(
        operands=[copied[id(operand)] for operand in op.operands],
        result_types=op.result_types,
        properties=op.properties,
        attributes=op.attributes,
        location=op.location,
        regions=[Region([_copy_block(block, copied) for block in region.blocks]) for region in op.regions],
    )
    for old, result in zip(op.results, new.results, strict=True):
        copied[id(old)] = result
        if old.name_hint is not None:
            result.name_hint = old.name_hint
    return new


def _copy_block(block: Block, copied: dict[int, SSAValue]) -> Block:
    new = Block(arg_types=[arg.type for arg in block.args])
    for old, arg in zip(block.args, new.args, strict=True):
        copied[id(old)] = arg
        arg.name_hint, arg.location = old.name_hint, old.location
    new.add_ops([_copy(op, copied) for op in block.ops])
    return new
