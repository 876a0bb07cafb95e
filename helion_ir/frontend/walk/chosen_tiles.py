"""Tiles that the two arms of a branch bind to one variable: after it, a range from where the tile taken begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import Block, SSAValue

from ...dialects import tile
from ...language.tiles import Tile
from ..tracer import Tracer
from .environment import Environment


def tiles_of(environment: Environment) -> dict[str, Tile]:
    """The tiles among a function's own variables."""
    names = environment.names
    return {name: value for name in environment.local if isinstance(value := names.get(name), Tile)}


@dataclass(frozen=True)
class ChosenTiles:
    """The variables that both arms leave as a tile of one block, though not as the same tile."""

    tracer: Tracer
    arms: Sequence[Mapping[str, Tile]]
    names: tuple[str, ...]

    @staticmethod
    def of(tracer: Tracer, arms: Sequence[Mapping[str, Tile]]) -> ChosenTiles:
        """What two arms left."""
        first, second = arms

        def differ(one: Tile, other: Tile) -> bool:
            return one.ssa is not other.ssa and one.ssa.type == other.ssa.type

        names = tuple(name for name in first if name in second and differ(first[name], second[name]))
        return ChosenTiles(tracer, arms, names)

    def yielded(self, arm: int, block: Block) -> list[SSAValue]:
        """What an arm yields: where each of its tiles begins and ends."""
        emit, index = self.tracer.builder.emit, self.tracer.index_type
        with self.tracer.into(block):
            edges = [(tile.BeginOp, self.arms[arm][name].ssa) for name in self.names]
            return [emit(op(ssa, index)) for first, ssa in edges for op in (first, tile.EndOp)]

    def bind(self, results: Sequence[SSAValue], environment: Environment) -> None:
        """After the branch: the variables stand for the tiles of the arm that ran; one of both arms stays."""
        for number, name in enumerate(self.names):
            begin, end = results[2 * number : 2 * number + 2]
            type_ = self.arms[0][name].ssa.type
            assert isinstance(type_, tile.TileType)
            chosen = self.tracer.builder.emit(tile.RangeOp(begin, end, type_.dim))
            chosen.name_hint = begin.name_hint = None
            self._put(environment, name, self.tracer.make_tile(chosen))
        for name, value in self.arms[0].items():
            other = self.arms[1].get(name)
            if other is not None and other.ssa is value.ssa and self.tracer.level(value.ssa) >= 0:
                self._put(environment, name, value)

    @staticmethod
    def _put(environment: Environment, name: str, value: Tile) -> None:
        environment.names[name] = value
        environment.local[name] = None
