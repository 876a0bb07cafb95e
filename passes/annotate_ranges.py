"""annotate-ranges: the options of `tl.range` for device loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp

from ..dialects.inline_triton import is_static_loop
from ..dialects.tile import GridOp, KernelOp, LoopBase
from .fragments import EnumFragment, IntegerFragment
from .number_sites import loop_sites
from .schedule import Fragments, Key, Option, SchedulePass, kernels

ATTRIBUTES: dict[str, tuple[str, Option]] = {
    "range_num_stages": ("num_stages", 0),
    "range_unroll_factors": ("unroll_factor", 0),
    "range_multi_buffers": ("multi_buffer", "none"),
    "range_flattens": ("flatten", "none"),
}
"""Key → attribute of the loop, and the entry that leaves it out."""
OWN_STAGES = "num_stages"
"""The attribute of a loop that does not have the stages of the launch."""


@dataclass(frozen=True)
class AnnotateRangesPass(SchedulePass):
    """Set `num_stages`, `unroll_factor`, `multi_buffer`, `flatten` on grids and loops.

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

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        count = sum(1 for kernel in kernels(module) for _ in range_sites(kernel))
        if not count:
            return {}
        flag = EnumFragment((None, True, False))
        return {
            "range_num_stages": [IntegerFragment(0, 8, 0)] * count,
            "range_unroll_factors": [IntegerFragment(0, 4, 0, max_legal=8)] * count,
            "range_multi_buffers": [flag] * count,
            "range_flattens": [flag] * count,
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
                        loop.attributes[attribute] = IntAttr(int(options[number]))


def range_sites(kernel: KernelOp) -> Iterator[Sequence[LoopBase]]:
    """The loops of each entry: grids have one entry, inner loops one a dimension, static ones none.

    A loop that was unrolled keeps its entry, which then steers nothing; copies of a loop share its entries.
    """
    for loops in loop_sites(kernel):
        if not loops:
            yield loops
        elif not is_static_loop(loops[0]):
            yield from [loops] * (1 if isinstance(loops[0], GridOp) else len(loops[0].begins))
