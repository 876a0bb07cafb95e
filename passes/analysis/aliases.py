"""Which refs may be the same memory: kernel arguments, and elements of tuples of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from xdsl.dialects.builtin import TupleType
from xdsl.ir import Attribute, SSAValue

from ...dialects.inline_triton import ElementOp, MakeTupleOp
from ...dialects.tile import RefType
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
    """Whether two refs may be the same memory; distinct arguments of a kernel are not."""
    others = list(other)
    return any(_overlap(a, b) for a in one for b in others)


def _overlap(one: Location, other: Location) -> bool:
    if one.root is not other.root:
        return False
    return one.element is None or other.element is None or one.element == other.element


def is_memory(type_: Attribute) -> bool:
    """Whether values of a type are refs, or tuples of some."""
    return isinstance(type_, RefType) or (isinstance(type_, TupleType) and any(map(is_memory, type_.types)))
