"""Where threads of one program would read or overwrite what others of them wrote, were there no barrier.

A tile is spread over the threads of a program, and each access spreads it in its own way: what one thread stored,
another may load. The *hazards* of a program are pairs of accesses to memory that may be the same:

- a read after a write (RAW);
- a write after a read or a write (WAR, WAW) by other indices;
- a write after a read by the same indices, unless it is in place: of lanes that are computed from those that were
  read. Otherwise a lane may be read by other threads than the one that writes it: loads and stores are spread in
  their own ways, and scalars are read by every thread. Two writes by the same indices are spread in the same way;
- an op of unknown effects after or before either. Such an op touches the refs that it is given, what the kernel
  writes somewhere, and every tuple of refs, as peers may touch their own elements of one; one that makes values of
  values, none of them a ref or an address, touches nothing. `symm_mem.sync` is one, but orders only the sides that it
  says. Memory that the kernel only reads, and that no other argument shares, is left out: no op of the kernel and no
  peer that it synchronizes with writes it.

Two iterations of a loop that both index with the loop's own tiles touch different lanes. Subscripts are compared only
where both are of one tensor: in another view of the same storage equal positions are other elements. Atomics that
commute need no order.

Programs run in no order, and those of a later top-level loop beside those of an earlier one: between loops every
conflict is one (`dependency`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntegerType, StringAttr, TupleType
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.traits import MemoryEffectKind

from ...dialects.dims import dims_of, element_of, substitute
from ...dialects.effects import WRITE, OrdersMemory, ThreadBarrier, has_no_effects, ref_effects
from ...dialects.quick import ops_in
from ...dialects.tile import AccessBase, AtomicRMWOp, BeginOp, GridOp, IndexOp, KernelOp, LoopBase
from ...dialects.verify import ELEMENTWISE_DIALECTS
from .aliases import Location, Memory, is_memory, may_alias, memory_of, positions_agree
from .bounds import constant_value


@dataclass(frozen=True, eq=False)
class Access:
    """What one op does to memory; `indices` are those of a subscript, None if nothing is known of them.

    `after_others` and `before_others`: whether it must be ordered with accesses before it, and after it.
    """

    op: Operation
    memory: Memory
    reads: bool
    writes: bool
    indices: tuple[SSAValue, ...] | None
    after_others: bool = True
    before_others: bool = True


class Pending(NamedTuple):
    """An access that no barrier has followed yet; `crossed` is the outermost loop of which it is in an iteration
    before the current one."""

    access: Access
    crossed: Operation | None


State: TypeAlias = frozenset[Pending]
_NOTHING: State = frozenset()


class Hazards:
    """The hazards of one kernel, as it is scheduled so far: a grid that says that it is persistent is a loop."""

    def __init__(self, kernel: KernelOp):
        self.kernel = kernel

    @cached_property
    def barriers(self) -> list[Operation]:
        """The ops before which all threads must meet, beyond the barriers that are there."""
        walk = _Walk(self._order)
        return [op for grid in self._order.grids for op in walk.barriers_of(grid)]

    @cached_property
    def ops(self) -> set[Operation]:
        """The accesses that are part of a hazard, whether or not there is a barrier between."""
        walk = _Walk(self._order, record=True)
        for grid in self._order.grids:
            walk.barriers_of(grid)
        return walk.found

    @cached_property
    def _order(self) -> _Accesses:
        return _Accesses(self.kernel)


def accesses_of(kernel: KernelOp) -> list[Access]:
    """All accesses of a kernel to memory, in program order."""
    return list(_Accesses(kernel).all.values())


class Dependency(NamedTuple):
    """Two accesses in different programs, which run in no order, to elements that may be the same."""

    grid: GridOp
    earlier: Access
    later: Access


def dependency(kernel: KernelOp) -> Dependency | None:
    """The first access of a top-level loop that depends on one of an earlier top-level loop."""
    grids = [op for op in kernel.body.block.ops if isinstance(op, GridOp)]
    if len(grids) < 2:
        return None
    before: list[Access] = []
    accesses = accesses_of(kernel)
    for grid in grids:
        here = [access for access in accesses if grid.is_ancestor(access.op)]
        for later in here:
            for earlier in before:
                if _touch_one_element(earlier, later, None):
                    return Dependency(grid, earlier, later)
        before += here
    return None


def race(kernel: KernelOp, grid: GridOp, concerns: Callable[[Access, Access], bool]) -> tuple[Access, Access] | None:
    """Two accesses in one top-level loop, of those that `concerns` picks, that conflict between its iterations."""
    here = [access for access in accesses_of(kernel) if grid.is_ancestor(access.op)]
    for i, one in enumerate(here):
        for other in here[i:]:
            if concerns(one, other) and _touch_one_element(one, other, grid):
                return one, other
    return None


def _touch_one_element(one: Access, other: Access, crossed: Operation | None) -> bool:
    """Whether two accesses, a write among them, may meet; in different iterations of `crossed`."""
    if not (one.writes or other.writes) or not may_alias(one.memory, other.memory) or _commute(one.op, other.op):
        return False
    if one.indices is None or other.indices is None or not positions_agree(one.memory, other.memory):
        return True
    return not _differ(one.indices, other.indices, crossed)


class _Accesses:
    """The accesses of a kernel, and per block the ops that are or hold one, or are barriers."""

    def __init__(self, kernel: KernelOp):
        self.grids: list[GridOp] = []
        self.of: dict[Operation, Access] = {}
        self.all: dict[Operation, Access] = {}
        """In program order, those of memory that nothing writes, too."""
        self.relevant: dict[Block | None, list[Operation]] = {}
        order = [op for op in ops_in(kernel) if not op.regions and _orders(op)]
        barriers = {op for op in order if op.has_trait(ThreadBarrier)}
        known = {op: access for op in order if op not in barriers and (access := _known_access(op)) is not None}
        unknown = [op for op in order if op not in barriers and op not in known and _reaches_memory(op)]
        shared = self._shared(kernel, known.values(), unknown) if unknown else ()
        self.of.update((op, _unknown_access(op, shared)) for op in unknown)
        self.all = {op: known.get(op) or self.of[op] for op in order if op in known or op in self.of}
        changed = [access.memory for access in (*known.values(), *self.of.values()) if access.writes]
        for op, access in known.items():  # what nothing writes is nobody's concern, and most kernels' loads are such
            if access.writes or any(may_alias(access.memory, memory) for memory in changed):
                self.of[op] = access
        for op in order if self.of else ():
            if op in self.of or op in barriers:
                self._place(op)

    def _place(self, op: Operation) -> None:
        """List the op in its block, and the ops around it in theirs, in program order."""
        here: Operation | None = op
        while here is not None and not isinstance(here, KernelOp):
            listed = self.relevant.setdefault(here.parent, [])
            if listed and listed[-1] is here:
                return
            listed.append(here)
            if isinstance(here, GridOp):
                self.grids.append(here)
            here = here.parent_op()

    def _shared(self, kernel: KernelOp, known: Iterable[Access], unknown: Sequence[Operation]) -> Memory:
        """What an op of unknown effects may touch whatever it is given: see the module's docstring."""
        roots = [place.root for access in known if access.writes for place in access.memory]
        roots += [place.root for op in unknown for place in _given(op)]
        roots += [arg for arg in kernel.body.block.args if isinstance(arg.type, TupleType)]
        return tuple(Location(root) for root in dict.fromkeys(roots))


