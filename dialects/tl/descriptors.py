"""Tensor descriptors (TMA on NVIDIA), and accesses by them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, signless
from ..effects import Reads, ReadsAndWrites, Writes
from ..tile.types import IndexInt
from ..value import ValueConstr
from .types import PtrType, TensorDescType

REDUCTIONS = ("add", "and", "or", "xor", "max", "min")
"""The kinds of atomics that descriptors have."""


@irdl_op_definition
class MakeTensorDescriptorOp(IRDLOperation):
    """`tl.make_tensor_descriptor(ptr, shape, strides, block_shape)`; the last stride must be the constant 1."""

    name = "tl.make_tensor_descriptor"

    ptr = operand_def(PtrType)
    shape = var_operand_def(IndexInt)
    strides = var_operand_def(IndexInt)
    result = result_def(TensorDescType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(Pure())
    assembly_format = (
        "$ptr `shape` `(` $shape `:` type($shape) `)` `strides` `(` $strides `:` type($strides) `)` attr-dict "
        "`:` type($ptr) `->` type($result)"
    )

    def __init__(self, ptr: SSAValue, shape: Sequence[SSAValue], strides: Sequence[SSAValue], block: Sequence[Dim]):
        assert isinstance(ptr.type, PtrType)
        super().__init__(
            operands=[ptr, shape, strides], result_types=[TensorDescType.of(signless(ptr.type.element_type), *block)]
        )

    def verify_(self) -> None:
        assert isinstance(self.result.type, TensorDescType)
        if not len(self.shape) == len(self.strides) == len(self.result.type.block):
            raise VerifyException("shape, strides and block must have equal length")


class _DescriptorAccess(IRDLOperation):
    desc = operand_def(TensorDescType)
    offsets = var_operand_def(IndexInt)

    def verify_descriptor(self, value: SSAValue) -> None:
        assert isinstance(self.desc.type, TensorDescType)
        if len(self.offsets) != len(self.desc.type.block):
            raise VerifyException(f"{self.name}: needs one offset for each of the descriptor's dimensions")
        if value.type != self.desc.type.block_type:
            raise VerifyException(f"{self.name}: the value must be {self.desc.type.block_type}, got {value.type}")


@irdl_op_definition
class DescriptorLoadOp(_DescriptorAccess):
    """`desc.load([offsets])`; lanes outside the descriptor's shape are zero. Effects: reads the descriptor's memory."""

    name = "tl.descriptor_load"

    result = result_def(ValueConstr)

    traits = traits_def(Reads)
    assembly_format = "$desc `[` $offsets `]` attr-dict `:` type($desc) `[` type($offsets) `]` `->` type($result)"

    def __init__(self, desc: SSAValue, offsets: Sequence[SSAValue]):
        assert isinstance(desc.type, TensorDescType)
        super().__init__(operands=[desc, offsets], result_types=[desc.type.block_type])

    def verify_(self) -> None:
        self.verify_descriptor(self.result)


@irdl_op_definition
class DescriptorStoreOp(_DescriptorAccess):
    """`desc.store([offsets], value)`; lanes outside the descriptor's shape are dropped. Effects: writes it."""

    name = "tl.descriptor_store"

    desc = _DescriptorAccess.desc
    offsets = _DescriptorAccess.offsets

    value = operand_def(ValueConstr)

    traits = traits_def(Writes)
    assembly_format = (
        "$value `,` $desc `[` $offsets `]` attr-dict `:` type($value) `,` type($desc) `[` type($offsets) `]`"
    )

    def __init__(self, desc: SSAValue, offsets: Sequence[SSAValue], value: SSAValue):
        super().__init__(operands=[desc, offsets, value])

    def verify_(self) -> None:
        self.verify_descriptor(self.value)


@irdl_op_definition
class DescriptorReduceOp(_DescriptorAccess):
    """`desc.atomic_<kind>([offsets], value)`: relaxed, with no result; lanes outside the descriptor's shape are left
    out. Effects: reads and writes the descriptor's memory."""

    name = "tl.descriptor_reduce"

    desc = _DescriptorAccess.desc
    offsets = _DescriptorAccess.offsets

    kind = prop_def(StringAttr)
    value = operand_def(ValueConstr)

    traits = traits_def(ReadsAndWrites)
    assembly_format = (
        "$kind $value `,` $desc `[` $offsets `]` attr-dict `:` type($value) `,` type($desc) `[` type($offsets) `]`"
    )

    def __init__(self, kind: str, desc: SSAValue, offsets: Sequence[SSAValue], value: SSAValue):
        super().__init__(operands=[desc, offsets, value], properties={"kind": StringAttr(kind)})

    def verify_(self) -> None:
        if self.kind.data not in REDUCTIONS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(REDUCTIONS)}")
        self.verify_descriptor(self.value)


__all__ = [
    "REDUCTIONS",
    "DescriptorLoadOp",
    "DescriptorReduceOp",
    "DescriptorStoreOp",
    "MakeTensorDescriptorOp",
]
