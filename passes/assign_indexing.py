"""assign-indexing: loads and stores by pointers or by tensor descriptors."""

from __future__ import annotations

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
    """Set `indexing` on each load and store: `tensor_descriptor` where that is wanted and legal, else `pointer`.

    `indexing` has one entry per load as the program was written, then one per store. It is a preference: what
    `analysis.descriptors` refuses uses pointers, and so does `block_ptr`, which no longer exists.
    """

    name = "assign-indexing"
    keys: ClassVar = (Key("indexing", length="resize", idle="pointer"),)

    indexing: tuple[str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Descriptors are proposed for the sites where some config could use them."""
        fragments: list[Fragment] = []
        for kernel in kernels(module):
            descriptors = Descriptors(kernel, assigned=False)
            able = {number for number, op in accesses(kernel) if descriptors.refusal(op) is None}
            counts = site_counts(kernel)
            for number in range(counts["load"] + counts["store"]):
                choices = (POINTER, DESCRIPTOR) if number in able else (POINTER,)
                fragments.append(EnumFragment(choices, also_legal=tuple(v for v in LEGAL if v not in choices)))
        return {"indexing": fragments} if fragments else {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        first = 0
        for kernel in kernels(op):
            descriptors = Descriptors(kernel, assigned=True)  # looks at the kernel when it is first asked
            for number, access in accesses(kernel):
                wanted = at_site(self.indexing, first + number, POINTER) == DESCRIPTOR
                honoured = wanted and descriptors.refusal(access) is None
                access.indexing = StringAttr(DESCRIPTOR if honoured else POINTER)
            counts = site_counts(kernel)
            first += counts["load"] + counts["store"]


def accesses(kernel: KernelOp) -> Iterator[tuple[int, AccessBase]]:
    """The loads and stores with their number in `indexing`."""
    loads = site_counts(kernel)["load"]
    for op in ops_in(kernel):
        if (type(op) is LoadOp or type(op) is StoreOp) and (site := site_of(op)) is not None:
            yield (site if isinstance(op, LoadOp) else loads + site), op
