"""annotate-ranges: the options of `tl.range` for device loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp

from ..dialects.tile import ForOp, GridOp, KernelOp
from ..dialects.walk import ops_in
from .fragments import EnumFragment, IntegerFragment
from .schedule import Fragments, Key, Option, SchedulePass, kernels, site_of

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
    made have no entry.
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
        """Warp specialization is legal everywhere, and proposed nowhere until targets are known here."""
        count = sum(sum(1 for _ in range_sites(kernel)) for kernel in kernels(module))
        if not count:
            return {}
        flag = EnumFragment((None, True, False))
        return {
            "range_num_stages": [IntegerFragment(0, 8, 0)] * count,
            "range_unroll_factors": [IntegerFragment(0, 8, 0)] * count,
            "range_multi_buffers": [flag] * count,
            "range_flattens": [flag] * count,
            "range_warp_specializes": [EnumFragment((None,), also_legal=(True, False))] * count,
        }

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not any(getattr(self, key) for key in ATTRIBUTES):
            return
        sites = [loop for kernel in kernels(op) for loop in range_sites(kernel)]
        for key, (attribute, idle) in ATTRIBUTES.items():
            options: tuple[Option, ...] = getattr(self, key)
            for number, loop in enumerate(sites):
                if number < len(options) and str(options[number]) != str(idle):
                    loop.attributes[attribute] = IntAttr(int(options[number]))


def range_sites(kernel: KernelOp) -> Iterator[GridOp | ForOp]:
    """The loop of each entry, as often as it has entries: grids once, inner loops once a dimension."""
    for op in ops_in(kernel):
        if op.regions and isinstance(op, GridOp | ForOp) and site_of(op) is not None:
            yield from [op] * (1 if isinstance(op, GridOp) else len(op.begins))
