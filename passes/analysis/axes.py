"""Which axes of which values are one and the same axis, followed through every op.

A dim is no identity (two axes may have equal extents), so this follows the axes as the ops declare them
(`dialects/axes.py`): `AxisClasses` joins the axes that an op relates lane by lane, notes the tile that an axis is
read, written or contracted with, and marks the axes that some op takes as a whole (`blocked`), which no
transformation may cut into chunks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.ir import Operation, SSAValue

from ...dialects.axes import Axes, axis_facts
from ...dialects.dims import Dim, dims_of
from ...dialects.quick import ops_in
from ...dialects.tile import KernelOp

Axis: TypeAlias = tuple[SSAValue, int]
"""An axis of a value."""


def axes_of(op: Operation, axes: Axes) -> list[Axis]:
    """The axes of values that an op's declaration names by numbers."""
    operands = op.operands
    found = [(operands[at.number], at.axis) for at in axes.operands]
    return [*found, *((op.results[at.number], at.axis) for at in axes.results)]


def _all_axes(values: Iterable[SSAValue]) -> Iterator[Axis]:
    return ((value, axis) for value in values for axis in range(len(dims_of(value))))


@dataclass
class AxisClass:
    """Axes that are one: its members, their ops in program order, the tiles they meet, and whether it is blocked."""

    dim: Dim
    members: dict[SSAValue, int] = field(default_factory=dict)
    tiles: set[SSAValue] = field(default_factory=set)
    blocked: bool = False


class AxisClasses:
    """The classes of the axes of a kernel, found in one walk."""

    def __init__(self, kernel: KernelOp):
        self._parent: dict[Axis, Axis] = {}
        self._tiles: defaultdict[Axis, set[SSAValue]] = defaultdict(set)
        self._blocked: set[Axis] = set()
        for op in ops_in(kernel):
            self._read(op)

    def _read(self, op: Operation) -> None:
        facts = axis_facts(op)
        for lanes in facts.lanes:
            first, *others = axes_of(op, lanes)
            for axis in others:
                self._join(first, axis)
        self._blocked.update(axes_of(op, facts.whole))
        for tile, axes in facts.tiles:
            for axis in axes_of(op, axes):
                self._tiles[axis].add(op.operands[tile])
        for region in op.regions:
            self._blocked.update(_all_axes([arg for block in region.blocks for arg in block.args]))
        for axis in _all_axes(op.results):
            self._parent.setdefault(axis, axis)

    def _find(self, axis: Axis) -> Axis:
        parent = self._parent.setdefault(axis, axis)
        while parent != axis:
            self._parent[axis] = self._parent[parent]
            axis, parent = self._parent[axis], self._parent[self._parent[axis]]
        return axis

    def _join(self, one: Axis, other: Axis) -> None:
        self._parent[self._find(other)] = self._find(one)

    def of(self, axis: Axis) -> AxisClass:
        """The class of an axis; a value with two axes in it makes it blocked."""
        root = self._find(axis)
        found = AxisClass(dims_of(axis[0])[axis[1]])
        for member in list(self._parent):
            if self._find(member) != root:
                continue
            value, at = member
            found.blocked |= member in self._blocked or found.members.get(value, at) != at
            found.members[value] = at
            found.tiles |= self._tiles.get(member, set())
        return found
