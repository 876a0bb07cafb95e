"""Branches: variables that either arm changes, or both bind, are results; and the condition as a scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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


class _Arm(NamedTuple):
    """An arm of a branch, walked: its ops, and the variables after it, as they are (`final`) and frozen (`leaves`)."""

    block: Block
    frame: Frame
    final: dict[Path, Any]
    leaves: dict[Path, Any]
    names: dict[str, Any]
    tiles: dict[str, Tile]


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
        arms = [self._walk_arm(arm, start, structure) for arm in (then, otherwise)]
        joined = self._joined(start, *arms)
        ends = [self._arm_tiles(arm, joined) for arm in arms]
        counted = [
            (path, axis)
            for path in joined
            for axis, sides in enumerate(zip(*(end[path] for end in ends), strict=True))
            if not agree(tracer, *sides)
        ]
        chosen = ChosenTiles.of(tracer, [arm.tiles for arm in arms])
        for number, (arm, end) in enumerate(zip(arms, ends, strict=True)):
            edges = chosen.yielded(number, arm.block)
            with tracer.into(arm.block):
                tracer.builder.location = place
                counts = [self._count(end[path][axis], joined[path].dims[axis]) for path, axis in counted]
                tracer.builder.append(scf.YieldOp(*self._lift(arm.frame, joined, arm.leaves), *counts, *edges))
        tracer.builder.location = place
        types = [kind.type() for kind in joined.values()] + [tracer.index_type] * (len(counted) + 2 * len(chosen.names))
        op = scf.IfOp(condition, types, Region(arms[0].block), Region(arms[1].block))
        tracer.builder.append(op)
        tiles = {path: list(map(narrower, *(end[path] for end in ends))) for path in joined}
        chosen.bind(op.results[len(joined) + len(counted) :], self.environment)
        for count, (path, axis) in zip(op.results[len(joined) :], counted, strict=False):
            zero = tracer.builder.constant(0, tracer.index_type)
            tiles[path][axis] = tracer.builder.emit(tile.RangeOp(zero, count, joined[path].dims[axis]))
        keys, unsure = joined_by([arm.final for arm in arms])
        shared: dict[tuple[int, ...], Any] = {}
        for result, (path, kind) in zip(op.results, joined.items(), strict=False):
            self._name(result, path)
            self._bind(path, arms[0].names)
            value = lower(tracer, result, kind, arms[0].leaves[path], tiles[path])
            self._put(path, shared.setdefault(keys.get(path, (id(result),)), value))
        for group in unsure:
            guard([self.environment.get(path) for path in group], group)

    def _walk_arm(self, arm: Callable[[], None], start: Snapshot, structure: ValueStructure) -> _Arm:
        """Walk an arm into a block of its own; the environment is as before then."""
        tracer, block = self.tracer, Block()
        with tracer.into(block), self._frame(start) as frame:
            arm()
            structure.check()
        leaves = self.environment.leaves()
        frozen = {path: _copy(tracer, leaf) for path, leaf in leaves.items() if isinstance(leaf, DeviceTensor)}
        walked = _Arm(
            block, frame, leaves, {**leaves, **frozen}, dict(self.environment.names), tiles_of(self.environment)
        )
        start.restore()
        return walked

    def _joined(self, start: Snapshot, one: _Arm, other: _Arm) -> dict[Path, Carried]:
        """What differs after the arms; what both bind alike is bound."""
        first, second = one.leaves, other.leaves
        joined: dict[Path, Carried] = {}
        for path in [path for path in first if path in second]:
            known = path in start.leaves
            if known and not start.differs(path, first[path]) and not start.differs(path, second[path]):
                continue
            if not known and same(_state(first[path]), second[path]) and not is_runtime(first[path]):
                self._bind(path, one.names)
                continue
            carried = (carried_as(self.tracer, leaves[path]) for leaves in (first, second))
            joined[path] = join(variable(path), *carried)
        for path in start.leaves:
            if path not in first or path not in second:
                raise exc.CantCombineTypesInControlFlow(
                    f"variable {variable(path)!r} changes its structure in a branch"
                )
        return joined

    def _arm_tiles(self, arm: _Arm, joined: dict[Path, Carried]) -> dict[Path, tuple[AxisTile, ...]]:
        """The tiles of what an arm yields, when variables from outside have kept their lanes."""
        with self.tracer.into(arm.block):
            return {
                path: self.lanes.states(arm.frame, path, axis_tiles(arm.leaves[path], kind.dims), kind.dims)
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
