"""Products of numbers of few bits that share scales (OCP Microscaling Formats, version 1.0)."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import bf16, f8E4M3FN, f8E5M2, f16, f32, i8
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import IRDLOperation, VarConstraint, operand_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import dims_of, element_of
from .types import ValueConstr

SCALED_FORMATS: dict[Attribute, str] = {
    i8: "e2m1", f8E4M3FN: "e4m3", f8E5M2: "e5m2", bf16: "bf16", f16: "fp16",
}  # fmt: skip
"""Element type of an operand → its format; e2m1 has two numbers a byte along K, the first one in the low bits."""
SCALE_LANES = 32
"""Numbers along K that share a scale."""


class DotScaledBase(IRDLOperation):
    """`acc + (lhs · lhs_scale) @ (rhs · rhs_scale)` for `[M, K]` and `[K, N]`, in f32.

    Scales are bytes `[M, K / 32]` and `[N, K / 32]`: 2^(s - 127), and NaN for 255 (e8m0).
    """

    T: ClassVar = VarConstraint("T", ValueConstr)

    lhs = operand_def(ValueConstr)
    lhs_scale = operand_def(ValueConstr)
    rhs = operand_def(ValueConstr)
    rhs_scale = operand_def(ValueConstr)
    acc = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())

    def __init__(
        self, lhs: SSAValue, lhs_scale: SSAValue, rhs: SSAValue, rhs_scale: SSAValue, acc: SSAValue, *over: SSAValue
    ):
        super().__init__(operands=[lhs, lhs_scale, rhs, rhs_scale, acc, *over], result_types=[acc.type])

    def verify_(self) -> None:
        values = (self.lhs, self.lhs_scale, self.rhs, self.rhs_scale, self.acc)
        if any(len(dims_of(value)) != 2 for value in values):
            raise VerifyException("dot_scaled takes matrices")
        for value in (self.lhs, self.rhs):
            if element_of(value) not in SCALED_FORMATS:
                raise VerifyException(f"no format of scaled numbers has elements of type {element_of(value)}")
        if element_of(self.lhs_scale) != i8 or element_of(self.rhs_scale) != i8 or element_of(self.acc) != f32:
            raise VerifyException("scales are i8 and the accumulator is f32")
        lhs, lhs_scale, rhs, rhs_scale, acc = map(dims_of, values)
        if acc != (lhs[0], rhs[1]) or lhs_scale[0] != lhs[0] or rhs_scale[0] != rhs[1]:
            raise VerifyException(f"dims of M and N do not match: {lhs}, {lhs_scale}, {rhs}, {rhs_scale}, {acc}")
        self._verify_contracted((lhs[1], lhs_scale[1], rhs[0], rhs_scale[1]))

    def _verify_contracted(self, dims: tuple[object, ...]) -> None:
        """Symbols are equal to such sizes only when they are known."""
        per_lane = (self.packed(self.lhs), SCALE_LANES, self.packed(self.rhs), SCALE_LANES)
        known = {dim * each for dim, each in zip(dims, per_lane, strict=True) if isinstance(dim, int)}
        if len(known) > 1:
            raise VerifyException(f"operands and scales are of different lengths along K: {sorted(known)}")

    @staticmethod
    def packed(value: SSAValue) -> int:
        """Numbers in an element of an operand."""
        return 2 if element_of(value) == i8 else 1


__all__ = ["SCALED_FORMATS", "SCALE_LANES", "DotScaledBase"]
