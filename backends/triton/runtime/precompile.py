"""Compilation into Triton's cache, in another process than the one that launches.

A launch is captured where Triton would compile it: types, alignments, constants and options are exactly those of the
call, so that what a worker puts into Triton's cache is what the measuring process looks up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
from triton import knobs
from triton.backends.compiler import GPUTarget

from ....dialects.targets import GPU
from ...base import Resources
from ...load import load_source
from .aot import resources_of


@dataclass(frozen=True)
class Launch:
    """A kernel as one launch compiles it."""

    source: str
    name: str
    data: str
    """Triton's serialized specialization."""


class _CapturedError(BaseException):
    """Ends the host function at its launch; no `except Exception` of the user's stops it."""


def capture(source: str, name: str, run: Callable[..., Any], args: Sequence[object]) -> Launch | None:
    """What a call of the host function `run` of an emitted module compiles; None if that is compiled already.

    Nothing is launched unless it is compiled. Raises what the host function raises before its launch.
    """
    module = load_source(source, name)
    found: list[Launch] = []

    def hook(*, fn: Any, compile: Any, **others: Any) -> bool | None:
        if fn.module != module.__name__:
            return before(fn=fn, compile=compile, **others) if before else None
        found.append(Launch(source, name, compile["specialization_data"]))
        raise _CapturedError

    before = knobs.runtime.jit_cache_hook
    knobs.runtime.jit_cache_hook = hook
    try:
        with torch.no_grad():
            run(*args)
    except _CapturedError:
        pass
    finally:
        knobs.runtime.jit_cache_hook = before
    return found[0] if found else None


class _AbsentDriver:
    """Placeholder for the driver of a GPU that the process does not open."""

    def __init__(self, target: GPUTarget) -> None:
        self._target = target

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_launch(launch: Launch, gpu: GPU) -> Resources:
    """Compile into Triton's cache; the task of a worker process."""
    target = GPUTarget(gpu.platform, gpu.arch, gpu.warp_size)
    absent: Any = _AbsentDriver(target)
    triton.runtime.driver.set_active(absent)
    module = load_source(launch.source, launch.name)
    binary = getattr(module, f"_{launch.name}").preload(launch.data)
    options = json.loads(launch.data)["options"]
    registers, spills = resources_of(binary.asm, gpu, options.get("maxnreg"))
    spilled = spills / 4 if gpu.platform == "cuda" else spills
    return Resources(binary.metadata.shared, binary.metadata.num_warps, registers, spilled)


__all__ = ["Launch", "capture", "compile_launch"]
