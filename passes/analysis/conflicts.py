"""When two accesses to one memory must keep their order: what tells their elements apart, and what is in place.

Two iterations of a loop that both index with the loop's own tiles touch different lanes. Subscripts are compared only
where both are of one tensor: in another view of the same storage equal positions are other elements. Atomics that
commute need no order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from xdsl.ir import BlockArgument, Operation, SSAValue

from ...dialects.dims import dims_of, substitute
from ...dialects.effects import has_no_effects, orders_all
from ...dialects.tile import AtomicRMWOp, BeginOp, IndexOp, LoopBase, kernel_around
from .accesses import Access
from .aliases import may_alias, positions_agree
from .bounds import constant_value


def may_meet(one: Access, other: Access, crossed: Operation | None) -> bool:
    """Whether two accesses, a write among them, may meet; in different iterations of `crossed`."""
    if not (one.writes or other.writes) or not may_alias(one.memory, other.memory) or _commute(one.op, other.op):
        return False
    return not _comparable(one, other) or not _differ(one.indices or (), other.indices or (), crossed)


def _comparable(one: Access, other: Access) -> bool:
    """Whether equal subscripts of two accesses are the same element."""
    return one.indices is not None and other.indices is not None and positions_agree(one.memory, other.memory)


def conflict(earlier: Access, access: Access, crossed: Operation | None) -> bool:
    """Whether an access must not come, in another thread, before an earlier one; in another iteration of `crossed`."""
    reads_written = earlier.writes and access.reads
    if not access.after_others or not (reads_written or access.writes) or not may_meet(earlier, access, crossed):
        return False
    if reads_written or not _comparable(earlier, access):
        return True
    if not _same(earlier.indices or (), access.indices or (), crossed):
        return True
    return not earlier.writes and not _in_place(earlier.op, access.op)


def _commute(one: Operation, other: Operation) -> bool:
    """Whether the order of two atomics shows in nothing."""
    if not isinstance(one, AtomicRMWOp) or not isinstance(other, AtomicRMWOp) or orders_all(one) or orders_all(other):
        return False
    used = any(result.first_use for op in (one, other) for result in op.results)
    return one.kind.data == other.kind.data != "xchg" and not used


def _differ(one: Sequence[SSAValue], other: Sequence[SSAValue], crossed: Operation | None) -> bool:
    """Whether subscripts select different elements: other constants, or the tiles of different iterations."""
    pairs = list(zip(one, other, strict=False))
    for first, second in pairs:
        numbers = constant_value(first), constant_value(second)
        if None not in numbers and numbers[0] != numbers[1]:
            return True
    if not isinstance(crossed, LoopBase):
        return False
    shared = {_walked(first) for first, second in pairs if _walked(first) is _walked(second)}
    return all(arg in shared for arg in crossed.loop_args)


def _walked(index: SSAValue) -> SSAValue:
    """The tile that an index says the positions of, or the index itself."""
    owner = index.owner
    return owner.tile if isinstance(owner, BeginOp | IndexOp) else index


def _same(one: Sequence[SSAValue], other: Sequence[SSAValue], crossed: Operation | None) -> bool:
    """Whether subscripts are equal, in another iteration of `crossed` too."""
    if [_key(index) for index in one] != [_key(index) for index in other]:
        return False
    return crossed is None or not any(_is_inside(leaf, crossed) for index in one for leaf in _leaves(index))


def _in_place(read: Operation, write: Operation) -> bool:
    """Whether a write of the lanes that `read` gave is computed from them: it comes after their reads.

    A tensor of fewer lanes than the threads may hold is read by several of them, a scalar by all, and each element is
    written by one: the others' copies must not be used for anything else.
    """
    if not all(_held_once(result) for result in read.results):
        return all(_feeds_only(result, write) for result in read.results)
    waiting, seen = [write], {write}
    while waiting:
        makers = {operand.owner for operand in waiting.pop().operands if isinstance(operand.owner, Operation)}
        if read in makers:
            return True
        waiting += makers - seen
        seen |= makers
    return False


MOST_THREADS = 1024
"""Of a program."""
MOST_LANES_OF_A_THREAD = 16
"""That a thread takes next to each other: 16 bytes of the narrowest elements."""


def _held_once(value: SSAValue) -> bool:
    """Whether no two threads hold the same lane, however many there are and however many lanes each takes at once."""
    if not dims_of(value):
        return False
    kernel = kernel_around(value.owner if isinstance(value.owner, Operation) else None)
    sizes = kernel.block_size_values if kernel is not None else {}
    lanes = 1
    for dim in dims_of(value):
        size = substitute(dim, sizes)
        if not isinstance(size, int):
            return False
        lanes *= size
    return lanes >= MOST_THREADS * MOST_LANES_OF_A_THREAD


def _feeds_only(value: SSAValue, user: Operation) -> bool:
    """Whether nothing but `user` depends on a value."""
    others = {use.operation for use in value.uses} - {user}
    return all(
        op.results and not op.regions and has_no_effects(op) and all(_feeds_only(result, user) for result in op.results)
        for op in others
    )


def _key(value: SSAValue) -> Hashable:
    """Equal for values that are computed alike."""
    owner = value.owner
    if not isinstance(owner, Operation) or owner.regions or not has_no_effects(owner):
        return value
    return (type(owner), frozenset(owner.properties.items()), *map(_key, owner.operands))


def _leaves(value: SSAValue) -> Iterable[SSAValue]:
    """What a value is computed from: arguments of blocks, and results of ops with effects."""
    owner = value.owner
    if not isinstance(owner, Operation) or owner.regions or not has_no_effects(owner):
        return (value,)
    return [leaf for operand in owner.operands for leaf in _leaves(operand)]


def _is_inside(value: SSAValue, loop: Operation) -> bool:
    block = value.block if isinstance(value, BlockArgument) else value.owner.parent_block()
    parent = block.parent_op() if block is not None else None
    return parent is not None and loop.is_ancestor(parent)
