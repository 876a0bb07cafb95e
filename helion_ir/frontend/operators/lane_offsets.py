"""Offsets of lanes in the whole that the tiles of a value are parts of: what random numbers are a function of."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i32, i64
from xdsl.ir import Block, SSAValue

from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ..symbols.expressions import Poly
from ..symbols.sizes import LARGEST_OFFSET
from ..tensors import AxisTile
from ..tracer import Tracer


def _loop_of(tracer: Tracer, dim: Dim, known: AxisTile) -> SSAValue | None:
    """The loop's tile whose positions the lanes of an axis are; None for an axis that no loop walks."""
    while isinstance(known, SSAValue) and isinstance(known.owner, tile.ShiftOp):
        known = known.owner.tile
    walked = tracer.walked_tile(dim, known)
    return walked if walked is not None and isinstance(walked.owner, Block) else None


def lane_offsets(
    tracer: Tracer, dims: Sequence[Dim], tiles: Sequence[AxisTile], *, iterations: bool = False
) -> SSAValue:
    """The row-major index of each lane in the full extents of a shape: up to the end of the loop that walks an axis.

    `iterations`: every iteration of the loops around that walk none of the axes counts as a shape of its own.
    """
    loops = [_loop_of(tracer, dim, known) for dim, known in zip(dims, tiles, strict=True)]
    outer = [value for value in tracer.scopes() if value not in loops] if iterations else []
    element = _offset_type(tracer, [*outer, *loops], [*([0] * len(outer)), *dims])
    builder = tracer.builder
    stride: SSAValue | None = None
    total: SSAValue | None = None
    for axis in reversed(range(len(dims))):
        if dims[axis] != 1 or loops[axis] is not None:
            source = loops[axis] or builder.emit(tile.WholeOp(dims[axis]))
            lanes = builder.integer(builder.emit(tile.IndexOp(source, tracer.index_type)), element)
            lanes = builder.broadcast(_times(tracer, lanes, stride), dims, [axis])
            total = lanes if total is None else builder.emit(arith.AddiOp(total, lanes))
        stride = _times(tracer, _extent(tracer, loops[axis], dims[axis], element), stride)
    for value in reversed(outer):
        begin = _times(tracer, _position(tracer, value, element), stride)
        lanes = builder.splat(begin, dims)
        total = lanes if total is None else builder.emit(arith.AddiOp(total, lanes))
        stride = _times(tracer, _extent(tracer, value, 1, element), stride)
    return builder.filled(0, element, dims) if total is None else total


def _times(tracer: Tracer, value: SSAValue, stride: SSAValue | None) -> SSAValue:
    if stride is None:
        return value
    return tracer.builder.emit(arith.MuliOp(value, tracer.builder.splat(stride, dims_of(value))))


def _position(tracer: Tracer, value: SSAValue, element: IntegerType) -> SSAValue:
    """Where an iteration is: the first position of a loop's tile, or its index."""
    if isinstance(value.type, tile.TileType):
        value = tracer.builder.emit(tile.BeginOp(value, tracer.index_type))
    return tracer.builder.integer(value, element)


def _extent(tracer: Tracer, loop: SSAValue | None, dim: Dim, element: IntegerType) -> SSAValue:
    """How many positions there are along an axis."""
    if loop is None:
        return tracer.materialize(tracer.poly_of_dim(dim), element)
    end = tracer.end_of(loop)
    if end is not None:
        return tracer.materialize(end, element)
    return tracer.builder.integer(tracer.ends[loop], element)


def _offset_type(tracer: Tracer, loops: Sequence[SSAValue | None], dims: Sequence[Dim]) -> IntegerType:
    """i32 where all offsets fit, which is a guard; the bits of i64 offsets that fit are the same."""
    count = Poly.constant(1)
    for loop, dim in zip(loops, dims, strict=True):
        end = tracer.poly_of_dim(dim) if loop is None else tracer.end_of(loop)
        if end is None:
            return i64
        count = count * end
    return i32 if tracer.below(count, LARGEST_OFFSET) else i64
