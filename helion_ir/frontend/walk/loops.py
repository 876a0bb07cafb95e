"""Loops: a body is walked until it changes nothing that is not carried through SSA values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import UnitAttr, i64
from xdsl.ir import Attribute, Block, Region, SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim
from ...language.tiles import Tile
from ...language.tiles import Tiles as TileTuple
from ..operators.views import one_lane
from ..symbols.expressions import Poly
from ..symbols.nodes import poly_of
from ..symbols.sizes import LARGEST_OFFSET
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from .aliases import Sharing
from .environment import (
    Carried,
    Path,
    Snapshot,
    carried_as,
    is_runtime,
    join,
    lift,
    lower,
    variable,
)
from .lanes import Frame, axis_tiles, narrower
from .mutation import ValueStructure
from .regions import Regions

_ATTEMPTS = 10


@dataclass
class Loop:
    """What `hl.tile`, `hl.grid` or `range` stands for in a `for` statement."""

    begins: list[Any]
    ends: list[Any]
    blocks: list[Dim]  # block symbols of tiles; ints are steps of scalar indices
    single: bool  # yields one index instead of a tuple
    static: range | None = None  # what the index of a static loop goes through
    scales: Sequence[tuple[Any, Any] | None] = ()  # first value and step of an index, where the loop counts from 0
    jagged: DeviceTensor | None = None  # how far a jagged loop goes in each lane of tiles around it

    @property
    def constants(self) -> range | None:
        """What the one index of a loop with constant bounds goes through; None for any other loop."""
        bounds = (*self.begins, *self.ends, *self.blocks)
        if not self.single or self.static is not None or any(type(bound) is not int for bound in bounds):
            return None
        return range(self.begins[0], self.ends[0], self.blocks[0])  # type: ignore[arg-type]

    def __iter__(self) -> Any:
        raise exc.NotAllowedInHelperFunction(
            "a device loop runs where the kernel is not looked at: in a helper function or a comprehension",
            hint="write the loop in a for statement of the kernel itself",
        )


def scalar_number(tracer: Tracer, value: Any) -> Any:
    """A loop bound or step as a number that arithmetic takes."""
    if isinstance(value, DeviceTensor):
        known = index_value(tracer, value)
        return tracer.device_scalar(lambda: known)
    return value


def index_value(tracer: Tracer, bound: Any) -> SSAValue:
    """A loop bound as a scalar of the index type."""
    if isinstance(bound, DeviceTensor):
        bound = one_lane(tracer, bound)
        if bound.dim() != 0 or bound.dtype.is_floating_point or bound.dtype == torch.bool:
            raise exc.InvalidTileRange(f"a loop bound must be an integer scalar, got {bound}")
        return tracer.builder.integer(bound.ssa, tracer.index_type)
    if isinstance(bound, int | torch.SymInt) and not isinstance(bound, bool):
        tracer.needs_position(bound)
        return tracer.integer(bound)
    raise exc.InvalidTileRange(f"a loop bound must be an integer, got {type(bound).__name__}")


Tiles: TypeAlias = "dict[Path, tuple[AxisTile, ...]]"
"""The tiles of carried variables' axes, where they are others than before the loop."""


