"""Random bits: a function of a seed and a number for each lane."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IntegerType, i32, i64
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, VarConstraint, irdl_op_definition, operand_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axis_kinds import LaneWise
from ..dims import dims_of, element_of, with_element
from .types import ValueConstr

UNIT = 4.6566127342e-10
"""The largest float32 whose product with every int32 draw is below 1, as `tl.rand` has it."""


@irdl_op_definition
class PhiloxOp(IRDLOperation):
    """Four times 32 random bits a lane: Philox 4x32-10 of Salmon et al. (2011), keyed and counted as Triton does.

    The key is the two halves of `seed` (i64: one for all lanes, or one a lane). The counter is `offset` (i32 or i64)
    and 0: an i32 counts as unsigned. Pure: equal seeds and offsets give equal bits.

    ```mlir
    %a, %b, %c, %d = value.philox %seed, %offset : i64, tensor<64xi32> -> tensor<64xi32>
    ```
    """

    name = "value.philox"

    T: ClassVar = VarConstraint("T", ValueConstr)

    seed = operand_def(ValueConstr)
    offset = operand_def(ValueConstr)
    first = result_def(T)
    second = result_def(T)
    third = result_def(T)
    fourth = result_def(T)

    traits = traits_def(Pure(), LaneWise())
    assembly_format = "$seed `,` $offset attr-dict `:` type($seed) `,` type($offset) `->` type($first)"

    def __init__(self, seed: SSAValue, offset: SSAValue):
        super().__init__(operands=[seed, offset], result_types=[with_element(offset.type, i32)] * 4)

    def verify_(self) -> None:
        offset = element_of(self.offset)
        if element_of(self.seed) != i64 or not isinstance(offset, IntegerType) or offset.width.data not in (32, 64):
            raise VerifyException("the seed must be i64, the offset i32 or i64")
        if self.first.type != with_element(self.offset.type, i32):
            raise VerifyException("the bits must be i32 of the offset's dims")
        if dims_of(self.seed) not in ((), dims_of(self.offset)):
            raise VerifyException("the seed must be a scalar, or have the offset's dims")


__all__ = ["PhiloxOp"]
