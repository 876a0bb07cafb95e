"""Elementwise ops that `arith` cannot express on encoded tensors, shared by the `tile` and `tl` levels.

`arith.select` and `arith.bitcast` reject tensors with an encoding, and `arith.cmpf/cmpi` silently return a
scalar `i1` for a tensor; conversions other than `extf` and `truncf` take scalars only. Each level therefore defines
`compare`, `select` (`tl.where`), `bitcast` and `cast` from the bases here; the level's verifier forbids the `arith`
ones on tensors.
"""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import AnyFloatConstr, IntegerType, StringAttr, TensorType, i1
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AnyOf,
    BaseAttr,
    IRDLOperation,
    VarConstraint,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from .axis_kinds import LaneWise
from .dims import dims_of, element_of, tensor_type, with_element

PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge", "ult", "ule", "ugt", "uge")
"""Comparisons: signed for integers, ordered for floats but `ne`, which is unordered as in IEEE 754 and torch."""

CASTS = ("sitofp", "uitofp", "fptosi", "fptoui", "extsi", "extui", "trunci")
"""Conversions, named and defined as in `arith`."""

ELIDABLE = "elidable"
"""On `arith.truncf`: the compiler added it, so that the wide value may stay; any other conversion is the user's."""

ScalarConstr = AnyFloatConstr | BaseAttr(IntegerType)
"""A device scalar."""
ValueConstr = AnyOf((ScalarConstr, BaseAttr(TensorType)))
"""A device value: a scalar or a tensor."""


class CompareBase(IRDLOperation, ABC):
    """Elementwise comparison; see `PREDICATES`."""

    T: ClassVar = VarConstraint("T", ValueConstr)

    predicate = prop_def(StringAttr)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$predicate `,` $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"

    def __init__(self, predicate: str, lhs: SSAValue, rhs: SSAValue):
        super().__init__(
            operands=[lhs, rhs],
            properties={"predicate": StringAttr(predicate)},
            result_types=[with_element(lhs.type, i1)],
        )

    def verify_(self) -> None:
        if self.predicate.data not in PREDICATES:
            raise VerifyException(f"unknown predicate {self.predicate.data!r}, expected one of {', '.join(PREDICATES)}")
        if self.result.type != with_element(self.lhs.type, i1):
            raise VerifyException("the result must have the operands' dims and element type i1")


class SelectBase(IRDLOperation, ABC):
    """Elementwise choice: `condition ? on_true : on_false`, all of the same dims."""

    T: ClassVar = VarConstraint("T", ValueConstr)

    condition = operand_def(ValueConstr)
    on_true = operand_def(T)
    on_false = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$condition `,` $on_true `,` $on_false attr-dict `:` type($condition) `,` type($result)"

    def __init__(self, condition: SSAValue, on_true: SSAValue, on_false: SSAValue):
        super().__init__(operands=[condition, on_true, on_false], result_types=[on_true.type])

    def verify_(self) -> None:
        if self.condition.type != with_element(self.result.type, i1):
            raise VerifyException("the condition must be i1 of the result's dims")


class BitcastBase(IRDLOperation, ABC):
    """Elementwise reinterpretation between types of equal width."""

    input = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$input attr-dict `:` type($input) `to` type($result)"

    def __init__(self, value: SSAValue, element: Attribute):
        super().__init__(operands=[value], result_types=[with_element(value.type, element)])

    def verify_(self) -> None:
        if dims_of(self.input) != dims_of(self.result):
            raise VerifyException("bitcast must keep the dims")
        source, target = element_of(self.input), element_of(self.result)
        if getattr(source, "bitwidth", None) != getattr(target, "bitwidth", None):
            raise VerifyException(f"bitcast must keep the bit width, got {source} to {target}")


class CastBase(IRDLOperation, ABC):
    """Elementwise conversion; see `CASTS`. `arith` has them for scalars, and `extf` and `truncf` for tensors too."""

    kind = prop_def(StringAttr)
    input = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$kind $input attr-dict `:` type($input) `to` type($result)"

    def __init__(self, kind: str, value: SSAValue, element: Attribute):
        super().__init__(
            operands=[value],
            properties={"kind": StringAttr(kind)},
            result_types=[with_element(value.type, element)],
        )

    def verify_(self) -> None:
        kind, source, target = self.kind.data, element_of(self.input), element_of(self.result)
        if kind not in CASTS:
            raise VerifyException(f"unknown cast {kind!r}, expected one of {', '.join(CASTS)}")
        if dims_of(self.input) != dims_of(self.result):
            raise VerifyException("a cast must keep the dims")
        if isinstance(source, IntegerType) == kind.startswith("fp") or isinstance(target, IntegerType) == kind.endswith(
            "fp"
        ):
            raise VerifyException(f"{kind} does not convert {source} to {target}")
        if isinstance(source, IntegerType) and isinstance(target, IntegerType):
            widens = target.width.data > source.width.data
            if source.width == target.width or widens != kind.startswith("ext"):
                raise VerifyException(f"{kind} does not convert {source} to {target}")


class LibdeviceBase(IRDLOperation, ABC):
    """Elementwise call of a libdevice function (`erfinv`, `lgamma`, …) that `math` has no op for.

    `function` is the name in `triton.language.extra.libdevice`; all operands and the result share one type.
    """

    function = prop_def(StringAttr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), LaneWise())


__all__ = [
    "CASTS",
    "PREDICATES",
    "AnyAttr",
    "BitcastBase",
    "CastBase",
    "CompareBase",
    "LibdeviceBase",
    "ScalarConstr",
    "SelectBase",
    "ValueConstr",
    "tensor_type",
]
