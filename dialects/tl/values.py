"""Value ops of `triton.language`: creation, views, elementwise, dot, reductions, scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, IntAttr, IntegerType, StringAttr, UnitAttr, i32, i64
from xdsl.ir import SSAValue
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
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, dims_of, element_of, tensor_type, with_dims, with_element
from ..elementwise import BitcastBase, CastBase, CompareBase, LibdeviceBase, ScalarConstr, SelectBase, ValueConstr
from ..tile.along_axis import REDUCE_KINDS, SCAN_KINDS
from ..tile.dot import PRECISIONS


@irdl_op_definition
class ArangeOp(IRDLOperation):
    """`tl.arange(0, n)`, where `n` is the result's dim, a power of two: `tl.arange : tensor<?xi32, …>`."""

    name = "tl.arange"

    result = result_def()

    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, dim: Dim):
        super().__init__(result_types=[tensor_type(i32, dim)])

    def verify_(self) -> None:
        dims = dims_of(self.result)
        if len(dims) != 1 or element_of(self.result) != i32:
            raise VerifyException("arange gives one axis of i32")
        if isinstance(dims[0], int) and dims[0] & (dims[0] - 1):
            raise VerifyException(f"arange needs a power of two, got {dims[0]}")


@irdl_op_definition
class FullOp(IRDLOperation):
    """`tl.full([dims], value, dtype)`: a scalar in every lane."""

    name = "tl.full"

    input = operand_def(ScalarConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[tensor_type(value.type, *dims)])

    def verify_(self) -> None:
        if element_of(self.result) != self.input.type:
            raise VerifyException("full must keep the element type")


class _ViewBase(IRDLOperation):
    input = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def verify_view(self, expected: Sequence[Dim]) -> None:
        if self.result.type != with_dims(self.input.type, expected):
            raise VerifyException(
                f"{self.name}: expected {with_dims(self.input.type, expected)}, got {self.result.type}"
            )


@irdl_op_definition
class BroadcastOp(_ViewBase):
    """`tl.broadcast_to(x, [dims])`; with `implicit` its uses broadcast by themselves and only the input prints."""

    name = "tl.broadcast"

    implicit = opt_prop_def(UnitAttr)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        source, target = dims_of(self.input), dims_of(self.result)
        if len(source) not in (0, len(target)) or any(a not in (b, 1) for a, b in zip(source, target, strict=False)):
            raise VerifyException(f"cannot broadcast dims {source} to {target}")
        self.verify_view(target)


@irdl_op_definition
class ExpandDimsOp(_ViewBase):
    """`x[:, None]`: an axis of dim 1 at `axis` of the result."""

    name = "tl.expand_dims"

    axis = prop_def(IntAttr)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, axis: int):
        dims = list(dims_of(value))
        dims.insert(axis, 1)
        super().__init__(
            operands=[value], properties={"axis": IntAttr(axis)}, result_types=[with_dims(value.type, dims)]
        )

    def verify_(self) -> None:
        dims = list(dims_of(self.input))
        if not 0 <= self.axis.data <= len(dims):
            raise VerifyException(f"axis {self.axis.data} out of range for rank {len(dims)}")
        dims.insert(self.axis.data, 1)
        self.verify_view(dims)


@irdl_op_definition
class TransOp(_ViewBase):
    """`tl.permute(x, order)`: result axis `i` is input axis `order[i]`."""

    name = "tl.trans"

    order = prop_def(DenseArrayBase.constr(i64))
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, order: Sequence[int]):
        dims = dims_of(value)
        super().__init__(
            operands=[value],
            properties={"order": DenseArrayBase.from_list(i64, order)},
            result_types=[with_dims(value.type, [dims[i] for i in order])],
        )

    @property
    def permutation(self) -> tuple[int, ...]:
        return tuple(int(i) for i in self.order.get_values())

    def verify_(self) -> None:
        dims = dims_of(self.input)
        if sorted(self.permutation) != list(range(len(dims))):
            raise VerifyException(f"order {list(self.permutation)} is no permutation of {len(dims)} axes")
        self.verify_view([dims[i] for i in self.permutation])


