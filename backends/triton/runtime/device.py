"""Facts of a present device, from Triton and PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import triton

from ....dialects.targets import DEFAULT, GPU
from ..targets import TARGETS


def target_name(device: torch.device) -> str:
    """The target that kernels on a device are compiled for; the usual one where there is no GPU, or one not listed."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return DEFAULT
    properties = torch.cuda.get_device_properties(device)
    name = str(getattr(properties, "gcnArchName", "")).split(":")[0] or f"sm_{properties.major}{properties.minor}"
    return name if name in TARGETS else DEFAULT


def gpu_of(device: torch.device | None) -> GPU | None:
    """The GPU of a device (None: the current one), with as many multiprocessors as it has; None where there is none."""
    if (device is not None and device.type != "cuda") or not torch.cuda.is_available():
        return None
    target: Any = triton.runtime.driver.active.get_current_target()
    properties = torch.cuda.get_device_properties(device)
    known = [gpu for gpu in TARGETS.values() if (gpu.platform, gpu.arch) == (target.backend, target.arch)]
    if known:
        return replace(known[0], multiprocessors=properties.multi_processor_count)
    shared = getattr(properties, "shared_memory_per_block_optin", properties.shared_memory_per_block)
    registers = 255 if target.backend == "cuda" else 512
    return GPU(target.backend, target.arch, target.warp_size, shared, registers, properties.multi_processor_count)


__all__ = ["gpu_of", "target_name"]
