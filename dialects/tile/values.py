"""Values: constants, views, elementwise ops that `arith` and `math` lack, contractions, reductions, scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, IntAttr, IntegerType, StringAttr, UnitAttr, i64
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
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, dims_of, element_of, tensor_type, with_dims, with_element
from ..elementwise import BitcastBase, CastBase, CompareBase, LibdeviceBase, ScalarConstr, SelectBase, ValueConstr
from .types import TileType

REDUCE_KINDS = ("sum", "prod", "max", "min", "and", "or", "xor")
"""`max` and `min` propagate NaN unless the op says `ignore_nan`."""
SCAN_KINDS = ("sum", "prod", "max", "min")
PRECISIONS = ("tf32", "tf32x3", "ieee")


def _axis_tile_matches(op: IRDLOperation, value: SSAValue, axis: int, tile: SSAValue) -> None:
    dims = dims_of(value)
    if not 0 <= axis < len(dims):
        raise VerifyException(f"{op.name}: axis {axis} out of range for rank {len(dims)}")
    assert isinstance(tile.type, TileType)
    if tile.type.dim != dims[axis]:
        raise VerifyException(f"{op.name}: the tile has dim {tile.type.dim}, axis {axis} has dim {dims[axis]}")


@irdl_op_definition
class SplatOp(IRDLOperation):
    """A scalar in every lane: `tile.splat %zero : f32 -> tensor<...>` (`hl.full`, `hl.zeros`, scalar operands)."""

    name = "tile.splat"

    input = operand_def(ScalarConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[tensor_type(value.type, *dims)])

    def verify_(self) -> None:
        if element_of(self.result) != self.input.type:
            raise VerifyException("splat must keep the element type")


class _ViewBase(IRDLOperation):
    """A pure op that moves lanes around and keeps the element type."""

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
    """Repeat along axes of dim 1, rank kept: `tile.broadcast %v : tensor<?x1xf32, …> -> tensor<?x?xf32, …>`."""

    name = "tile.broadcast"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        source, target = dims_of(self.input), dims_of(self.result)
        if len(source) != len(target) or any(a not in (b, 1) for a, b in zip(source, target, strict=True)):
            raise VerifyException(f"cannot broadcast dims {source} to {target}: equal rank, and 1 where they differ")
        self.verify_view(target)


@irdl_op_definition
class ExpandDimsOp(_ViewBase):
    """Insert an axis of dim 1 at `axis` of the result; a scalar becomes a tensor of dim 1."""

    name = "tile.expand_dims"

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
class PermuteOp(_ViewBase):
    """Reorder axes: result axis `i` is input axis `order[i]`."""

    name = "tile.permute"

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
        dims, order = dims_of(self.input), self.permutation
        if sorted(order) != list(range(len(dims))):
            raise VerifyException(f"order {list(order)} is no permutation of {len(dims)} axes")
        self.verify_view([dims[i] for i in order])


@irdl_op_definition
class ReshapeOp(_ViewBase):
    """The same lanes in row-major order under other dims (also: drop or add axes of dim 1).

    Where dims are no powers of two, padding lanes are not in the row-major order of the valid ones; the
    conversion rejects what it cannot lower.
    """

    name = "tile.reshape"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        self.verify_view(dims_of(self.result))


@irdl_op_definition
class JoinOp(IRDLOperation):
    """Two equal tensors along a new last axis of dim 2 (`hl.join`)."""

    name = "tile.join"

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
    """The two halves along a last axis of dim 2 (`hl.split`)."""

    name = "tile.split"

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


@irdl_op_definition
class PadOp(IRDLOperation):
    """Replace the lanes of `axis` that are past the end of `tile` by `fill`; inserted by resolve-padding."""

    name = "tile.pad"

    T: ClassVar = VarConstraint("T", ValueConstr)

    axis = prop_def(IntAttr)
    input = operand_def(T)
    fill = operand_def(ScalarConstr)
    tile = operand_def(TileType)
    result = result_def(T)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `,` $fill `past` $tile attr-dict `:` type($input) `,` type($fill) `,` type($tile)"

    def __init__(self, value: SSAValue, fill: SSAValue, axis: int, tile: SSAValue):
        super().__init__(operands=[value, fill, tile], properties={"axis": IntAttr(axis)}, result_types=[value.type])

    def verify_(self) -> None:
        _axis_tile_matches(self, self.input, self.axis.data, self.tile)
        if self.fill.type != element_of(self.input):
            raise VerifyException("fill must have the input's element type")


class _AxisBase(IRDLOperation):
    """An op along one `axis`, whose `tile` says which lanes of it are valid; it never sees the others."""

    axis = prop_def(IntAttr)
    input = operand_def(ValueConstr)
    tile = operand_def(TileType)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def reduced_dims(self) -> tuple[Dim, ...]:
        dims = dims_of(self.input)
        return dims[: self.axis.data] + dims[self.axis.data + 1 :]


@irdl_op_definition
class ReduceOp(_AxisBase):
    """Reduce one axis away with `kind` of `REDUCE_KINDS`.

    ```mlir
    %s = tile.reduce "sum" %x over %tile_n {axis = #builtin.int<1>} : tensor<...>, !tile.tile<b1> -> tensor<...>
    ```
    """

    name = "tile.reduce"

    kind = prop_def(StringAttr)
    ignore_nan = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    assembly_format = "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"

    def __init__(self, kind: str, value: SSAValue, axis: int, tile: SSAValue, *, ignore_nan: bool = False):
        dims = dims_of(value)
        super().__init__(
            operands=[value, tile],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "ignore_nan": UnitAttr() if ignore_nan else None,
            },
            result_types=[with_dims(value.type, dims[:axis] + dims[axis + 1 :])],
        )

    def verify_(self) -> None:
        if self.kind.data not in REDUCE_KINDS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(REDUCE_KINDS)}")
        _axis_tile_matches(self, self.input, self.axis.data, self.tile)
        if self.result.type != with_dims(self.input.type, self.reduced_dims()):
            raise VerifyException("the result must be the input without the reduced axis")


@irdl_op_definition
class ArgReduceOp(_AxisBase):
    """The `max` or `min` along an axis and the position of its first occurrence within the axis (a NaN wins)."""

    name = "tile.arg_reduce"

    kind = prop_def(StringAttr)
    value = result_def(ValueConstr)
    index = result_def(ValueConstr)

    assembly_format = (
        "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($value) `,` type($index)"
    )

    def __init__(self, kind: str, value: SSAValue, axis: int, tile: SSAValue, index_element: IntegerType):
        dims = dims_of(value)
        reduced = with_dims(value.type, dims[:axis] + dims[axis + 1 :])
        super().__init__(
            operands=[value, tile],
            properties={"kind": StringAttr(kind), "axis": IntAttr(axis)},
            result_types=[reduced, with_element(reduced, index_element)],
        )

    def verify_(self) -> None:
        if self.kind.data not in ("max", "min"):
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected max or min")
        _axis_tile_matches(self, self.input, self.axis.data, self.tile)
        if self.value.type != with_dims(self.input.type, self.reduced_dims()):
            raise VerifyException("the value must be the input without the reduced axis")


@irdl_op_definition
class ScanOp(_AxisBase):
    """Inclusive prefix `kind` (of `SCAN_KINDS`) along an axis, from the other end when `reverse`."""

    name = "tile.scan"

    kind = prop_def(StringAttr)
    reverse = opt_prop_def(UnitAttr)
    result = result_def(ValueConstr)

    assembly_format = "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"

    def __init__(self, kind: str, value: SSAValue, axis: int, tile: SSAValue, *, reverse: bool = False):
        super().__init__(
            operands=[value, tile],
            properties={
                "kind": StringAttr(kind),
                "axis": IntAttr(axis),
                "reverse": UnitAttr() if reverse else None,
            },
            result_types=[value.type],
        )

    def verify_(self) -> None:
        if self.kind.data not in SCAN_KINDS:
            raise VerifyException(f"unknown kind {self.kind.data!r}, expected one of {', '.join(SCAN_KINDS)}")
        _axis_tile_matches(self, self.input, self.axis.data, self.tile)
        if self.result.type != self.input.type:
            raise VerifyException("a scan keeps its type")


@irdl_op_definition
class GatherOp(IRDLOperation):
    """`torch.gather` on a device value: `result[.., i, ..] = input[.., index[.., i, ..], ..]` along `axis`."""

    name = "tile.gather"

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
    """`acc + lhs @ rhs` for `[M, K]` and `[K, N]`, or with one leading batch axis; `tile` is that of K.

    ```mlir
    %r = tile.dot %x, %y, %acc over %tile_k {precision = "ieee"} : tensor<…>, tensor<…>, tensor<…>, !tile.tile<b2>
    ```
    The product is accumulated in the element type of `acc` (f32, or i32 for int8 operands).
    """

    name = "tile.dot"

    T: ClassVar = VarConstraint("T", ValueConstr)

    precision = prop_def(StringAttr, default_value=StringAttr("tf32"))
    lhs = operand_def(ValueConstr)
    rhs = operand_def(ValueConstr)
    acc = operand_def(T)
    tile = operand_def(TileType)
    result = result_def(T)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$lhs `,` $rhs `,` $acc `over` $tile attr-dict `:` type($lhs) `,` type($rhs) `,` type($acc) `,` type($tile)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, acc: SSAValue, tile: SSAValue, precision: str = "tf32"):
        super().__init__(
            operands=[lhs, rhs, acc, tile],
            properties={"precision": StringAttr(precision)},
            result_types=[acc.type],
        )

    def verify_(self) -> None:
        lhs, rhs, acc = dims_of(self.lhs), dims_of(self.rhs), dims_of(self.acc)
        if len(lhs) not in (2, 3) or len(rhs) != len(lhs):
            raise VerifyException(f"dot operands must both have rank 2 or 3, got {len(lhs)} and {len(rhs)}")
        if lhs[:-2] != rhs[:-2] or lhs[-1] != rhs[-2]:
            raise VerifyException(f"dot operands do not match: {lhs} and {rhs}")
        if acc != (*lhs[:-1], rhs[-1]):
            raise VerifyException(f"the accumulator must have dims {(*lhs[:-1], rhs[-1])}, got {acc}")
        _axis_tile_matches(self, self.lhs, len(lhs) - 1, self.tile)
        if self.precision.data not in PRECISIONS:
            raise VerifyException(f"unknown precision {self.precision.data!r}, expected one of {', '.join(PRECISIONS)}")


__all__ = [
    "PRECISIONS", "REDUCE_KINDS", "SCAN_KINDS", "ArgReduceOp", "Attribute", "BitcastOp", "BroadcastOp", "CastOp",
    "CompareOp", "DotOp", "ExpandDimsOp", "GatherOp", "JoinOp", "LibdeviceOp", "PadOp", "PermuteOp", "ReduceOp",
    "ReshapeOp", "ScanOp", "SelectOp", "SplatOp", "SplitOp",
]  # fmt: skip
