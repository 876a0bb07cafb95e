"""Work along an axis: lanes that others are fetched from, and what `tile` and `tl` define alike.

Reductions, scans and products are ops of each level: `tile` says by a tile operand which lanes of the axis are valid,
`tl` works on all. Both derive from the classes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import IntAttr, IntegerType, StringAttr, UnitAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, OwnAxes
from ..dims import dims_of, with_dims, with_element
from .types import ValueConstr

REDUCE_KINDS = ("sum", "prod", "max", "min", "and", "or", "xor")
"""`max` and `min` propagate NaN unless the op says `ignore_nan`."""
ARG_REDUCE_KINDS = ("max", "min")
SCAN_KINDS = ("sum", "prod", "max", "min")
PRECISIONS = ("tf32", "tf32x3", "ieee")
"""Of the products of f32 operands."""


class AlongAxisBase(IRDLOperation):
    """An op along one `axis` of its `input`."""

    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def verify_(self) -> None:
        rank = len(dims_of(self.input))
        if not 0 <= self.axis.data < rank:
            raise VerifyException(f"axis {self.axis.data} out of range for rank {rank}")


class KindBase(AlongAxisBase):
    """What a `kind` of those that the class has makes of the lanes along an axis."""

    KINDS: ClassVar[Sequence[str]]

    kind = prop_def(StringAttr)

    def verify_(self) -> None:
        super().verify_()
        if self.kind.data not in self.KINDS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(self.KINDS)}")


class ReduceBase(KindBase):
    """Reduce one axis away. `over`: what else the level's op takes (a tile)."""

    KINDS: ClassVar = REDUCE_KINDS

    ignore_nan = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    def __init__(self, kind: str, value: SSAValue, axis: int, *over: SSAValue, ignore_nan: bool = False):
        super().__init__(
            operands=[value, *over],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "ignore_nan": UnitAttr() if ignore_nan else None,
            },
            result_types=[without_axis(value, axis)],
        )

    def verify_(self) -> None:
        super().verify_()
        if self.result.type != without_axis(self.input, self.axis.data):
            raise VerifyException("the result must be the input without the reduced axis")


class ArgReduceBase(KindBase):
    """The `max` or `min` along an axis and the position of its first occurrence within the axis (a NaN wins)."""

    KINDS: ClassVar = ARG_REDUCE_KINDS

    value = result_def(ValueConstr)
    index = result_def(ValueConstr)

    def __init__(self, kind: str, value: SSAValue, axis: int, index_element: IntegerType, *over: SSAValue):
        reduced = without_axis(value, axis)
        super().__init__(
            operands=[value, *over],
            properties={"kind": StringAttr(kind), "axis": IntAttr(axis)},
            result_types=[reduced, with_element(reduced, index_element)],
        )

    def verify_(self) -> None:
        super().verify_()
        if self.value.type != without_axis(self.input, self.axis.data):
            raise VerifyException("the value must be the input without the reduced axis")


class ScanBase(KindBase):
    """Inclusive prefix `kind` along an axis, from the other end when `reverse`."""

    KINDS: ClassVar = SCAN_KINDS

    reverse = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    def __init__(self, kind: str, value: SSAValue, axis: int, *over: SSAValue, reverse: bool = False):
        super().__init__(
            operands=[value, *over],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "reverse": UnitAttr() if reverse else None,
            },
            result_types=[value.type],
        )

    def verify_(self) -> None:
        super().verify_()
        if self.result.type != self.input.type:
            raise VerifyException("a scan keeps its type")


def without_axis(value: SSAValue, axis: int) -> Attribute:
    """The type of `value` with one axis less."""
    dims = dims_of(value)
    return with_dims(value.type, dims[:axis] + dims[axis + 1 :])


