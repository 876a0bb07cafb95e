"""Elementwise ops that `arith` and `math` lack."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, var_operand_def

from ..elementwise import BitcastBase, CastBase, CompareBase, LibdeviceBase, SelectBase, ValueConstr


@irdl_op_definition
class CompareOp(CompareBase):
    """Elementwise comparison: `tile.compare "lt", %a, %b : tensor<...> -> tensor<...xi1>`."""

    name = "tile.compare"


@irdl_op_definition
class SelectOp(SelectBase):
    """Elementwise choice (`torch.where`)."""

    name = "tile.select"


@irdl_op_definition
class BitcastOp(BitcastBase):
    """Elementwise reinterpretation (`Tensor.view(dtype)`)."""

    name = "tile.bitcast"


@irdl_op_definition
class CastOp(CastBase):
    """Elementwise conversion to or from integers: `tile.cast "sitofp" %x : tensor<…xi32> to tensor<…xf32>`."""

    name = "tile.cast"


@irdl_op_definition
class LibdeviceOp(LibdeviceBase):
    """Elementwise libdevice call: `tile.libdevice "erfinv"(%x) : (…) -> …`."""

    name = "tile.libdevice"

    args = var_operand_def(ValueConstr)
    assembly_format = "$function `(` $args `)` attr-dict `:` `(` type($args) `)` `->` type($result)"

    def __init__(self, function: str, args: Sequence[SSAValue]):
        super().__init__(operands=[args], properties={"function": StringAttr(function)}, result_types=[args[0].type])


__all__ = ["BitcastOp", "CastOp", "CompareOp", "LibdeviceOp", "SelectOp"]
