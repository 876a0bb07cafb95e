"""What configs need to know of a device."""

from __future__ import annotations

import torch

from .. import backends
from ..sizes import CPU_SMS


def get_num_sm(device: torch.device | str | int | None = None) -> int:
    """The number of multiprocessors of a device, by default the current GPU; a small constant for a CPU."""
    gpu = backends.default().device_gpu(None if device is None else torch.device(device))
    return CPU_SMS if gpu is None else gpu.multiprocessors


__all__ = ["get_num_sm"]
