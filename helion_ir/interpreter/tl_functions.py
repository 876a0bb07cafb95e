"""Every op of the `tl` dialect that is not shared with `tile`: the program, pointers, descriptors, contractions.

Contractions see all lanes here: padding that a pass forgot to fill shows.
"""

from __future__ import annotations

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
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects import tl
from helion_ir.dialects.dims import signless

from . import integers
from .memory import AddressSpace, Memory, atomic, atomic_update, check_bounds, compare_and_swap, gather, scatter
from .peers import wait_for
from .state import State
from .values import Evaluate, StatefulFunctions, table_functions


@dataclass(frozen=True)
class Pointer:
    """The value of a pointer: an element `offset` into the memory of a tensor; `unsigned` as its element type is."""

    flat: Memory
    unsigned: bool = False
    offset: int = 0


@dataclass(frozen=True)
class Descriptor:
    """The value of a tensor descriptor."""

    pointer: Pointer
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class PointerLanes:
    """A pointer access with its operands sorted out: offsets, and the lanes of the mask (None: all)."""

    pointer: Pointer
    offsets: Tensor
    mask: Tensor | None

    @staticmethod
    def of(op: tl.LoadOp | tl.StoreOp | tl.AtomicRMWOp | tl.AtomicWaitOp, args: PythonValues) -> PointerLanes:
        """The access of an op with `mask` as its third operand, if any."""
        pointer: Pointer = args[0]
        return PointerLanes(pointer, args[1].to(torch.int64) + pointer.offset, None if op.mask is None else args[2])

    @property
    def chosen(self) -> Tensor:
        """Which lanes are touched."""
        return torch.ones(self.offsets.shape, dtype=torch.bool) if self.mask is None else self.mask


def is_unsigned(element: Any) -> bool:
    """Whether an element type is an unsigned integer."""
    return isinstance(element, IntegerType) and element.signedness.data is Signedness.UNSIGNED


def _load(state: State, op: tl.LoadOp, args: PythonValues) -> PythonValues:
    access = PointerLanes.of(op, args)
    flat = access.pointer.flat
    if access.mask is None:
        check_bounds(access.offsets, flat.numel())
        return (flat[access.offsets.reshape(-1)].reshape(access.offsets.shape),)
    shape = tuple(access.offsets.shape)
    background = state.poison(shape, flat.dtype) if op.other is None else args[3].expand(shape).clone()
    return (gather(flat, access.offsets, access.mask, background),)


def _store(state: State, op: tl.StoreOp, args: PythonValues) -> PythonValues:
    access = PointerLanes.of(op, args)
    scatter(access.pointer.flat, access.offsets, access.chosen, args[-1])
    return ()


def _atomic_rmw(state: State, op: tl.AtomicRMWOp, args: PythonValues) -> PythonValues:
    access, value = PointerLanes.of(op, args), args[-1]
    update = atomic_update(op.kind.data, value, unsigned=access.pointer.unsigned)
    background = state.poison(tuple(value.shape), value.dtype)
    return (atomic(access.pointer.flat, access.offsets, access.chosen, update, background),)


def _atomic_cas(state: State, op: tl.AtomicCASOp, args: PythonValues) -> PythonValues:
    pointer, offset, expected, value = args
    offsets = offset.to(torch.int64) + pointer.offset
    lanes = torch.ones(offsets.shape, dtype=torch.bool)
    background = torch.zeros(offsets.shape, dtype=value.dtype)
    return (atomic(pointer.flat, offsets, lanes, compare_and_swap(expected, value), background),)


def _atomic_wait(state: State, op: tl.AtomicWaitOp, args: PythonValues) -> PythonValues:
    access = PointerLanes.of(op, args)
    expected, update = (args[-1], None) if op.update is None else args[-2:]
    flat = access.pointer.flat
    assert isinstance(flat, Tensor)
    wait_for(flat, access.offsets, access.chosen, expected, update)
    return ()


def _add_pointer(state: State, op: tl.AddPtrOp, args: PythonValues) -> PythonValues:
    pointer: Pointer = args[0]
    return (Pointer(pointer.flat, pointer.unsigned, pointer.offset + int(args[1])),)


def _make_descriptor(state: State, op: tl.MakeTensorDescriptorOp, args: PythonValues) -> PythonValues:
    pointer: Pointer = args[0]
    rank = len(op.shape)
    shape, strides = tuple(map(int, args[1 : 1 + rank])), tuple(map(int, args[1 + rank :]))
    itemsize = pointer.flat.dtype.itemsize
    block = [state.size(dim) for dim in op.result.type.block.as_tuple()]  # pyright: ignore[reportAttributeAccessIssue]
    if strides[-1] != 1:
        raise InterpretationError(f"the last stride of a descriptor must be 1, got {strides[-1]}")
    if block[-1] * itemsize < 16:
        raise InterpretationError(f"the last block dim of a descriptor must have 16 bytes, got {block[-1] * itemsize}")
    if any(stride * itemsize % 16 for stride in strides[:-1]) or pointer.offset * itemsize % 16:
        raise InterpretationError(
            f"a descriptor's base and strides must be multiples of 16 bytes: offset {pointer.offset}, "
            f"strides {list(strides)} of {itemsize}-byte elements"
        )
    return (Descriptor(pointer, shape, strides),)


