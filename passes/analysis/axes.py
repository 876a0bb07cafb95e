"""Which axes of which values are one and the same axis, followed through every op.

A dim is no identity (two axes may have equal extents), so this follows the axes: `AxisClasses` joins the axes
that an op relates lane by lane, notes the tile that an axis is read, written or contracted with, and marks the
axes that some op treats as a whole (`blocked`), which no transformation may cut into chunks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.ir import Operation, SSAValue
from xdsl.traits import Pure

from ...dialects.dims import Dim, dims_of
from ...dialects.tile import (
    AccessBase,
    ArgReduceOp,
    BroadcastOp,
    DotOp,
    ExpandDimsOp,
    GatherOp,
    IndexOp,
    JoinOp,
    KernelOp,
    PadOp,
    PermuteOp,
    ReduceOp,
    ReshapeOp,
    ScanOp,
    SplatOp,
    SplitOp,
    access_tiles,
)
from ...dialects.walk import ops_in

Axis: TypeAlias = tuple[SSAValue, int]
"""An axis of a value."""
Link: TypeAlias = Sequence[Axis]
"""Axes that are the same one."""


@dataclass
class AxisFacts:
    """What one op says of the axes of its operands and results."""

    links: list[Link] = field(default_factory=list)
    blocked: list[Axis] = field(default_factory=list)


def _all_axes(values: Iterable[SSAValue]) -> Iterator[Axis]:
    return ((value, axis) for value in values for axis in range(len(dims_of(value))))


def _elementwise(op: Operation) -> AxisFacts:
    tensors = [value for value in (*op.operands, *op.results) if dims_of(value)]
    if len({dims_of(value) for value in tensors}) > 1 or op.regions or not op.has_trait(Pure):
        return _opaque(op)
    rank = len(dims_of(tensors[0])) if tensors else 0
    return AxisFacts([[(value, axis) for value in tensors] for axis in range(rank)])


def _opaque(op: Operation) -> AxisFacts:
    args = [arg for region in op.regions for block in region.blocks for arg in block.args]
    return AxisFacts(blocked=list(_all_axes((*op.operands, *op.results, *args))))


def _new(op: Operation) -> AxisFacts:
    return AxisFacts()


def _broadcast(op: Operation) -> AxisFacts:
    assert isinstance(op, BroadcastOp)
    pairs = enumerate(zip(dims_of(op.input), dims_of(op.result), strict=True))
    return AxisFacts([[(op.input, i), (op.result, i)] for i, (source, target) in pairs if source == target])


def _expand_dims(op: Operation) -> AxisFacts:
    assert isinstance(op, ExpandDimsOp)
    at = op.axis.data
    return AxisFacts([[(op.input, i), (op.result, i + (i >= at))] for i in range(len(dims_of(op.input)))])


def _permute(op: Operation) -> AxisFacts:
    assert isinstance(op, PermuteOp)
    return AxisFacts([[(op.input, source), (op.result, i)] for i, source in enumerate(op.permutation)])


def _reshape(op: Operation) -> AxisFacts:
    """Only adding and dropping axes of dim 1 keeps the others apart."""
    assert isinstance(op, ReshapeOp)
    inner = [i for i, dim in enumerate(dims_of(op.input)) if dim != 1]
    outer = [i for i, dim in enumerate(dims_of(op.result)) if dim != 1]
    if [dims_of(op.input)[i] for i in inner] != [dims_of(op.result)[i] for i in outer]:
        return _opaque(op)
    return AxisFacts([[(op.input, i), (op.result, o)] for i, o in zip(inner, outer, strict=True)])


def _reduce(op: Operation) -> AxisFacts:
    assert isinstance(op, ReduceOp | ArgReduceOp)
    at = op.axis.data
    links: list[Link] = []
    for axis in range(len(dims_of(op.input)) - 1):
        links.append([(op.input, axis + (axis >= at)), *((result, axis) for result in op.results)])
    return AxisFacts(links)


def _scan(op: Operation) -> AxisFacts:
    assert isinstance(op, ScanOp)
    facts = AxisFacts([[(op.input, i), (op.result, i)] for i in range(len(dims_of(op.input)))])
    facts.blocked.append((op.input, op.axis.data))
    return facts


def _gather(op: Operation) -> AxisFacts:
    assert isinstance(op, GatherOp)
    at = op.axis.data
    links: list[Link] = [[(op.index, i), (op.result, i)] for i in range(len(dims_of(op.index)))]
    links += [[(op.input, i), (op.index, i)] for i in range(len(dims_of(op.input))) if i != at]
    return AxisFacts(links, [(op.input, at)])


def _join(op: Operation) -> AxisFacts:
    assert isinstance(op, JoinOp)
    rank = len(dims_of(op.lhs))
    return AxisFacts([[(op.lhs, i), (op.rhs, i), (op.result, i)] for i in range(rank)], [(op.result, rank)])


def _split(op: Operation) -> AxisFacts:
    assert isinstance(op, SplitOp)
    rank = len(dims_of(op.first))
    return AxisFacts([[(op.input, i), (op.first, i), (op.second, i)] for i in range(rank)], [(op.input, rank)])


def _access(op: Operation) -> AxisFacts:
    """What is loaded or stored has the axes that the subscript selects; index tensors span some of them."""
    assert isinstance(op, AccessBase)
    subscript = op.subscript
    links: list[list[Axis]] = [[(value, axis) for value in op.lane_values] for axis in range(len(subscript.dims))]
    for index, span in zip(op.indices, subscript.spans, strict=True):
        for own, axis in enumerate(span if dims_of(index) else ()):
            links[axis].append((index, own))
    return AxisFacts(list(links))


_FACTS: dict[type[Operation], Callable[[Operation], AxisFacts]] = {
    SplatOp: _new,
    IndexOp: _new,
    BroadcastOp: _broadcast,
    ExpandDimsOp: _expand_dims,
    PermuteOp: _permute,
    ReshapeOp: _reshape,
    ReduceOp: _reduce,
    ArgReduceOp: _reduce,
    ScanOp: _scan,
    GatherOp: _gather,
    JoinOp: _join,
    SplitOp: _split,
    DotOp: _opaque,
}


def axis_facts(op: Operation) -> AxisFacts:
    """What `op` says of axes; an op that is not known and not elementwise blocks all of its own."""
    if (facts := _FACTS.get(type(op))) is not None:
        return facts(op)
    return _access(op) if isinstance(op, AccessBase) else _elementwise(op)


def axis_tiles(op: Operation) -> Iterator[tuple[Axis, SSAValue]]:
    """The axes that `op` meets together with a tile."""
    if isinstance(op, IndexOp):
        yield (op.result, 0), op.tile
    elif isinstance(op, ReduceOp | ArgReduceOp | ScanOp | PadOp):
        yield (op.input, op.axis.data), op.tile
    elif isinstance(op, AccessBase):
        for axis, tile in enumerate(access_tiles(op)):
            yield from (((value, axis), tile) for value in op.lane_values)


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
            facts = axis_facts(op)
            for link in facts.links:
                for axis in link[1:]:
                    self._join(link[0], axis)
            self._blocked.update(facts.blocked)
            for axis, tile in axis_tiles(op):
                self._tiles[axis].add(tile)
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
