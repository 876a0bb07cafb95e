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
    signals the pad's owner. Thread p < world_size sets its slot in rank p's pad once it is 0, then waits for rank
    p's signal in its own pad and takes it back. Threads before and after it are ordered by tl.debug_barrier only.
    """
    SEND: tl.constexpr = "release" if RELEASE else "relaxed"
    WAIT: tl.constexpr = "acquire" if ACQUIRE else "relaxed"
    tl.inline_asm_elementwise(
        asm=f"""{{
            .reg .pred outside, again;
            .reg .u32 peer, first, slot, old;
            .reg .u64 pad, address;
            mov.u32 peer, %tid.x;
            setp.ge.u32 outside, peer, $4;
            @outside bra done;
            mul.lo.u32 first, $2, $4;
            mad.wide.u32 address, peer, 8, $1;
            ld.global.u64 pad, [address];
            add.u32 slot, first, $3;
            mad.wide.u32 address, slot, 4, pad;
        send:
            atom.{SEND}.sys.global.cas.b32 old, [address], 0, 1;
            setp.ne.u32 again, old, 0;
            @again bra send;
            mad.wide.u32 address, $3, 8, $1;
            ld.global.u64 pad, [address];
            add.u32 slot, first, peer;
            mad.wide.u32 address, slot, 4, pad;
        wait:
            atom.{WAIT}.sys.global.cas.b32 old, [address], 1, 0;
            setp.ne.u32 again, old, 1;
            @again bra wait;
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

It runs as one scalar instruction sequence, so every thread executes it once, whatever the layouts. Each CAS spins:
0 → 1 on a peer's pad cannot overtake the peer that has not yet taken back the signal before, and 1 → 0 on the own pad
resets the slot, so that nothing need be cleared between launches or replays of a graph. It has no barriers:
insert-barriers puts them where threads of the program depend on each other.
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