def _orders(op: Operation) -> bool:
    """Whether `op` has effects; xDSL has left its traits of effects out at some ops of arith."""
    return not has_no_effects(op) and op.dialect_name() not in ELEMENTWISE_DIALECTS


def _given(op: Operation) -> Memory:
    return tuple(place for operand in op.operands if is_memory(operand.type) for place in memory_of(operand))


def _reaches_memory(op: Operation) -> bool:
    """Whether an op of unknown effects has a way to memory: it is a statement, or it is given a ref or an address."""
    return not op.results or any(is_memory(operand.type) or _may_be_address(operand) for operand in op.operands)


def _may_be_address(value: SSAValue) -> bool:
    element = element_of(value)
    return isinstance(element, IntegerType) and element.width.data == 64


def _known_access(op: Operation) -> Access | None:
    """What an op with effects on refs does; None if its effects are unknown."""
    effects = ref_effects(op)
    if effects is None:
        return None
    kinds = [kind for kind, _ in effects]
    refs = dict.fromkeys(ref for _, ref in effects)
    memory = tuple(place for ref in refs for place in memory_of(ref))
    indices = tuple(op.indices) if isinstance(op, AccessBase) else None
    return Access(op, memory, MemoryEffectKind.READ in kinds, WRITE in kinds, indices)


def _unknown_access(op: Operation, shared: Memory) -> Access:
    orders = op.get_traits_of_type(OrdersMemory)
    releases = all(order.releases(op) for order in orders)
    acquires = all(order.acquires(op) for order in orders)
    return Access(op, (*_given(op), *shared), True, True, None, releases, acquires)


