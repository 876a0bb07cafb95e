"""`symm_mem.sync` as the call of a jit function, which the emitted module defines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, StringAttr, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import symm_mem, tl
from ...dialects.effects import OrdersMemory
from ...dialects.inline_triton import CallOp
from ...dialects.tile import GridOp
from ..analysis.bounds import constant_value
from .context import Lowering
from .programs import Mapping, program_ids
from .registry import row

SLOTS, SYNC = "_symm_mem_slots", "_symm_mem_sync"
SLOTS_SOURCE = '''@triton.jit
def _symm_mem_slots(pads, sync_id, rank, world_size):
    """In thread p < world_size, the addresses of two slots: where it signals rank p, where rank p signals; else 0.

    pads[r] is the address of rank r's pad of 32-bit slots; slot sync_id * world_size + p of a pad is where rank p
    signals the pad's owner.
    """
    return tl.inline_asm_elementwise(
        asm="""{
            .reg .pred outside;
            .reg .u32 peer, slot;
            .reg .u64 theirs, ours;
            mov.u64 theirs, 0;
            mov.u64 ours, 0;
            mov.u32 peer, %tid.x;
            setp.ge.u32 outside, peer, $5;
            @outside bra done;
            mad.wide.u32 theirs, peer, 8, $2;
            ld.global.u64 theirs, [theirs];
            mad.wide.u32 ours, $4, 8, $2;
            ld.global.u64 ours, [ours];
            mad.lo.u32 slot, $3, $5, $4;
            mad.wide.u32 theirs, slot, 4, theirs;
            mad.lo.u32 slot, $3, $5, peer;
            mad.wide.u32 ours, slot, 4, ours;
        done:
            mov.u64 $0, theirs;
            mov.u64 $1, ours;
        }""",
        constraints="=l,=l,l,r,r,r",
        args=[pads.to(tl.uint64), tl.cast(sync_id, tl.int32), tl.cast(rank, tl.int32), tl.cast(world_size, tl.int32)],
        dtype=(tl.uint64, tl.uint64),
        is_pure=False,
        pack=1,
    )
'''
SYNC_SOURCE = '''@triton.jit
def _symm_mem_sync(theirs, ours, RELEASE: tl.constexpr, ACQUIRE: tl.constexpr):
    """Meet the programs of the same sync_id on every rank, by their slots; all slots are 0 before and after.

    A thread with slots adds 1 to its slot at a peer, and takes 1 from the peer's slot here once there is one. Threads
    before and after it are ordered by tl.debug_barrier only.
    """
    SEND: tl.constexpr = "release" if RELEASE else "relaxed"
    WAIT: tl.constexpr = "acquire" if ACQUIRE else "relaxed"
    tl.inline_asm_elementwise(
        asm=f"""{{
            .reg .pred met;
            .reg .u32 held, left, taken;
            setp.eq.u64 met, $1, 0;
            @met bra done;
            red.{SEND}.sys.global.add.u32 [$1], 1;
            mov.u32 held, 1;
        wait:
            sub.u32 left, held, 1;
            atom.{WAIT}.sys.global.cas.b32 taken, [$2], held, left;
            setp.eq.u32 met, taken, held;
            @met bra done;
            max.u32 held, taken, 1;
            bra wait;
        done:
            mov.u32 $0, 0;
        }}""",
        constraints="=r,l,l,~{memory}",
        args=[theirs, ours],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )
'''
"""The jit functions behind `symm_mem.sync`: one finds the slots, early and once; the other meets.

Each runs as one scalar instruction sequence, so every thread executes it once, whatever the layouts. A signal is an
addition, for which nobody waits to be answered, unlike a compare-and-swap from 0 to 1: a peer may be one meeting ahead,
then the slot holds 2. Taking it, by compare-and-swap, leaves the slot as it was, so that nothing need be cleared
between launches or replays of a graph. There are no barriers in it: insert-barriers puts them where threads of the
program depend on each other.
"""


@row(symm_mem.SyncOp)
def lower_sync(low: Lowering, op: symm_mem.SyncOp) -> Sequence[SSAValue]:
    pads = low.value(op.pads)
    if not isinstance(pads.type, tl.PtrType) or not _is_wide(pads.type):
        raise PassFailedException(
            f"convert-tile-to-tl: symm_mem.sync takes a tensor of 64-bit addresses, one a rank, got {op.pads.type}"
        )
    sync_id = _flat_program_id(low) if op.sync_id is None else low.value(op.sync_id)
    operands: list[SSAValue] = []
    texts: list[str] = []
    for value in (pads, sync_id, low.value(op.rank), low.value(op.world_size)):
        number = constant_value(value)
        texts.append(f"{{{len(operands)}}}" if number is None else str(number))
        operands += [value] if number is None else []
    arguments = ", ".join(texts)
    slots = low.emit.early(_slots, operands, arguments)
    for slot, name in zip(slots.results, ("theirs", "ours"), strict=True):
        slot.name_hint = name
    (order,) = op.get_traits_of_type(OrdersMemory)
    flags = f"{{0}}, {{1}}, RELEASE={order.releases(op)}, ACQUIRE={order.acquires(op)}"
    low.emit.effect(_call(SYNC, SYNC_SOURCE, slots.results, flags, []))
    return ()


def _slots(*operands_and_arguments: Any) -> CallOp:
    *operands, arguments = operands_and_arguments
    return _call(SLOTS, SLOTS_SOURCE, operands, arguments, [i64, i64])


def _call(name: str, source: str, operands: Sequence[SSAValue], arguments: str, types: Sequence[Attribute]) -> CallOp:
    """A call that compiles for NVIDIA's GPUs only."""
    call = CallOp(name, source, operands, types, arguments=arguments)
    call.attributes["requires"] = StringAttr("cuda")
    return call


def _is_wide(type_: tl.PtrType) -> bool:
    return isinstance(type_.element_type, IntegerType) and type_.element_type.width.data == 64


def _flat_program_id(low: Lowering) -> SSAValue:
    """The number of the program in the launch grid, over all of its dimensions."""
    grids = [grid for grid in low.signature.kernel.body.block.ops if isinstance(grid, GridOp)]
    dims = len(grids[0].begins) if Mapping.of(grids[0]).pid_type == "xyz" and len(grids) == 1 else 1
    flat, *inner = reversed(program_ids(low.emit, dims))
    stride: SSAValue | None = None
    for axis, pid in enumerate(inner):
        size = low.emit.op(tl.NumProgramsOp, (), axis).result
        stride = size if stride is None else low.emit.binary(arith.MuliOp, stride, size)
        flat = low.emit.add(flat, low.emit.binary(arith.MuliOp, pid, stride))
    return low.emit.cast_int(flat, i32)
