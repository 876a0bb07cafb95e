"""The best known config of a specialization, as JSON files: written after a search, read by `from_cache`.

A cache is a convenience: a file that cannot be written, or that holds anything but a config of its kernel, is a
warning and never an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from xdsl.printer import Printer

from .. import exc
from ..backends.load import cache_dir
from ..config import Config
from ..files import write_whole
from ..runtime.specialized import SpecializedKernel

LONGEST = 1 << 20
"""Bytes of a file; no config is that long."""


def cache_key(bound: SpecializedKernel) -> dict[str, str]:
    """What a tuned config holds for: the config-free IR (which spells the specialization), device, and versions; and
    the configs to choose from, where there are several."""
    text = StringIO()
    Printer(text).print_op(bound.tile_module)
    device = bound.device
    gpu = device.type != "cpu" and torch.cuda.is_available()
    configs = [config.to_json() for config in bound.kernel.configs]
    plugins = ",".join(bound.pipeline.plugins.of("pass"))
    return {
        **({"plugins": plugins} if plugins else {}),
        "kernel": bound.name,
        "ir": hashlib.sha256(text.getvalue().encode()).hexdigest(),
        "device": torch.cuda.get_device_name(device) if gpu else device.type,
        "torch": torch.__version__,
        bound.backend.name: bound.backend.version(),
        "configs": json.dumps(configs) if len(configs) > 1 else "",
    }


def _path(key: dict[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "best" / f"{key['kernel']}_{digest}.json"


def remember(bound: SpecializedKernel, config: Config) -> Path | None:
    """Keep `config` as the best of a specialization; returns its file, which replaces the one before at once.

    None, with the warning `CacheNotWritable`, where it cannot be written.
    """
    key = cache_key(bound)
    path = _path(key)
    try:
        write_whole(path, json.dumps({"key": key, "config": config.config}, indent=2))
    except (OSError, TypeError, ValueError) as error:
        message = f"{bound.name}: the best config is not kept for other processes: {error}"
        exc.warn(exc.CacheNotWritable(message), tuple(bound.settings.ignore_warnings))
        return None
    return path


def recall(bound: SpecializedKernel) -> Config | None:
    """The best config kept for a specialization, as it was kept; None if there is none, or `HELION_SKIP_CACHE=1`.

    None, with the warning `CacheNotReadable`, where there is a file that is no legal config of the kernel.
    """
    if os.environ.get("HELION_SKIP_CACHE", "0") == "1":
        return None
    key = cache_key(bound)
    path = _path(key)
    try:
        text = _text(path)
        return None if text is None else _parsed(text, key, bound)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError, exc.InvalidConfig) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{bound.name}: {path} is no config of this kernel and is not used: {reason}"
        exc.warn(exc.CacheNotReadable(message), tuple(bound.settings.ignore_warnings))
        return None


def _text(path: Path) -> str | None:
    """The text of a file of modest size; None if there is nothing. Raises OSError and ValueError."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if not path.is_file():
        raise ValueError("it is no file")
    if size > LONGEST:
        raise ValueError(f"it has {size} bytes")
    return path.read_text(encoding="utf-8")


def _parsed(text: str, key: dict[str, str], bound: SpecializedKernel) -> Config:
    stored: Any = json.loads(text)
    if not isinstance(stored, dict) or not isinstance(stored.get("config"), dict):
        raise ValueError("it holds no config")
    if stored.get("key") != key:
        raise ValueError("it was kept for another kernel, device or version")
    config = Config.from_dict(stored["config"])
    bound.config_spec.normalize(config)
    return config


__all__ = ["cache_key", "recall", "remember"]
