"""Tiles: what makes them, and what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    IntAttr,
    i32,
    i64,
)
from xdsl.ir import SSAValue, TypeAttribute
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import (
    Pure,
)
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, OwnAxes
from ..dims import Dim, DimsAttr, dims_of, element_of, tensor_type
from .types import IndexInt, TileType


class _TileProducer(IRDLOperation):
    """A pure op whose result is a tile."""

    result = result_def(TileType)
    traits = traits_def(Pure())


@irdl_op_definition
class WholeOp(_TileProducer):
    """All of an extent as one tile, as `x[:]` selects it: `tile.whole : !tile.tile<1000>`; begin 0, end the dim."""

    name = "tile.whole"

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, dim: Dim):
        super().__init__(result_types=[TileType(dim)])


@irdl_op_definition
class RangeOp(_TileProducer):
    """Positions `begin + i * step` for `i` in [0, dim), valid while below `end`; a slice `x[begin:end:step]`."""

    name = "tile.range"

    T: ClassVar = VarConstraint("T", IndexInt)

    begin = operand_def(T)
    end = operand_def(T)
    step = prop_def(IntAttr, default_value=IntAttr(1))

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$begin `to` $end attr-dict `:` type($begin) `->` type($result)"

    def __init__(self, begin: SSAValue, end: SSAValue, dim: Dim, step: int = 1):
        super().__init__(operands=[begin, end], properties={"step": IntAttr(step)}, result_types=[TileType(dim)])


@irdl_op_definition
class ShiftOp(_TileProducer):
    """The tile moved by a scalar: positions and end are `offset` higher; the same lanes are valid (`tile + 3`)."""

    name = "tile.shift"

    T: ClassVar = VarConstraint("T", BaseAttr(TileType))

    tile = operand_def(T)
    offset = operand_def(IndexInt)
    result = result_def(T)

    assembly_format = "$tile `,` $offset attr-dict `:` type($tile) `,` type($offset)"

    def __init__(self, tile: SSAValue, offset: SSAValue):
        super().__init__(operands=[tile, offset], result_types=[tile.type])


class _TileScalar(IRDLOperation):
    """A scalar property of a tile, of the kernel's index type."""

    tile = operand_def(TileType)
    result = result_def(IndexInt)

    traits = traits_def(Pure())
    assembly_format = "$tile attr-dict `:` type($tile) `->` type($result)"

    def __init__(self, tile: SSAValue, type_: TypeAttribute = i32):
        super().__init__(operands=[tile], result_types=[type_])


@irdl_op_definition
class BeginOp(_TileScalar):
    """The first position of a tile (`tile.begin`)."""

    name = "tile.begin"


@irdl_op_definition
class EndOp(_TileScalar):
    """One past the last valid position of a tile, clipped to the extent (`tile.end`)."""

    name = "tile.end"


@irdl_op_definition
class IdOp(_TileScalar):
    """The number of a loop's tile: 0 for the first (`tile.id`)."""

    name = "tile.id"


@irdl_op_definition
class CountOp(_TileScalar):
    """How many tiles the loop of a tile has (`tile.count`)."""

    name = "tile.count"


@irdl_op_definition
class IndexOp(IRDLOperation, DeclaresAxes):
    """The positions of a tile as a 1-D tensor (`tile.index`); padding lanes hold positions past the end."""

    name = "tile.index"

    tile = operand_def(TileType)
    result = result_def()

    traits = traits_def(Pure(), OwnAxes())
    assembly_format = "$tile attr-dict `:` type($tile) `->` type($result)"

    def __init__(self, tile: SSAValue, element: TypeAttribute = i32):
        assert isinstance(tile.type, TileType)
        super().__init__(operands=[tile], result_types=[tensor_type(element, tile.type.dim)])

    def verify_(self) -> None:
        assert isinstance(self.tile.type, TileType)
        if dims_of(self.result) != (self.tile.type.dim,) or element_of(self.result) not in (i32, i64):
            raise VerifyException("the result must be i32 or i64 of the tile's dim")

    def axis_facts(self) -> AxisFacts:
        return AxisFacts(tiles=((0, Axes((), (At(0, 0),))),))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        begin = dropping.build.op(BeginOp(self.tile, dropping.index_type), self.result).result
        return [dropping.build.cast(begin, element_of(self.result))]


@irdl_op_definition
class SymbolOp(IRDLOperation):
    """The run-time value of a dim: a size, a block size, or an expression of them: `tile.symbol <b0> : i32`."""

    name = "tile.symbol"

    dim = prop_def(DimsAttr)
    result = result_def(IndexInt)

    traits = traits_def(Pure())
    assembly_format = "$dim attr-dict `:` type($result)"

    def __init__(self, dim: Dim, type_: TypeAttribute = i32):
        super().__init__(properties={"dim": DimsAttr.get(dim)}, result_types=[type_])

    @property
    def value(self) -> Dim:
        return self.dim.as_tuple()[0]

    def verify_(self) -> None:
        if len(self.dim) != 1:
            raise VerifyException("tile.symbol names exactly one dim")


__all__ = ["BeginOp", "CountOp", "EndOp", "IdOp", "IndexOp", "RangeOp", "ShiftOp", "SymbolOp", "WholeOp"]
