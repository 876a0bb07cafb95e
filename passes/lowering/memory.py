"""Loads, stores and atomics."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import dims_of, element_of
from ...dialects.value import SelectOp
from ..analysis.hazards import is_persistent
from ..construction import descriptor_load_op, load_op, store_op
from . import accesses
from .context import Lowering, pointer_type
from .registry import row


@row(tile.AddressSpaceOp)
def lower_address_space(low: Lowering, op: tile.AddressSpaceOp) -> Sequence[SSAValue]:
    return (low.emit.op(tl.AddressZeroOp, (), pointer_type(op.result.type)).result,)


@row(tile.LoadOp)
def lower_load(low: Lowering, op: tile.LoadOp) -> Sequence[SSAValue]:
    if op.indexing is not None and op.indexing.data == "tensor_descriptor":
        desc, offsets = accesses.descriptor(low, op)
        return low.emit.effect_op(descriptor_load_op, (desc, *offsets)).results
    where = accesses.address(low, op)
    other = low.value(op.other) if op.other is not None and where.mask is not None else None
    operands = (low.value(op.ref), where.offset, where.mask, other)
    return low.emit.effect_op(load_op, operands, op.eviction_policy, op.cache_modifier).results


@row(tile.StoreOp)
def lower_store(low: Lowering, op: tile.StoreOp) -> Sequence[SSAValue]:
    value = low.value(op.value)
    if op.indexing is not None and op.indexing.data == "tensor_descriptor":
        desc, offsets = accesses.descriptor(low, op)
        low.emit.effect(tl.DescriptorStoreOp(desc, offsets, value))
        return ()
    where = accesses.address(low, op)
    low.emit.effect_op(store_op, (low.value(op.ref), where.offset, where.mask, value), op.cache_modifier)
    return ()


@row(tile.AtomicRMWOp)
def lower_atomic_rmw(low: Lowering, op: tile.AtomicRMWOp) -> Sequence[SSAValue]:
    if op.indexing is not None and op.indexing.data == "tensor_descriptor":
        desc, offsets = accesses.descriptor(low, op)
        low.emit.effect(tl.DescriptorReduceOp(op.kind.data, desc, offsets, low.value(op.value)))
        return ()
    where, value = accesses.address(low, op), low.value(op.value)
    atomic = tl.AtomicRMWOp(op.kind.data, op.sem.data, low.value(op.ref), where.offset, value, where.mask, op.scope)
    return low.emit.effect(atomic).results


@row(tile.AtomicCASOp)
def lower_atomic_cas(low: Lowering, op: tile.AtomicCASOp) -> Sequence[SSAValue]:
    """`tl` has no mask here: lanes past the end store what they expect at the ref's begin, which changes nothing."""
    where = accesses.address(low, op)
    expected, value = low.value(op.expected), low.value(op.value)
    if where.mask is not None:
        value = low.emit.op(SelectOp, (where.mask, value, expected)).result
    offset = _inside(low, where)
    return low.emit.effect(tl.AtomicCASOp(op.sem.data, low.value(op.ref), offset, expected, value)).results


@row(tile.AtomicWaitOp)
def lower_atomic_wait(low: Lowering, op: tile.AtomicWaitOp) -> Sequence[SSAValue]:
    where = accesses.address(low, op)
    update = None if op.update is None else low.value(op.update)
    offset = where.offset if update is None else _inside(low, where)
    scope = "gpu" if op.scope is None else op.scope.data
    wait = tl.AtomicWaitOp(op.sem.data, scope, low.value(op.ref), offset, low.value(op.expected), update, where.mask)
    low.emit.effect(wait)
    return ()


def _inside(low: Lowering, where: accesses.Address) -> SSAValue:
    """The offset of an access; the ref's begin in lanes outside of its mask."""
    if where.mask is None:
        return where.offset
    begin = low.emit.broadcast(low.emit.constant(0, element_of(where.offset)), dims_of(where.offset))
    return low.emit.op(SelectOp, (where.mask, where.offset, begin)).result


@row(tl.PdlWaitOp)
def lower_pdl_wait(low: Lowering, op: tl.PdlWaitOp) -> Sequence[SSAValue]:
    """A persistent program has waited before its first tile."""
    grid = op.parent_op()
    if not isinstance(grid, tile.GridOp) or not is_persistent(grid):
        low.emit.effect_op(tl.PdlWaitOp, ())
    return ()
