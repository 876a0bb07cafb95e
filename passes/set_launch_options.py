"""set-launch-options: warps, pipeline stages and register limit of the launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp

from .analysis.op_mix import OpMix
from .fragments import EnumFragment, Fragment, IntegerFragment, PowerOfTwoFragment
from .schedule import Fragments, Key, SchedulePass, kernels


@dataclass(frozen=True)
class SetLaunchOptionsPass(SchedulePass):
    """Set `options = {num_warps, num_stages, maxnreg}` on each kernel; `maxnreg` is left out when unlimited."""

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
        options = {"num_warps": IntAttr(self.num_warps), "num_stages": IntAttr(self.num_stages)}
        if self.maxnreg is not None:
            options["maxnreg"] = IntAttr(self.maxnreg)
        for kernel in kernels(op):
            kernel.options = DictionaryAttr(options)
