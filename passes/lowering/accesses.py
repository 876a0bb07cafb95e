"""Addresses and masks of loads, stores and atomics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from ...dialects import tl
from ...dialects.dims import Dim, dims_of
from ...dialects.tile import AccessBase, ShiftOp, Subscript, TileType, access_tiles
from ...dialects.value import ExpandDimsOp
from ..analysis.bounds import at_most, constant_value, tile_bounds
from ..analysis.op_mix import MAX_LANES
from ..analysis.positions import least_position
from ..construction import descriptor_op
from .context import Lowering
from .tiles import LoweredTile


@dataclass(frozen=True)
class Address:
    """Where an access goes: the sum of `offset` and base pointer, for the lanes of `mask` (None: all)."""

    offset: SSAValue
    mask: SSAValue | None


def address(low: Lowering, op: AccessBase) -> Address:
    """Offset and mask of a pointer access, at the access's full physical dims."""
    emit = low.emit
    subscript = op.subscript
    dims = low.physical_dims(subscript.dims)
    scalar: SSAValue | None = None
    vectors: list[SSAValue] = []
    type_ = low.signature.offset_type(op.ref_type)
    for term, stride in _terms(low, op, subscript, type_):
        scaled = emit.mul(term, low.dim_value(stride, type_))
        if dims_of(scaled):
            vectors.append(scaled)
        else:
            scalar = scaled if scalar is None else emit.add(scalar, scaled)
    with emit.named("offset"):
        offset = scalar
        for vector in vectors:
            offset = vector if offset is None else emit.add(offset, vector)
        if offset is None:
            offset = emit.constant(0, type_)
        offset = emit.broadcast(offset, dims)
    mask = None
    for part in _masks(low, op, subscript):
        mask = emit.both(mask, part)
    if mask is not None:
        mask = emit.broadcast(mask, dims)
    return Address(offset, mask)


def _terms(low: Lowering, op: AccessBase, subscript: Subscript, type_: IntegerType) -> Iterable[tuple[SSAValue, Dim]]:
    """The position along each dimension of the ref, placed on the axes that its index spans, and its stride.

    Positions have the type of offsets: one is as wide as the product with the stride needs.
    """
    rank = len(subscript.dims)
    for index, span, stride in zip(op.indices, subscript.spans, op.ref_type.stride_dims, strict=True):
        if type(index.type) is TileType:
            positions = low.emit.cast_int(low.tile(index).positions, type_)
            yield low.emit.place(positions, span[0], rank), stride
        else:
            yield _embed(low, low.emit.cast_int(low.value(index), type_), span, rank), stride


def _embed(low: Lowering, value: SSAValue, span: Sequence[int], rank: int) -> SSAValue:
    """A value whose axes are the axes `span` of `rank`, the others of dim 1; a scalar stays one."""
    if not span:
        return value
    for position in range(rank):
        if position not in span:
            value = low.emit.op(ExpandDimsOp, (value,), position).result
    return value


def _masks(low: Lowering, op: AccessBase, subscript: Subscript) -> Iterable[SSAValue]:
    """The conditions under which a lane is touched, each placed on its axis.

    A tile in two dimensions is checked in both: each has its own size.
    """
    rank, sizes = len(subscript.dims), op.ref_type.size_dims
    for axis, (tile, dimension) in enumerate(zip(access_tiles(op), subscript.walked, strict=True)):
        lowered = low.tile(tile)
        if (valid := lowered.valid) is not None:
            yield low.emit.place(valid, axis, rank)
        for bound in () if dimension is None else _size_checks(low, tile, lowered, sizes[dimension]):
            yield low.emit.place(bound, axis, rank)
    if op.mask is not None:
        yield low.value(op.mask)


def _size_checks(low: Lowering, tile: SSAValue, lowered: LoweredTile, size: Dim) -> Iterable[SSAValue]:
    """Checks of positions against the ref's dimension, where the tile's bounds do not imply them."""
    bounds = tile_bounds(tile)
    end = at_most(bounds.end)
    with low.emit.named("mask"):
        if _may_be_negative(low, tile, end):
            yield low.emit.compare("ge", lowered.positions, low.emit.constant(0, low.index_type))
        within = end == size or (isinstance(end, int) and isinstance(size, int) and end <= size)
        if bounds.shifted or not within:
            yield low.emit.compare("lt", lowered.positions, low.dim_value(size))


def _may_be_negative(low: Lowering, tile: SSAValue, end: Dim | None) -> bool:
    """Whether positions may lie before the ref, or be so large after shifts that they wrap around to there.

    Ends that are known at run time only are checked to be small before the launch.
    """
    first = least_position(tile)
    if first is None or first < 0:
        return True
    shift = 0
    while isinstance(tile.owner, ShiftOp):
        shift += constant_value(tile.owner.offset) or 0
        tile = tile.owner.tile
    return isinstance(end, int) and end + shift >= (1 << (low.index_type.width.data - 1)) - MAX_LANES


def descriptor(low: Lowering, op: AccessBase) -> tuple[SSAValue, list[SSAValue]]:
    """A tensor descriptor over the dimensions that tiles index, and the offsets of this access in it.

    Dimensions with a scalar index go into the base address, so blocks have no unit dims.
    """
    emit, base = low.emit, low.value(op.ref)
    shape: list[SSAValue] = []
    strides: list[SSAValue] = []
    block: list[Dim] = []
    offsets: list[SSAValue] = []
    for index, size, stride in zip(op.indices, op.ref_type.size_dims, op.ref_type.stride_dims, strict=True):
        if type(index.type) is TileType:
            tile = low.tile(index)
            shape.append(low.dim_value(size))
            strides.append(low.dim_value(stride))
            block.append(tile.lanes)
            offsets.append(tile.start)
        else:
            type_ = low.signature.offset_type(op.ref_type)
            scalar = emit.mul(emit.cast_int(low.value(index), type_), low.dim_value(stride, type_))
            if constant_value(scalar) != 0:
                base = emit.op(tl.AddPtrOp, (base, scalar)).result
    with emit.named(f"{op.ref.name_hint}_desc" if op.ref.name_hint else "desc"):
        desc = emit.op(descriptor_op, (base, *shape, *strides), tuple(block))
    return desc.result, offsets