def _block_lanes(descriptor: Descriptor, starts: PythonValues, block: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The offsets of a block's lanes, and which of them lie inside the descriptor's shape."""
    offsets, inside = torch.tensor(descriptor.pointer.offset), torch.tensor(True)
    for axis, (start, size) in enumerate(zip(starts, block, strict=True)):
        view = [1] * len(block)
        view[axis] = size
        positions = (torch.arange(size) + int(start)).reshape(view)
        inside = inside & (positions >= 0) & (positions < descriptor.shape[axis])
        offsets = offsets + positions * descriptor.strides[axis]
    return offsets, inside


def _descriptor_load(state: State, op: tl.DescriptorLoadOp, args: PythonValues) -> PythonValues:
    descriptor: Descriptor = args[0]
    shape, dtype = state.layout(op.result.type)
    offsets, inside = _block_lanes(descriptor, args[1:], shape)
    return (gather(descriptor.pointer.flat, offsets, inside, torch.zeros(shape, dtype=dtype)),)


def _descriptor_store(state: State, op: tl.DescriptorStoreOp, args: PythonValues) -> PythonValues:
    descriptor, *starts, value = args
    offsets, inside = _block_lanes(descriptor, tuple(starts), tuple(value.shape))
    scatter(descriptor.pointer.flat, offsets, inside, value)
    return ()


def _descriptor_reduce(state: State, op: tl.DescriptorReduceOp, args: PythonValues) -> PythonValues:
    descriptor, *starts, value = args
    offsets, inside = _block_lanes(descriptor, tuple(starts), tuple(value.shape))
    background = torch.zeros_like(value)
    atomic(descriptor.pointer.flat, offsets, inside, atomic_update(op.kind.data, value), background)
    return ()


def _arange(state: State, op: tl.ArangeOp, args: PythonValues) -> PythonValues:
    (size,), dtype = state.layout(op.result.type)
    if size & (size - 1) or size == 0:
        raise InterpretationError(f"arange needs a power of two, got {size}")
    return (torch.arange(size, dtype=dtype),)


def _address_zero(state: State, op: tl.AddressZeroOp, args: PythonValues) -> PythonValues:
    assert isinstance(op.result.type, tl.PtrType)
    element = op.result.type.element_type
    return (Pointer(AddressSpace(state.layout(signless(element))[1]), is_unsigned(element)),)


def _constexpr(state: State, op: tl.ConstexprOp, args: PythonValues) -> PythonValues:
    return (torch.tensor(state.size(op.param.data), dtype=state.layout(op.result.type)[1]),)


ROWS: dict[type[Operation], Evaluate] = {
    tl.LoadOp: _load, tl.StoreOp: _store, tl.AtomicRMWOp: _atomic_rmw, tl.AtomicCASOp: _atomic_cas,
    tl.AtomicWaitOp: _atomic_wait,
    tl.AddPtrOp: _add_pointer, tl.MakeTensorDescriptorOp: _make_descriptor,
    tl.DescriptorLoadOp: _descriptor_load, tl.DescriptorStoreOp: _descriptor_store,
    tl.DescriptorReduceOp: _descriptor_reduce,
    tl.ArangeOp: _arange, tl.ConstexprOp: _constexpr, tl.AddressZeroOp: _address_zero,
    tl.CdivOp: lambda state, op, args: (integers.ceil_div(*args),),
}  # fmt: skip

TlValueFunctions = table_functions("TlValueFunctions", ROWS)
"""Memory, constants and contractions."""


@register_impls
@dataclass
class ProgramFunctions(StatefulFunctions):
    """What a program knows of itself; the run sets the state's `program` and `grid`."""

    @impl(tl.ProgramIdOp)
    def run_program_id(self, interpreter: Interpreter, op: tl.ProgramIdOp, args: PythonValues) -> PythonValues:
        return (torch.tensor(self.state.program[op.axis.data], dtype=torch.int32),)

    @impl(tl.NumProgramsOp)
    def run_num_programs(self, interpreter: Interpreter, op: tl.NumProgramsOp, args: PythonValues) -> PythonValues:
        return (torch.tensor(self.state.grid[op.axis.data], dtype=torch.int32),)

    @impl_terminator(tl.ReturnOp)
    def run_return(
        self, interpreter: Interpreter, op: tl.ReturnOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(()), ()

    @impl_terminator(tl.LaunchGridOp)
    def run_launch_grid(
        self, interpreter: Interpreter, op: tl.LaunchGridOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        return ReturnedValues(args), ()
