"""Axes merged of several: which of their lanes are valid is told by the tiles of the axes that they were made of.

`x[rows, columns].flatten()` has the lanes of a partly filled tile here and there, not only at its end. So the tile of
such an axis is a `MergedTiles`: reductions take it apart again, products fill it with zeros, a variable that outlives
one of the tiles keeps its lanes along each of them. What needs the lanes in a row (a scan, say) is told no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.ir import SSAValue

from ...dialects import tile
from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.value import ReshapeOp, kept_axes
from ..tensors import AxisTile, MergedTiles
from ..tracer import Tracer


def tiles_after(
    tracer: Tracer, source: Sequence[Dim], tiles: Sequence[AxisTile], target: Sequence[Dim]
) -> list[AxisTile]:
    """The tiles of the axes that a row-major reshape from `source` to `target` gives."""
    result: list[AxisTile] = [None] * len(target)
    kept = {after: before for before, after in kept_axes(source, target)}
    for axis, before in kept.items():
        result[axis] = tiles[before]
    for inner, outer in _segments(tracer, source, target):
        if len(outer) == 1 and len(inner) > 1:
            merged = MergedTiles(tuple([source[i] for i in inner]), tuple([tiles[i] for i in inner]))
            result[outer[0]] = merged if tracer.partial_parts(merged) else None
        elif len(inner) == 1 and len(outer) > 1:
            known = tiles[inner[0]]
            if isinstance(known, MergedTiles) and known.dims == tuple([target[o] for o in outer]):
                for axis, each in zip(outer, known.tiles, strict=True):
                    result[axis] = each
    return result


def _segments(tracer: Tracer, source: Sequence[Dim], target: Sequence[Dim]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of axes that become runs of axes, each of equally many lanes; axes of dim 1 belong to none."""
    inner = [i for i, dim in enumerate(source) if dim != 1]
    outer = [o for o, dim in enumerate(target) if dim != 1]
    while inner and outer:
        before, after = [inner.pop(0)], [outer.pop(0)]
        have, want = tracer.poly_of_dim(source[before[0]]), tracer.poly_of_dim(target[after[0]])
        while have != want:
            more = have * tracer.poly_of_dim(source[inner[0]]) if inner else None
            other = want * tracer.poly_of_dim(target[outer[0]]) if outer else None
            if more is not None and want.exact_div(more) is not None:
                have = more
                before.append(inner.pop(0))
            elif other is not None and have.exact_div(other) is not None:
                want = other
                after.append(outer.pop(0))
            else:
                return
        yield before, after


def taken_apart(tracer: Tracer, value: SSAValue, axis: int, merged: MergedTiles) -> SSAValue:
    """`value` with the axes that `axis` was merged of in its place."""
    dims = dims_of(value)
    return tracer.builder.emit(ReshapeOp(value, [*dims[:axis], *merged.dims, *dims[axis + 1 :]]))


def zeroed(tracer: Tracer, value: SSAValue, axis: int, merged: MergedTiles) -> SSAValue:
    """`value` with zeros in the lanes of a merged axis that are not valid."""
    apart = taken_apart(tracer, value, axis, merged)
    zero = tracer.builder.constant(0, element_of(value))
    for place, over in _partial_tiles(tracer, merged):
        apart = tracer.builder.emit(tile.PadOp(apart, zero, axis + place, over))
    return tracer.builder.emit(ReshapeOp(apart, dims_of(value)))


def kept_lanes(tracer: Tracer, value: SSAValue, before: SSAValue, axis: int, merged: MergedTiles) -> SSAValue:
    """`value` with the lanes of a merged axis that are not valid as they were in `before`."""
    new, old = (taken_apart(tracer, each, axis, merged) for each in (value, before))
    for place, over in _partial_tiles(tracer, merged):
        new = tracer.builder.emit(tile.KeepOp(new, old, axis + place, over))
    return tracer.builder.emit(ReshapeOp(new, dims_of(value)))


def _partial_tiles(tracer: Tracer, merged: MergedTiles) -> Iterator[tuple[int, SSAValue]]:
    """The parts that may be partly filled, with their tiles."""
    for place in tracer.partial_parts(merged):
        yield place, tracer.axis_tile(merged.dims[place], merged.tiles[place])
