"""What each op of a kernel does to memory.

An op of unknown effects touches the refs that it is given, what the kernel writes somewhere, and every tuple of refs,
as peers may touch their own elements of one; one that makes values of values, none of them a ref or an address,
touches nothing. `symm_mem.sync` is one, but orders only the sides that it says. Atomics that release or acquire are
ones, too, which touch all refs: other kernels wait for them, and write what this one reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerType, TupleType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import MemoryEffectKind

from ...dialects.dims import element_of
from ...dialects.effects import (
    WRITE,
    OrdersMemory,
    ThreadBarrier,
    TouchesNoMemory,
    has_no_effects,
    orders_all,
    ref_effects,
)
from ...dialects.quick import ops_in
from ...dialects.tile import AccessBase, GridOp, KernelOp
from ...dialects.verify import ELEMENTWISE_DIALECTS
from .aliases import Location, Memory, is_memory, may_alias, memory_of


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


class Accesses:
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
        for op, access in known.items():  # refs that nothing writes have no hazard, and most loads are of these
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
        every = any(map(orders_all, unknown))
        roots += [
            arg for arg in kernel.body.block.args if isinstance(arg.type, TupleType) or (every and is_memory(arg.type))
        ]
        return tuple(Location(root) for root in dict.fromkeys(roots))


def _orders(op: Operation) -> bool:
    """Whether `op` has effects; xDSL has left its traits of effects out at some ops of arith."""
    return not has_no_effects(op) and op.dialect_name() not in ELEMENTWISE_DIALECTS


def _given(op: Operation) -> Memory:
    return tuple(place for operand in op.operands if is_memory(operand.type) for place in memory_of(operand))


def _reaches_memory(op: Operation) -> bool:
    """Whether an op of unknown effects has a way to memory: it is a statement, or it is given a ref or an address."""
    if op.has_trait(TouchesNoMemory):
        return False
    return not op.results or any(is_memory(operand.type) or _may_be_address(operand) for operand in op.operands)


def _may_be_address(value: SSAValue) -> bool:
    element = element_of(value)
    return isinstance(element, IntegerType) and element.width.data == 64


def _known_access(op: Operation) -> Access | None:
    """What an op with effects on refs does; None if its effects are unknown."""
    effects = ref_effects(op)
    if effects is None or op.has_trait(TouchesNoMemory):
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


def accesses_of(kernel: KernelOp) -> list[Access]:
    """All accesses of a kernel to memory, in program order."""
    return list(Accesses(kernel).all.values())
