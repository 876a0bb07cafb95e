"""assign-indexing: loads, stores and atomics by pointers or by tensor descriptors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr

from ..dialects.quick import ops_in
from ..dialects.tile import AccessBase, KernelOp, LoadOp, StoreOp
from .analysis.descriptors import Descriptors
from .fragments import EnumFragment, Fragment
from .number_sites import site_counts
from .schedule import Fragments, Key, SchedulePass, at_site, kernels, site_of

POINTER, DESCRIPTOR = "pointer", "tensor_descriptor"
LEGAL = (POINTER, "block_ptr", DESCRIPTOR)


@dataclass(frozen=True)
class AssignIndexingPass(SchedulePass):
    """Set `indexing` on each access: `tensor_descriptor` where that is wanted and legal, else `pointer`.

    `indexing` has one entry per load as the program was written, then one per store; `atomic_indexing` has one per
    atomic, of which descriptors do those without a result. They are preferences: what
    `analysis.descriptors` refuses uses pointers, and so does `block_ptr`, which no longer exists.
    """

    name = "assign-indexing"
    keys: ClassVar = (
        Key("indexing", length="resize", idle="pointer"),
        Key("atomic_indexing", length="resize", idle="pointer"),
    )

    indexing: tuple[str, ...] = ()
    atomic_indexing: tuple[str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Descriptors are proposed for the sites where some config could use them."""
        found: Fragments = {key.name: [] for key in cls.keys}
        for kernel in kernels(module):
            descriptors = Descriptors(kernel, assigned=False)
            able = {(key, n) for key, n, op in accesses(kernel) if descriptors.refusal(op) is None}
            for key, count in _counts(kernel).items():
                found[key] += [_fragment((key, number) in able) for number in range(count)]
        return {key: fragments for key, fragments in found.items() if fragments}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        first = Counter[str]()
        options = {"indexing": self.indexing, "atomic_indexing": self.atomic_indexing}
        for kernel in kernels(op):
            descriptors = Descriptors(kernel, assigned=True)  # looks at the kernel when it is first asked
            for key, number, access in accesses(kernel):
                wanted = at_site(options[key], first[key] + number, POINTER) == DESCRIPTOR
                honoured = wanted and descriptors.refusal(access) is None
                access.indexing = StringAttr(DESCRIPTOR if honoured else POINTER)
            first.update(_counts(kernel))


def _fragment(able: bool) -> Fragment:
    choices = (POINTER, DESCRIPTOR) if able else (POINTER,)
    return EnumFragment(choices, also_legal=tuple(value for value in LEGAL if value not in choices))


def _counts(kernel: KernelOp) -> dict[str, int]:
    """How many entries of each key are a kernel's."""
    counts = site_counts(kernel)
    return {"indexing": counts["load"] + counts["store"], "atomic_indexing": counts["atomic"]}


def accesses(kernel: KernelOp) -> Iterator[tuple[str, int, AccessBase]]:
    """The accesses that are sites, each with its key, and its number in that."""
    loads = site_counts(kernel)["load"]
    for op in ops_in(kernel):
        if isinstance(op, AccessBase) and (site := site_of(op)) is not None:
            key = "indexing" if isinstance(op, LoadOp | StoreOp) else "atomic_indexing"
            yield key, loads + site if isinstance(op, StoreOp) else site, op