class Loops(Regions):
    """Emits loops."""

    def _open_loop(self, loop: Loop) -> tuple[Block, list[SSAValue], list[SSAValue]]:
        """A block for the loop's body, and its bounds."""
        tracer = self.tracer
        begins = [index_value(tracer, b) for b in loop.begins]
        ends = [index_value(tracer, e) for e in loop.ends]
        return self._loop_block(loop, begins, ends), begins, ends

    def _loop_block(self, loop: Loop, begins: Sequence[SSAValue], ends: Sequence[SSAValue]) -> Block:
        types: list[Attribute] = [
            self.tracer.index_type if isinstance(dim, int) else tile.TileType(dim) for dim in loop.blocks
        ]
        block = Block(arg_types=types)
        self.tracer.begins.update(zip(block.args, begins, strict=True))
        self.tracer.ends.update(zip(block.args, ends, strict=True))
        return block

    def _indices(self, loop: Loop, block: Block) -> Any:
        """The values of the loop's target."""
        tracer, values = self.tracer, []
        scales = loop.scales or [None] * len(loop.blocks)
        for dim, arg, end, scale in zip(loop.blocks, block.args, loop.ends, scales, strict=False):
            if isinstance(dim, int):
                index = tracer.device_scalar(lambda arg=arg: arg)
                if scale is not None:
                    index = scale[0] + index * scale[1]
                values.append(index if loop.static is None else tracer.static_scalar(arg, loop.static))
            else:
                if not isinstance(end, torch.Tensor):
                    tracer.set_end(arg, poly_of(end))
                if loop.jagged is not None:
                    tracer.jagged[arg] = loop.jagged
                values.append(tracer.make_tile(arg))
        if loop.single:
            return values[0]
        return TileTuple(values) if isinstance(values[0], Tile) else tuple(values)

    def grid(self, loop: Loop, body: Callable[[Any], None]) -> None:
        """A top-level loop."""
        tracer = self.tracer
        block, begins, ends = self._open_loop(loop)
        effects = tracer.effects
        place = tracer.builder.location
        with tracer.into(block), tracer.tiles_active(block.args):
            body(self._indices(loop, block))
            tracer.builder.location = place
            tracer.builder.append(tile.YieldOp())
        if tracer.effects == effects:
            raise exc.EmptyDeviceLoopAfterDCE("this device loop has no effect: it stores nothing")
        grid = tile.GridOp(begins, ends, loop.blocks, Region(block))
        if self._may_have_many_programs(loop):
            grid.attributes[tile.MANY_PROGRAMS] = UnitAttr()
        tracer.builder.append(grid)

    def _may_have_many_programs(self, loop: Loop) -> bool:
        """Whether some block sizes make more programs of a grid than 31 bits count."""
        positions = Poly.constant(1)
        for begin, end in zip(loop.begins, loop.ends, strict=True):
            if isinstance(begin, torch.Tensor) or isinstance(end, torch.Tensor):
                return True
            positions = positions * (poly_of(end) - poly_of(begin))
        return len(loop.ends) > 1 and self.tracer.below(positions, LARGEST_OFFSET) is False

    def inner(
        self, loop: Loop, assigned: Collection[str], body: Callable[[Any], None], dead: Collection[str] = ()
    ) -> None:
        """A loop inside of a kernel; variables in `dead` are read neither before the loop binds them nor after it."""
        tracer = self.tracer
        begins = [index_value(tracer, b) for b in loop.begins]
        ends = [index_value(tracer, e) for e in loop.ends]
        start, structure = Snapshot(self.environment), ValueStructure(self.environment)
        sharing = Sharing(start)
        guess = {p: carried_as(tracer, v) for p, v in start.leaves.items() if p[0] in assigned and is_runtime(v)}
        place = tracer.builder.location

        tiles: Tiles = {}

        def attempt(carried: dict[Path, Carried]) -> tuple[Block, dict[Path, Any]]:
            block = self._loop_block(loop, begins, ends)
            args = self._carry_in(block, carried, start, tiles, sharing)
            with tracer.into(block), tracer.tiles_active(block.args[: len(loop.blocks)]), self._frame(start) as frame:
                body(self._indices(loop, block))
                structure.check(dead)
                tracer.builder.append(tile.YieldOp(*self._handed_on(frame, carried, start, tiles, sharing, place)))
            return block, args

        block, carried, args = self._settle(start, guess, attempt, sharing)
        carried = self._prune(block, carried, args, start, len(loop.blocks))
        inits = self._inits(start, carried, place)
        op = tile.ForOp(begins, ends, loop.blocks, inits, Region(block), static=loop.static is not None)
        tracer.builder.append(op)
        self._carry_out(op.results, carried, start, tiles, sharing)

    def while_loop(
        self, assigned: Collection[str], test: Callable[[], SSAValue | bool], body: Callable[[], None]
    ) -> None:
        """A loop while a run-time condition holds; it counts its iterations if a random number is drawn in them."""
        tracer = self.tracer
        start, structure = Snapshot(self.environment), ValueStructure(self.environment)
        sharing = Sharing(start)
        guess = {p: carried_as(tracer, v) for p, v in start.leaves.items() if p[0] in assigned}
        place = tracer.builder.location
        regions: list[Block] = []
        tiles: Tiles = {}
        draws = False

        def attempt(carried: dict[Path, Carried]) -> tuple[Block, dict[Path, Any]]:
            nonlocal draws
            before, after_block, drawn = Block(), Block(), tracer.seeds.count
            self._carry_in(before, carried, start, tiles, sharing)
            count = before.insert_arg(i64, len(before.args)) if draws else None
            with tracer.into(before), self._frame(start), tracer.seeds.counted(count):
                condition = test()
                if isinstance(condition, bool):
                    raise exc.StatementNotSupported("the condition of a while loop must be a run-time value")
                tracer.builder.append(scf.ConditionOp(condition, *before.args))
            args = self._carry_in(after_block, carried, start, tiles, sharing)
            count = after_block.insert_arg(i64, len(after_block.args)) if draws else None
            with tracer.into(after_block), self._frame(start) as frame, tracer.seeds.counted(count):
                body()
                structure.check()
                yielded = self._handed_on(frame, carried, start, tiles, sharing, place)
                if count is not None:
                    one = tracer.builder.constant(1, i64)
                    yielded.append(tracer.builder.emit(arith.AddiOp(count, one)))
                tracer.builder.append(scf.YieldOp(*yielded))
            if tracer.seeds.count != drawn and not draws:
                draws = True
                raise _CarryMore({})
            regions[:] = [before, after_block]
            return after_block, args

        _, carried, _ = self._settle(start, guess, attempt, sharing)
        inits = self._inits(start, carried, place)
        if draws:
            inits.append(tracer.builder.constant(0, i64))
        op = scf.WhileOp(inits, [v.type for v in inits], Region(regions[0]), Region(regions[1]))
        tracer.builder.append(op)
        self._carry_out(op.results[: len(inits) - draws], carried, start, tiles, sharing)

    def _handed_on(
        self, frame: Frame, carried: dict[Path, Carried], start: Snapshot, tiles: Tiles, sharing: Sharing, place: Any
    ) -> list[SSAValue]:
        """What a body yields, emitted at `place`; raises `_CarryMore` if that is not what is carried."""
        after = self.environment.leaves()
        self._check(carried, after, start, sharing)
        self._check_tiles(frame, carried, after, start, tiles)
        self.tracer.builder.location = place
        return self._lift(frame, carried, after)

    def _inits(self, start: Snapshot, carried: dict[Path, Carried], place: Any) -> list[SSAValue]:
        """What is carried as it is before the loop, where the variables are what they were."""
        self.tracer.builder.location = place
        start.restore()
        return [lift(self.tracer, variable(path), start.leaves[path], kind) for path, kind in carried.items()]

    def _settle(self, start: Snapshot, carried: dict[Path, Carried], attempt: Any, sharing: Sharing) -> Any:
        """Walk the body until it changes nothing that is not carried."""
        blocks, effects, seeds = dict(self.tracer.blocks), self.tracer.effects, self.tracer.seeds.count
        wanted = carried
        for _ in range(_ATTEMPTS):
            firsts = {sharing.first(path): kind for path, kind in wanted.items()}
            carried = {path: firsts[path] for path in start.leaves if path in firsts}
            try:
                block, args = attempt(carried)
            except _CarryMore as more:
                wanted = {**wanted, **carried, **more.paths}
                start.restore()
                self.tracer.blocks = dict(blocks)
                self.tracer.effects, self.tracer.seeds.count = effects, seeds
                continue
            return block, carried, args
        raise exc.CantCombineTypesInControlFlow("the types of this loop's variables change in every iteration")

    def _carry_in(
        self, block: Block, carried: dict[Path, Carried], start: Snapshot, tiles: Tiles, sharing: Sharing
    ) -> dict[Path, Any]:
        """Block arguments for what is carried; the variables stand for them."""
        args: dict[Path, Any] = {}
        for path, kind in carried.items():
            arg = block.insert_arg(kind.type(), len(block.args))
            self._name(arg, path)
            args[path] = lower(self.tracer, arg, kind, start.leaves[path], _tiles(path, kind, start, tiles))
            sharing.protect(path, args[path])
            for each in sharing.of(path):
                self.environment.put(each, args[path])
        return args

    def _check(self, carried: dict[Path, Carried], after: dict[Path, Any], start: Snapshot, sharing: Sharing) -> None:
        """Raise `_CarryMore` if the body changed what is not carried, needs another type, or shares otherwise."""
        if sharing.learn(start, after):
            raise _CarryMore({})
        more: dict[Path, Carried] = {}
        for path, before in start.leaves.items():
            if sharing.first(path) != path:
                continue
            if path not in after:
                raise exc.CantCombineTypesInControlFlow(f"variable {variable(path)!r} changes its structure in a loop")
            value = after[path]
            if path in carried:
                kind = join(variable(path), carried[path], carried_as(self.tracer, value))
                if kind != carried[path]:
                    more[path] = kind
            elif start.differs(path, value):
                more[path] = join(variable(path), carried_as(self.tracer, before), carried_as(self.tracer, value))
        if more:
            raise _CarryMore(more)

    def _check_tiles(
        self, frame: Frame, carried: dict[Path, Carried], after: dict[Path, Any], start: Snapshot, tiles: Tiles
    ) -> None:
        """Raise `_CarryMore` if the body leaves fewer lanes valid, by a tile from outside, than it began with."""
        changed = False
        for path, kind in carried.items():
            entered = _tiles(path, kind, start, tiles)
            left = self.lanes.states(frame, path, axis_tiles(after[path], kind.dims), kind.dims)
            joint = tuple(map(narrower, entered, left))
            if any(one is not other for one, other in zip(entered, joint, strict=True)):
                tiles[path], changed = joint, True
        if changed:
            raise _CarryMore({})

    def _prune(
        self, block: Block, carried: dict[Path, Carried], args: dict[Path, Any], start: Snapshot, first: int
    ) -> dict[Path, Carried]:
        """Drop what the body yields unchanged: it need not be carried."""
        last = block.last_op
        assert last is not None
        kept: dict[Path, Carried] = {}
        operands = list(last.operands)
        keep: list[SSAValue] = []
        for (path, kind), arg, value in zip(carried.items(), list(block.args[first:]), operands, strict=True):
            init = start.states[path]
            if value is arg and isinstance(init, SSAValue) and init.type == arg.type:
                last.operands = [v for v in last.operands if v is not arg]
                arg.replace_all_uses_with(init)
                block.erase_arg(arg)
            else:
                kept[path] = kind
                keep.append(value)
        last.operands = keep
        return kept

    def _carry_out(
        self, results: Sequence[SSAValue], carried: dict[Path, Carried], start: Snapshot, tiles: Tiles, sharing: Sharing
    ) -> None:
        """After the loop, the variables stand for its results."""
        for result, (path, kind) in zip(results, carried.items(), strict=True):
            self._name(result, path)
            value = lower(self.tracer, result, kind, start.leaves[path], _tiles(path, kind, start, tiles))
            for each in sharing.of(path):
                self._put(each, value)
        for path in sharing.guarded():
            sharing.protect(path, self.environment.get(path))


def _tiles(path: Path, kind: Carried, start: Snapshot, tiles: Tiles) -> tuple[AxisTile, ...]:
    return tiles.get(path) or axis_tiles(start.leaves[path], kind.dims)


class _CarryMore(Exception):
    """The body changes leaves that are not carried yet."""

    def __init__(self, paths: dict[Path, Carried]):
        super().__init__()
        self.paths = paths
