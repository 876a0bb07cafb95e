"""Constructors as recipes call them (`dialects/quick.py`): operands first, in the order of the op's definition."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType, StringAttr
from xdsl.ir import SSAValue

from ..dialects import tl
from ..dialects.value import CompareOp


def compare_op(lhs: SSAValue, rhs: SSAValue, predicate: str) -> CompareOp:
    return CompareOp(predicate, lhs, rhs)


def integer_op(value: int, type_: IntegerType) -> arith.ConstantOp:
    return arith.ConstantOp(IntegerAttr(value, type_))


def reduce_op(value: SSAValue, kind: str, axis: int, ignore_nan: bool) -> tl.ReduceOp:
    return tl.ReduceOp(kind, value, axis, ignore_nan=ignore_nan)


def load_op(
    ptr: SSAValue,
    offset: SSAValue,
    mask: SSAValue | None,
    other: SSAValue | None,
    eviction_policy: StringAttr | None,
    cache_modifier: StringAttr | None,
) -> tl.LoadOp:
    return tl.LoadOp(ptr, offset, mask, other, eviction_policy=eviction_policy, cache_modifier=cache_modifier)


def store_op(
    ptr: SSAValue, offset: SSAValue, mask: SSAValue | None, value: SSAValue, cache_modifier: StringAttr | None
) -> tl.StoreOp:
    return tl.StoreOp(ptr, offset, value, mask, cache_modifier=cache_modifier)


def copy_op(*values: SSAValue) -> tl.CopyOp:
    return tl.CopyOp(values)


def launch_grid_op(*dims: SSAValue) -> tl.LaunchGridOp:
    return tl.LaunchGridOp(dims)


def descriptor_op(base: SSAValue, *extents: object) -> tl.MakeTensorDescriptorOp:
    """`extents` are the shape, as many strides, and the tuple of block dims."""
    *values, block = extents
    rank = len(values) // 2
    return tl.MakeTensorDescriptorOp(base, values[:rank], values[rank:], block)  # pyright: ignore[reportArgumentType]


def descriptor_load_op(desc: SSAValue, *offsets: SSAValue) -> tl.DescriptorLoadOp:
    return tl.DescriptorLoadOp(desc, offsets)
