"""Branches: variables that either arm changes, or both bind, are results; and the condition as a scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from xdsl.dialects import scf
from xdsl.ir import Block, Region, SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ...language.tiles import Tile
from ..operators.table import operand
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from .aliases import guard, joined_by
from .chosen_tiles import ChosenTiles, tiles_of
from .environment import (
    CALLER,
    Carried,
    Path,
    Snapshot,
    carried_as,
    is_runtime,
    join,
    lower,
    same,
    variable,
)
from .lanes import Frame, agree, axis_tiles, narrower
from .mutation import ValueStructure
from .regions import Regions


class Branches(Regions):
    """Emits branches."""

    def branch_on(
        self, value: Any, condition: SSAValue, then: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """`branch` on `condition`, the truth of `value`.

        Where the types of the arms disagree and the arguments decide the value, there is no branch: it joins the key.
        """
        unknown = isinstance(value, torch.SymBool) and value.node.hint is None
        if unknown or not isinstance(value, torch.SymBool | torch.SymInt | torch.SymFloat):
            self.branch(condition, then, otherwise)
            return
        start, mark = Snapshot(self.environment), self.tracer.mark()
        try:
            self.branch(condition, then, otherwise)
            return
        except (exc.ControlFlowTensorMismatch, exc.CantCombineTypesInControlFlow):
            try:
                decided = bool(self.tracer.constant(value))
            except exc.Base:
                decided = None
            if decided is None:
                raise
        start.restore()
        self.tracer.back_to(mark)
        (then if decided else otherwise)()

    def branch(self, condition: SSAValue, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Run-time `if`: what either arm changes, or both bind, are results."""
        tracer = self.tracer
        start, structure = Snapshot(self.environment), ValueStructure(self.environment, tiles=True)
        place = tracer.builder.location
        finals: list[dict[Path, Any]] = []
        arms: list[tuple[Block, dict[Path, Any], dict[str, Any]]] = []
        frames: list[Frame] = []
        bound_tiles: list[dict[str, Tile]] = []
        for arm in (then, otherwise):
            block = Block()
            with tracer.into(block), self._frame(start) as frame:
                arm()
                structure.check()
            frames.append(frame)
            finals.append(self.environment.leaves())
            bound_tiles.append(tiles_of(self.environment))
            arms.append((block, self.environment.leaves(), dict(self.environment.names)))
            tensors = {path: leaf for path, leaf in arms[-1][1].items() if isinstance(leaf, DeviceTensor)}
            frozen = {path: _copy(tracer, leaf) for path, leaf in tensors.items()}
            arms[-1][1].update(frozen)
            start.restore()
        first, second = arms[0][1], arms[1][1]
        joined: dict[Path, Carried] = {}
        for path in [path for path in first if path in second]:
            known = path in start.leaves
            if known and not start.differs(path, first[path]) and not start.differs(path, second[path]):
                continue
            if not known and same(_state(first[path]), second[path]) and not is_runtime(first[path]):
                self._bind(path, arms[0][2])
                continue
            joined[path] = join(variable(path), carried_as(tracer, first[path]), carried_as(tracer, second[path]))
        for path in start.leaves:
            if path not in first or path not in second:
                raise exc.CantCombineTypesInControlFlow(
                    f"variable {variable(path)!r} changes its structure in a branch"
                )
        ends = [
            self._arm_tiles(frame, block, joined, leaves)
            for frame, (block, leaves, _) in zip(frames, arms, strict=True)
        ]
        counted = [
            (path, axis)
            for path in joined
            for axis, sides in enumerate(zip(*(end[path] for end in ends), strict=True))
            if not agree(tracer, *sides)
        ]
        chosen = ChosenTiles.of(tracer, bound_tiles)
        for number, (frame, (block, leaves, _), end) in enumerate(zip(frames, arms, ends, strict=True)):
            edges = chosen.yielded(number, block)
            with tracer.into(block):
                tracer.builder.location = place
                counts = [self._count(end[path][axis], joined[path].dims[axis]) for path, axis in counted]
                tracer.builder.append(scf.YieldOp(*self._lift(frame, joined, leaves), *counts, *edges))
        tracer.builder.location = place
        types = [kind.type() for kind in joined.values()] + [tracer.index_type] * (len(counted) + 2 * len(chosen.names))
        op = scf.IfOp(condition, types, Region(arms[0][0]), Region(arms[1][0]))
        tracer.builder.append(op)
        tiles = {path: list(map(narrower, *(end[path] for end in ends))) for path in joined}
        chosen.bind(op.results[len(joined) + len(counted) :], self.environment)
        for count, (path, axis) in zip(op.results[len(joined) :], counted, strict=False):
            zero = tracer.builder.constant(0, tracer.index_type)
            tiles[path][axis] = tracer.builder.emit(tile.RangeOp(zero, count, joined[path].dims[axis]))
        keys, unsure = joined_by(finals)
        shared: dict[tuple[int, ...], Any] = {}
        for result, (path, kind) in zip(op.results, joined.items(), strict=False):
            self._name(result, path)
            self._bind(path, arms[0][2])
            value = lower(tracer, result, kind, first[path], tiles[path])
            self._put(path, shared.setdefault(keys.get(path, (id(result),)), value))
        for group in unsure:
            guard([self.environment.get(path) for path in group], group)

    def _arm_tiles(
        self, frame: Frame, block: Block, joined: dict[Path, Carried], leaves: dict[Path, Any]
    ) -> dict[Path, tuple[AxisTile, ...]]:
        """The tiles of what an arm yields, when variables from outside have kept their lanes."""
        with self.tracer.into(block):
            return {
                path: self.lanes.states(frame, path, axis_tiles(leaves[path], kind.dims), kind.dims)
                for path, kind in joined.items()
            }

    def _count(self, known: AxisTile, dim: Dim) -> SSAValue:
        """How many lanes of an axis are valid."""
        if isinstance(known, SSAValue):
            return self.tracer.lane_count(known)
        return self.tracer.integer(self.tracer.size(dim), self.tracer.index_type)

    def _bind(self, path: Path, names: dict[str, Any]) -> None:
        """Make sure that the container of a leaf bound in both arms exists."""
        if not path[0].startswith(CALLER) and path[0] not in self.environment.names:
            self.environment.names[path[0]] = names[path[0]]
            self.environment.local[path[0]] = None

    def truth(self, value: Any) -> bool | SSAValue:
        """The truth of a value: known now, or an `i1` scalar."""
        tracer = self.tracer
        if isinstance(value, Tile):
            raise exc.IncorrectTileUsage("a tile has no truth value")
        if isinstance(value, torch.SymBool):
            known = value.node.value
            return known if isinstance(known, bool) else tracer.bool_value(value.node)
        if isinstance(value, torch.SymInt | torch.SymFloat):
            return self.truth(value != 0)
        if isinstance(value, DeviceTensor):
            if any(tracer.fixed(dim) != 1 for dim in dims_of(value.ssa)):
                raise exc.NotAllowedOnDevice(
                    f"a condition must be a scalar, got shape {list(dims_of(value.ssa))}", hint="use torch.where"
                )
            flat = value if not value.dim() else value.reshape(())
            return operand(tracer, flat, torch.bool).ssa
        return bool(value)


def _state(leaf: Any) -> Any:
    return leaf.ssa if isinstance(leaf, DeviceTensor) else leaf


def _copy(tracer: Tracer, leaf: DeviceTensor) -> DeviceTensor:
    """The tensor as it is now: in-place operations of the other arm must not show."""
    return tracer.tensor(leaf.ssa, leaf.dtype, leaf.tiles, reduced=leaf.reduced)
