"""Which tensors of a kernel share storage: views made in host code, and arguments that overlap in this call."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Operation, SSAValue

from .. import exc
from ..dialects.targets import ALIGNMENT
from ..dialects.tile import KernelOp, MemoryAttr, grids_of
from ..passes.analysis.accesses import Access, accesses_of
from ..passes.analysis.aliases import Location
from ..passes.analysis.hazards import race
from ..passes.analysis.phases import uncut
from ..passes.analysis.races import sure_race
from ..specialization.overlap import DISJOINT, SAME, address_of, overlap
from .symbols.scalars import Scalars
from .tensors import HostTensor

OVERLAPS = "__overlaps__"
"""The name of `runtime.overlap.overlaps` in guards."""


class Argument(NamedTuple):
    """A tensor of the caller: its host expression, and the tensor of this call."""

    tensor: HostTensor
    expr: str
    value: Any


class Storages:
    """The storages of a trace. Host code runs on meta tensors, whose views share storage as the real ones will."""

    def __init__(self, tracer: Scalars):
        self.tracer = tracer
        self.arguments: dict[int, Argument] = {}  # by storage
        self.refs: dict[SSAValue, tuple[HostTensor, ...]] = {}  # kernel argument → its tensor, or those of a tuple
        self._parent: dict[int, int] = {}
        self._apart: set[int] = set()  # storages that overlap others in part: equal layouts are not one tensor

    def clear(self) -> None:
        """Forget all tensors."""
        for table in (self.arguments, self.refs):
            table.clear()

    def root(self, tensor: HostTensor) -> int:
        """The storage of a tensor: one number for all tensors that may share it."""
        found = storage_of(tensor)
        while found in self._parent:
            found = self._parent[found]
        return found

    def join(self, one: HostTensor, other: HostTensor) -> None:
        """Note that two tensors may share storage."""
        first, second = self.root(one), self.root(other)
        if first != second:
            self._parent[second] = first

    def share(self, tensor: HostTensor, others: Iterable[HostTensor]) -> bool:
        """Whether a tensor is known to share storage with one of others."""
        return self.root(tensor) in map(self.root, others)

    def alignment(self, tensor: HostTensor) -> int:
        """The largest known divisor of a tensor's base address, in bytes; fresh memory is aligned."""
        argument, meta = self.arguments.get(storage_of(tensor)), tensor.meta_tensor
        value = argument.value if argument is not None else None
        item, offset = meta.element_size(), meta.storage_offset()
        if isinstance(value, torch.Tensor) and (address_of(value) or 0) % ALIGNMENT:
            return item
        return next(a for a in (16, 8, 4, 2, 1) if (isinstance(offset, int) and offset * item % a == 0) or a <= item)

    def attribute(self) -> ArrayAttr[ArrayAttr[MemoryAttr]] | None:
        """The `memory` of the kernel; None where every ref is memory of its own."""
        roots: dict[int, int] = {}
        views: dict[Hashable, int] = {}
        entries: list[ArrayAttr[MemoryAttr]] = []
        for arg in self.tracer.kernel_block.args:
            entry: list[MemoryAttr] = []
            for tensor in self.refs.get(arg, ()):
                root = self.root(tensor)
                view = views.setdefault((root, self._view(tensor)), len(views))
                entry.append(MemoryAttr(roots.setdefault(root, len(roots)), view))
            entries.append(ArrayAttr(entry))
        return ArrayAttr(entries) if len(roots) < sum(map(len, entries)) else None

    def _view(self, tensor: HostTensor) -> Hashable:
        """A key, equal for tensors of one storage that are the same tensor."""
        storage = storage_of(tensor)
        argument, layout = self.arguments.get(storage), _layout(tensor)
        whole = argument is not None and layout == _layout(argument.tensor)
        return (storage if storage in self._apart else None, None if whole else layout)

    # Arguments of one call

    def overlap_in_calls(self, kernel: KernelOp) -> None:
        """Note which arguments overlap in this call, where something is written; a guard checks it in other calls.

        One tensor given twice is one tensor of the kernel; then no iteration of a top-level loop may touch what
        another one writes, as they run in no order. Ops of unknown effects may order them: that is the user's.
        """
        every = accesses_of(kernel)
        accesses = [access for access in every if access.indices is not None]
        unordered = accesses if len(accesses) == len(every) else []
        touched = dict.fromkeys(each for access in accesses for each in self._arguments(access.memory))
        written = dict.fromkeys(e for access in accesses if access.writes for e in self._arguments(access.memory))
        for done, storage in enumerate(written):
            others = [each for each in touched if each != storage and each not in list(written)[:done]]
            if not others:
                continue
            one, rest = self.arguments[storage], [self.arguments[each] for each in others]
            self.tracer.guards[f"{OVERLAPS}({one.expr}, ({', '.join(each.expr for each in rest)},))"] = None
            for other in rest:
                self._meet(kernel, one, other, unordered)

    def _meet(self, kernel: KernelOp, one: Argument, other: Argument, unordered: Sequence[Access]) -> None:
        how = overlap(one.value, other.value)
        if how == DISJOINT:
            return
        self.join(one.tensor, other.tensor)
        kernel.memory = self.attribute()
        if how != SAME:
            self._apart |= {storage_of(one.tensor), storage_of(other.tensor)}
            kernel.memory = self.attribute()
        pair = {self.root(one.tensor)}

        def concerns(first: Access, second: Access) -> bool:
            return bool(self._roots(first.memory) & self._roots(second.memory) & pair)

        for grid in grids_of(kernel):
            if (found := race(unordered, grid, concerns)) is not None:
                write, read = found if found[0].writes else reversed(found)
                what = "are the same tensor" if how == SAME else "lie partly in the same memory"
                raise exc.InvalidAPIUsage(
                    f"the arguments {one.expr} and {other.expr} {what}: one iteration of the loop would write what "
                    f"another one uses{_line_of(read.op)}, and they run in no order",
                    hint=f"pass {other.expr}.clone()", location=exc.SourceLocation.of_op(write.op),
                )  # fmt: skip

    def _tensors(self, memory: Iterable[Location]) -> Iterator[HostTensor]:
        for root, element in memory:
            tensors = self.refs.get(root, ())
            yield from tensors if element is None else tensors[element : element + 1]

    def _arguments(self, memory: Iterable[Location]) -> list[int]:
        """The storages of the arguments that an access may touch."""
        storages = map(storage_of, self._tensors(memory))
        return [storage for storage in storages if storage in self.arguments]

    def _roots(self, memory: Iterable[Location]) -> set[int]:
        return {self.root(tensor) for tensor in self._tensors(memory)}

    # Top-level loops

    def check_loops(self, kernel: KernelOp) -> None:
        """Refuse a loop whose iterations race; without `auto_barrier`, also one that depends on an earlier loop with no
        `hl.barrier()` between. Raises `LoopDependencyError` at its line."""
        self._check_races(kernel)
        if self.tracer.options.auto_barrier:
            return
        for hazard in uncut(kernel):
            earlier, later = hazard.earlier, hazard.later
            names = [self._name(access) for access in (later, earlier)]
            name = names[0] if names[0] == names[1] else f"{names[0]} ({names[1]} there)"
            raise exc.LoopDependencyError(
                f"this loop {_verb(later)} {name}{_line_of(later.op)}, which an earlier one {_verb(earlier)}"
                f"{_line_of(earlier.op)}: the programs of both run in no order, and auto_barrier=False leaves the "
                "barrier between them to you",
                hint="write hl.barrier() between the loops", location=exc.SourceLocation.of_op(hazard.at),
            )  # fmt: skip

    def _check_races(self, kernel: KernelOp) -> None:
        """Refuse a loop one iteration of which surely reads what another one writes; ops of unknown effects may order
        them."""
        accesses = accesses_of(kernel)
        if any(access.indices is None for access in accesses):
            return
        for grid in grids_of(kernel):
            if (found := sure_race(kernel, accesses, grid)) is not None:
                store, load = found
                name = self._name(store)
                raise exc.InvalidAPIUsage(
                    f"one iteration of the loop would write what another one reads of {name}{_line_of(load.op)}, and "
                    "they run in no order",
                    hint=f"read {name}.clone(), made in host code", location=exc.SourceLocation.of_op(store.op),
                )  # fmt: skip

    def _name(self, access: Access) -> str:
        return next((root.name_hint for root, _ in access.memory if root.name_hint), None) or "memory"


def _verb(access: Access) -> str:
    if access.indices is None:
        return "may touch"
    return "writes" if access.writes else "reads"


def _layout(tensor: HostTensor) -> Hashable:
    meta = tensor.meta_tensor
    return (str(meta.dtype), *[str(part) for part in (meta.storage_offset(), *meta.size(), None, *meta.stride())])


def _line_of(op: Operation) -> str:
    place = exc.SourceLocation.of_op(op)
    return "" if place is None else f" (line {place.line})"


def storage_of(tensor: HostTensor) -> int:
    """The storage of a tensor as a number, unique while a tensor of that storage lives."""
    return tensor.meta_tensor.untyped_storage()._cdata