@irdl_op_definition
class ReshapeOp(_ViewBase):
    """`tl.reshape(x, [dims])`, row-major."""

    name = "tl.reshape"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        self.verify_view(dims_of(self.result))


@irdl_op_definition
class JoinOp(IRDLOperation):
    """`tl.join(a, b)`: a new last axis of dim 2."""

    name = "tl.join"

    T: ClassVar = VarConstraint("T", ValueConstr)

    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(ValueConstr)

    traits = traits_def(Pure())
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[lhs, rhs], result_types=[with_dims(lhs.type, [*dims_of(lhs), 2])])

    def verify_(self) -> None:
        if self.result.type != with_dims(self.lhs.type, [*dims_of(self.lhs), 2]):
            raise VerifyException("join appends an axis of dim 2")


@irdl_op_definition
class SplitOp(IRDLOperation):
    """`tl.split(x)`: the two halves along a last axis of dim 2."""

    name = "tl.split"

    T: ClassVar = VarConstraint("T", ValueConstr)

    input = operand_def(ValueConstr)
    first = result_def(T)
    second = result_def(T)

    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($first)"

    def __init__(self, value: SSAValue):
        half = with_dims(value.type, dims_of(value)[:-1])
        super().__init__(operands=[value], result_types=[half, half])

    def verify_(self) -> None:
        dims = dims_of(self.input)
        if not dims or dims[-1] != 2 or self.first.type != with_dims(self.input.type, dims[:-1]):
            raise VerifyException("split takes a last axis of dim 2 away")


@irdl_op_definition
class CompareOp(CompareBase):
    """`a < b` and its like."""

    name = "tl.compare"


@irdl_op_definition
class WhereOp(SelectBase):
    """`tl.where(condition, x, y)`."""

    name = "tl.where"


@irdl_op_definition
class BitcastOp(BitcastBase):
    """`x.to(dtype, bitcast=True)`."""

    name = "tl.bitcast"


@irdl_op_definition
class CastOp(CastBase):
    """`x.to(dtype)` to or from integers."""

    name = "tl.cast"


@irdl_op_definition
class LibdeviceOp(LibdeviceBase):
    """`libdevice.<function>(args)`."""

    name = "tl.libdevice"

    args = var_operand_def(ValueConstr)
    assembly_format = "$function `(` $args `)` attr-dict `:` `(` type($args) `)` `->` type($result)"

    def __init__(self, function: str, args: Sequence[SSAValue]):
        super().__init__(operands=[args], properties={"function": StringAttr(function)}, result_types=[args[0].type])


class _AxisBase(IRDLOperation):
    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def verify_axis(self) -> None:
        rank = len(dims_of(self.input))
        if not 0 <= self.axis.data < rank:
            raise VerifyException(f"axis {self.axis.data} out of range for rank {rank}")

    def reduced_dims(self) -> tuple[Dim, ...]:
        dims = dims_of(self.input)
        return dims[: self.axis.data] + dims[self.axis.data + 1 :]


@irdl_op_definition
class ReduceOp(_AxisBase):
    """`tl.sum(x, axis)`, `tl.max` … over all lanes of an axis; `max`/`min` propagate NaN unless `ignore_nan`."""

    name = "tl.reduce"

    kind = prop_def(StringAttr)
    ignore_nan = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, kind: str, value: SSAValue, axis: int, *, ignore_nan: bool = False):
        dims = dims_of(value)
        super().__init__(
            operands=[value],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "ignore_nan": UnitAttr() if ignore_nan else None,
            },
            result_types=[with_dims(value.type, dims[:axis] + dims[axis + 1 :])],
        )

    def verify_(self) -> None:
        self.verify_axis()
        if self.kind.data not in REDUCE_KINDS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(REDUCE_KINDS)}")
        if self.result.type != with_dims(self.input.type, self.reduced_dims()):
            raise VerifyException("the result must be the input without the reduced axis")


