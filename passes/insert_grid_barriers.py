"""insert-grid-barriers: top-level loops of a kernel that depend on each other become phases with barriers between."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ..dialects.settings import setting
from ..dialects.tile import BarrierOp, GridOp, KernelOp
from .analysis.phases import Hazard, uncut
from .schedule import kernels


@dataclass(frozen=True)
class InsertGridBarriersPass(ModulePass):
    """Put the fewest `tile.barrier` that cut every hazard between top-level loops; drop those with no loop on a side.

    `analysis.phases` says where. The barriers of the user's stay and count. With the setting `auto_barrier=False` a
    hazard that they do not cut is an error.

    ```mlir
    tile.grid … { … tile.store %v, %buffer[%tile] … }        tile.grid … { … tile.store %v, %buffer[%tile] … }
    tile.grid … { … tile.load %buffer[%other] … }        →   tile.barrier
                                                             tile.grid … { … tile.load %buffer[%other] … }
    ```
    """

    name = "insert-grid-barriers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in kernels(op):
            _drop_idle(kernel)
            for hazard in uncut(kernel):
                if setting(kernel, "strict_barriers"):
                    raise PassFailedException(_refusal(hazard))
                barrier = BarrierOp()
                barrier.location = hazard.at.location
                Rewriter.insert_op(barrier, InsertPoint.before(hazard.at))


def _refusal(hazard: Hazard) -> str:
    return (
        f"insert-grid-barriers: {hazard.later.op.name} in a top-level loop depends on {hazard.earlier.op.name} in an "
        f"earlier one ({hazard.kind}), no barrier is between them, and auto_barrier=False leaves that to the user"
    )


def _drop_idle(kernel: KernelOp) -> None:
    """Drop barriers before the first loop, after the last one, and behind another barrier."""
    last: BarrierOp | None = None
    seen = False  # a loop since the last barrier that stays
    for op in list(kernel.body.block.ops):
        if isinstance(op, GridOp):
            seen, last = True, None
        elif isinstance(op, BarrierOp):
            if seen:
                seen, last = False, op
            else:
                Rewriter.erase_op(op)
    if last is not None:
        Rewriter.erase_op(last)
