"""set-launch-options: warps, pipeline stages and register limit of the launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp
from xdsl.ir import Operation

from ..dialects.attributes import int_attr
from ..dialects.dims import dims_of, substitute
from ..dialects.questions import asked
from ..dialects.settings import setting
from ..dialects.targets import WARP_SPECIALIZED
from ..dialects.tile import DotOp, ForOp, KernelOp, LoadOp
from ..dialects.walk import ops_in
from .analysis.op_mix import OpMix
from .assign_indexing import DESCRIPTOR
from .fragments import EnumFragment, Fragment, IntegerFragment, PowerOfTwoFragment
from .schedule import Fragments, Key, SchedulePass, kernels

_OTHER_LIMITS = tuple(range(24, 256, 8))


@dataclass(frozen=True)
class SetLaunchOptionsPass(SchedulePass):
    """Set `options = {num_warps, num_stages, maxnreg}` on each kernel; `maxnreg` is left out when unlimited.

    With warps and stages known, loops whose warps Triton cannot specialize lose the option `warp_specialize`.
    """

    name = "set-launch-options"
    keys: ClassVar = (
        Key("num_warps", scalar=True),
        Key("num_stages", scalar=True),
        Key("maxnreg", scalar=True, idle="none"),
    )

    num_warps: int = 4
    num_stages: int = 1
    maxnreg: int | None = None

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Defaults from the op mix: more warps for wide rows, stages for dots in a loop as far as memory goes."""
        mixes = [OpMix.of(kernel) for kernel in kernels(module)]
        warps = max((mix.default_warps for mix in mixes), default=4)
        stages = max((mix.default_stages for mix in mixes), default=1)
        space: dict[str, list[Fragment]] = {
            "num_warps": [PowerOfTwoFragment(1, 32, warps, max_size=32)],
            "num_stages": [IntegerFragment(1, 8, stages)],
            "maxnreg": [
                EnumFragment((None, 32, 64, 96, 128, 168, 255), also_legal=(24, 40, 48, 56, 80, 112, 160, 192, 232))
            ],
        }
        return space

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        options = {"num_warps": int_attr(self.num_warps), "num_stages": int_attr(self.num_stages)}
        if self.maxnreg is not None:
            options["maxnreg"] = int_attr(self.maxnreg)
        for kernel in kernels(op):
            kernel.options = DictionaryAttr(options)
            self._keep_proven_specialization(kernel)

    def _keep_proven_specialization(self, kernel: KernelOp) -> None:
        """Take `warp_specialize = True` off the loops where it is not known to be right, which ignores the option."""
        if kernel.attributes.pop(SPECIALIZE, None) is None:  # annotate-ranges says whether there is any
            return
        for op in ops_in(kernel):
            wanted = op.attributes.get(SPECIALIZE)
            if isinstance(wanted, IntAttr) and wanted.data and not self._specializes(kernel, op):
                del op.attributes[SPECIALIZE]

    def _specializes(self, kernel: KernelOp, loop: Operation) -> bool:
        """Whether a loop is as `WARP_SPECIALIZED` says: every load through a descriptor, products of enough rows."""
        known, sizes = WARP_SPECIALIZED, kernel.block_size_values
        launch = asked(kernel, "num_warps", self.num_warps), asked(kernel, "num_stages", self.num_stages)
        if launch != (known.num_warps, known.num_stages) or OWN_STAGES in loop.attributes:
            return False
        if setting(kernel, "no_warp_specialize") or not isinstance(loop, ForOp):
            return False
        inside = [inner for inner in loop.walk() if inner is not loop]
        dots = [inner for inner in inside if isinstance(inner, DotOp)]
        moved = all(by_descriptor(inner) for inner in inside if isinstance(inner, LoadOp))
        rows = (substitute(dims_of(dot.lhs)[-2], sizes) for dot in dots)
        return bool(dots) and moved and all(count == known.rows for count in rows)


SPECIALIZE = "warp_specialize"
OWN_STAGES = "num_stages"
"""Attributes of annotate-ranges; a loop with stages of its own is not one that is known."""


def by_descriptor(load: LoadOp) -> bool:
    """Whether assign-indexing chose a descriptor for a load."""
    return load.indexing is not None and load.indexing.data == DESCRIPTOR
