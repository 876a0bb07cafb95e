"""Views, elementwise ops and gathers that `tile` and `tl` have in common: one row per op of either dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import Operation

from helion_ir.dialects import inline_triton, tile, tl

from .elementwise import CAST, COMPARE, in_float32, libdevice
from .state import State

CASTS = {op.name.removeprefix("arith."): function for op, function in CAST.items()}
"""Conversions by name, as `tile.cast` has them."""

Evaluate = Callable[[State, Any, PythonValues], PythonValues]
"""`(state, op, operand values) -> result values`."""


def _expand(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].expand(state.layout(op.results[0].type)[0]),)


def _reshape(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].reshape(state.layout(op.results[0].type)[0]),)


def _compare(state: State, op: tile.CompareOp | tl.CompareOp, args: PythonValues) -> PythonValues:
    lhs, rhs = args
    if lhs.is_floating_point() and lhs.dtype.itemsize == 1:
        lhs, rhs = lhs.float(), rhs.float()
    return (COMPARE[op.predicate.data](lhs, rhs),)


def _bitcast(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return (args[0].view(state.layout(op.results[0].type)[1]),)


def _cast(state: State, op: tile.CastOp | tl.CastOp, args: PythonValues) -> PythonValues:
    return (CASTS[op.kind.data](args[0], state.layout(op.result.type)[1]),)


def _libdevice(state: State, op: tile.LibdeviceOp | tl.LibdeviceOp, args: PythonValues) -> PythonValues:
    return (in_float32(libdevice(op.function.data))(*args).to(state.layout(op.result.type)[1]),)


def _gather(state: State, op: tile.GatherOp | tl.GatherOp, args: PythonValues) -> PythonValues:
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


def _copy(state: State, op: Operation, args: PythonValues) -> PythonValues:
    return args


ROWS: dict[type[Operation], Evaluate] = {
    tile.SplatOp: _expand, tile.BroadcastOp: _expand, tl.FullOp: _expand, tl.BroadcastOp: _expand,
    tile.ReshapeOp: _reshape, tile.ExpandDimsOp: _reshape, tl.ReshapeOp: _reshape, tl.ExpandDimsOp: _reshape,
    tile.PermuteOp: lambda state, op, args: (args[0].permute(op.permutation),),
    tl.TransOp: lambda state, op, args: (args[0].permute(op.permutation),),
    tile.JoinOp: lambda state, op, args: (torch.stack(args, -1),),
    tl.JoinOp: lambda state, op, args: (torch.stack(args, -1),),
    tile.SplitOp: lambda state, op, args: args[0].unbind(-1), tl.SplitOp: lambda state, op, args: args[0].unbind(-1),
    tile.CompareOp: _compare, tl.CompareOp: _compare,
    tile.SelectOp: lambda state, op, args: (torch.where(*args),),
    tl.WhereOp: lambda state, op, args: (torch.where(*args),),
    tile.BitcastOp: _bitcast, tl.BitcastOp: _bitcast,
    tile.CastOp: _cast, tl.CastOp: _cast,
    tile.LibdeviceOp: _libdevice, tl.LibdeviceOp: _libdevice,
    tile.GatherOp: _gather, tl.GatherOp: _gather,
    tl.CopyOp: _copy,
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