class _Walk:
    """One walk in program order, with the accesses that are pending at each point.

    It decides where barriers go or, with `record`, ignores them and collects the accesses that conflict.
    """

    def __init__(self, accesses: _Accesses, *, record: bool = False):
        self.accesses = accesses
        self.record = record
        self.found: set[Operation] = set()
        self.barriers: dict[Operation, None] = {}

    def barriers_of(self, grid: GridOp) -> list[Operation]:
        """The ops of one grid that need a barrier before them; a barrier before the grid itself stands in its body."""
        self.barriers = {}
        if is_persistent(grid):
            self._iterate(grid, _NOTHING)
        else:
            self._block(grid.body.block, _NOTHING)
        return list(self.barriers)

    def _block(self, block: Block, state: State) -> State:
        for op in self.accesses.relevant.get(block, ()):
            if (access := self.accesses.of.get(op)) is not None:
                state = self._access(access, state)
            elif isinstance(op, scf.IfOp):
                state = self._branch(op, state)
            elif op.regions:
                state = self._loop(op, state)
            elif not self.record:  # a barrier
                state = _NOTHING
        return state

    def _access(self, access: Access, state: State) -> State:
        conflicts = [pending for pending in state if conflict(pending, access)]
        if self.record:
            self.found.update(op for pending in conflicts for op in (pending.access.op, access.op))
        elif conflicts or access.op in self.barriers:
            self.barriers[access.op] = None
            state = _NOTHING
        return state | {Pending(access, None)} if access.before_others else state

    def _branch(self, op: scf.IfOp, state: State) -> State:
        arms = [self._block(region.block, state) if region.blocks else state for region in op.regions]
        return _NOTHING.union(*arms)

    def _loop(self, loop: Operation, state: State) -> State:
        """One barrier before a loop is better than one in each iteration, where only what comes before needs it."""
        if self.record:
            return self._iterate(loop, state)
        if loop in self.barriers:
            return self._iterate(loop, _NOTHING)
        alone = self._iterate(loop, _NOTHING)
        inside = dict(self.barriers)
        after = self._iterate(loop, state)
        if self.barriers.keys() == inside.keys():
            return after
        self.barriers = {**inside, loop: None}
        return alone

    def _iterate(self, loop: Operation, entry: State) -> State:
        """The body until nothing new reaches its beginning; what is pending when the loop ends, maybe at once."""
        blocks = [region.block for region in loop.regions]
        state = entry
        while True:
            last, leaving = state, state
            for number, block in enumerate(blocks):
                last = self._block(block, last)
                leaving = last if number == 0 else leaving
            again = entry | {_crossing(pending, loop) for pending in last}
            if again <= state:
                return leaving | (entry if len(blocks) == 1 else _NOTHING)
            state |= again


def is_persistent(grid: GridOp) -> bool:
    """Whether map-program-ids has made the programs of a grid walk over many tiles."""
    kind = grid.attributes.get("pid_type")
    return isinstance(kind, StringAttr) and kind.data.startswith("persistent")


def _crossing(pending: Pending, loop: Operation) -> Pending:
    """The access at the beginning of the next iteration: what has crossed a loop further out keeps that one."""
    crossed = pending.crossed
    return pending if crossed is not None and crossed.is_ancestor(loop) else Pending(pending.access, loop)


def conflict(pending: Pending, access: Access) -> bool:
    """Whether an access must not come, in another thread, before one that is pending."""
    earlier = pending.access
    reads_written = earlier.writes and access.reads
    if not access.after_others or not (reads_written or access.writes) or not may_alias(earlier.memory, access.memory):
        return False
    if _commute(earlier.op, access.op):
        return False
    if earlier.indices is None or access.indices is None or not positions_agree(earlier.memory, access.memory):
        return True
    if _differ(earlier.indices, access.indices, pending.crossed):
        return False
    if reads_written or not _same(earlier.indices, access.indices, pending.crossed):
        return True
    return not earlier.writes and not _in_place(earlier.op, access.op)


def _commute(one: Operation, other: Operation) -> bool:
    """Whether the order of two atomics shows in nothing."""
    if not isinstance(one, AtomicRMWOp) or not isinstance(other, AtomicRMWOp):
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
    kernel: Operation | None = value.owner if isinstance(value.owner, Operation) else None
    while kernel is not None and not isinstance(kernel, KernelOp):
        kernel = kernel.parent_op()
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
