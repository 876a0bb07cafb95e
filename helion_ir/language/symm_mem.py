"""Symmetric memory: ranks that meet inside of a kernel."""

from __future__ import annotations

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
