"""Dialect `symm_mem`: programs on several ranks meet and order their accesses to peers' buffers.

Signal pads are integer memory that every rank can reach. All ops here order memory, so each reads and writes
everything: no access moves across one, and none is ever deleted or merged. `hl.signal` and `hl.wait` are atomics
of `tile`.
"""

from __future__ import annotations

from xdsl.dialects.builtin import BoolAttr, UnitAttr, i64
from xdsl.ir import Dialect, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)

from .effects import OrdersMemory, UnknownEffects
from .quick import quicken
from .tile.types import IndexInt


def _bool(value: bool | None) -> BoolAttr | None:
    return None if value is None else BoolAttr.from_bool(value)


class _SyncOrder(OrdersMemory):
    """A sync orders memory on both sides unless a flag says otherwise."""

    @classmethod
    def releases(cls, op: Operation) -> bool:
        assert isinstance(op, SyncOp)
        return op.has_previous is None or bool(op.has_previous)

    @classmethod
    def acquires(cls, op: Operation) -> bool:
        assert isinstance(op, SyncOp)
        return op.has_subsequent is None or bool(op.has_subsequent)


@irdl_op_definition
class SyncOp(IRDLOperation):
    """The programs with the same id on every rank meet (`hl.symm_mem_sync`).

    ```mlir
    symm_mem.sync %pads id %id rank %rank of %world_size {hasPreviousMemAccess = true} : !tile.ref<…>, i32, i32, i32
    ```
    Without an id, the flat program id. `hasPreviousMemAccess`: what this rank accessed before is visible to peers
    afterwards (release); `hasSubsequentMemAccess`: what peers released is visible to this rank (acquire). One that
    is left out is true. Only the threads that signal order memory: insert-barriers orders the others with them.
    Effects: reads and writes everything.
    """

    name = "symm_mem.sync"

    pads = operand_def()
    sync_id = opt_operand_def(IndexInt)
    rank = operand_def(IndexInt)
    world_size = operand_def(IndexInt)
    has_previous = opt_prop_def(BoolAttr, prop_name="hasPreviousMemAccess")
    has_subsequent = opt_prop_def(BoolAttr, prop_name="hasSubsequentMemAccess")

    traits = traits_def(UnknownEffects(), _SyncOrder())
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$pads (`id` $sync_id^ `:` type($sync_id))? `rank` $rank `of` $world_size attr-dict "
        "`:` type($pads) `,` type($rank) `,` type($world_size)"
    )

    def __init__(
        self,
        pads: SSAValue,
        sync_id: SSAValue | None,
        rank: SSAValue,
        world_size: SSAValue,
        *,
        has_previous: bool | None = None,
        has_subsequent: bool | None = None,
    ):
        super().__init__(
            operands=[pads, sync_id, rank, world_size],
            properties={
                "hasPreviousMemAccess": _bool(has_previous),
                "hasSubsequentMemAccess": _bool(has_subsequent),
            },
        )


@irdl_op_definition
class SlotsOp(IRDLOperation):
    """Where each thread of the program meets its peer: what `symm_mem.sync` becomes in `tl`, with `symm_mem.meet`.

    ```mlir
    %theirs, %ours = symm_mem.slots %pads, %id, %rank, %world_size : !tl.ptr<i64>, i32, i32, i32
    ```
    In thread p < world_size, the addresses of two slots: where it signals rank p, and where rank p signals; else 0.
    Slot `id * world_size + p` of a pad, of 32 bits, is where rank p signals the pad's owner.
    Effects: reads and writes everything.
    """

    name = "symm_mem.slots"

    pads = operand_def()
    sync_id = operand_def(IndexInt)
    rank = operand_def(IndexInt)
    world_size = operand_def(IndexInt)
    theirs = result_def(i64)
    ours = result_def(i64)

    traits = traits_def(UnknownEffects())
    assembly_format = (
        "$pads `,` $sync_id `,` $rank `,` $world_size attr-dict "
        "`:` type($pads) `,` type($sync_id) `,` type($rank) `,` type($world_size)"
    )

    def __init__(self, pads: SSAValue, sync_id: SSAValue, rank: SSAValue, world_size: SSAValue):
        super().__init__(operands=[pads, sync_id, rank, world_size], result_types=[i64, i64])


@irdl_op_definition
class MeetOp(IRDLOperation):
    """The programs whose slots these are meet; all slots are 0 before and after.

    ```mlir
    symm_mem.meet release acquire %theirs, %ours
    ```
    A thread with slots adds 1 to its slot at the peer, and takes 1 from the peer's slot here once there is one.
    Effects: reads and writes everything.
    """

    name = "symm_mem.meet"

    theirs = operand_def(i64)
    ours = operand_def(i64)
    release = opt_prop_def(UnitAttr)
    acquire = opt_prop_def(UnitAttr)

    traits = traits_def(UnknownEffects())
    assembly_format = "(`release` $release^)? (`acquire` $acquire^)? $theirs `,` $ours attr-dict"

    def __init__(self, theirs: SSAValue, ours: SSAValue, *, release: bool, acquire: bool):
        flags = {"release": UnitAttr() if release else None, "acquire": UnitAttr() if acquire else None}
        super().__init__(operands=[theirs, ours], properties=flags)


SymmMem = Dialect("symm_mem", [SyncOp, SlotsOp, MeetOp])
quicken(SymmMem.operations)

__all__ = ["MeetOp", "SlotsOp", "SymmMem", "SyncOp"]
