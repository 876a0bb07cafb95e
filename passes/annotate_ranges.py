"""annotate-ranges: the options of `tl.range` for device loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr

from ..dialects.attributes import int_attr
from ..dialects.inline_triton import is_static_loop
from ..dialects.settings import setting
from ..dialects.targets import TARGETS, target_of
from ..dialects.tile import DotOp, ForOp, GridOp, KernelOp, LoopBase
from .fragments import EnumFragment, IntegerFragment
from .number_sites import loop_sites
from .schedule import Fragments, Key, Option, SchedulePass, kernels

ATTRIBUTES: dict[str, tuple[str, Option]] = {
    "range_num_stages": ("num_stages", 0),
    "range_unroll_factors": ("unroll_factor", 0),
    "range_multi_buffers": ("multi_buffer", "none"),
    "range_flattens": ("flatten", "none"),
    "range_warp_specializes": ("warp_specialize", "none"),
}
"""Key → attribute of the loop, and the entry that leaves it out."""


@dataclass(frozen=True)
class AnnotateRangesPass(SchedulePass):
    """Set `num_stages`, `unroll_factor`, `multi_buffer`, `flatten`, `warp_specialize` on grids and loops.

    One entry for each grid (it means the loop of a persistent kernel), then, in program order, one for each
    dimension of each inner loop; a loop of several dimensions takes those of its innermost one. Loops that a pass
    made have no entry, nor have static ones, as `tl.static_range` takes no options.
    """

    name = "annotate-ranges"
    keys: ClassVar = tuple(Key(key, idle=idle) for key, (_, idle) in ATTRIBUTES.items())

    range_num_stages: tuple[int, ...] = ()
    range_unroll_factors: tuple[int, ...] = ()
    range_multi_buffers: tuple[bool | str, ...] = ()
    range_flattens: tuple[bool | str, ...] = ()
    range_warp_specializes: tuple[bool | str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Warp specialization is legal everywhere, and proposed where the target is made for it and the user allows it:
        for the loops that set-launch-options leaves it on under some config."""
        sites = [(kernel, loops) for kernel in kernels(module) for loops in range_sites(kernel)]
        count = len(sites)
        if not count:
            return {}
        flag = EnumFragment((None, True, False))
        specialized = [
            EnumFragment((None, True, False) if may_specialize(kernel, loops) else (None,), also_legal=(True, False))
            for kernel, loops in sites
        ]
        return {
            "range_num_stages": [IntegerFragment(0, 8, 0)] * count,
            "range_unroll_factors": [IntegerFragment(0, 4, 0, max_legal=8)] * count,
            "range_multi_buffers": [flag] * count,
            "range_flattens": [flag] * count,
            "range_warp_specializes": list(specialized),
        }

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not any(getattr(self, key) for key in ATTRIBUTES):
            return
        sites = [loops for kernel in kernels(op) for loops in range_sites(kernel)]
        for key, (attribute, idle) in ATTRIBUTES.items():
            options: tuple[Option, ...] = getattr(self, key)
            for number, loops in enumerate(sites):
                if number < len(options) and str(options[number]) != str(idle):
                    for loop in loops:
                        loop.attributes[attribute] = int_attr(int(options[number]))
        for kernel in kernels(op):
            if any(str(option) == "True" for option in self.range_warp_specializes):
                kernel.attributes["warp_specialize"] = UnitAttr()  # set-launch-options looks at these loops again


def range_sites(kernel: KernelOp) -> Iterator[Sequence[LoopBase]]:
    """The loops of each entry: grids have one entry, inner loops one a dimension, static ones none.

    A loop that was unrolled keeps its entry, which then steers nothing; copies of a loop share its entries.
    """
    for loops in loop_sites(kernel):
        if not loops:
            yield loops
        elif not is_static_loop(loops[0]):
            yield from [loops] * (1 if isinstance(loops[0], GridOp) else len(loops[0].begins))


def may_specialize(kernel: KernelOp, loops: Sequence[LoopBase]) -> bool:
    """Whether specialized warps are worth a try for an entry: an inner loop with products, on a target made for it."""
    if setting(kernel, "no_warp_specialize") or not TARGETS[target_of(kernel)].specializes_warps:
        return False
    return any(isinstance(loop, ForOp) and any(isinstance(op, DotOp) for op in loop.body.block.ops) for loop in loops)
