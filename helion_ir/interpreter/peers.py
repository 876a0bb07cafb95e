"""Ranks as threads of one process: programs meet through signal pads in the memory of the CPU."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence

from torch import Tensor
from xdsl.utils.exceptions import InterpretationError

from .engine import LocatedError
from .memory import CHANGING, atomic, compare_and_swap

TIMEOUT_SECONDS = 60.0
"""How long a program waits for a peer."""
_LONGEST_PAUSE = 1e-3


class MeetingTimeoutError(LocatedError):
    """A program waited too long for a peer: a rank that never came, or came in another order or with another id."""


def _add(address: int, amount: int, least: int) -> bool:
    """Add to a 32-bit slot if it holds at least so much; whether it did."""
    slot = ctypes.c_uint32.from_address(address)
    with CHANGING:
        enough = slot.value >= least
        if enough:
            slot.value += amount
    return enough


def _take(address: int, doing: str) -> None:
    """Take 1 from a slot once there is one.

    Raises:
        MeetingTimeoutError: there was none for `TIMEOUT_SECONDS`.
    """
    deadline, pause = time.monotonic() + TIMEOUT_SECONDS, 1e-6
    while not _add(address, -1, least=1):
        if time.monotonic() > deadline:
            raise MeetingTimeoutError(f"{doing}: the slot holds 0 after {TIMEOUT_SECONDS:g} s")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def wait_for(flat: Tensor, offsets: Tensor, lanes: Tensor, expected: Tensor, update: Tensor | None) -> None:
    """Wait until each element of `flat` at `offsets` has held what is expected of it, and put `update` there.

    Raises:
        MeetingTimeoutError: one of those in `lanes` has not, for `TIMEOUT_SECONDS`.
    """
    deadline, pause = time.monotonic() + TIMEOUT_SECONDS, 1e-6
    swap = compare_and_swap(expected, expected if update is None else update)
    while True:
        held = atomic(flat, offsets, lanes, swap, expected.clone())
        lanes = lanes & (held != expected)
        if not bool(lanes.any()):
            return
        if time.monotonic() > deadline:
            slots = offsets[lanes].flatten().tolist()
            raise MeetingTimeoutError(
                f"waits for {expected[lanes].flatten().tolist()[:8]} in elements {slots[:8]}, which hold "
                f"{held[lanes].flatten().tolist()[:8]} after {TIMEOUT_SECONDS:g} s: nobody signals them"
            )
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def meet(addresses: Sequence[int], sync_id: int, rank: int, world_size: int) -> None:
    """What `symm_mem.sync` does, literally: add a signal to every peer's pad, then take every peer's from the own one.

    Args:
        addresses: the address of each rank's pad of 32-bit slots, in CPU memory.
        sync_id: programs of equal ids meet.

    Raises:
        InterpretationError: there is no such rank, or a pad has no address.
        MeetingTimeoutError: a peer does not come.
    """
    if not 0 <= rank < world_size or len(addresses) < world_size:
        raise InterpretationError(f"rank {rank} of {world_size}, with {len(addresses)} pads")
    if not all(addresses[:world_size]):
        raise InterpretationError(f"a signal pad has no address: {addresses[:world_size]}")
    first = sync_id * world_size
    for peer in range(world_size):
        _add(addresses[peer] + 4 * (first + rank), 1, least=0)
    for peer in range(world_size):
        slot = first + peer
        who = f"rank {rank} at meeting {sync_id} waits for rank {peer}, in slot {slot} of its own pad"
        _take(addresses[rank] + 4 * slot, who)
