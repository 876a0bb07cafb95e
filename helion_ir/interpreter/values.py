"""What `tile` and `tl` modules have in common: value ops, and contractions over the lanes that the level sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import Operation

from helion_ir.dialects import inline_triton, tile, tl
from helion_ir.dialects.value import (
    AlongAxisBase,
    ArgReduceBase,
    ArgsortBase,
    BitcastOp,
    BroadcastOp,
    CastOp,
    CompareOp,
    DotBase,
    ExpandDimsOp,
    GatherOp,
    JoinOp,
    LibdeviceOp,
    PermuteOp,
    PhiloxOp,
    PrintOp,
    ReduceBase,
    ReshapeOp,
    ScanBase,
    SelectOp,
    SplatOp,
    SplitOp,
)

from . import contractions, dot_scaled
from .elementwise import CAST, COMPARE, in_float32, libdevice
from .random import philox
from .state import State
from .tile_access import TileValue

CASTS = {op.name.removeprefix("arith."): function for op, function in CAST.items()}
"""Conversions by name, as `value.cast` has them."""

Evaluate = Callable[[State, Any, PythonValues], PythonValues]
"""`(state, op, operand values) -> result values`."""


def _expand(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].expand(state.layout(op.results[0].type)[0]),)


def _reshape(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].reshape(state.layout(op.results[0].type)[0]),)


def _compare(state: State, op: CompareOp, args: PythonValues) -> PythonValues:
    lhs, rhs = args
    if lhs.is_floating_point() and lhs.dtype.itemsize == 1:
        lhs, rhs = lhs.float(), rhs.float()
    return (COMPARE[op.predicate.data](lhs, rhs),)


def _bitcast(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].view(state.layout(op.results[0].type)[1]),)


def _cast(state: State, op: CastOp, args: PythonValues) -> PythonValues:
    return (CASTS[op.kind.data](args[0], state.layout(op.result.type)[1]),)


def _libdevice(state: State, op: LibdeviceOp, args: PythonValues) -> PythonValues:
    return (in_float32(libdevice(op.function.data))(*args).to(state.layout(op.result.type)[1]),)


def _gather(state: State, op: GatherOp, args: PythonValues) -> PythonValues:
    """Lanes whose index is out of range hold poison: they are padding, or wrong."""
    value, index = args
    axis = op.axis.data
    inside = (index >= 0) & (index < value.shape[axis])
    # torch.gather takes an input that is larger than the index along the other axes, as this op does.
    bits = value.view(torch.uint8) if value.dtype.itemsize == 1 else value  # torch moves no 8-bit floats
    found = torch.gather(bits, axis, torch.where(inside, index, 0).to(torch.int64))
    if not bool(inside.all()):
        found = torch.where(inside, found, state.poison(index.shape, value.dtype).view(bits.dtype))
    return (found.view(value.dtype),)


def _print(state: State, op: PrintOp, args: PythonValues) -> PythonValues:
    """A line for each value, as Triton's own interpreter has it."""
    head = f"{state.program} {op.text.data}"
    for value in args:
        print(f"{head.removesuffix(':')}: {value.item() if value.ndim == 0 else value.tolist()}")
    if not args:
        print(head)
    return ()


def _lanes(op: AlongAxisBase, args: PythonValues) -> Tensor:
    """The lanes of the axis that the op sees: those of its tile that are valid, or all where it has none."""
    value, *over = args
    return valid_lanes(value, op.axis.data, *over) if over else value


def _reduce(state: State, op: ReduceBase, args: PythonValues) -> PythonValues:
    lanes, ignore_nan = _lanes(op, args), op.ignore_nan is not None
    return (contractions.reduce(op.kind.data, lanes, op.axis.data, ignore_nan=ignore_nan),)


def _arg_reduce(state: State, op: ArgReduceBase, args: PythonValues) -> PythonValues:
    value, index = contractions.arg_reduce(op.kind.data, _lanes(op, args), op.axis.data)
    return value, index.to(state.layout(op.index.type)[1])


