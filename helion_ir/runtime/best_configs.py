"""The best known config of a specialization, as JSON files: written by whoever tunes, read by `from_cache`."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import triton
from xdsl.printer import Printer

from ..backends.triton.load import cache_dir
from ..config import Config

if TYPE_CHECKING:
    from .bound import BoundKernel
    from .kernels import Kernel


def cache_key(bound: BoundKernel) -> dict[str, str]:
    """What a tuned config holds for: the config-free IR (which spells the specialization), device, and versions; and
    the configs to choose from, where there are several."""
    text = StringIO()
    Printer(text).print_op(bound.tile_module)
    device = bound.device
    gpu = device.type != "cpu" and torch.cuda.is_available()
    configs = [config.to_json() for config in bound.kernel.configs]
    return {
        "kernel": bound.name,
        "ir": hashlib.sha256(text.getvalue().encode()).hexdigest(),
        "device": torch.cuda.get_device_name(device) if gpu else device.type,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "configs": json.dumps(configs) if len(configs) > 1 else "",
    }


def _path(key: dict[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "best" / f"{key['kernel']}_{digest}.json"


def remember(bound: BoundKernel, config: Config) -> Path:
    """Keep `config` as the best of a specialization; returns its file, which replaces the one before at once."""
    key = cache_key(bound)
    path = _path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"key": key, "config": config.config}, file, indent=2)
    os.replace(temporary, path)
    return path


def recall(bound: BoundKernel) -> Config | None:
    """The best config kept for a specialization; None if there is none, or `HELION_SKIP_CACHE=1`."""
    path = _path(cache_key(bound))
    if os.environ.get("HELION_SKIP_CACHE", "0") == "1" or not path.exists():
        return None
    try:
        stored: Any = json.loads(path.read_text(encoding="utf-8"))
        return Config.from_dict(stored["config"])
    except (ValueError, KeyError, TypeError):
        return None  # a damaged file is no config


def from_cache(kernel: Kernel, args: Sequence[object]) -> Config | None:
    """The best config that tuning found for these arguments on this machine, or None."""
    return recall(kernel.bind(args))


__all__ = ["cache_key", "from_cache", "recall", "remember"]
