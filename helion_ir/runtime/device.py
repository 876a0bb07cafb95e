"""What the emitted host code and configs need to know of a device."""

from __future__ import annotations

import torch

from ..dialects.targets import DEFAULT, TARGETS

CPU_SMS = 4
"""Programs of a persistent kernel on a machine without GPU: few, because an interpreter runs them."""


def get_num_sm(device: torch.device | str | int | None = None) -> int:
    """The number of multiprocessors of a device; a small constant for a CPU."""
    where = torch.device("cuda") if device is None else torch.device(device)
    if where.type == "cpu" or not torch.cuda.is_available():
        return CPU_SMS
    return torch.cuda.get_device_properties(where).multi_processor_count


def target_name(device: torch.device) -> str:
    """The target that kernels on a device are compiled for; the usual one where there is no GPU, or one not listed."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return DEFAULT
    properties = torch.cuda.get_device_properties(device)
    name = str(getattr(properties, "gcnArchName", "")).split(":")[0] or f"sm_{properties.major}{properties.minor}"
    return name if name in TARGETS else DEFAULT


__all__ = ["CPU_SMS", "get_num_sm", "target_name"]