class DotBase(IRDLOperation):
    """`acc + lhs @ rhs` for `[.., M, K]` and `[.., K, N]`, whose leading batch axes are alike, in the type of `acc`.

    An `rhs` of rank 2 is that of every batch.
    """

    T: ClassVar = VarConstraint("T", ValueConstr)

    precision = prop_def(StringAttr, default_value=StringAttr("tf32"))
    lhs = operand_def(ValueConstr)
    rhs = operand_def(ValueConstr)
    acc = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, acc: SSAValue, *over: SSAValue, precision: str = "tf32"):
        super().__init__(
            operands=[lhs, rhs, acc, *over],
            properties={"precision": StringAttr(precision)},
            result_types=[acc.type],
        )

    def verify_(self) -> None:
        lhs, rhs, acc = dims_of(self.lhs), dims_of(self.rhs), dims_of(self.acc)
        if len(lhs) < 2 or len(rhs) not in (2, len(lhs)):
            raise VerifyException(f"dot operands must have equal rank of at least 2, got {len(lhs)} and {len(rhs)}")
        if rhs[:-2] not in ((), lhs[:-2]) or lhs[-1] != rhs[-2]:
            raise VerifyException(f"dot operands do not match: {lhs} and {rhs}")
        if acc != (*lhs[:-1], rhs[-1]):
            raise VerifyException(f"the accumulator must have dims {(*lhs[:-1], rhs[-1])}, got {acc}")
        if self.precision.data not in PRECISIONS:
            raise VerifyException(f"unknown precision {self.precision.data!r}, expected one of {', '.join(PRECISIONS)}")


@irdl_op_definition
class GatherOp(IRDLOperation, DeclaresAxes):
    """`torch.gather` on a device value: `result[.., i, ..] = input[.., index[.., i, ..], ..]` along `axis`."""

    name = "value.gather"

    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)
    index = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), OwnAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `,` $index attr-dict `:` type($input) `,` type($index) `->` type($result)"

    def __init__(self, value: SSAValue, index: SSAValue, axis: int):
        super().__init__(
            operands=[value, index],
            properties={"axis": IntAttr(axis)},
            result_types=[with_dims(value.type, dims_of(index))],
        )

    def verify_(self) -> None:
        source, index = dims_of(self.input), dims_of(self.index)
        if len(source) != len(index) or not 0 <= self.axis.data < len(source):
            raise VerifyException(f"input and index must have equal rank, and axis {self.axis.data} be one of it")
        if self.result.type != with_dims(self.input.type, index):
            raise VerifyException("the result must have the index's dims and the input's element type")

    def axis_facts(self) -> AxisFacts:
        """Along the axis any lane of the input may be taken; along the others its lanes go with those of the index."""
        at = self.axis.data
        lanes = [
            Axes((At(1, i),) if i == at else (At(0, i), At(1, i)), (At(0, i),)) for i in range(len(dims_of(self.index)))
        ]
        return AxisFacts(tuple(lanes), Axes((At(0, at),)))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """From one lane every index takes that lane; one index into many lanes is an index tensor of dim 1."""
        build, at = dropping.build, self.axis.data
        source, index = dropping.now(dropping.operand_dims(0), at), dropping.now(dropping.operand_dims(1), at)
        place = sum(not dropping.is_unit(dim) for dim in dropping.operand_dims(1)[:at])
        if source is not None and index is not None:
            self.axis = IntAttr(source)
            return None
        if source is None:
            value = self.input if index is None else build.expand(self.input, place)
            return [build.broadcast(value, dims_of(self.result))]
        one = build.op(GatherOp(self.input, build.expand(self.index, place), source), self.result).result
        return [build.reshape(one, dims_of(self.result))]


__all__ = [
    "ARG_REDUCE_KINDS", "PRECISIONS", "REDUCE_KINDS", "SCAN_KINDS",
    "AlongAxisBase", "ArgReduceBase", "DotBase", "GatherOp", "KindBase", "ReduceBase", "ScanBase", "without_axis",
]  # fmt: skip
