"""Order along an axis."""

from __future__ import annotations

from xdsl.dialects.builtin import IntAttr, IntegerType, i32
from xdsl.ir import SSAValue
from xdsl.irdl import result_def
from xdsl.utils.exceptions import VerifyException

from ..dims import element_of, with_element
from .along_axis import AlongAxisBase
from .types import ValueConstr


class ArgsortBase(AlongAxisBase):
    """For each lane of an axis the number of the lane that comes there in ascending order of the input's integers.

    Lanes that hold equal numbers keep their order. Other keys are made into integers before: what of a float is
    less than a NaN, say, is not this op's to know.
    """

    result = result_def(ValueConstr)

    def __init__(self, value: SSAValue, axis: int, *over: SSAValue):
        super().__init__(
            operands=[value, *over],
            properties={"axis": IntAttr(axis)},
            result_types=[with_element(value.type, i32)],
        )

    def verify_(self) -> None:
        super().verify_()
        element = element_of(self.input)
        if not isinstance(element, IntegerType) or element.width.data not in (32, 64):
            raise VerifyException(f"keys are integers of 32 or 64 bits, got {element}")
        if self.result.type != with_element(self.input.type, i32):
            raise VerifyException("the result must have the input's dims and i32 elements")


__all__ = ["ArgsortBase"]
