"""Work along an axis: reductions, scans, and what moves lanes to where others are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntAttr, IntegerType, i1
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, FoldsChunks, OpBuilder, OwnAxes
from ..axis_kinds import AlongAxis, tile_matches
from ..constants import neutral_element
from ..dims import Dim, dims_of, element_of, with_dims
from ..value import AlongAxisBase, ArgReduceBase, CompareOp, ReduceBase, ScalarConstr, ScanBase, SelectOp, ValueConstr
from .tiles import BeginOp, WholeOp
from .types import TileType


class OverTile(IRDLOperation):
    """An op that sees the valid lanes of an axis, those before the end of its last operand."""

    tile = operand_def(TileType)


@irdl_op_definition
class PadOp(IRDLOperation, DeclaresAxes):
    """Replace the lanes of `axis` that are past the end of `tile` by `fill`; inserted by resolve-padding."""

    name = "tile.pad"

    T: ClassVar = VarConstraint("T", ValueConstr)

    axis = prop_def(IntAttr)
    input = operand_def(T)
    fill = operand_def(ScalarConstr)
    tile = operand_def(TileType)
    result = result_def(T)

    traits = traits_def(Pure(), OwnAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `,` $fill `past` $tile attr-dict `:` type($input) `,` type($fill) `,` type($tile)"

    def __init__(self, value: SSAValue, fill: SSAValue, axis: int, tile: SSAValue):
        super().__init__(operands=[value, fill, tile], properties={"axis": IntAttr(axis)}, result_types=[value.type])

    def verify_(self) -> None:
        tile_matches(self, self.input, self.axis.data, self.tile)
        if self.fill.type != element_of(self.input):
            raise VerifyException("fill must have the input's element type")

    def axis_facts(self) -> AxisFacts:
        lanes = [Axes((At(0, axis),), (At(0, axis),)) for axis in range(len(dims_of(self.input)))]
        return AxisFacts(tuple(lanes), tiles=((2, lanes[self.axis.data]),))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        if (axis := dropping.now(dropping.operand_dims(0), self.axis.data)) is not None:
            self.axis = IntAttr(axis)
            return None
        dims = dims_of(self.input)
        return [dropping.if_valid(self.tile, self.input, lambda: dropping.build.splat(self.fill, dims))]


@irdl_op_definition
class KeepOp(IRDLOperation, DeclaresAxes):
    """`new`, but the lanes of `axis` that are past the end of `tile` hold what `old` holds there.

    ```mlir
    %r = tile.keep %new, %old past %tile_n {axis = #builtin.int<1>} : tensor<...>, !tile.tile<b1>
    ```
    The frontend puts it where a variable that outlives the tile takes a value of the tile's lanes: a lane past the
    end does not exist, so nothing happens to it. resolve-padding removes it where `new` holds the same anyway.
    """

    name = "tile.keep"

    T: ClassVar = VarConstraint("T", ValueConstr)

    axis = prop_def(IntAttr)
    new = operand_def(T)
    old = operand_def(T)
    tile = operand_def(TileType)
    result = result_def(T)

    traits = traits_def(Pure(), OwnAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$new `,` $old `past` $tile attr-dict `:` type($new) `,` type($tile)"

    def __init__(self, new: SSAValue, old: SSAValue, axis: int, tile: SSAValue):
        super().__init__(operands=[new, old, tile], properties={"axis": IntAttr(axis)}, result_types=[new.type])

    def verify_(self) -> None:
        tile_matches(self, self.new, self.axis.data, self.tile)

    def axis_facts(self) -> AxisFacts:
        lanes = [Axes((At(0, axis), At(1, axis)), (At(0, axis),)) for axis in range(len(dims_of(self.new)))]
        return AxisFacts(tuple(lanes), tiles=((2, lanes[self.axis.data]),))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        if (axis := dropping.now(dropping.operand_dims(0), self.axis.data)) is not None:
            self.axis = IntAttr(axis)
            return None
        return [dropping.if_valid(self.tile, self.new, lambda: self.old)]


_FLOAT_COMBINE: dict[str, type[IRDLOperation]] = {
    "sum": arith.AddfOp, "prod": arith.MulfOp, "max": arith.MaximumfOp, "min": arith.MinimumfOp,
}  # fmt: skip
_IGNORE_NAN: dict[str, type[IRDLOperation]] = {"max": arith.MaxnumfOp, "min": arith.MinnumfOp}
_INT_COMBINE: dict[str, type[IRDLOperation]] = {
    "sum": arith.AddiOp, "prod": arith.MuliOp, "max": arith.MaxSIOp, "min": arith.MinSIOp,
    "and": arith.AndIOp, "or": arith.OrIOp, "xor": arith.XOrIOp,
}  # fmt: skip
_BOOL_COMBINE: dict[str, type[IRDLOperation]] = {**_INT_COMBINE, "max": arith.OrIOp, "min": arith.AndIOp}


def combining_kind(op: Operation) -> tuple[str, bool] | None:
    """The kind of reduction that combines two lanes by such an op, and whether it ignores NaN; None if there is none.

    Sums and products of booleans count nothing: their kinds are xor and and.
    """
    if op.results and element_of(op.results[0]) == i1:
        tables = ({kind: _INT_COMBINE[kind] for kind in ("and", "or", "xor")},)
    else:
        tables = (_FLOAT_COMBINE, _INT_COMBINE, _IGNORE_NAN)
    found = [(kind, table is _IGNORE_NAN) for table in tables for kind, cls in table.items() if cls is type(op)]
    return found[0] if found else None


def _neutral(op: ReduceOp | ArgReduceOp | ScanOp) -> float | int:
    return neutral_element(op.kind.data, element_of(op.input))


def _neutral_if_reverse(op: ScanOp) -> float | int | None:
    """From the near end a scan reaches the padding last, and what it gives there does not exist."""
    return None if op.reverse is None else _neutral(op)


def _of_equal(op: ReduceOp | ScanOp, value: float | int) -> float | int | None:
    """Lanes of one value give that value if the kind is idempotent, or the value its neutral element."""
    return value if op.kind.data in ("max", "min", "and", "or") or value == _neutral(op) else None


@irdl_op_definition
class ReduceOp(ReduceBase, OverTile, FoldsChunks):
    """Reduce one axis away with `kind` of `REDUCE_KINDS`.

    ```mlir
    %s = tile.reduce "sum" %x over %tile_n {axis = #builtin.int<1>} : tensor<...>, !tile.tile<b1> -> tensor<...>
    ```
    """

    name = "tile.reduce"

    traits = traits_def(AlongAxis(keeps=False, fill=_neutral, equal=_of_equal))

    assembly_format = "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"

    def before_chunks(self, chunk_dims: Sequence[Dim], build: OpBuilder) -> list[SSAValue]:
        """A neutral element in each lane of a chunk."""
        return [build.full(_neutral(self), with_dims(self.input.type, chunk_dims))]

    def fold_chunk(
        self,
        values: Sequence[SSAValue],
        found: Sequence[SSAValue],
        chunk: SSAValue,
        index_type: IntegerType,
        build: OpBuilder,
    ) -> list[SSAValue]:
        """Lane by lane; lanes past the end of the last chunk add nothing."""
        (value,) = values
        fill = build.constant(_neutral(self), element_of(value))
        padded = build.op(PadOp(value, fill, self.axis.data, chunk), self.input).result
        combined = self._combine().build(operands=[found[0], padded], result_types=[found[0].type])
        return [build.op(combined, found[0]).results[0]]

    def after_chunks(self, found: Sequence[SSAValue], build: OpBuilder) -> list[SSAValue]:
        """Reduce the lanes, all of which are valid."""
        axis, ignore = self.axis.data, self.ignore_nan is not None
        whole = build.op(WholeOp(dims_of(found[0])[axis])).result
        new = build.op(ReduceOp(self.kind.data, found[0], axis, whole, ignore_nan=ignore), self.result)
        new.attributes.update(self.attributes)
        return [new.result]

    def _combine(self) -> type[IRDLOperation]:
        element = element_of(self.input)
        if isinstance(element, IntegerType):
            return (_BOOL_COMBINE if element.width.data == 1 else _INT_COMBINE)[self.kind.data]
        table = {**_FLOAT_COMBINE, **_IGNORE_NAN} if self.ignore_nan is not None else _FLOAT_COMBINE
        return table[self.kind.data]


@irdl_op_definition
class ArgReduceOp(ArgReduceBase, OverTile, FoldsChunks):
    """The `max` or `min` along an axis and the position of its first occurrence within the axis (a NaN wins)."""

    name = "tile.arg_reduce"

    traits = traits_def(AlongAxis(keeps=False, fill=_neutral, one_lane=(True, False)))

    assembly_format = (
        "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($value) `,` type($index)"
    )

    def before_chunks(self, chunk_dims: Sequence[Dim], build: OpBuilder) -> list[SSAValue]:
        return [build.full(_neutral(self), self.value.type), build.full(0, self.index.type)]

    def fold_chunk(
        self,
        values: Sequence[SSAValue],
        found: Sequence[SSAValue],
        chunk: SSAValue,
        index_type: IntegerType,
        build: OpBuilder,
    ) -> list[SSAValue]:
        """A later chunk wins only if it is strictly better, so the first occurrence stays; a NaN wins over all."""
        (value,) = values
        kind, index_element = self.kind.data, element_of(self.index)
        assert isinstance(index_element, IntegerType)
        local = build.op(ArgReduceOp(kind, value, self.axis.data, index_element, chunk))
        local.attributes.update(self.attributes)
        begin = build.cast(build.op(BeginOp(chunk, index_type)).result, index_element)
        position = build.op(arith.AddiOp(local.index, build.splat(begin, dims_of(local.index)))).result
        better = build.op(CompareOp("gt" if kind == "max" else "lt", local.value, found[0])).result
        if not isinstance(element_of(value), IntegerType):
            is_nan = build.op(CompareOp("ne", local.value, local.value)).result
            was_number = build.op(CompareOp("eq", found[0], found[0])).result
            better = build.op(arith.OrIOp(better, build.op(arith.AndIOp(is_nan, was_number)).result)).result
        return [
            build.op(SelectOp(better, local.value, found[0]), self.value).result,
            build.op(SelectOp(better, position, found[1]), self.index).result,
        ]

    def after_chunks(self, found: Sequence[SSAValue], build: OpBuilder) -> list[SSAValue]:
        return list(found)


@irdl_op_definition
class ScanOp(ScanBase, OverTile):
    """Inclusive prefix `kind` (of `SCAN_KINDS`) along an axis, from the other end when `reverse`."""

    name = "tile.scan"

    traits = traits_def(AlongAxis(keeps=True, fill=_neutral_if_reverse, equal=_of_equal))

    assembly_format = "$kind $input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"


@irdl_op_definition
class FlipOp(AlongAxisBase, OverTile):
    """The valid lanes of an axis in reverse order (`torch.flip`): lane `i` is lane `valid - 1 - i` of the input.

    ```mlir
    %r = tile.flip %x over %tile_n {axis = #builtin.int<1>} : tensor<...>, !tile.tile<b1>
    ```
    """

    name = "tile.flip"

    T: ClassVar = VarConstraint("T", ValueConstr)

    input = operand_def(T)
    result = result_def(T)

    traits = traits_def(AlongAxis(keeps=True))
    assembly_format = "$input `over` $tile attr-dict `:` type($input) `,` type($tile)"

    def __init__(self, value: SSAValue, axis: int, tile: SSAValue):
        super().__init__(operands=[value, tile], properties={"axis": IntAttr(axis)}, result_types=[value.type])


__all__ = ["ArgReduceOp", "FlipOp", "KeepOp", "OverTile", "PadOp", "ReduceOp", "ScanOp"]
