"""`symm_mem.sync` in two steps: the slots are found early and once, the meeting is where the sync was."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import symm_mem, tl
from ...dialects.effects import OrdersMemory
from ...dialects.tile import grids_of
from .context import Lowering
from .programs import ProgramMapping, program_ids
from .registry import row


@row(symm_mem.SyncOp)
def lower_sync(low: Lowering, op: symm_mem.SyncOp) -> Sequence[SSAValue]:
    pads = low.value(op.pads)
    if not isinstance(pads.type, tl.PtrType) or not _is_wide(pads.type):
        raise PassFailedException(
            f"convert-tile-to-tl: symm_mem.sync takes a tensor of 64-bit addresses, one a rank, got {op.pads.type}"
        )
    sync_id = _flat_program_id(low) if op.sync_id is None else low.value(op.sync_id)
    slots = low.emit.op_behind_operands(symm_mem.SlotsOp, (pads, sync_id, low.value(op.rank), low.value(op.world_size)))
    for slot, name in zip(slots.results, ("theirs", "ours"), strict=True):
        slot.name_hint = name
    (order,) = op.get_traits_of_type(OrdersMemory)
    low.emit.effect(symm_mem.MeetOp(*slots.results, release=order.releases(op), acquire=order.acquires(op)))
    return ()


def _is_wide(type_: tl.PtrType) -> bool:
    return isinstance(type_.element_type, IntegerType) and type_.element_type.width.data == 64


def _flat_program_id(low: Lowering) -> SSAValue:
    """The number of the program in the launch grid, over all of its dimensions."""
    grids = grids_of(low.signature.kernel)
    dims = len(grids[0].begins) if ProgramMapping.of(grids[0]).pid_type == "xyz" and len(grids) == 1 else 1
    flat, *inner = reversed(program_ids(low.emit, dims))
    stride: SSAValue | None = None
    for axis, pid in enumerate(inner):
        size = low.emit.op(tl.NumProgramsOp, (), axis).result
        stride = size if stride is None else low.emit.binary(arith.MuliOp, stride, size)
        flat = low.emit.add(flat, low.emit.binary(arith.MuliOp, pid, stride))
    return low.emit.cast_int(flat, i32)
