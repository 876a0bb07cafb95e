"""Rows of the printer's table for `symm_mem`: calls of jit functions, which the emitted module defines."""

from __future__ import annotations

from xdsl.ir import Operation

from ...dialects import symm_mem
from .expressions import Expr, PrinterContext, Row, call

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
addition, whose result no thread waits for, unlike a compare-and-swap from 0 to 1: a peer may be one meeting ahead,
then the slot holds 2. Taking it, by compare-and-swap, leaves the slot as it was, so that nothing need be cleared
between launches or replays of a graph. There are no barriers in it: insert-barriers puts them where threads of the
program depend on each other.
"""


def _slots(context: PrinterContext, op: symm_mem.SlotsOp) -> Expr:
    context.source(SLOTS, SLOTS_SOURCE.strip("\n"))
    return call(SLOTS, *map(context.expr, op.operands))


def _meet(context: PrinterContext, op: symm_mem.MeetOp) -> Expr:
    context.source(SYNC, SYNC_SOURCE.strip("\n"))
    flags = (f"RELEASE={op.release is not None}", f"ACQUIRE={op.acquire is not None}")
    return call(SYNC, *map(context.expr, op.operands), *flags)


SYMM_MEM: dict[type[Operation], Row] = {symm_mem.SlotsOp: _slots, symm_mem.MeetOp: _meet}

REQUIRED = {symm_mem.SlotsOp: "cuda", symm_mem.MeetOp: "cuda"}
"""The platform that the text of an op compiles for; any, for others."""
