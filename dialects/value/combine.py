"""Reductions and scans by a function of the user's: lanes of several values go together, combined by a region.

As with reductions of known kinds, `tile` says by a tile operand which lanes of the axis are valid, and `tl` works on
all of them; both derive from the class here.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import ArrayAttr, IntAttr, UnitAttr
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, Region, SSAValue, TypedAttribute
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import IsolatedFromAbove, IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from ..axis_kinds import is_lane_wise
from ..dims import dims_of, element_of
from .along_axis import without_axis
from .types import ValueConstr


@irdl_op_definition
class CombinedOp(AbstractYieldOperation[Attribute]):
    """What two lanes combine to: the end of the region of a reduction or scan."""

    name = "value.combined"

    traits = traits_def(IsTerminator(), Pure())


class CombineBase(IRDLOperation):
    """`inputs`, which are alike in their dims, combined along `axis` by `body`.

    The body takes the elements of one lane and then those of a later one, and ends in `value.combined`. It is
    associative, has no effects and sees nothing from outside, so that it prints as a function.
    """

    axis = prop_def(IntAttr)
    inputs = var_operand_def(ValueConstr)
    outputs = var_result_def(ValueConstr)
    body = region_def("single_block")

    traits = traits_def(Pure(), IsolatedFromAbove())
    irdl_options = (ParsePropInAttrDict(),)

    def verify_(self) -> None:
        if not self.inputs:
            raise VerifyException("nothing to combine")
        if len({dims_of(value) for value in self.inputs}) != 1:
            raise VerifyException("the inputs must have equal dims")
        if not 0 <= self.axis.data < len(dims_of(self.inputs[0])):
            raise VerifyException(f"axis {self.axis.data} out of range for rank {len(dims_of(self.inputs[0]))}")
        elements = [element_of(value) for value in self.inputs]
        end = self.body.block.last_op
        if [arg.type for arg in self.body.block.args] != elements * 2:
            raise VerifyException("the body must take the inputs' elements twice")
        if not all(isinstance(op, ConstantOp) or is_lane_wise(op) for op in self.body.block.ops if op is not end):
            raise VerifyException("the body must be made of constants and lane-wise ops")
        if not isinstance(end, CombinedOp) or [value.type for value in end.operands] != elements:
            raise VerifyException("the body must end in value.combined of the inputs' elements")
        if [value.type for value in self.outputs] != self.combined_types(self.inputs, self.axis.data):
            raise VerifyException("the results do not fit the inputs")

    @classmethod
    def combined_types(cls, inputs: Sequence[SSAValue], axis: int) -> list[Attribute]:
        """The types of what is combined."""
        raise NotImplementedError

    @property
    def block(self) -> Block:
        """The block that combines two lanes."""
        return self.body.block


class CombineReduceBase(CombineBase):
    """One axis reduced away by the body, which is commutative, too. No lane at all gives the constants `empty`."""

    empty = prop_def(ArrayAttr[TypedAttribute])

    def __init__(
        self, inputs: Sequence[SSAValue], axis: int, body: Region, empty: ArrayAttr[TypedAttribute], *over: SSAValue
    ):
        super().__init__(
            operands=[inputs, *over],
            properties={"axis": IntAttr(axis), "empty": empty},
            result_types=[self.combined_types(inputs, axis)],
            regions=[body],
        )

    @classmethod
    def combined_types(cls, inputs: Sequence[SSAValue], axis: int) -> list[Attribute]:
        return [without_axis(value, axis) for value in inputs]

    def verify_(self) -> None:
        super().verify_()
        if [constant.get_type() for constant in self.empty] != [element_of(value) for value in self.inputs]:
            raise VerifyException("`empty` must have a constant for each input, of its element type")


class CombineScanBase(CombineBase):
    """Inclusive prefixes along an axis, from the other end when `reverse`."""

    reverse = opt_prop_def(UnitAttr)

    def __init__(self, inputs: Sequence[SSAValue], axis: int, body: Region, reverse: bool, *over: SSAValue):
        super().__init__(
            operands=[inputs, *over],
            properties={"axis": IntAttr(axis), "reverse": UnitAttr() if reverse else None},
            result_types=[self.combined_types(inputs, axis)],
            regions=[body],
        )

    @classmethod
    def combined_types(cls, inputs: Sequence[SSAValue], axis: int) -> list[Attribute]:
        return [value.type for value in inputs]


__all__ = ["CombineBase", "CombineReduceBase", "CombineScanBase", "CombinedOp"]
