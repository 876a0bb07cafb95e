"""Element-wise access to the memory of a tensor: gather, scatter, and atomics with exact duplicate handling."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor
from xdsl.utils.exceptions import InterpretationError

CHANGING = threading.Lock()
"""Held while memory is changed by an atomic: kernels may run in several threads, each a rank or a stream."""

Update = Callable[[Tensor, Tensor], Tensor]
"""`(old, lanes) -> new`: what an atomic stores, for the lanes (flat positions in the access) of this turn."""


class AddressSpace:
    """All memory of this process as one 1-D tensor, whose element `i` lies at address `i * dtype.itemsize`.

    It is addressed as plainly as on a device: an address of nothing ends the process. 0 and its neighbours raise.
    """

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype
        self.shape = (self.numel(),)

    def numel(self) -> int:
        """More elements than any address reaches."""
        return ((1 << 63) - 1) // self.dtype.itemsize

    def stride(self, _: int) -> int:
        """Neighbours follow each other."""
        return 1

    def _runs(self, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each run of neighbours: which of `chosen` (flat) lie in it, where there, and the run's memory."""
        flat, size = chosen.reshape(-1), self.dtype.itemsize
        ordered = torch.unique(flat)
        if ordered.numel() and int(ordered[0]) * size < 4096:
            raise InterpretationError(f"{int(ordered[0]) * size} is the address of no tensor")
        ends = torch.nonzero(ordered.diff() != 1).flatten().add(1).tolist()
        for first, last in pairwise([0, *ends, ordered.numel()]):
            if first < last:
                begin, count = int(ordered[first]), last - first
                buffer = (ctypes.c_byte * (count * size)).from_address(begin * size)
                where = torch.nonzero((flat >= begin) & (flat < begin + count)).flatten()
                yield where, flat[where] - begin, torch.frombuffer(buffer, dtype=self.dtype)

    def __getitem__(self, chosen: Tensor) -> Tensor:
        result = torch.empty(chosen.numel(), dtype=self.dtype)
        for where, at, memory in self._runs(chosen):
            bits(result)[where] = bits(memory)[at]
        return result.view(chosen.shape)

    def __setitem__(self, chosen: Tensor, value: Tensor) -> None:
        flat = value.expand(chosen.shape).reshape(-1)
        for where, at, memory in self._runs(chosen):
            bits(memory)[at] = bits(flat)[where]


Memory: TypeAlias = "Tensor | AddressSpace"
"""What a ref is: a tensor, or all memory."""


def flat_view(tensor: Any) -> Any:
    """The memory that a ref reaches, from its first element, as one 1-D tensor of elements."""
    if isinstance(tensor, AddressSpace):
        return tensor
    if tensor.numel() == 0:
        return tensor.new_empty(0)
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((reach + 1,), (1,))


def check_bounds(offsets: Tensor, size: int, what: str = "offset") -> None:
    """Raise if an offset is outside [0, size).

    Raises:
        InterpretationError: names the first one that is.
    """
    outside = (offsets < 0) | (offsets >= size)
    if bool(outside.any()):
        raise InterpretationError(f"{what} {int(offsets[outside].flatten()[0])} is out of bounds for size {size}")


def bits(tensor: Any) -> Any:
    """8-bit floats as the bytes that they are, of the same memory, since PyTorch lacks operators for them."""
    if isinstance(tensor, AddressSpace):
        return AddressSpace(torch.int8) if tensor.dtype.is_floating_point and tensor.dtype.itemsize == 1 else tensor
    return tensor.view(torch.int8) if tensor.is_floating_point() and tensor.itemsize == 1 else tensor


def gather(flat: Memory, offsets: Tensor, lanes: Tensor, background: Tensor) -> Tensor:
    """`background` with `flat[offsets]` written where `lanes` is true (in place, and returned)."""
    chosen = offsets[lanes]
    check_bounds(chosen, flat.numel())
    bits(background)[lanes] = bits(flat)[chosen]
    return background


def scatter(flat: Memory, offsets: Tensor, lanes: Tensor, value: Tensor) -> None:
    """Write `value` to `flat[offsets]` where `lanes` is true."""
    chosen = offsets[lanes]
    check_bounds(chosen, flat.numel())
    bits(flat)[chosen] = bits(value)[lanes]


def atomic(flat: Memory, offsets: Tensor, lanes: Tensor, update: Update, background: Tensor) -> Tensor:
    """Read, modify and write `flat[offsets]` lane by lane; `background` with the previous values is returned.

    Lanes with the same offset take turns, in lane order, and lanes that differ go together.
    """
    positions = torch.nonzero(lanes.flatten()).flatten()
    chosen = offsets.flatten()[positions]
    check_bounds(chosen, flat.numel())
    previous = background.flatten()
    turns = _turns(chosen)
    with CHANGING:
        for turn in range(int(turns.max()) + 1 if turns.numel() else 0):
            now = turns == turn
            where, at = positions[now], chosen[now]
            old = flat[at]
            previous[where] = old
            flat[at] = update(old, where)
    return previous.view(background.shape)


def _turns(offsets: Tensor) -> Tensor:
    """For each lane, how many lanes before it have the same offset."""
    order = torch.argsort(offsets, stable=True)
    ordered = offsets[order]
    count = torch.arange(len(offsets))
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    first = torch.cummax(torch.where(starts, count, 0), 0).values if len(offsets) else count
    turns = torch.empty_like(count)
    turns[order] = count - first
    return turns


def atomic_update(kind: str, value: Tensor, *, unsigned: bool = False) -> Update:
    """The update of an atomic of `kind` with `value`, one element a lane."""
    values = value.flatten()

    def key(x: Tensor) -> Tensor:
        return x ^ torch.iinfo(x.dtype).min if unsigned else x

    def greater(old: Tensor, new: Tensor) -> Tensor:
        return torch.where(key(new) > key(old), new, old)

    def lesser(old: Tensor, new: Tensor) -> Tensor:
        return torch.where(key(new) < key(old), new, old)

    functions: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "add": torch.add, "and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor,
        "xchg": lambda old, new: new, "max": greater, "min": lesser,
    }  # fmt: skip
    function = functions[kind]
    return lambda old, lanes: function(old, values[lanes])


def compare_and_swap(expected: Tensor, value: Tensor) -> Update:
    """The update of a compare-and-swap; equality is of bits for integers and of values for floats."""
    wanted, values = expected.flatten(), value.flatten()
    return lambda old, lanes: torch.where(old == wanted[lanes], values[lanes], old)
