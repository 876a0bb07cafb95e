"""Rows of the printer's table for waits on memory: calls of jit functions, which the emitted module defines."""

from __future__ import annotations

from xdsl.ir import Operation

from ...dialects import tl
from .expressions import Expr, PrinterContext, Row, call, is_scalar
from .memory_rows import address, stored

WAIT, WAIT_EACH = "_wait_for", "_wait_for_each"
WAIT_SOURCE = '''@triton.jit
def _wait_for(slot, expected, update, mask, SEM: tl.constexpr, SCOPE: tl.constexpr):
    """Wait until a slot holds what is expected, and put the update there in its place (None: leave it)."""
    if mask is None:
        waiting = tl.full([], 1, tl.int1)
    else:
        waiting = mask
    while waiting:
        if update is None:
            held = tl.atomic_add(slot, 0, sem=SEM, scope=SCOPE)
        else:
            held = tl.atomic_cas(slot, expected, update, sem=SEM, scope=SCOPE)
        waiting = held != expected
'''
WAIT_EACH_SOURCE = '''@triton.jit
def _wait_for_each(slots, expected, update, mask, SEM: tl.constexpr, SCOPE: tl.constexpr):
    """The same for each of several slots: one that has held what is expected of it is not looked at again."""
    if mask is None:
        waiting = tl.full(slots.shape, 1, tl.int1)
    else:
        waiting = mask
    while tl.max(waiting.to(tl.int32), None) > 0:
        if update is None:
            held = tl.atomic_add(slots, 0, mask=waiting, sem=SEM, scope=SCOPE)
        else:
            held = tl.atomic_cas(slots, tl.where(waiting, expected, update), update, sem=SEM, scope=SCOPE)
        waiting = waiting & (held != expected)
'''
"""Adding 0 is a load with an order, and Triton compiles it as one. A compare-and-swap knows no mask: in lanes that wait
for nothing it swaps the update for itself."""


def _wait(context: PrinterContext, op: tl.AtomicWaitOp) -> Expr:
    scalar = is_scalar(op.expected)
    name, source = (WAIT, WAIT_SOURCE) if scalar else (WAIT_EACH, WAIT_EACH_SOURCE)
    context.source(name, source.strip("\n"))
    update = "None" if op.update is None else stored(context, op.ptr, op.update)
    mask = "None" if op.mask is None else context.expr(op.mask)
    how = (f'SEM="{op.sem.data}"', f'SCOPE="{op.scope.data}"')
    return call(name, address(context, op.ptr, op.offset), stored(context, op.ptr, op.expected), update, mask, *how)


WAITS: dict[type[Operation], Row] = {tl.AtomicWaitOp: _wait}

__all__ = ["WAITS"]