def _scan(state: State, op: ScanBase, args: PythonValues) -> PythonValues:
    found = contractions.scan(op.kind.data, _lanes(op, args), op.axis.data, reverse=op.reverse is not None)
    return (poisoned_past(state, found, op.axis.data, *args[1:]),)


def _argsort(state: State, op: ArgsortBase, args: PythonValues) -> PythonValues:
    order = torch.argsort(_lanes(op, args), stable=True, dim=op.axis.data).to(torch.int32)
    return (poisoned_past(state, order, op.axis.data, *args[1:]),)


def _dot(state: State, op: DotBase, args: PythonValues) -> PythonValues:
    lhs, rhs, acc, *over = args
    if over:
        lhs, rhs = valid_lanes(lhs, lhs.ndim - 1, *over), valid_lanes(rhs, rhs.ndim - 2, *over)
    return (contractions.dot(lhs, rhs, acc, acc.dtype),)


def valid_lanes(value: Tensor, axis: int, tile: TileValue) -> Tensor:
    """The lanes of an axis that are before the end of its tile."""
    return value if tile.valid == tile.dim else value.narrow(axis, 0, tile.valid)


def poisoned_past(state: State, lanes: Tensor, axis: int, tile: TileValue | None = None) -> Tensor:
    """The valid lanes of an axis, and poison past the end of its tile."""
    if tile is None or tile.valid == tile.dim:
        return lanes
    padding = (*lanes.shape[:axis], tile.dim - tile.valid, *lanes.shape[axis + 1 :])
    return torch.cat([lanes, state.poison(padding, lanes.dtype)], axis)


ROWS: dict[type[Operation], Evaluate] = {
    SplatOp: _expand, BroadcastOp: _expand, ReshapeOp: _reshape, ExpandDimsOp: _reshape,
    PermuteOp: lambda state, op, args: (args[0].permute(op.permutation),),
    JoinOp: lambda state, op, args: (torch.stack(args, -1),),
    SplitOp: lambda state, op, args: args[0].unbind(-1),
    CompareOp: _compare, SelectOp: lambda state, op, args: (torch.where(*args),),
    BitcastOp: _bitcast, CastOp: _cast, LibdeviceOp: _libdevice, GatherOp: _gather,
    PhiloxOp: lambda state, op, args: philox(*args), PrintOp: _print,
    tile.ReduceOp: _reduce, tile.ArgReduceOp: _arg_reduce, tile.ScanOp: _scan, tile.DotOp: _dot,
    tile.ArgsortOp: _argsort, tl.ArgsortOp: _argsort,
    tl.ReduceOp: _reduce, tl.ArgReduceOp: _arg_reduce, tl.ScanOp: _scan, tl.DotOp: _dot,
    tile.DotScaledOp: dot_scaled.evaluate, tl.DotScaledOp: dot_scaled.evaluate,
    tl.CopyOp: lambda state, op, args: args,
    tl.DebugBarrierOp: lambda state, op, args: (),
    tl.GridBarrierOp: lambda state, op, args: (),
    tl.PdlWaitOp: lambda state, op, args: (),
    tl.PdlLaunchDependentsOp: lambda state, op, args: (),
    inline_triton.MakeTupleOp: lambda state, op, args: (args,),
    inline_triton.ElementOp: lambda state, op, args: (args[0][int(args[1])],),
}  # fmt: skip


@dataclass
class StatefulFunctions(InterpreterFunctions):
    """Implementations that need the run's state."""

    state: State


def table_functions(name: str, rows: dict[type[Operation], Evaluate]) -> type[StatefulFunctions]:
    """A class of implementations, one for each row of a table."""

    def row(evaluate: Evaluate):
        def run(self: StatefulFunctions, interpreter: Interpreter, op: Operation, args: PythonValues) -> PythonValues:
            return evaluate(self.state, op, args)

        return run

    members = {op.name: impl(op)(row(evaluate)) for op, evaluate in rows.items()}
    return register_impls(type(name, (StatefulFunctions,), members))


ValueFunctions = table_functions("ValueFunctions", ROWS)
"""What `tile` and `tl` have in common."""
