"""`symm_mem.sync` as the call of a jit function, which the emitted module defines."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, StringAttr, i32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import symm_mem, tl
from ...dialects.effects import OrdersMemory
from ...dialects.inline_triton import CallOp
from ...dialects.tile import GridOp
from ..analysis.bounds import constant_value
from .context import Lowering
from .programs import Mapping, program_ids
from .registry import row

SYNC = "_symm_mem_sync"
SYNC_SOURCE = '''@triton.jit
def _symm_mem_sync(pads, sync_id, rank, world_size, RELEASE: tl.constexpr, ACQUIRE: tl.constexpr):
    """Meet the programs of the same sync_id on every rank; all slots are 0 before and after.

    pads[r] is the address of rank r's pad of 32-bit slots; slot sync_id * world_size + p of a pad is where rank p
    signals the pad's owner. Thread p < world_size sets its slot in rank p's pad once it is 0, and takes back rank p's
    signal from its own pad once it is there. Threads before and after it are ordered by tl.debug_barrier only.
    """
    SEND: tl.constexpr = "release" if RELEASE else "relaxed"
    WAIT: tl.constexpr = "acquire" if ACQUIRE else "relaxed"
    tl.inline_asm_elementwise(
        asm=f"""{{
            .reg .pred outside, met;
            .reg .u32 peer, first, slot, sent, taken;
            .reg .u64 theirs, ours;
            mov.u32 peer, %tid.x;
            setp.ge.u32 outside, peer, $4;
            @outside bra done;
            mad.wide.u32 theirs, peer, 8, $1;
            ld.global.u64 theirs, [theirs];
            mad.wide.u32 ours, $3, 8, $1;
            ld.global.u64 ours, [ours];
            mul.lo.u32 first, $2, $4;
            add.u32 slot, first, $3;
            mad.wide.u32 theirs, slot, 4, theirs;
            add.u32 slot, first, peer;
            mad.wide.u32 ours, slot, 4, ours;
            atom.{SEND}.sys.global.cas.b32 sent, [theirs], 0, 1;
            atom.{WAIT}.sys.global.cas.b32 taken, [ours], 1, 0;
        send:
            setp.eq.u32 met, sent, 0;
            @met bra wait;
            atom.{SEND}.sys.global.cas.b32 sent, [theirs], 0, 1;
            bra send;
        wait:
            setp.eq.u32 met, taken, 1;
            @met bra done;
            atom.{WAIT}.sys.global.cas.b32 taken, [ours], 1, 0;
            bra wait;
        done:
            mov.u32 $0, 0;
        }}""",
        constraints="=r,l,r,r,r,~{memory}",
        args=[pads.to(tl.uint64), tl.cast(sync_id, tl.int32), tl.cast(rank, tl.int32), tl.cast(world_size, tl.int32)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )
'''
"""The jit function behind `symm_mem.sync`.

It runs as one scalar instruction sequence, so every thread executes it once, whatever the layouts. Each CAS is
repeated until it succeeds: 0 → 1 on a peer's pad cannot overtake the peer that has not yet taken back the signal
before, and 1 → 0 on the own pad resets the slot, so that nothing need be cleared between launches or replays of a
graph. Both are tried at once: a peer's signal may be taken before the own one has arrived, as the peer sends no other
before it has. It has no barriers: insert-barriers puts them where threads of the program depend on each other.
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
    (order,) = op.get_traits_of_type(OrdersMemory)
    flags = f"RELEASE={order.releases(op)}, ACQUIRE={order.acquires(op)}"
    call = low.emit.effect(CallOp(SYNC, SYNC_SOURCE, operands, [], arguments=", ".join((*texts, flags))))
    call.attributes["requires"] = StringAttr("cuda")
    return ()


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
