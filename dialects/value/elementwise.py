"""Elementwise ops that `arith` cannot express on encoded tensors.

`arith.select` and `arith.bitcast` reject tensors with an encoding, and `arith.cmpf/cmpi` silently return a
scalar `i1` for a tensor; conversions other than `extf` and `truncf` take scalars only. `dialects/verify.py` forbids
these ops of `arith` on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, StringAttr, i1
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axis_kinds import LaneWise
from ..dims import dims_of, element_of, with_element
from .types import ValueConstr

PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge", "ult", "ule", "ugt", "uge")
"""Comparisons: signed for integers, ordered for floats but `ne`, which is unordered as in IEEE 754 and torch.

In the order in which `arith.cmpi` numbers them.
"""

CASTS: Mapping[str, Callable[..., Operation]] = {
    "sitofp": arith.SIToFPOp, "uitofp": arith.UIToFPOp, "fptosi": arith.FPToSIOp, "fptoui": arith.FPToUIOp,
    "extsi": arith.ExtSIOp, "extui": arith.ExtUIOp, "trunci": arith.TruncIOp,
}  # fmt: skip
"""Conversions, named and defined as those of `arith` for scalars."""


def cast_op(value: SSAValue, kind: str, element: Attribute) -> Operation:
    """A conversion of `CASTS`: `value.cast` of a tensor, that of `arith` of a scalar."""
    return CastOp(kind, value, element) if dims_of(value) else CASTS[kind](value, element)


ELIDABLE = "elidable"
"""On `arith.truncf`: the compiler added it, so that the wide value may stay; any other conversion is the user's."""


@irdl_op_definition
class CompareOp(IRDLOperation):
    """Elementwise comparison; see `PREDICATES`: `value.compare "lt", %a, %b : tensor<...> -> tensor<...xi1>`."""

    name = "value.compare"

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


@irdl_op_definition
class SelectOp(IRDLOperation):
    """Elementwise choice (`torch.where`): `condition ? on_true : on_false`, all of the same dims."""

    name = "value.select"

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


@irdl_op_definition
class BitcastOp(IRDLOperation):
    """Elementwise reinterpretation between types of equal width (`Tensor.view(dtype)`)."""

    name = "value.bitcast"

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


@irdl_op_definition
class CastOp(IRDLOperation):
    """Elementwise conversion; see `CASTS`: `value.cast "sitofp" %x : tensor<…xi32> to tensor<…xf32>`.

    `arith` has them for scalars, and `extf` and `truncf` for tensors too.
    """

    name = "value.cast"

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


@irdl_op_definition
class LibdeviceOp(IRDLOperation):
    """Elementwise call of a libdevice function that `math` lacks: `value.libdevice "erfinv"(%x) : (…) -> …`.

    `function` is the name in `triton.language.extra.libdevice`; all operands and the result share one type.
    """

    name = "value.libdevice"

    function = prop_def(StringAttr)
    args = var_operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$function `(` $args `)` attr-dict `:` `(` type($args) `)` `->` type($result)"

    def __init__(self, function: str, args: Sequence[SSAValue]):
        super().__init__(operands=[args], properties={"function": StringAttr(function)}, result_types=[args[0].type])


__all__ = ["CASTS", "ELIDABLE", "PREDICATES", "BitcastOp", "CastOp", "CompareOp", "LibdeviceOp", "SelectOp", "cast_op"]
