"""Symmetric memory: ranks that meet inside of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .api import api


@api()
def symm_mem_sync(
    signal_pad_ptrs: torch.Tensor,
    sync_id: Any,
    rank: Any,
    world_size: Any,
    hasPreviousMemAccess: bool | None = None,
    hasSubsequentMemAccess: bool | None = None,
) -> None:
    """Blocks with the same `sync_id` (None: the flat program id) on every rank meet.

    `signal_pad_ptrs` holds the address of each rank's signal pad. `hasPreviousMemAccess`: what this block wrote is
    visible to peers afterwards; `hasSubsequentMemAccess`: what they wrote is visible to it. None is True.
    """


@api()
def signal(
    pads: Any,
    index: Sequence[Any],
    signal: Any = 1,
    wait_for: Any = None,
    op: str = "atomic_xchg",
    sem: str = "release",
    scope: str = "sys",
) -> Any:
    """Change slots of a pad by an atomic; other programs, kernels and ranks `wait` for them.

    Args:
        pads: a tensor of integers, or a tuple of those, one a peer: then each is signalled.
        index: the slots, as in a subscript.
        signal: the operand of the atomic.
        wait_for: change each slot only when it holds this value, and wait until then (`op` is `atomic_cas`).
        op: `atomic_xchg`, `atomic_add`, `atomic_and`, `atomic_or`, `atomic_xor`, `atomic_max`, `atomic_min`,
            `atomic_cas`.
        sem: `release` and `acq_rel`: who sees the signal sees what the program wrote before; else `relaxed`, `acquire`.
        scope: who may see it: the device (`gpu`), or the whole system (`sys`).

    Returns: what the slots held, of one tensor and without `wait_for`; else None.
    """


@api()
def wait(
    pads: Any,
    index: Sequence[Any],
    signal: Any = 1,
    update: Any = None,
    op: str = "ld",
    sem: str = "acquire",
    scope: str = "sys",
) -> None:
    """Wait until each of some slots of a pad has held the value `signal`.

    Args:
        pads: a tensor of integers, or a tuple of those: then each is waited for.
        index: the slots, as in a subscript.
        signal: the value, or one for each slot.
        update: what the slots hold afterwards (`op` is `atomic_cas`); without it they stay.
        op: `ld` or `atomic_cas`.
        sem: `acquire` and `acq_rel`: the program sees what was written before the signal; else `relaxed`.
        scope: as in `signal`.
    """