@irdl_op_definition
class ArgReduceOp(_AxisBase):
    """`tl.max(x, axis, return_indices=True)` and `min`: value and first lane; a NaN wins, as in torch."""

    name = "tl.arg_reduce"

    kind = prop_def(StringAttr)
    value = result_def(ValueConstr)
    index = result_def(ValueConstr)

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($value) `,` type($index)"

    def __init__(self, kind: str, value: SSAValue, axis: int, index_element: IntegerType = i32):
        dims = dims_of(value)
        reduced = with_dims(value.type, dims[:axis] + dims[axis + 1 :])
        super().__init__(
            operands=[value],
            properties={"kind": StringAttr(kind), "axis": IntAttr(axis)},
            result_types=[reduced, with_element(reduced, index_element)],
        )

    def verify_(self) -> None:
        self.verify_axis()
        if self.kind.data not in ("max", "min"):
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected max or min")
        if self.value.type != with_dims(self.input.type, self.reduced_dims()):
            raise VerifyException("the value must be the input without the reduced axis")


@irdl_op_definition
class ScanOp(_AxisBase):
    """`tl.cumsum(x, axis, reverse)` and its like."""

    name = "tl.scan"

    kind = prop_def(StringAttr)
    reverse = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    assembly_format = "$kind $input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, kind: str, value: SSAValue, axis: int, *, reverse: bool = False):
        super().__init__(
            operands=[value],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "reverse": UnitAttr() if reverse else None,
            },
            result_types=[value.type],
        )

    def verify_(self) -> None:
        self.verify_axis()
        if self.kind.data not in SCAN_KINDS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(SCAN_KINDS)}")
        if self.result.type != self.input.type:
            raise VerifyException("a scan keeps its type")


@irdl_op_definition
class GatherOp(IRDLOperation):
    """`tl.gather(x, index, axis)`."""

    name = "tl.gather"

    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)
    index = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure())
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


@irdl_op_definition
class DotOp(IRDLOperation):
    """`tl.dot(lhs, rhs, acc, input_precision, out_dtype)`: `acc + lhs @ rhs`, 2-D or with one batch axis."""

    name = "tl.dot"

    T: ClassVar = VarConstraint("T", ValueConstr)

    precision = prop_def(StringAttr)
    lhs = operand_def(ValueConstr)
    rhs = operand_def(ValueConstr)
    acc = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `,` type($acc)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue, acc: SSAValue, precision: str):
        super().__init__(
            operands=[lhs, rhs, acc], properties={"precision": StringAttr(precision)}, result_types=[acc.type]
        )

    def verify_(self) -> None:
        lhs, rhs, acc = dims_of(self.lhs), dims_of(self.rhs), dims_of(self.acc)
        if len(lhs) not in (2, 3) or len(rhs) != len(lhs) or lhs[:-2] != rhs[:-2] or lhs[-1] != rhs[-2]:
            raise VerifyException(f"dot operands do not match: {lhs} and {rhs}")
        if acc != (*lhs[:-1], rhs[-1]):
            raise VerifyException(f"the accumulator must have dims {(*lhs[:-1], rhs[-1])}, got {acc}")
        if self.precision.data not in PRECISIONS:
            raise VerifyException(f"unknown precision {self.precision.data!r}, expected one of {', '.join(PRECISIONS)}")


__all__ = [
    "ArangeOp", "ArgReduceOp", "BitcastOp", "BroadcastOp", "CastOp", "CompareOp", "DotOp", "ExpandDimsOp", "FullOp",
    "GatherOp", "JoinOp", "LibdeviceOp", "ReduceOp", "ReshapeOp", "ScanOp", "SplitOp", "TransOp", "WhereOp",
]  # fmt: skip
