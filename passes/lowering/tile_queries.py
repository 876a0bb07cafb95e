"""Tiles and what is asked of them: rows of the lowering."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ...dialects import tile, tl
from ...dialects.dims import element_of
from .context import Lowering
from .registry import row


@row(tile.WholeOp)
def lower_whole(low: Lowering, op: tile.WholeOp) -> Sequence[SSAValue]:
    low.make_tile(op.result, low.emit.constant(0, low.index_type), None)
    return ()


@row(tile.RangeOp)
def lower_range(low: Lowering, op: tile.RangeOp) -> Sequence[SSAValue]:
    low.make_tile(op.result, low.value(op.begin), low.value(op.end), step=op.step.data)
    return ()


@row(tile.ShiftOp)
def lower_shift(low: Lowering, op: tile.ShiftOp) -> Sequence[SSAValue]:
    offset = low.emit.cast_int(low.value(op.offset), low.index_type)
    low.tiles[op.result] = low.tile(op.tile).shifted(offset)
    return ()


@row(tile.SymbolOp)
def lower_symbol(low: Lowering, op: tile.SymbolOp) -> Sequence[SSAValue]:
    assert isinstance(op.result.type, IntegerType)
    return (low.dim_value(op.value, op.result.type),)


@row(tile.BeginOp)
def lower_begin(low: Lowering, op: tile.BeginOp) -> Sequence[SSAValue]:
    return (low.emit.cast_int(low.tile(op.tile).start, op.result.type),)


@row(tile.EndOp)
def lower_end(low: Lowering, op: tile.EndOp) -> Sequence[SSAValue]:
    assert isinstance(op.tile.type, tile.TileType)
    last = low.tile(op.tile).last(low.dim_value(op.tile.type.dim))
    return (low.emit.cast_int(last, op.result.type),)


@row(tile.IdOp)
def lower_id(low: Lowering, op: tile.IdOp) -> Sequence[SSAValue]:
    source = low.tile(op.tile)
    if source.first is None or source.block is None:
        return (low.emit.constant(0, op.result.type),)
    number = low.emit.binary(arith.DivSIOp, low.emit.sub(source.begin, source.first), source.block)
    return (low.emit.cast_int(number, op.result.type),)


@row(tile.CountOp)
def lower_count(low: Lowering, op: tile.CountOp) -> Sequence[SSAValue]:
    source = low.tile(op.tile)
    if source.first is None or source.block is None or source.stop is None:
        return (low.emit.constant(1, op.result.type),)
    count = low.emit.op(tl.CdivOp, (low.emit.sub(source.stop, source.first), source.block)).result
    return (low.emit.cast_int(count, op.result.type),)


@row(tile.IndexOp)
def lower_index(low: Lowering, op: tile.IndexOp) -> Sequence[SSAValue]:
    return (low.emit.cast_int(low.tile(op.tile).positions, element_of(op.result)),)
