"""Atomics on refs."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    opt_result_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.utils.exceptions import VerifyException

from ..effects import AtomicEffects
from ..value import ValueConstr
from .memory import AccessBase

ATOMIC_KINDS = ("add", "and", "or", "xor", "xchg", "max", "min")
SEMANTICS = ("relaxed", "acquire", "release", "acq_rel")
SCOPES = ("gpu", "cta", "sys")


def verify_atomic(sem: StringAttr, kind: StringAttr | None = None, scope: StringAttr | None = None) -> None:
    """Check the semantics and the scope of an atomic access, and its kind if it has several."""
    if scope is not None and scope.data not in SCOPES:
        raise VerifyException(f"unknown scope {scope.data!r}, expected one of {', '.join(SCOPES)}")
    if kind is not None and kind.data not in ATOMIC_KINDS:
        raise VerifyException(f"unknown atomic kind {kind.data!r}, expected one of {', '.join(ATOMIC_KINDS)}")
    if sem.data not in SEMANTICS:
        raise VerifyException(f"unknown semantics {sem.data!r}, expected one of {', '.join(SEMANTICS)}")


@irdl_op_definition
class AtomicRMWOp(AccessBase):
    """Atomic read-modify-write; the result is what was there.

    `kind` is one of `ATOMIC_KINDS`, `sem` one of `SEMANTICS`, `scope` (else `gpu`) one of `SCOPES`.
    Effects: reads and writes `ref`; everything, unless `sem` is relaxed.
    """

    name = "tile.atomic_rmw"

    ref = AccessBase.ref
    indices = AccessBase.indices
    tiles = AccessBase.tiles
    mask = AccessBase.mask

    kind = prop_def(StringAttr)
    sem = prop_def(StringAttr, default_value=StringAttr("relaxed"))
    scope = opt_prop_def(StringAttr)
    value = operand_def(ValueConstr)
    result = opt_result_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$kind $value `,` $ref `[` $indices `]` (`tiles` `(` $tiles^ `:` type($tiles) `)`)? "
        "(`mask` $mask^ `:` type($mask))? attr-dict `:` type($value) `,` type($ref) `[` type($indices) `]` "
        "(`->` type($result)^)?"
    )

    def __init__(
        self,
        kind: str,
        value: SSAValue,
        ref: SSAValue,
        indices: Sequence[SSAValue],
        *,
        sem: str = "relaxed",
        scope: str | None = None,
        tiles: Sequence[SSAValue] = (),
        mask: SSAValue | None = None,
    ):
        super().__init__(
            operands=[ref, indices, tiles, mask, value],
            properties={
                "kind": StringAttr(kind),
                "sem": StringAttr(sem),
                "scope": StringAttr(scope) if scope else None,
            },
            result_types=[value.type],
        )

    def verify_(self) -> None:
        self.verify_access(self.value.type)
        verify_atomic(self.sem, self.kind, self.scope)


@irdl_op_definition
class AtomicCASOp(AccessBase):
    """Atomic compare-and-swap: writes `value` where `expected` was found; the result is what was there.

    Effects as those of `tile.atomic_rmw`.
    """

    name = "tile.atomic_cas"

    ref = AccessBase.ref
    indices = AccessBase.indices
    tiles = AccessBase.tiles
    mask = AccessBase.mask

    sem = prop_def(StringAttr, default_value=StringAttr("relaxed"))
    expected = operand_def(ValueConstr)
    value = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$expected `,` $value `,` $ref `[` $indices `]` (`tiles` `(` $tiles^ `:` type($tiles) `)`)? "
        "(`mask` $mask^ `:` type($mask))? attr-dict `:` type($expected) `,` type($value) `,` "
        "type($ref) `[` type($indices) `]` `->` type($result)"
    )

    def __init__(
        self,
        expected: SSAValue,
        value: SSAValue,
        ref: SSAValue,
        indices: Sequence[SSAValue],
        *,
        sem: str = "relaxed",
        tiles: Sequence[SSAValue] = (),
        mask: SSAValue | None = None,
    ):
        super().__init__(
            operands=[ref, indices, tiles, mask, expected, value],
            properties={"sem": StringAttr(sem)},
            result_types=[value.type],
        )

    def verify_(self) -> None:
        self.verify_access(self.value.type)
        if self.expected.type != self.value.type:
            raise VerifyException(f"expected and value must have one type, got {self.expected.type}")
        verify_atomic(self.sem)


@irdl_op_definition
class AtomicWaitOp(AccessBase):
    """Wait until each element has held what is expected of it, and put the `update` there in its place, if any.

    ```mlir
    tile.atomic_wait %one, %pads[%tile] update %zero : tensor<…> {sem = "acquire", scope = "sys"} : …
    ```
    Effects as those of `tile.atomic_rmw`.
    """

    name = "tile.atomic_wait"

    ref = AccessBase.ref
    indices = AccessBase.indices
    tiles = AccessBase.tiles
    mask = AccessBase.mask

    sem = prop_def(StringAttr, default_value=StringAttr("acquire"))
    scope = opt_prop_def(StringAttr)
    expected = operand_def(ValueConstr)
    update = opt_operand_def(ValueConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(AtomicEffects())
    assembly_format = (
        "$expected `,` $ref `[` $indices `]` (`tiles` `(` $tiles^ `:` type($tiles) `)`)? "
        "(`mask` $mask^ `:` type($mask))? (`update` $update^ `:` type($update))? attr-dict "
        "`:` type($expected) `,` type($ref) `[` type($indices) `]`"
    )

    def __init__(
        self,
        expected: SSAValue,
        ref: SSAValue,
        indices: Sequence[SSAValue],
        update: SSAValue | None = None,
        *,
        sem: str = "acquire",
        scope: str | None = None,
        tiles: Sequence[SSAValue] = (),
        mask: SSAValue | None = None,
    ):
        super().__init__(
            operands=[ref, indices, tiles, mask, expected, update],
            properties={"sem": StringAttr(sem), "scope": StringAttr(scope) if scope else None},
        )

    def verify_(self) -> None:
        self.verify_access(self.expected.type)
        if self.update is not None and self.update.type != self.expected.type:
            raise VerifyException(f"expected and update must have one type, got {self.update.type}")
        verify_atomic(self.sem, None, self.scope)


__all__ = ["ATOMIC_KINDS", "SCOPES", "SEMANTICS", "AtomicCASOp", "AtomicRMWOp", "AtomicWaitOp", "verify_atomic"]
