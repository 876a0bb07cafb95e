"""Axes of jagged tiles: where they end differs from lane to lane of other axes.

The loop of `hl.jagged_tile(lengths)` runs to the largest length; its tile's own end is that. Which positions are
valid for one lane is told by `lengths` (`Tracer.jagged`). A value with the tile's axis and all axes of `lengths` has
lanes that do not exist. Accesses do not touch them, and what works along one of these axes finds `fill` in them.
A value without the axes of `lengths` has every lane up to the largest length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i32
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.constants import neutral_element
from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.value import CompareOp, PermuteOp, SelectOp
from ...passes.analysis.bounds import same_tile
from ..tensors import EVERY_LANE, AxisTile, DeviceTensor
from ..tracer import Tracer


def jagged_tile(tracer: Tracer, dim: Dim, known: AxisTile) -> SSAValue | None:
    """The loop's tile of an axis, if that is a jagged one; of a part of it, too."""
    walked = tracer.walked_tile(dim, known) if tracer.jagged and known is not EVERY_LANE else None
    while walked is not None and walked not in tracer.jagged:
        owner = walked.owner
        if isinstance(owner, tile.ShiftOp):
            walked = owner.tile
        elif isinstance(owner, tile.RangeOp):
            walked = same_tile(owner)
        else:
            return None
    return walked


def _placement(
    tracer: Tracer, lengths: DeviceTensor, dims: Sequence[Dim], tiles: Sequence[AxisTile]
) -> list[int] | None:
    """For each axis of `lengths` the axis of a value that is the same; None where the value lacks one."""
    placement: list[int] = []
    for dim, own in zip(dims_of(lengths.ssa), lengths.tiles, strict=True):
        alike = [axis for axis, each in enumerate(dims) if each == dim]
        exact = [axis for axis in alike if tiles[axis] is own]
        found = exact or alike
        if len(found) > 1:
            raise exc.InvalidJaggedTileUsage(
                "a value has two axes of the tile that the lengths of a jagged tile go by",
                hint="combine the lanes of that tile with each other outside of the jagged loop",
            )
        if not found:
            return None
        placement.append(found[0])
    return placement


Ends = tuple[SSAValue, int, list[int]]
"""A jagged tile, its axis in a value, and the axes of its lengths there."""


def ends_of(tracer: Tracer, dims: Sequence[Dim], tiles: Sequence[AxisTile]) -> Iterator[Ends]:
    """The jagged tiles among the axes of a value that has the axes of their lengths, too."""
    for axis, (dim, known) in enumerate(zip(dims, tiles, strict=True)):
        if (found := jagged_tile(tracer, dim, known)) is not None:
            placement = _placement(tracer, tracer.jagged[found], dims, tiles)
            if placement is not None:
                yield found, axis, placement


def existing(
    tracer: Tracer, dims: Sequence[Dim], tiles: Sequence[AxisTile], along: Collection[int] | None = None
) -> SSAValue | None:
    """Which lanes exist of a value with these axes, `i1` of `dims`; None where no jagged tile takes any away.

    `along`: only for work along these axes, which others do not concern.
    """
    if not tracer.jagged:
        return None
    builder, result = tracer.builder, None
    for found, axis, placement in ends_of(tracer, dims, tiles):
        if along is not None and not {axis, *placement} & set(along):
            continue
        mask = builder.broadcast(_exists(tracer, found, axis, placement), dims, sorted({axis, *placement}))
        result = mask if result is None else builder.emit(arith.AndIOp(result, mask))
    return result


def _exists(tracer: Tracer, found: SSAValue, axis: int, placement: Sequence[int]) -> SSAValue:
    """Which lanes exist, over the axes of a jagged tile and of its lengths only, in the order that a value has them."""
    builder, lengths = tracer.builder, tracer.jagged[found].ssa
    element = element_of(lengths)
    assert isinstance(element, IntegerType)
    order = sorted(range(len(placement)), key=placement.__getitem__)
    if order != list(range(len(order))):
        lengths = builder.emit(PermuteOp(lengths, order))
    axes = sorted({axis, *placement})
    at = axes.index(axis)
    lengths = builder.expand_dims(lengths, at)
    dims = list(dims_of(lengths))
    index = builder.emit(tile.IndexOp(found, element))
    dims[at] = dims_of(index)[0]
    return builder.emit(CompareOp("lt", builder.broadcast(index, dims, [at]), builder.broadcast(lengths, dims)))


def filled(tracer: Tracer, value: SSAValue, tiles: Sequence[AxisTile], along: Collection[int], kind: Any) -> SSAValue:
    """`value` as work along some axes may see it: the lanes that do not exist hold `kind`.

    `kind` is a number, a scalar, or the name of a combination, whose neutral element is meant.
    """
    mask = existing(tracer, dims_of(value), tiles, along)
    if mask is None:
        return value
    element = element_of(value)
    if not isinstance(kind, SSAValue):
        kind = tracer.builder.constant(neutral_element(kind, element) if isinstance(kind, str) else kind, element)
    return tracer.builder.emit(SelectOp(mask, value, tracer.builder.splat(kind, dims_of(value))))


def counted(tracer: Tracer, x: DeviceTensor, axes: Sequence[int], keepdim: bool) -> DeviceTensor | None:
    """How many lanes of `x` exist along `axes`, for each lane of the others; None where all have the same number."""
    mask = existing(tracer, dims_of(x.ssa), x.tiles, axes)
    if mask is None:
        return None
    ones = tracer.builder.integer(mask, i32)
    counts = torch.sum(tracer.tensor(ones, torch.int32, x.tiles), list(axes), keepdim, dtype=torch.int32)
    assert isinstance(counts, DeviceTensor)
    return counts


def refuse(tracer: Tracer, x: DeviceTensor, axes: Collection[int], what: str) -> None:
    """Raise for what would mix lanes that exist with some that do not."""
    for _, axis, placement in ends_of(tracer, dims_of(x.ssa), x.tiles) if tracer.jagged else ():
        if {axis, *placement} & set(axes):
            raise exc.InvalidJaggedTileUsage(
                f"{what} an axis of a jagged tile, or of its lengths, in a value that has both",
                hint="which lanes exist differs from lane to lane: reduce the value first, or use torch.where",
            )
