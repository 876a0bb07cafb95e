"""What Triton's front end does by itself with an operand: broadcast it, or give a bare constant its type.

A *weak* operand is a scalar constant or constexpr: printed bare, it takes its type from what it meets there,
and `int32`, `float32` or `int1` where nothing else has a type.
"""

from __future__ import annotations

import math as math_
import struct
from collections.abc import Callable

from xdsl.dialects import arith, math, scf
from xdsl.dialects.builtin import FloatAttr, f32, f64, i1, i32
from xdsl.ir import Operation, SSAValue, Use

from ....dialects import inline_triton, symm_mem, tl
from ....dialects.dims import Dim, dims_of, element_of
from ....dialects.value import BroadcastOp, CompareOp, LibdeviceOp, SelectOp, SplatOp

NATURAL = (i1, i32, f32)
"""The types that bare Python constants get."""

_WEAK = frozenset((arith.ConstantOp, tl.ConstexprOp))
_ACCESSES = frozenset((tl.LoadOp, tl.StoreOp, tl.AtomicRMWOp))

INFIX: tuple[type[Operation], ...] = (
    arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.DivSIOp, arith.DivUIOp, arith.RemSIOp, arith.RemUIOp,
    arith.AndIOp, arith.OrIOp, arith.XOrIOp, arith.ShLIOp, arith.ShRSIOp, arith.ShRUIOp,
    arith.AddfOp, arith.SubfOp, arith.MulfOp, arith.DivfOp,
    arith.CmpiOp, arith.CmpfOp, CompareOp, SelectOp, arith.SelectOp, tl.CdivOp,
)  # fmt: skip
"""Ops in which a bare constant takes exactly the other operand's type."""

FUNCTIONS: tuple[type[Operation], ...] = (
    arith.MaximumfOp, arith.MinimumfOp, arith.MaxnumfOp, arith.MinnumfOp,
    arith.MaxSIOp, arith.MinSIOp, arith.MaxUIOp, arith.MinUIOp,
    arith.FloorDivSIOp, arith.CeilDivSIOp, arith.CeilDivUIOp,
    math.PowFOp, math.Atan2Op, math.CopySignOp, math.FmaOp, math.FPowIOp, LibdeviceOp,
)  # fmt: skip
"""Calls of several operands: they broadcast, but a bare constant is of its natural type first."""

BROADCASTING = frozenset((*INFIX, *FUNCTIONS))


def is_weak(value: SSAValue) -> bool:
    """Whether `value` prints as a bare constant."""
    return type(value.owner) in _WEAK


def unbroadcast(value: SSAValue) -> SSAValue:
    """`value` without the broadcast that makes it."""
    owner = value.owner
    return owner.input if type(owner) is BroadcastOp or type(owner) is SplatOp else value


def broadcasts_itself(use: Use, value: SSAValue) -> bool:
    """Whether Triton would broadcast an operand, a `value.broadcast` or `value.splat`, to its user's full shape."""
    op = use.operation
    if type(op) in _ACCESSES:
        ptr, offset, *_ = op.operands
        fills = value is not ptr and value is not offset
        return fills and _adopts_type(op, use.index, unbroadcast(value))
    if type(op) not in BROADCASTING:
        return False
    joined = _joined_dims([dims_of(unbroadcast(operand)) for operand in op.operands])
    return joined == dims_of(op.results[0]) and _adopts_type(op, use.index, unbroadcast(value))


def _joined_dims(shapes: list[tuple[Dim, ...]]) -> tuple[Dim, ...]:
    rank = max(map(len, shapes))
    padded = [shape or (1,) * rank for shape in shapes]
    return tuple(next((dim for dim in column if dim != 1), 1) for column in zip(*padded, strict=True))


def accepts_bare(use: Use, value: SSAValue) -> bool:
    """Whether the weak operand `value` of `use` keeps its type when it prints as a bare constant there."""
    return _adopts_type(use.operation, use.index, value)


def _adopts_type(op: Operation, index: int, value: SSAValue) -> bool:
    if not is_weak(value):
        return True
    rule = _SINKS.get(type(op))
    if rule is not None:
        return rule(op, index, value)
    natural = value.type in NATURAL
    if type(op) in BROADCASTING:
        strong = any(
            i != index and element_of(operand) == value.type and not is_weak(unbroadcast(operand))
            for i, operand in enumerate(op.operands)
        )
        scalar_i32 = value.type == i32 and not dims_of(op.operands[index])
        return (strong and (natural or isinstance(op, INFIX))) or scalar_i32
    return False


def _any_type(op: Operation, index: int, value: SSAValue) -> bool:
    return True


def _natural(op: Operation, index: int, value: SSAValue) -> bool:
    return value.type in NATURAL


def _exact(op: Operation, index: int, value: SSAValue) -> bool:
    """The op casts the constant from its natural type, which must hold it exactly."""
    if not isinstance(value.owner, arith.ConstantOp) or value.type != f64:
        return True
    assert isinstance(value.owner.value, FloatAttr)
    data = value.owner.value.value.data
    if math_.isnan(data) or math_.isinf(data):
        return True
    return abs(data) < 3e38 and struct.unpack("f", struct.pack("f", data))[0] == data


def _beside_typed(op: Operation, index: int, value: SSAValue) -> bool:
    """Loop bounds have the widest type of the three, those of a static loop none; initial values have no partner."""
    if index >= 3:
        return value.type in NATURAL
    if inline_triton.is_static_loop(op):
        return True
    return value.type == i32 or any(not is_weak(bound) for bound in op.operands[:3])


_SINKS: dict[type[Operation], Callable[[Operation, int, SSAValue], bool]] = {
    SplatOp: _any_type,
    inline_triton.ElementOp: _any_type,
    symm_mem.SlotsOp: _any_type,
    tl.MakeTensorDescriptorOp: _any_type,
    tl.DescriptorLoadOp: _any_type,
    tl.DescriptorStoreOp: _any_type,
    tl.DescriptorReduceOp: _any_type,
    tl.AddPtrOp: _any_type,
    tl.LoadOp: _exact,
    tl.StoreOp: _exact,
    tl.AtomicRMWOp: _natural,
    tl.AtomicCASOp: _natural,
    tl.CopyOp: _natural,
    scf.IfOp: _natural,
    scf.WhileOp: _natural,
    scf.YieldOp: _natural,
    scf.ConditionOp: _natural,
    scf.ForOp: _beside_typed,
    arith.ExtSIOp: _natural,
    arith.ExtUIOp: _natural,
    arith.TruncIOp: _natural,
    arith.SIToFPOp: _natural,
    arith.UIToFPOp: _natural,
}
"""Ops, not elementwise, that take a bare constant, and when."""
