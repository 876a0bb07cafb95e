"""Every op of the `tile` dialect that `tl` has nothing like: kernels, loops, tiles, memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.interpreter import (
    Interpreter,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl,
    impl_terminator,
    register_impls,
)
from xdsl.ir import Operation

from helion_ir.dialects.dims import signless
from helion_ir.dialects.tile import (
    AccessBase,
    AddressSpaceOp,
    AtomicCASOp,
    AtomicRMWOp,
    AtomicWaitOp,
    BarrierOp,
    BeginOp,
    CountOp,
    EndOp,
    FlipOp,
    ForOp,
    GridOp,
    IdOp,
    IndexOp,
    KeepOp,
    LoadOp,
    LoopBase,
    PadOp,
    RangeOp,
    RefType,
    ShiftOp,
    StoreOp,
    SymbolOp,
    TileType,
    WholeOp,
    YieldOp,
)

from .memory import AddressSpace, Update, atomic, atomic_update, compare_and_swap, gather, scatter
from .peers import wait_for
from .state import State
from .tile_access import AccessPlan, TileValue, box_access, scattered_access, zero_outside
from .values import Evaluate, StatefulFunctions, poisoned_past, table_functions, valid_lanes


def _scalar(state: State, op: Operation, value: int) -> PythonValues:
    return (torch.tensor(value, dtype=state.layout(op.results[0].type)[1]),)


def _dim_of(state: State, value: Any) -> int:
    assert isinstance(value.type, TileType)
    return state.size(value.type.dim)


def _whole(state: State, op: WholeOp, args: PythonValues) -> PythonValues:
    dim = _dim_of(state, op.result)
    return (TileValue(0, dim, dim),)


def _range(state: State, op: RangeOp, args: PythonValues) -> PythonValues:
    return (TileValue(int(args[0]), int(args[1]), _dim_of(state, op.result), step=op.step.data),)


def _shift(state: State, op: ShiftOp, args: PythonValues) -> PythonValues:
    tile, offset = args[0], int(args[1])
    return (TileValue(tile.begin + offset, tile.end + offset, tile.dim, tile.id, tile.count, tile.step),)


def _end(state: State, op: EndOp, args: PythonValues) -> PythonValues:
    tile: TileValue = args[0]
    return _scalar(state, op, min(tile.end, tile.begin + tile.dim * tile.step))


def _index(state: State, op: IndexOp, args: PythonValues) -> PythonValues:
    return (args[0].positions.to(state.layout(op.result.type)[1]),)


def _address_space(state: State, op: AddressSpaceOp, args: PythonValues) -> PythonValues:
    assert isinstance(op.result.type, RefType)
    return (AddressSpace(state.layout(signless(op.result.type.element_type))[1]),)


def _load(state: State, op: LoadOp, args: PythonValues) -> PythonValues:
    plan = AccessPlan.of(op, state)
    dtype = state.layout(op.result.type)[1]
    box = box_access(plan, args[0], args[1 : 1 + len(plan.index_axes)]) if plan.boxed else None
    if box is not None and box.full:
        return (box.region.clone(),)
    background = _not_read(state, op, plan, args, dtype)
    if box is not None:
        background[box.corner] = box.region
        return (background,)
    found = scattered_access(plan, args)
    return (gather(found.flat, found.offsets, found.lanes, background),)


def _not_read(state: State, op: LoadOp, plan: AccessPlan, args: PythonValues, dtype: torch.dtype) -> Tensor:
    """What the lanes of a load hold that it does not read; through a descriptor, zeros outside of the ref."""
    if op.indexing is not None and op.indexing.data == "tensor_descriptor":
        return zero_outside(plan, args, state.poison(plan.shape, dtype))
    return state.poison(plan.shape, dtype) if op.other is None else args[-1].expand(plan.shape).clone()


def _store(state: State, op: StoreOp, args: PythonValues) -> PythonValues:
    plan = AccessPlan.of(op, state)
    box = box_access(plan, args[0], args[1 : 1 + len(plan.index_axes)]) if plan.boxed else None
    if box is not None:
        box.region.copy_(args[-1][box.corner])
        return ()
    found = scattered_access(plan, args)
    scatter(found.flat, found.offsets, found.lanes, args[-1])
    return ()


def _atomic(state: State, op: AccessBase, args: PythonValues, update: Update) -> PythonValues:
    plan = AccessPlan.of(op, state)
    found = scattered_access(plan, args)
    previous = atomic(found.flat, found.offsets, found.lanes, update, state.poison(plan.shape, args[0].dtype))
    return (previous,) if op.results else ()


def _atomic_rmw(state: State, op: AtomicRMWOp, args: PythonValues) -> PythonValues:
    element = op.ref_type.element_type
    unsigned = isinstance(element, IntegerType) and element.signedness.data is Signedness.UNSIGNED
    return _atomic(state, op, args, atomic_update(op.kind.data, args[-1], unsigned=unsigned))


def _atomic_cas(state: State, op: AtomicCASOp, args: PythonValues) -> PythonValues:
    return _atomic(state, op, args, compare_and_swap(args[-2], args[-1]))


def _atomic_wait(state: State, op: AtomicWaitOp, args: PythonValues) -> PythonValues:
    found = scattered_access(AccessPlan.of(op, state), args)
    expected, update = (args[-1], None) if op.update is None else args[-2:]
    wait_for(found.flat, found.offsets, found.lanes, expected, update)
    return ()


def _pad(state: State, op: PadOp, args: PythonValues) -> PythonValues:
    value, fill, tile = args
    axis = op.axis.data
    if tile.valid == tile.dim:
        return (value,)
    kept = value.narrow(axis, 0, tile.valid)
    shape = (*value.shape[:axis], tile.dim - tile.valid, *value.shape[axis + 1 :])
    return (torch.cat([kept, fill.expand(shape)], axis),)


def _keep(state: State, op: KeepOp, args: PythonValues) -> PythonValues:
    new, old, tile = args
    if tile.valid == tile.dim:
        return (new,)
    axis = op.axis.data
    rest = old.narrow(axis, tile.valid, tile.dim - tile.valid)
    return (torch.cat([new.narrow(axis, 0, tile.valid), rest], axis),)


def _flip(state: State, op: FlipOp, args: PythonValues) -> PythonValues:
    value, tile = args
    axis = op.axis.data
    return (poisoned_past(state, valid_lanes(value, axis, tile).flip(axis), axis, tile),)


ROWS: dict[type[Operation], Evaluate] = {
    WholeOp: _whole, RangeOp: _range, ShiftOp: _shift, IndexOp: _index,
    BeginOp: lambda state, op, args: _scalar(state, op, args[0].begin), EndOp: _end,
    IdOp: lambda state, op, args: _scalar(state, op, args[0].id),
    CountOp: lambda state, op, args: _scalar(state, op, args[0].count),
    SymbolOp: lambda state, op, args: _scalar(state, op, state.size(op.value)),
    AddressSpaceOp: _address_space, LoadOp: _load, StoreOp: _store, AtomicRMWOp: _atomic_rmw,
    AtomicCASOp: _atomic_cas, AtomicWaitOp: _atomic_wait,
    BarrierOp: lambda state, op, args: (),
    PadOp: _pad, KeepOp: _keep, FlipOp: _flip,
}  # fmt: skip

TileValueFunctions = table_functions("TileValueFunctions", ROWS)
"""Tiles and memory."""


@register_impls
@dataclass
class TileLoopFunctions(StatefulFunctions):
    """Grids and loops. Programs run one after the other, in row-major order or (with `shuffle`) in a random one.

    They are numbered in row-major order, those of a second grid after those of the first.
    """

    shuffle: bool = False
    _launched: int = 0

    def iterations(self, op: LoopBase, begins: Sequence[Any], ends: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The values of the loop's arguments for each iteration, in row-major order."""
        axes = []
        for argument, dim, begin, end in zip(
            op.loop_args, op.blocks.as_tuple(), map(int, begins), map(int, ends), strict=True
        ):
            step = self.state.size(dim)
            starts = range(begin, end, step)
            if isinstance(argument.type, TileType):
                axes.append([TileValue(at, end, step, number, len(starts)) for number, at in enumerate(starts)])
            else:
                dtype = self.state.layout(argument.type)[1]
                axes.append([torch.tensor(at, dtype=dtype) for at in starts])
        return itertools.product(*axes)

    @impl(GridOp)
    def run_grid(self, interpreter: Interpreter, op: GridOp, args: PythonValues) -> PythonValues:
        rank = len(op.begins)
        programs = list(self.iterations(op, args[:rank], args[rank:]))
        numbered = list(enumerate(programs, self._launched))
        self._launched += len(programs)
        self.state.grid = (self._launched, 1, 1)
        for number, values in self.state.shuffled(numbered) if self.shuffle else numbered:
            self.state.program = (number, 0, 0)
            interpreter.run_ssacfg_region(op.body, values, "tile.grid")
        return ()

    @impl(ForOp)
    def run_for(self, interpreter: Interpreter, op: ForOp, args: PythonValues) -> PythonValues:
        rank = len(op.begins)
        carried = args[2 * rank :]
        for values in self.iterations(op, args[:rank], args[rank : 2 * rank]):
            carried = interpreter.run_ssacfg_region(op.body, (*values, *carried), "tile.for")
        return carried

    @impl_terminator(YieldOp)
    def run_yield(
        self, interpreter: Interpreter, op: YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()
