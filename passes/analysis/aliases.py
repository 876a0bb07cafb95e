"""Which refs may be the same memory: kernel arguments, and elements of tuples of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from xdsl.dialects.builtin import TupleType
from xdsl.ir import Attribute, BlockArgument, SSAValue

from ...dialects.inline_triton import ElementOp, MakeTupleOp
from ...dialects.tile import AddressSpaceOp, KernelOp, MemoryAttr, RefType
from .bounds import constant_value


class Location(NamedTuple):
    """Memory that a ref may be: the argument `root`, or an element of it if that is a tuple (None: any of them)."""

    root: SSAValue
    element: int | None = None


Memory: TypeAlias = tuple[Location, ...]


def memory_of(value: SSAValue) -> Memory:
    """All memory that a ref, or a tuple of refs, may be."""
    owner = value.owner
    if type(owner) is MakeTupleOp:
        return tuple(location for arg in owner.args for location in memory_of(arg))
    if type(owner) is not ElementOp:
        return (Location(value),)
    number = constant_value(owner.index)
    if isinstance(owner.input.owner, MakeTupleOp):
        args = owner.input.owner.args
        return tuple(location for arg in (args if number is None else [args[number]]) for location in memory_of(arg))
    return (Location(owner.input, number),)


def may_alias(one: Iterable[Location], other: Iterable[Location]) -> bool:
    """Whether two refs may share elements, as far as the kernel's `memory` tells their storages apart."""
    others = list(other)
    return any(_overlap(a, b) for a in one for b in others)


def positions_agree(one: Memory, other: Memory) -> bool:
    """Whether equal positions of two refs are the same element wherever the refs share any: then they compare.

    Refs of an element that only the device knows are taken for the same one: what holds for each pair of elements holds
    for them, and elements that share nothing have no element in common.
    """
    if len(one) != 1 or len(other) != 1:
        return False
    known, others = _known(one[0]), _known(other[0])
    if not known or not others:
        return one == other
    return all(a.storage != b.storage or a.view == b.view for a in known for b in others)


def _overlap(one: Location, other: Location) -> bool:
    if any(isinstance(each.root.owner, AddressSpaceOp) for each in (one, other)):
        return True
    if one.root is other.root and (one.element is None or other.element is None or one.element == other.element):
        return True
    storages = {memory.storage.data for memory in _known(one)}
    return any(memory.storage.data in storages for memory in _known(other))


def _known(location: Location) -> Sequence[MemoryAttr]:
    """What the kernel says of the memory of a location; nothing where it is memory of its own."""
    root = location.root
    kernel = root.block.parent_op() if isinstance(root, BlockArgument) else None
    if not isinstance(root, BlockArgument) or not isinstance(kernel, KernelOp) or kernel.memory is None:
        return ()
    entries: Sequence[MemoryAttr] = kernel.memory.data[root.index].data
    return entries if location.element is None else entries[location.element : location.element + 1]


def is_memory(type_: Attribute) -> bool:
    """Whether values of a type are refs, or tuples of some."""
    return isinstance(type_, RefType) or (isinstance(type_, TupleType) and any(map(is_memory, type_.types)))
