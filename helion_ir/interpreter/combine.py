"""Reductions and scans by a region: its ops run on all pairs of lanes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl,
    impl_terminator,
    register_impls,
)

from helion_ir.dialects import tile, tl
from helion_ir.dialects.tile.combine import number_of
from helion_ir.dialects.value import CombineBase, CombinedOp, CombineReduceBase, CombineScanBase

from .state import State
from .values import poisoned_past, valid_lanes

Lanes = Sequence[Tensor]
Function = Callable[[Lanes, Lanes], Lanes]


def _cut(values: Lanes, axis: int, begin: int, end: int, step: int = 1) -> list[Tensor]:
    part = (slice(None),) * axis + (slice(begin, end, step),)
    return [value[part] for value in values]


def fold(function: Function, values: Lanes, axis: int) -> list[Tensor]:
    """Combine the lanes of an axis that is not empty pairwise, neighbours first."""
    while (count := values[0].shape[axis]) > 1:
        even = count // 2 * 2
        pairs = function(_cut(values, axis, 0, even, 2), _cut(values, axis, 1, even, 2))
        rest = _cut(values, axis, even, count)
        values = [torch.cat(both, axis) for both in zip(pairs, rest, strict=True)]
    return [value.squeeze(axis) for value in values]


def prefixes(function: Function, values: Lanes, axis: int) -> Lanes:
    """What the lanes up to each one combine to: distances double."""
    count, distance = values[0].shape[axis], 1
    while distance < count:
        joined = function(_cut(values, axis, 0, count - distance), _cut(values, axis, distance, count))
        first = _cut(values, axis, 0, distance)
        values = [torch.cat(both, axis) for both in zip(first, joined, strict=True)]
        distance *= 2
    return values


def _lanes(op: CombineBase, args: PythonValues) -> tuple[list[Tensor], PythonValues]:
    """The values that go together, without lanes past the end of the tile that stands behind them; and that, if any."""
    values, over = args[: len(op.inputs)], args[len(op.inputs) :]
    return [valid_lanes(value, op.axis.data, *over) if over else value for value in values], over


@register_impls
@dataclass
class CombineFunctions(InterpreterFunctions):
    """The ops of both levels: those of `tile` have a tile behind their inputs."""

    state: State

    def _function(self, interpreter: Interpreter, op: CombineBase) -> Function:
        dtypes = [self.state.layout(arg.type)[1] for arg in op.block.args]

        def combine(left: Lanes, right: Lanes) -> Lanes:
            results = interpreter.run_ssacfg_region(op.body, (*left, *right), op.name)
            found = [result.to(dtype) for result, dtype in zip(results, dtypes, strict=False)]
            return [result.expand(left[0].shape) for result in found]

        return combine

    @impl_terminator(CombinedOp)
    def combined(
        self, interpreter: Interpreter, op: CombinedOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()

    @impl(tile.CombineReduceOp)
    def tile_reduce(self, interpreter: Interpreter, op: CombineReduceBase, args: PythonValues) -> PythonValues:
        return self._reduce(interpreter, op, args)

    @impl(tl.CombineReduceOp)
    def tl_reduce(self, interpreter: Interpreter, op: CombineReduceBase, args: PythonValues) -> PythonValues:
        return self._reduce(interpreter, op, args)

    @impl(tile.CombineScanOp)
    def tile_scan(self, interpreter: Interpreter, op: CombineScanBase, args: PythonValues) -> PythonValues:
        return self._scan(interpreter, op, args)

    @impl(tl.CombineScanOp)
    def tl_scan(self, interpreter: Interpreter, op: CombineScanBase, args: PythonValues) -> PythonValues:
        return self._scan(interpreter, op, args)

    def _reduce(self, interpreter: Interpreter, op: CombineReduceBase, args: PythonValues) -> PythonValues:
        axis, (lanes, _) = op.axis.data, _lanes(op, args)
        if lanes[0].shape[axis]:
            return tuple(fold(self._function(interpreter, op), lanes, axis))
        shape = (*lanes[0].shape[:axis], *lanes[0].shape[axis + 1 :])
        pairs = zip(op.empty, lanes, strict=True)
        return tuple(torch.full(shape, number_of(empty), dtype=value.dtype) for empty, value in pairs)

    def _scan(self, interpreter: Interpreter, op: CombineScanBase, args: PythonValues) -> PythonValues:
        axis, (lanes, over) = op.axis.data, _lanes(op, args)
        reverse = op.reverse is not None
        found = prefixes(self._function(interpreter, op), _turned(lanes, axis, reverse), axis)
        return tuple(poisoned_past(self.state, value, axis, *over) for value in _turned(found, axis, reverse))


def _turned(values: Lanes, axis: int, reverse: bool) -> Lanes:
    return [value.flip(axis) for value in values] if reverse else values
