"""Ranks as threads of one process: programs meet through signal pads in the memory of the CPU."""

from __future__ import annotations

import ctypes
import threading
import time

from torch import Tensor
from xdsl.utils.exceptions import InterpretationError

from .engine import LocatedError

TIMEOUT_SECONDS = 60.0
"""How long a program waits for a peer."""
_LONGEST_PAUSE = 1e-3

_swapping = threading.Lock()
"""Held by whoever compares and swaps, which makes it atomic."""


class MeetingTimeoutError(LocatedError):
    """A program waited too long for a peer: a rank that never came, or came in another order or with another id."""


def _swap(address: int, expected: int, new: int) -> int:
    """Compare and swap a 32-bit slot; what it held."""
    slot = ctypes.c_uint32.from_address(address)
    with _swapping:
        old = slot.value
        if old == expected:
            slot.value = new
    return old


def _spin(address: int, expected: int, new: int, doing: str) -> None:
    """Compare and swap until the slot holds what is expected.

    Raises:
        MeetingTimeoutError: it did not for `TIMEOUT_SECONDS`.
    """
    deadline, pause = time.monotonic() + TIMEOUT_SECONDS, 1e-6
    while (old := _swap(address, expected, new)) != expected:
        if time.monotonic() > deadline:
            raise MeetingTimeoutError(f"{doing}: the slot holds {old}, not {expected}, after {TIMEOUT_SECONDS:g} s")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def meet(pads: Tensor, sync_id: int, rank: int, world_size: int) -> None:
    """What `symm_mem.sync` does, literally: signal every peer's pad, then take back every peer's signal.

    Args:
        pads: the address of each rank's pad of 32-bit slots, in CPU memory.
        sync_id: programs of equal ids meet.

    Raises:
        InterpretationError: there is no such rank, or a pad has no address.
        MeetingTimeoutError: a peer does not come.
    """
    addresses = [address % (1 << 64) for address in pads.flatten().tolist()]
    if not 0 <= rank < world_size or len(addresses) < world_size:
        raise InterpretationError(f"rank {rank} of {world_size}, with {len(addresses)} pads")
    if not all(addresses[:world_size]):
        raise InterpretationError(f"a signal pad has no address: {addresses[:world_size]}")
    first = sync_id * world_size
    who = f"rank {rank} at meeting {sync_id}"
    for peer in range(world_size):
        slot = first + rank
        _spin(addresses[peer] + 4 * slot, 0, 1, f"{who} cannot signal rank {peer}, in slot {slot} of its pad")
    for peer in range(world_size):
        slot = first + peer
        _spin(addresses[rank] + 4 * slot, 1, 0, f"{who} waits for rank {peer}, in slot {slot} of its own pad")
