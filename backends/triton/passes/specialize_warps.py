"""specialize-warps: the option `warp_specialize` of loops, where Triton is known to make right programs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp

from ....dialects.dims import dims_of, substitute
from ....dialects.questions import asked
from ....dialects.settings import setting
from ....dialects.targets import target_of
from ....dialects.tile import DotOp, ForOp, KernelOp, LoadOp, LoopBase
from ....passes.annotate_ranges import OWN_STAGES, range_sites
from ....passes.assign_indexing import DESCRIPTOR
from ....passes.fragments import EnumFragment
from ....passes.schedule import Fragments, Key, SchedulePass, at_site, kernels
from ..targets import SPECIALIZING, WARP_SPECIALIZED

SPECIALIZE = "warp_specialize"


@dataclass(frozen=True)
class SpecializeWarpsPass(SchedulePass):
    """Set `warp_specialize` on grids and loops; entries are those of annotate-ranges.

    True is ignored where it is not known to be right. Precondition: launch options are set, accesses have their
    indexing.
    """

    name = "specialize-warps"
    keys: ClassVar = (Key("range_warp_specializes", idle="none"),)

    range_warp_specializes: tuple[bool | str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Legal everywhere, and proposed where the target is made for it and the user allows it: for the loops that
        keep it under some config."""
        fragments = [
            EnumFragment((None, True, False) if _may_specialize(kernel, loops) else (None,), also_legal=(True, False))
            for kernel in kernels(module)
            for loops in range_sites(kernel)
        ]
        return {"range_warp_specializes": list(fragments)} if fragments else {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not self.range_warp_specializes:
            return
        sites = [(kernel, loops) for kernel in kernels(op) for loops in range_sites(kernel)]
        for number, (kernel, loops) in enumerate(sites):
            if (wanted := at_site(self.range_warp_specializes, number)) is None:
                continue
            wanted = str(wanted) == "True"
            for loop in loops:
                loop.attributes.pop(SPECIALIZE, None)  # of another dimension of the loop
                if not wanted or _is_known(kernel, loop):
                    loop.attributes[SPECIALIZE] = IntAttr(int(wanted))


def _may_specialize(kernel: KernelOp, loops: Sequence[LoopBase]) -> bool:
    """Whether to try specialized warps for an entry: an inner loop with products, on a target that has them."""
    if setting(kernel, "no_warp_specialize") or target_of(kernel) not in SPECIALIZING:
        return False
    return any(isinstance(loop, ForOp) and any(isinstance(op, DotOp) for op in loop.body.block.ops) for loop in loops)


def _is_known(kernel: KernelOp, loop: LoopBase) -> bool:
    """Whether a loop is as `WARP_SPECIALIZED` says: every load through a descriptor, products of enough rows."""
    known, sizes = WARP_SPECIALIZED, kernel.block_size_values
    launch = _asked(kernel, "num_warps"), _asked(kernel, "num_stages")
    if launch != (known.num_warps, known.num_stages) or OWN_STAGES in loop.attributes:
        return False
    if setting(kernel, "no_warp_specialize") or not isinstance(loop, ForOp):
        return False
    inside = [inner for inner in loop.walk() if inner is not loop]
    dots = [inner for inner in inside if isinstance(inner, DotOp)]
    moved = all(_by_descriptor(inner) for inner in inside if isinstance(inner, LoadOp))
    rows = (substitute(dims_of(dot.lhs)[-2], sizes) for dot in dots)
    return bool(dots) and moved and all(count == known.rows for count in rows)


def _asked(kernel: KernelOp, option: str) -> int:
    """A launch option; configs that share the structure must agree on it."""
    value = kernel.options.data.get(option) if kernel.options is not None else None
    return asked(kernel, option, value.data if isinstance(value, IntAttr) else 0)


def _by_descriptor(load: LoadOp) -> bool:
    """Whether assign-indexing chose a descriptor for a load."""
    return load.indexing is not None and load.indexing.data == DESCRIPTOR
