"""Rows of the printer's table for loads, stores, atomics and descriptors."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr, i32
from xdsl.ir import Operation, SSAValue

from ...dialects import tl
from ...dialects.dims import element_of
from .expressions import (
    Expr,
    Precedence,
    PrinterContext,
    Row,
    as_unsigned,
    binary,
    call,
    cast,
    dtype,
    integer_of,
    is_scalar,
    is_unsigned_ptr,
    shape,
)


def address(context: PrinterContext, ptr: SSAValue, offset: SSAValue) -> Expr:
    if integer_of(offset) == 0:
        return context.expr(ptr)
    return binary("+", Precedence.ADD, context.expr(ptr), context.expr(offset))


def _keywords(**attributes: StringAttr | None) -> list[str]:
    return [f'{name}="{value.data}"' for name, value in attributes.items() if value is not None]


def _signed(ptr: SSAValue, loaded: Expr, value: SSAValue) -> Expr:
    """A loaded value, as the signless value of the IR."""
    return cast(loaded, dtype(element_of(value)), bitcast=True) if is_unsigned_ptr(ptr.type) else loaded


def stored(context: PrinterContext, ptr: SSAValue, value: SSAValue) -> Expr:
    """A value of the IR in the type of the memory that it is stored to."""
    return as_unsigned(context, value) if is_unsigned_ptr(ptr.type) else context.expr(value)


def _load(context: PrinterContext, op: tl.LoadOp) -> Expr:
    args: list[Expr | str] = [address(context, op.ptr, op.offset)]
    if op.mask is not None:
        args.append(context.expr(op.mask))
        if op.other is not None:
            args.append(f"other={stored(context, op.ptr, op.other).text}")
    args += _keywords(eviction_policy=op.eviction_policy, cache_modifier=op.cache_modifier)
    return _signed(op.ptr, call("tl.load", *args), op.result)


def _store(context: PrinterContext, op: tl.StoreOp) -> Expr:
    args: list[Expr | str] = [address(context, op.ptr, op.offset), stored(context, op.ptr, op.value)]
    if op.mask is not None:
        args.append(context.expr(op.mask))
    return call("tl.store", *args, *_keywords(cache_modifier=op.cache_modifier))


def _atomic_rmw(context: PrinterContext, op: tl.AtomicRMWOp) -> Expr:
    args: list[Expr | str] = [address(context, op.ptr, op.offset), stored(context, op.ptr, op.value)]
    if op.mask is not None:
        args.append(f"mask={context.expr(op.mask).text}")
    return _signed(op.ptr, call(f"tl.atomic_{op.kind.data}", *args, *_keywords(sem=op.sem, scope=op.scope)), op.result)


def _atomic_cas(context: PrinterContext, op: tl.AtomicCASOp) -> Expr:
    values = (stored(context, op.ptr, value) for value in (op.expected, op.value))
    where = address(context, op.ptr, op.offset)
    return _signed(op.ptr, call("tl.atomic_cas", where, *values, *_keywords(sem=op.sem)), op.result)


def _addptr(context: PrinterContext, op: tl.AddPtrOp) -> Expr:
    return address(context, op.ptr, op.offset)


def _texts(context: PrinterContext, values: Sequence[SSAValue], *, narrow: bool = False) -> str:
    """Operands as a list; `narrow`: as int32, the type of coordinates and extents in a descriptor."""
    items = []
    for value in values:
        wide = narrow and value.type != i32 and integer_of(value) is None
        text = context.expr(value)
        items.append(cast(text, "tl.int32", scalar=is_scalar(value)) if wide else text)
    return f"[{', '.join(item.text for item in items)}]"


def _make_descriptor(context: PrinterContext, op: tl.MakeTensorDescriptorOp) -> Expr:
    """A descriptor of unsigned elements describes them as the signless values of the IR."""
    assert isinstance(op.result.type, tl.TensorDescType)
    ptr = context.expr(op.ptr)
    if is_unsigned_ptr(op.ptr.type):
        ptr = cast(ptr, f"tl.pointer_type({dtype(op.result.type.element_type)})", bitcast=True)
    block = shape(op.result.type.block.as_tuple())
    extents = _texts(context, op.shape, narrow=True)
    return call("tl.make_tensor_descriptor", ptr, extents, _texts(context, op.strides), block)


def _descriptor_load(context: PrinterContext, op: tl.DescriptorLoadOp) -> Expr:
    return Expr(f"{context.expr(op.desc).text}.load({_texts(context, op.offsets, narrow=True)})")


def _descriptor_store(context: PrinterContext, op: tl.DescriptorStoreOp) -> Expr:
    offsets = _texts(context, op.offsets, narrow=True)
    return Expr(f"{context.expr(op.desc).text}.store({offsets}, {context.expr(op.value).text})")


def _address_zero(context: PrinterContext, op: tl.AddressZeroOp) -> Expr:
    assert isinstance(op.result.type, tl.PtrType)
    return Expr(f"tl.cast(0, tl.int64).to(tl.pointer_type({dtype(op.result.type.element_type)}))")


def _descriptor_reduce(context: PrinterContext, op: tl.DescriptorReduceOp) -> Expr:
    offsets, value = _texts(context, op.offsets, narrow=True), context.expr(op.value).text
    return Expr(f"{context.expr(op.desc).text}.atomic_{op.kind.data}({offsets}, {value})")


MEMORY: dict[type[Operation], Row] = {
    tl.AddressZeroOp: _address_zero,
    tl.LoadOp: _load,
    tl.StoreOp: _store,
    tl.AtomicRMWOp: _atomic_rmw,
    tl.AtomicCASOp: _atomic_cas,
    tl.AddPtrOp: _addptr,
    tl.MakeTensorDescriptorOp: _make_descriptor,
    tl.DescriptorLoadOp: _descriptor_load,
    tl.DescriptorStoreOp: _descriptor_store,
    tl.DescriptorReduceOp: _descriptor_reduce,
}
