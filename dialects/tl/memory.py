"""Loads, stores and atomics: base pointer, offset and mask as operands, so that effects stay per pointer."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr, i1
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import element_of, signless, with_element
from ..effects import AtomicEffects, Reads, Writes
from ..tile.atomics import verify_atomic
from ..tile.types import IndexInt
from ..value import ValueConstr
from .types import PtrType


class _PointerAccess(IRDLOperation):
    """`ptr + offset`, for each lane of `offset` where `mask` holds; a scalar access when `offset` is a scalar."""

    ptr = operand_def(PtrType)
    offset = operand_def(ValueConstr)
    mask = opt_operand_def(ValueConstr)

    def verify_pointer(self, value: SSAValue) -> None:
        assert isinstance(self.ptr.type, PtrType)
        expected = with_element(self.offset.type, signless(self.ptr.type.element_type))
        if value.type != expected:
            raise VerifyException(f"{self.name}: the value must be {expected}, got {value.type}")
        if self.mask is not None and self.mask.type != with_element(self.offset.type, i1):
            raise VerifyException(f"{self.name}: the mask must be i1 of the offset's dims")


@irdl_op_definition
class LoadOp(_PointerAccess):
    """`tl.load(ptr + offset, mask, other)`; unread lanes hold `other`, or anything. Effects: reads `ptr`."""

    name = "tl.load"

    ptr = _PointerAccess.ptr
    offset = _PointerAccess.offset
    mask = _PointerAccess.mask

    other = opt_operand_def(ValueConstr)
    eviction_policy = opt_prop_def(StringAttr)
    cache_modifier = opt_prop_def(StringAttr)
    result = result_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Reads)
    assembly_format = (
        "$ptr `[` $offset `]` (`mask` $mask^ `:` type($mask))? (`other` $other^ `:` type($other))? attr-dict "
        "`:` type($ptr) `[` type($offset) `]` `->` type($result)"
    )

    def __init__(
        self,
        ptr: SSAValue,
        offset: SSAValue,
        mask: SSAValue | None = None,
        other: SSAValue | None = None,
        *,
        eviction_policy: StringAttr | None = None,
        cache_modifier: StringAttr | None = None,
    ):
        assert isinstance(ptr.type, PtrType)
        super().__init__(
            operands=[ptr, offset, mask, other],
            properties={"eviction_policy": eviction_policy, "cache_modifier": cache_modifier},
            result_types=[with_element(offset.type, signless(ptr.type.element_type))],
        )

    def verify_(self) -> None:
        self.verify_pointer(self.result)
        if self.other is not None and self.other.type not in (element_of(self.result), self.result.type):
            raise VerifyException("other must be a scalar of the loaded element type, or of the loaded type")


@irdl_op_definition
class StoreOp(_PointerAccess):
    """`tl.store(ptr + offset, value, mask)`. Effects: writes `ptr`."""

    name = "tl.store"

    ptr = _PointerAccess.ptr
    offset = _PointerAccess.offset
    mask = _PointerAccess.mask

    value = operand_def(ValueConstr)
    cache_modifier = opt_prop_def(StringAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(Writes)
    assembly_format = (
        "$value `,` $ptr `[` $offset `]` (`mask` $mask^ `:` type($mask))? attr-dict "
        "`:` type($value) `,` type($ptr) `[` type($offset) `]`"
    )

    def __init__(
        self,
        ptr: SSAValue,
        offset: SSAValue,
        value: SSAValue,
        mask: SSAValue | None = None,
        *,
        cache_modifier: StringAttr | None = None,
    ):
        super().__init__(operands=[ptr, offset, mask, value], properties={"cache_modifier": cache_modifier})

    def verify_(self) -> None:
        self.verify_pointer(self.value)


@irdl_op_definition
class AtomicRMWOp(_PointerAccess):
    """`tl.atomic_<kind>(ptr + offset, value, mask, sem, scope)`; the result is what was there.

    Effects: both on `ptr`; on everything, unless `sem` is relaxed.
    """

    name = "tl.atomic_rmw"

    ptr = _PointerAccess.ptr
    offset = _PointerAccess.offset
    mask = _PointerAccess.mask

    kind = prop_def(StringAttr)
    sem = prop_def(StringAttr)
    scope = opt_prop_def(StringAttr)
    value = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$kind $sem $value `,` $ptr `[` $offset `]` (`mask` $mask^ `:` type($mask))? attr-dict "
        "`:` type($value) `,` type($ptr) `[` type($offset) `]` `->` type($result)"
    )

    def __init__(
        self,
        kind: str,
        sem: str,
        ptr: SSAValue,
        offset: SSAValue,
        value: SSAValue,
        mask: SSAValue | None = None,
        scope: StringAttr | None = None,
    ):
        super().__init__(
            operands=[ptr, offset, mask, value],
            properties={"kind": StringAttr(kind), "sem": StringAttr(sem), "scope": scope},
            result_types=[value.type],
        )

    def verify_(self) -> None:
        self.verify_pointer(self.value)
        verify_atomic(self.sem, self.kind, self.scope)


@irdl_op_definition
class AtomicWaitOp(_PointerAccess):
    """Wait until each element has held what is expected of it, and put the `update` there, if any.

    Lanes outside of the mask wait for nothing; with an update, their offsets lie in the memory. Effects as those of
    `tl.atomic_rmw`.
    """

    name = "tl.atomic_wait"

    ptr = _PointerAccess.ptr
    offset = _PointerAccess.offset
    mask = _PointerAccess.mask

    sem = prop_def(StringAttr)
    scope = prop_def(StringAttr)
    expected = operand_def(ValueConstr)
    update = opt_operand_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$sem $scope $expected `,` $ptr `[` $offset `]` (`mask` $mask^ `:` type($mask))? "
        "(`update` $update^ `:` type($update))? attr-dict `:` type($expected) `,` type($ptr) `[` type($offset) `]`"
    )

    def __init__(
        self,
        sem: str,
        scope: str,
        ptr: SSAValue,
        offset: SSAValue,
        expected: SSAValue,
        update: SSAValue | None = None,
        mask: SSAValue | None = None,
    ):
        super().__init__(
            operands=[ptr, offset, mask, expected, update],
            properties={"sem": StringAttr(sem), "scope": StringAttr(scope)},
        )

    def verify_(self) -> None:
        self.verify_pointer(self.expected)
        verify_atomic(self.sem, None, self.scope)


@irdl_op_definition
class AtomicCASOp(IRDLOperation):
    """`tl.atomic_cas(ptr + offset, expected, value, sem)`. Effects as those of `tl.atomic_rmw`."""

    name = "tl.atomic_cas"

    T: ClassVar = VarConstraint("T", ValueConstr)

    sem = prop_def(StringAttr)
    ptr = operand_def(PtrType)
    offset = operand_def(ValueConstr)
    expected = operand_def(T)
    value = operand_def(T)
    result = result_def(T)

    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$sem $expected `,` $value `,` $ptr `[` $offset `]` attr-dict "
        "`:` type($value) `,` type($ptr) `[` type($offset) `]`"
    )

    def __init__(self, sem: str, ptr: SSAValue, offset: SSAValue, expected: SSAValue, value: SSAValue):
        super().__init__(
            operands=[ptr, offset, expected, value], properties={"sem": StringAttr(sem)}, result_types=[value.type]
        )

    def verify_(self) -> None:
        assert isinstance(self.ptr.type, PtrType)
        expected = with_element(self.offset.type, signless(self.ptr.type.element_type))
        if self.value.type != expected:
            raise VerifyException(f"{self.name}: the value must be {expected}, got {self.value.type}")
        verify_atomic(self.sem)


@irdl_op_definition
class AddPtrOp(IRDLOperation):
    """`ptr + offset` for a scalar offset: the base of a descriptor over one slice of a tensor."""

    name = "tl.addptr"

    T: ClassVar = VarConstraint("T", BaseAttr(PtrType))

    ptr = operand_def(T)
    offset = operand_def(IndexInt)
    result = result_def(T)

    traits = traits_def(Pure())
    assembly_format = "$ptr `,` $offset attr-dict `:` type($ptr) `,` type($offset)"

    def __init__(self, ptr: SSAValue, offset: SSAValue):
        super().__init__(operands=[ptr, offset], result_types=[ptr.type])


__all__ = ["AddPtrOp", "AtomicCASOp", "AtomicRMWOp", "AtomicWaitOp", "LoadOp", "StoreOp"]
