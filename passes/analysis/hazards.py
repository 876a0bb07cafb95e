"""Where threads of one program would read or overwrite what others of them wrote, were there no barrier.

A tile is spread over the threads of a program, and each access spreads it in its own way: what one thread stored,
another may load. The *hazards* of a program are pairs of accesses to memory that may be the same:

- a read after a write (RAW);
- a write after a read or a write (WAR, WAW) by other indices;
- a write after a read by the same indices, unless it is in place: of lanes that are computed from those that were
  read. Otherwise a lane may be read by other threads than the one that writes it: loads and stores are spread in
  their own ways, and scalars are read by every thread. Two writes by the same indices are spread in the same way;
- an op of unknown effects after or before either (`accesses.py` says what it touches). Memory that the kernel only
  reads, and that no other argument shares, is left out: no op of the kernel and no peer that it synchronizes with
  writes it.

`conflicts.py` compares two accesses.

Programs run in no order, and those of a later top-level loop beside those of an earlier one: see `phases.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, TypeAlias

from xdsl.dialects import scf
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation

from ...dialects.tile import GridOp, KernelOp
from .accesses import Access, Accesses
from .conflicts import conflict, may_meet


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
    def _order(self) -> Accesses:
        return Accesses(self.kernel)


def race(
    accesses: Iterable[Access], grid: GridOp, concerns: Callable[[Access, Access], bool]
) -> tuple[Access, Access] | None:
    """Two accesses in one top-level loop, of those that `concerns` picks, that conflict between its iterations."""
    here = [access for access in accesses if grid.is_ancestor(access.op)]
    for i, one in enumerate(here):
        for other in here[i:]:
            if concerns(one, other) and may_meet(one, other, grid):
                return one, other
    return None


class _Walk:
    """One walk in program order, with the accesses that are pending at each point.

    It decides where barriers go or, with `record`, ignores them and collects the accesses that conflict.
    """

    def __init__(self, accesses: Accesses, *, record: bool = False):
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
        conflicts = [pending for pending in state if conflict(pending.access, access, pending.crossed)]
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
