"""Which reductions can become loops over chunks of their axis, and in how many passes over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import IsTerminator, MemoryEffectKind, get_effects

from ...dialects.axes import axis_facts, folds_chunks
from ...dialects.dims import Dim, DimsAttr
from ...dialects.effects import CONSOLE, Console, has_no_effects
from ...dialects.quick import ops_in
from ...dialects.tile import AccessBase, KernelOp, LoadOp, StoreOp, WholeOp
from .aliases import may_alias, memory_of, positions_agree
from .axes import AxisClass, AxisClasses
from .bounds import tile_dim

Place: TypeAlias = SSAValue | Console | None
Touched: TypeAlias = dict[Place, bool]


@dataclass
class Roll:
    """A class of axes that can be rolled, in `block`.

    `level[op]` is how many reductions over the axis lie on the way to an op (for each op of the block): those of
    level k are computed before the loop of part k, or in it if they have the axis. `parts[k]` holds the roots of
    part k, in program order: reductions over the axis, and stores of values that have it.
    """

    axis_class: AxisClass
    block: Block
    level: dict[Operation, int] = field(default_factory=dict)
    parts: dict[int, list[Operation]] = field(default_factory=dict)
    least: dict[Operation, int] = field(default_factory=dict)
    """Writes in place that wait for the last part that reads the lanes: its number."""

    @property
    def members(self) -> dict[SSAValue, int]:
        return self.axis_class.members

    def has_axis(self, op: Operation) -> bool:
        """Whether an op computes or consumes values with the axis, and so goes into the loops."""
        return any(value in self.members for value in (*op.operands, *op.results))

    def slice_of(self, roots: Iterable[Operation]) -> set[Operation]:
        """The roots and every op with the axis that they depend on: what one loop computes."""
        found: set[Operation] = set()
        stack = list(roots)
        while stack:
            op = stack.pop()
            if op not in found:
                found.add(op)
                owners = (v.owner for v in op.operands if v in self.members)
                stack.extend(owner for owner in owners if isinstance(owner, Operation))
        return found


def reduces(op: Operation, members: dict[SSAValue, int]) -> bool:
    """Whether `op` consumes the axis of a class, and can do so chunk by chunk."""
    consumed = axis_facts(op).consumed if folds_chunks(op) else ()
    return any(members.get(op.operands[number]) == axis for (number, axis), *_ in consumed)


REDUCTION_DIMS = "reduction_dims"
"""Attribute of a kernel: the dims that `reduction_loops` has an entry for, noted by passes that may lose some."""


def reduction_dims(kernel: KernelOp) -> list[Dim]:
    """The full-slice dims with a reduction that could be rolled at first, in the order of their first reduction."""
    noted = kernel.attributes.get(REDUCTION_DIMS)
    if isinstance(noted, DimsAttr):
        return list(noted.as_tuple())
    return list(dict.fromkeys(roll.axis_class.dim for roll in rolls(kernel)))


def note_reduction_dims(kernel: KernelOp) -> None:
    """Keep the entries of `reduction_loops` as they are, whatever becomes of the reductions."""
    kernel.attributes[REDUCTION_DIMS] = DimsAttr.get(*reduction_dims(kernel))


def rolls(kernel: KernelOp) -> Iterator[Roll]:
    """Every class of axes that can be rolled, in program order."""
    classes = AxisClasses(kernel)
    seen: set[tuple[SSAValue, int]] = set()
    for op in ops_in(kernel):
        for (number, axis), tile, _ in axis_facts(op).consumed if folds_chunks(op) else ():
            of, over = op.operands[number], op.operands[tile]
            if not isinstance(over.owner, WholeOp) or (of, axis) in seen or tile_dim(over) == 1:
                continue
            found = classes.of((of, axis))
            seen.update(found.members.items())
            if (roll := _roll(found, op, kernel)) is not None:
                yield roll


def _roll(found: AxisClass, first: Operation, kernel: KernelOp) -> Roll | None:
    block = first.parent
    if found.blocked or block is None or any(not isinstance(tile.owner, WholeOp) for tile in found.tiles):
        return None
    roll = Roll(found, block)
    users = {use.operation for value in found.members for use in value.uses}
    makers = {value.owner for value in found.members}
    enclosing = set(_enclosing_blocks(block))
    for op in users | makers:
        if not isinstance(op, Operation) or op.parent not in enclosing:
            return None
        if _is_root(op, found) and op.parent is not block:
            return None
        if not isinstance(op, AccessBase) and not has_no_effects(op):
            return None  # each loop that needs the op computes it again
        if isinstance(op, AccessBase) and not isinstance(op, LoadOp) and any(r.first_use for r in op.results):
            return None
    _find_levels(roll)
    if waiting := _writes_that_wait(roll):
        roll.least = waiting
        _find_levels(roll)
    return roll if _memory_allows(roll, kernel) else None


def _enclosing_blocks(block: Block | None) -> Iterator[Block]:
    while block is not None:
        yield block
        parent = block.parent_op()
        block = parent.parent if parent is not None else None


def _is_root(op: Operation, found: AxisClass) -> bool:
    return reduces(op, found.members) or (isinstance(op, AccessBase) and not isinstance(op, LoadOp))


def captured(op: Operation) -> Iterator[SSAValue]:
    """The operands of an op and of everything nested in it."""
    for nested in ops_in(op):
        yield from nested.operands


def _find_levels(roll: Roll) -> None:
    """Give every op of the block its level; a write waits for the loops that touch what it writes."""
    roll.parts.clear()
    results: dict[SSAValue, int] = {}
    accesses: list[tuple[Operation, Touched]] = []
    for op in roll.block.ops:
        level = max([roll.least.get(op, 0), *[results.get(value, 0) for value in captured(op)]])
        touched = _touched(op)
        for earlier, refs in accesses:
            if touched and _conflict(touched, refs):
                later = roll.has_axis(earlier) and not isinstance(earlier, LoadOp)
                level = max(level, roll.level[earlier] + later)
        if touched:
            accesses.append((op, touched))
        roll.level[op] = level
        for result in op.results:
            results[result] = level + reduces(op, roll.members)
        if _is_root(op, roll.axis_class) and roll.has_axis(op):
            roll.parts.setdefault(level, []).append(op)


def _touched(op: Operation) -> Touched:
    """Ref, or the console, → whether it is written; the key None stands for any ref."""
    effects = get_effects(op)
    if effects is None:
        return {None: True}
    touched: Touched = {}
    for effect in effects:
        place = CONSOLE if effect.resource is CONSOLE else None
        ref = effect.value if isinstance(effect.value, SSAValue) else place
        touched[ref] = touched.get(ref, False) or effect.kind is not MemoryEffectKind.READ
    return touched


def _conflict(one: Touched, other: Touched) -> bool:
    for ref, writes in one.items():
        for ref2, writes2 in other.items():
            if (writes or writes2) and _same_memory(ref, ref2):
                return True
    return False


def _same_memory(ref: Place, ref2: Place) -> bool:
    if ref is ref2:
        return True
    if ref is CONSOLE or ref2 is CONSOLE:
        return False
    if not isinstance(ref, SSAValue) or not isinstance(ref2, SSAValue):
        return True
    return may_alias(memory_of(ref), memory_of(ref2))


def _in_place(op: Operation, load: LoadOp, roll: Roll) -> bool:
    """Whether `op` touches of each chunk what `load` read of that chunk, and nothing of the other chunks.

    The axis is a tile in both: positions of a tile are distinct, entries of an index tensor need not be.
    """
    if not isinstance(op, AccessBase) or list(op.indices) != list(load.indices):
        return False
    if op.ref is not load.ref and not positions_agree(memory_of(op.ref), memory_of(load.ref)):
        return False
    axis = roll.members.get(load.result)
    return axis is not None and load.subscript.walked[axis] is not None and roll.has_axis(op)


def _last_parts(roll: Roll) -> dict[LoadOp, int]:
    """The last part that reads what a load of the axis reads."""
    last: dict[LoadOp, int] = {}
    for part, roots in roll.parts.items():
        for op in roll.slice_of(roots):
            if isinstance(op, LoadOp):
                last[op] = max(part, last.get(op, 0))
    return last


def _writes_that_wait(roll: Roll) -> dict[Operation, int]:
    """The writes in place that would come before a part that reads their lanes again, and the part they wait for."""
    waiting: dict[Operation, int] = {}
    order = {op: i for i, op in enumerate(roll.block.ops)}
    for load, part in _last_parts(roll).items():
        for op, place in order.items():
            follows = load in order and order[load] < place and roll.level[op] < part
            if follows and isinstance(op, StoreOp) and _in_place(op, load, roll):
                waiting[op] = max(part, waiting.get(op, 0))
    return waiting


def _memory_allows(roll: Roll, kernel: KernelOp) -> bool:
    """Whether loading the axis again in later parts still finds what the program's one load found.

    A write to the same ref must come after the last part that loads; in that part itself only if it writes the
    very lanes that were loaded, chunk by chunk (`x[t, :] = softmax(x[t, :])`). Loads of an enclosing block may be
    repeated only if nothing writes their ref.
    """
    last = _last_parts(roll)
    order = {op: i for i, op in enumerate(roll.block.ops)}
    for load, part in last.items():
        reads = _touched(load)
        if load.parent is not roll.block:
            if any(not op.regions and op is not load and _conflict(reads, _touched(op)) for op in ops_in(kernel)):
                return False
            continue
        for op in roll.block.ops:
            if op.has_trait(IsTerminator) or op is load or not _conflict(reads, _touched(op)):
                continue
            if order[op] < order[load]:
                continue
            if roll.level[op] < part or (roll.level[op] == part and not _in_place(op, load, roll)):
                return False
    return True
