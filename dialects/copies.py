"""Copies of modules, one for each config that is lowered; and ops from parts that are known to be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from xdsl.dialects.builtin import LocationAttr, ModuleOp, UnknownLoc
from xdsl.ir import Attribute, Block, Operation, OpResult, Region, SSAValue, Use
from xdsl.ir.core import SSAValues

from .accessors import operands_of

OpT = TypeVar("OpT", bound=Operation)

_NO_ATTRIBUTES: Mapping[str, Attribute] = {}
_UNKNOWN = UnknownLoc()


def assemble(
    cls: type[OpT],
    operands: Iterable[SSAValue],
    result_types: Iterable[Attribute],
    properties: Mapping[str, Attribute],
    attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES,
    location: LocationAttr | None = None,
    regions: Iterable[Region] = (),
) -> OpT:
    """`cls.create(…)` at a third of the cost, for parts taken from an op of `cls`: no default is missing.

    xDSL's constructor goes through setters that take an op's former operands and successors away first, and looks
    the definition up for properties to fill in. This sets the same fields (tests compare them: test_construction.py).
    """
    op = cls.__new__(cls)
    values = op._operands = SSAValues(operands)  # pyright: ignore[reportPrivateUsage]
    uses: list[Use] = []
    for index, operand in enumerate(values):
        uses.append(use := Use(op, index))
        operand.add_use(use)
    op._operand_uses = tuple(uses)  # pyright: ignore[reportPrivateUsage]
    op.results = SSAValues([OpResult(type_, op, index) for index, type_ in enumerate(result_types)])
    op._successors, op._successor_uses = (), ()  # pyright: ignore[reportPrivateUsage]
    op.properties, op.attributes = dict(properties), dict(attributes)
    op.location = _UNKNOWN if location is None else location
    op.regions = ()
    for region in regions:
        op.add_region(region)
    return op


def copy_module(module: ModuleOp) -> ModuleOp:
    """`module.clone()` at half the cost, in one walk: in structured code every value is defined above its uses."""
    copied: dict[int, SSAValue] = {}
    return _copy(module, copied)


def _copy(op: OpT, copied: dict[int, SSAValue]) -> OpT:
    """A copy of `op` on copied operands; `copied` finds the copy of a value by identity, and learns the results."""
    new = assemble(
        type(op),
        [copied[id(operand)] for operand in operands_of(op)],
        [result.type for result in op.results],
        op.properties,
        op.attributes,
        op.location,
        [Region([_copy_block(block, copied) for block in region.blocks]) for region in op.regions],
    )
    for old, result in zip(op.results, new.results, strict=True):
        copied[id(old)] = result
        result._name = old.name_hint  # pyright: ignore[reportPrivateUsage] - the setter would check it again
    return new


def _copy_block(block: Block, copied: dict[int, SSAValue]) -> Block:
    new = Block(arg_types=[arg.type for arg in block.args])
    for old, arg in zip(block.args, new.args, strict=True):
        copied[id(old)] = arg
        arg._name, arg.location = old.name_hint, old.location  # pyright: ignore[reportPrivateUsage]
    new.add_ops([_copy(op, copied) for op in block.ops])
    return new
