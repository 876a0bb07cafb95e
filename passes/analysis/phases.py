"""Phases: the top-level ops of a kernel between two grid-wide barriers, whose programs run in no order.

Two accesses in different top-level ops that may meet, a write among them, are a hazard: a read after a write (RAW), a
write after a read (WAR) or after a write (WAW), or anything beside an op of unknown effects. A barrier between the two
cuts it. What stands beside the loops, such as the load of a bound, is done by each program when it comes there, so it
is a top-level op like them.

A hazard is an interval of the program, and a barrier a point: cutting each interval that is not cut yet right before
its later end takes the fewest barriers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xdsl.ir import Operation

from ...dialects.tile import AccessBase, BarrierOp, GridOp, KernelOp
from .accesses import Access, accesses_of
from .conflicts import may_meet


class Hazard(NamedTuple):
    """Two accesses in different top-level ops, `before` and `at`, which run in no order, to memory that they share."""

    before: Operation
    at: Operation
    earlier: Access
    later: Access

    @property
    def kind(self) -> str:
        """`RAW`, `WAR`, `WAW`, or `unknown`."""
        if self.earlier.indices is None or self.later.indices is None:
            return "unknown"
        if self.earlier.writes and self.later.reads:
            return "RAW"
        return "WAW" if self.earlier.writes else "WAR"


class _Phase:
    """The accesses since the last barrier, by the top-level op that does them."""

    def __init__(self, kernel: KernelOp):
        self._here: defaultdict[Operation, list[Access]] = defaultdict(list)
        for access in accesses_of(kernel):
            self._here[_top(access.op, kernel)].append(access)
        self.pending: list[tuple[Operation, Access]] = []

    def hazards(self, op: Operation) -> Iterator[Hazard]:
        """The hazards between a top-level op and those since the last barrier."""
        for later in self._here.get(op, ()):
            for before, earlier in self.pending:
                if may_meet(earlier, later, None):
                    yield Hazard(before, op, earlier, later)

    def enter(self, op: Operation) -> None:
        self.pending += [(op, access) for access in self._here.get(op, ())]


def _top(op: Operation, kernel: KernelOp) -> Operation:
    """The op of a kernel's top level that an op is, or is in."""
    while (parent := op.parent_op()) is not None and parent is not kernel:
        op = parent
    return op


def uncut(kernel: KernelOp) -> list[Hazard]:
    """One hazard for each barrier that is missing, which goes right before its later end (`at`): the fewest that cut
    all hazards of a kernel, beside the barriers that it has."""
    if not _has_several(kernel):
        return []
    phase, found = _Phase(kernel), list[Hazard]()
    for op in kernel.body.block.ops:
        if isinstance(op, BarrierOp):
            phase.pending = []
        elif (hazard := next(phase.hazards(op), None)) is not None:
            found.append(hazard)
            phase.pending = []
        phase.enter(op)
    return found


def hazards_between(kernel: KernelOp) -> list[Hazard]:
    """All hazards between top-level ops of a kernel, whether or not there is a barrier between them."""
    if not _has_several(kernel):
        return []
    phase, found = _Phase(kernel), list[Hazard]()
    for op in kernel.body.block.ops:
        found += phase.hazards(op)
        phase.enter(op)
    return found


def _has_several(kernel: KernelOp) -> bool:
    """Whether there is more than one op that may touch memory."""
    acting = [op for op in kernel.body.block.ops if isinstance(op, GridOp | AccessBase) or not op.results]
    return len(acting) > 1


def phases_of(kernel: KernelOp) -> list[Sequence[Operation]]:
    """The top-level ops of a kernel by phases; each phase but the first begins with its barrier."""
    phases: list[list[Operation]] = [[]]
    for op in kernel.body.block.ops:
        if isinstance(op, BarrierOp):
            phases.append([])
        phases[-1].append(op)
    return list(phases)


__all__ = ["Hazard", "hazards_between", "phases_of", "uncut"]
