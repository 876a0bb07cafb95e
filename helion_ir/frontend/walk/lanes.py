"""Lanes of variables that outlive a tile: past the tile's end they keep what they held before.

A *frame* is a body of control flow that is being walked, with the variables that were bound before it. Such a
variable outlives every tile that is made in the body. Where a statement gives it a value of such a tile's lanes (or,
as its axis is one of the tile's block, of the lanes that the loop walks), a `tile.keep` puts what it held before
into the lanes past the end. So outside of the values that come from tiles, every lane of a variable is a real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ..operators.merged_axes import kept_lanes
from ..tensors import AxisTile, DeviceTensor, MergedTiles
from ..tracer import Tracer, lanes_of
from .environment import CALLER, Environment, Path, Snapshot


@dataclass
class Frame:
    """A body: the depth of its block, and what each tensor variable from outside holds, as of the last statement."""

    environment: Environment
    depth: int
    values: dict[Path, SSAValue] = field(default_factory=dict)
    tiles: dict[Path, tuple[AxisTile, ...]] = field(default_factory=dict)
    _objects: dict[Path, DeviceTensor] = field(default_factory=dict)

    @staticmethod
    def of(tracer: Tracer, start: Snapshot) -> Frame:
        """The frame of the block that is being filled, entered with the variables as they are now."""
        frame = Frame(start.environment, tracer.depth)
        leaves = start.environment.leaves()
        for path in start.leaves:
            if isinstance(leaf := leaves.get(path), DeviceTensor):
                frame.note(path, leaf)
        return frame

    def note(self, path: Path, leaf: DeviceTensor) -> None:
        """The variable at `path` is settled: all its lanes are what they should be."""
        self.values[path] = leaf.ssa
        self.tiles.setdefault(path, leaf.tiles)
        self._objects[path] = leaf

    def in_place(self, path: Path, leaf: DeviceTensor) -> bool:
        """Whether the variable is bound to the tensor that it was bound to."""
        return self._objects.get(path) is leaf


def _relative(path: Path, source: Environment, target: Environment) -> Path | None:
    """The path in `target`, a caller of `source` (or itself), of a variable of `source`; None if it is not there."""
    name, *keys = path
    frame: Environment | None = source
    while frame is not None and frame is not target:
        if not name.startswith(CALLER):
            return None
        name, frame = name[len(CALLER) :], frame.caller
    return None if frame is None else (name, *keys)


class Lanes:
    """The frames of a trace, innermost last."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer

    @property
    def frames(self) -> list[Frame]:
        return self.tracer.frames

    def settle(self) -> None:
        """After a statement: give the variables that it changed their lanes past the end."""
        if not self.frames:
            return
        frame = self.frames[-1]
        for path, before in list(frame.values.items()):
            leaf = frame.environment.get(path)
            if isinstance(leaf, DeviceTensor) and leaf.ssa is not before:
                self._settle(frame, path, leaf)

    def settle_in_place(self, target: DeviceTensor) -> None:
        """After an operation in place, which may stand within a statement."""
        frame = self.frames[-1] if self.frames else None
        path = next((path for path in frame.values if frame.in_place(path, target)), None) if frame else None
        if frame is not None and path is not None and target.ssa is not frame.values[path]:
            self._settle(frame, path, target)

    def _settle(self, frame: Frame, path: Path, leaf: DeviceTensor) -> None:
        before, outlived = frame.values[path], self.outlived(frame, path, leaf.tiles, dims_of(leaf.ssa))
        if not outlived:
            frame.note(path, leaf)
            return
        if before.type != leaf.ssa.type:
            return  # the end of the body tells what type it has
        tiles = self.states(frame, path, leaf.tiles, dims_of(leaf.ssa))
        if frame.in_place(path, leaf):
            leaf.ssa, leaf.tiles = self.keep(leaf.ssa, before, outlived), tiles
            for other, known in frame.values.items():
                if known is before and frame.in_place(other, leaf):
                    frame.note(other, leaf)
            return
        if sum(other is leaf for other in frame.environment.leaves().values()) > 1:
            return  # another variable is the same tensor; the end of the body settles this one
        value = self.tracer.tensor(self.keep(leaf.ssa, before, outlived), leaf.dtype, tiles, reduced=leaf.reduced)
        frame.environment.put(path, value)
        frame.note(path, value)

    def keep(self, value: SSAValue, before: SSAValue, outlived: Mapping[int, SSAValue | MergedTiles]) -> SSAValue:
        """`value` with the lanes past the ends of the tiles of some axes as they were in `before`."""
        hint = value.name_hint
        for axis, over in outlived.items():
            if isinstance(over, MergedTiles):
                value = kept_lanes(self.tracer, value, before, axis, over)
            else:
                value = self.tracer.builder.emit(tile.KeepOp(value, before, axis, over))
            value.name_hint = hint
        return value

    def kept(self, frame: Frame, path: Path, leaf: object, value: SSAValue) -> SSAValue:
        """What the body yields for a variable whose value, under the type that is carried, is `value`."""
        before = frame.values.get(path)
        if before is None or (isinstance(leaf, DeviceTensor) and leaf.ssa is before) or before.type != value.type:
            return value
        dims = dims_of(value)
        return self.keep(value, before, self.outlived(frame, path, axis_tiles(leaf, dims), dims))

    def outlived(
        self, frame: Frame, path: Path, tiles: Sequence[AxisTile], dims: Sequence[Dim]
    ) -> dict[int, SSAValue | MergedTiles]:
        """The axes of a variable's new value, with their tiles, that are those of a tile which it outlives."""
        within = frame.depth
        for each in self.frames:
            known = _relative(path, frame.environment, each.environment)
            if known is not None and known in each.values:
                within = min(within, each.depth)
        found: dict[int, SSAValue | MergedTiles] = {}
        for axis, (dim, known) in enumerate(zip(dims, tiles, strict=True)):
            if isinstance(known, MergedTiles):
                if self._outlives(known, within):
                    found[axis] = known
                continue
            over = self.tracer.walked_tile(dim, known)
            if over is not None and self.tracer.level(over) >= within:
                found[axis] = over
        return found

    def _outlives(self, merged: MergedTiles, within: int) -> bool:
        """Whether one of the tiles that an axis was merged of is of a block at least as deep as `within`."""
        parts = [(merged.dims[place], merged.tiles[place]) for place in self.tracer.partial_parts(merged)]
        walked = [self.tracer.walked_tile(dim, known) for dim, known in parts]
        return any(over is not None and self.tracer.level(over) >= within for over in walked)

    def states(self, frame: Frame, path: Path, tiles: Sequence[AxisTile], dims: Sequence[Dim]) -> tuple[AxisTile, ...]:
        """The tiles of a variable's axes once it has kept its lanes: those that it had, where it outlives the new."""
        if path not in frame.values:
            return tuple(tiles)
        outlived = self.outlived(frame, path, tiles, dims)
        first = frame.tiles.get(path, ())
        if len(first) != len(tiles):
            first = (None,) * len(tiles)
        return tuple(first[axis] if axis in outlived else known for axis, known in enumerate(tiles))

    def note(self, environment: Environment, path: Path, leaf: object) -> None:
        """Control flow gave the variable at `path` a value whose lanes are settled."""
        for frame in reversed(self.frames):
            known = _relative(path, environment, frame.environment)
            if known is not None and known in frame.values:
                if isinstance(leaf, DeviceTensor):
                    frame.note(known, leaf)
                return


def narrower(first: AxisTile, second: AxisTile) -> AxisTile:
    """The tile, if one of two is one, else what is less sure; the first of two tiles."""
    if isinstance(first, SSAValue) or isinstance(second, SSAValue):
        return first if isinstance(first, SSAValue) else second
    return None if first is None else second


def agree(tracer: Tracer, first: AxisTile, second: AxisTile) -> bool:
    """Whether one tile from outside of two branches says which lanes of an axis are valid after them."""
    tiles = [
        each for each in (first, second) if isinstance(each, SSAValue) and not isinstance(each.owner, tile.WholeOp)
    ]
    return len(set(map(lanes_of, tiles))) <= 1 and all(tracer.level(each) >= 0 for each in tiles)


def axis_tiles(leaf: object, dims: Sequence[Dim]) -> tuple[AxisTile, ...]:
    """The tiles of a leaf under the dims that it is carried with."""
    return leaf.tiles if isinstance(leaf, DeviceTensor) and len(leaf.tiles) == len(dims) else (None,) * len(dims)
