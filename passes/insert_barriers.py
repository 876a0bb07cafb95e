"""insert-barriers: the threads of a program meet where they depend on each other through memory."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from ..dialects.tl import DebugBarrierOp
from .analysis.hazards import Hazards
from .schedule import kernels


@dataclass(frozen=True)
class InsertBarriersPass(ModulePass):
    """Put `tl.debug_barrier` before each access that a hazard needs one before, and before loops that begin with one.

    `analysis.hazards` says which. The back edges of loops count, those of persistent grids too.

    ```mlir
    tile.store %v, %own[%tile]                        tile.store %v, %own[%tile]
    symm_mem.sync %pads rank %r of %n             →   tl.debug_barrier
    tile.for static (%c0) to (%n) by <1> {            symm_mem.sync %pads rank %r of %n
      … tile.load %buf[%tile] …                       tl.debug_barrier
                                                      tile.for static (%c0) to (%n) by <1> {
    ```
    """

    name = "insert-barriers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in kernels(op):
            for access in Hazards(kernel).barriers:
                barrier = DebugBarrierOp()
                barrier.location = access.location
                Rewriter.insert_op(barrier, InsertPoint.before(access))
