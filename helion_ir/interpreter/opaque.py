"""Opaque text, and meetings of ranks: functions that have an implementation here, others by their own language."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from xdsl.dialects.builtin import TupleType
from xdsl.interpreter import PythonValues
from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import InterpretationError

from helion_ir import backends
from helion_ir.backends.base import Memory
from helion_ir.dialects import inline_triton, symm_mem
from helion_ir.dialects.dims import dims_of
from helion_ir.dialects.tile import RefType
from helion_ir.dialects.tl import PtrType

from ..session import current
from .engine import LocatedError, describe_location, place_of
from .memory import flat_view
from .peers import MeetingTimeoutError, meet
from .state import State, dtype_of
from .tile_access import TileValue
from .tl_functions import Pointer
from .values import Evaluate, table_functions

Implementation = Callable[..., Any]


def implements(name: str) -> Callable[[Implementation], Implementation]:
    """Make the decorated function what the interpreter runs for calls of the jit function `name`, in the current
    session.

    It stands in where the language's own interpreter cannot run the function, as for assembly. It is called like the
    jit function, but with torch values: a block is a tensor, a scalar a number, a pointer the memory behind it as a
    tensor of one dimension (writes to it are seen), a tuple a tuple of those. Its result is converted to the types
    that the call declares; `program_id()` says which program calls.

    ```python
    @implements("my_barrier")
    def my_barrier(pads, rank, WORLD_SIZE): ...
    ```
    """

    return current().implements(name)


class NeedsGPUError(LocatedError):
    """Opaque code that only a GPU can run."""


def _run(state: State, op: Operation, args: PythonValues, source: str, text: str) -> PythonValues:
    """Let the backend run opaque statements in the current program."""
    operands = [_operand(value.type, arg) for value, arg in zip(op.operands, _given(op, args), strict=True)]
    results = [state.layout(result.type) for result in op.results]
    try:
        return tuple(backends.default().text_runner()(source, text, operands, results, state.program, state.grid))
    except NotImplementedError as error:
        hint = "helion_ir.interpreter.implements gives a jit function an implementation"
        raise NeedsGPUError(
            f"{describe_location(op)}: {error} runs on a GPU only; {hint}", location=place_of(op)
        ) from error
    except Exception as error:
        raise LocatedError(f"{describe_location(op)}: {error}", location=place_of(op)) from error


def _operand(type_: Attribute, value: Any) -> Any:
    """What `given` makes of an operand, as the backend takes it: memory is marked, numbers are tensors."""
    if isinstance(type_, TupleType):
        return tuple(_operand(item, part) for item, part in zip(type_.types, value, strict=True))
    if isinstance(type_, RefType | PtrType):
        return Memory(value)
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=dtype_of(type_))


def given(type_: Attribute, value: Any) -> Any:
    """An operand as opaque code takes it: see `implements`."""
    if isinstance(type_, TupleType):
        return tuple(given(item, part) for item, part in zip(type_.types, value, strict=True))
    if isinstance(type_, RefType | PtrType):
        memory = value.flat if isinstance(value, Pointer) else flat_view(value)
        assert isinstance(memory, Tensor)
        flat = memory[value.offset :] if isinstance(value, Pointer) else memory
        return flat.view(dtype_of(type_.element_type))
    if isinstance(value, TileValue):
        return value.positions
    assert isinstance(value, Tensor)
    return value if dims_of(type_) else value.item()


def _results(state: State, op: Operation, values: Any) -> PythonValues:
    """What an implementation returned, as the op's results."""
    parts = values if isinstance(values, tuple | list) else () if values is None else (values,)
    if len(parts) != len(op.results):
        raise InterpretationError(f"it returned {len(parts)} values, {len(op.results)} are declared")
    found = []
    for result, part in zip(op.results, parts, strict=True):
        shape, dtype = state.layout(result.type)
        found.append(torch.as_tensor(part).to(dtype).expand(shape).clone())
    return tuple(found)


def _call(state: State, op: inline_triton.CallOp, args: PythonValues) -> PythonValues:
    name = op.function.data
    implementation = current().plugins.of("jit function").get(name)
    if implementation is None:
        return _run(state, op, args, op.source.data, f"{name}({op.argument_template})")
    values = _given(op, args)
    names = {f"_operand_{number}": value for number, value in enumerate(values)}
    text = f"_function({op.argument_template.format(*names)})"
    scope: dict[str, Any] = {"_function": implementation, **names, **backends.default().modules()}
    try:
        return _results(state, op, eval(text, scope))
    except MeetingTimeoutError as error:
        raise MeetingTimeoutError(f"{describe_location(op)}: {error}") from error


def _snippet(state: State, op: inline_triton.SnippetOp, args: PythonValues) -> PythonValues:
    return _run(state, op, args, "", op.text.data)


def _given(op: Operation, args: PythonValues) -> list[Any]:
    return [given(operand.type, arg) for operand, arg in zip(op.operands, args, strict=True)]


def _asm(state: State, op: inline_triton.AsmOp, args: PythonValues) -> PythonValues:
    raise NeedsGPUError(f"{describe_location(op)}: assembly ({op.asm.data.strip().splitlines()[0]}) runs on a GPU only")


def _sync(state: State, op: symm_mem.SyncOp, args: PythonValues) -> PythonValues:
    """All accesses of a thread are in order here, whatever a sync asks for."""
    pads, *rest = args
    sync_id, rank, world_size = rest if op.sync_id is not None else (state.flat_program, *rest)
    _meet_at(op, given(op.pads.type, pads).data_ptr(), int(sync_id), int(rank), int(world_size))
    return ()


def _slots(state: State, op: symm_mem.SlotsOp, args: PythonValues) -> PythonValues:
    """There are no threads here: instead of two addresses, two numbers that `_meet` understands."""
    pads, *numbers = _given(op, args)
    sync_id, rank, world_size = map(int, numbers)
    return torch.tensor(pads.data_ptr()), torch.tensor(sync_id << 32 | rank << 16 | world_size)


def _meet(state: State, op: symm_mem.MeetOp, args: PythonValues) -> PythonValues:
    theirs, ours = map(int, args)
    _meet_at(op, theirs, ours >> 32, ours >> 16 & 0xFFFF, ours & 0xFFFF)
    return ()


def _meet_at(op: Operation, pads: int, sync_id: int, rank: int, world_size: int) -> None:
    """Meet, with the ranks' pads at the addresses that are at the address `pads`."""
    try:
        meet(list((ctypes.c_uint64 * world_size).from_address(pads)), sync_id, rank, world_size)
    except MeetingTimeoutError as error:
        raise MeetingTimeoutError(f"{describe_location(op)}: {error}") from error


ROWS: dict[type[Operation], Evaluate] = {
    inline_triton.CallOp: _call, inline_triton.SnippetOp: _snippet, inline_triton.AsmOp: _asm,
}  # fmt: skip

TlOpaqueFunctions = table_functions("TlOpaqueFunctions", {**ROWS, symm_mem.SlotsOp: _slots, symm_mem.MeetOp: _meet})
"""Opaque text and meetings in `tl`."""

TileOpaqueFunctions = table_functions("TileOpaqueFunctions", {**ROWS, symm_mem.SyncOp: _sync})
"""Opaque text and meetings in `tile`."""

__all__ = ["TileOpaqueFunctions", "TlOpaqueFunctions", "implements"]
