"""Compilation ahead of measuring, in worker processes, and what its results rule out.

A launch is captured where Triton would compile it: types, alignments, constants and options are exactly those of the
call, so that what a worker puts into Triton's cache is what the measuring process looks up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from xdsl.dialects.builtin import IntAttr, TensorType

from ..backends.aot import resources_of
from ..backends.triton.load import load_source
from ..dialects.dims import Dim, dims_of, substitute
from ..dialects.targets import GPU, TARGETS
from ..runtime.structure import Lowered, Structure

Run = Callable[..., Any]

MAX_THREAD_ELEMENTS = 256
"""A thread's share of a tensor beyond which its registers do not hold it; such kernels also take long to compile."""
MAX_SPILLED_SHARE = 0.5
"""Spilled registers, as a share of those that a thread can have, beyond which a kernel is not run."""


class PrunedError(Exception):
    """A candidate is not worth running, or cannot run, for what it takes of the device."""


@dataclass(frozen=True)
class Launch:
    """A kernel as one launch compiles it."""

    source: str
    name: str
    data: str
    """Triton's serialized specialization."""


@dataclass(frozen=True)
class Resources:
    """What a compiled kernel takes: bytes of shared memory of a program; registers and spilled ones of a thread."""

    shared_bytes: int
    num_warps: int
    registers: int
    spills: int


def gpu_of(device: torch.device) -> GPU | None:
    """The GPU to compile for; None where there is none."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return None
    target: Any = triton.runtime.driver.active.get_current_target()
    known = [gpu for gpu in TARGETS.values() if (gpu.backend, gpu.arch) == (target.backend, target.arch)]
    if known:
        return known[0]
    properties = torch.cuda.get_device_properties(device)
    shared = getattr(properties, "shared_memory_per_block_optin", properties.shared_memory_per_block)
    registers = 255 if target.backend == "cuda" else 512
    return GPU(target.backend, target.arch, target.warp_size, shared, registers, properties.multi_processor_count)


class _CapturedError(BaseException):
    """Ends the host function at its launch; no `except Exception` of the user's stops it."""


def capture(source: str, name: str, run: Run, args: Sequence[object]) -> Launch | None:
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
    """Stands for the driver of a GPU that the process does not open."""

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
    target = GPUTarget(gpu.backend, gpu.arch, gpu.warp_size)
    absent: Any = _AbsentDriver(target)
    triton.runtime.driver.set_active(absent)
    module = load_source(launch.source, launch.name)
    binary = getattr(module, f"_{launch.name}").preload(launch.data)
    options = json.loads(launch.data)["options"]
    registers, spills = resources_of(binary.asm, gpu, options.get("maxnreg"))
    return Resources(binary.metadata.shared, binary.metadata.num_warps, registers, spills)


def rule_out(resources: Resources, gpu: GPU) -> None:
    """Raise PrunedError for a kernel that the device cannot launch, or that spills most of what it works on."""
    if resources.shared_bytes > gpu.shared_bytes:
        raise PrunedError(f"takes {resources.shared_bytes} bytes of shared memory, there are {gpu.shared_bytes}")
    threads = resources.num_warps * gpu.warp_size
    if threads > gpu.max_threads:
        raise PrunedError(f"takes {threads} threads, there are {gpu.max_threads}")
    spilled = resources.spills / 4 if gpu.backend == "cuda" else resources.spills
    if spilled > MAX_SPILLED_SHARE * gpu.registers:
        raise PrunedError(f"spills {spilled:g} registers of each thread")


class TileSizes:
    """The sizes of a kernel's tensors under a config, known before anything is compiled."""

    def __init__(self) -> None:
        self._shapes: dict[int, tuple[Structure, set[tuple[Dim, ...]]]] = {}

    def rule_out(self, lowered: Lowered, gpu: GPU) -> None:
        """Raise PrunedError for a config whose greatest tensor is beyond its threads' registers."""
        largest = self.largest(lowered)
        warps = lowered.options.data.get("num_warps")
        threads = (warps.data if isinstance(warps, IntAttr) else 4) * gpu.warp_size
        if largest > MAX_THREAD_ELEMENTS * threads:
            raise PrunedError(f"a tensor of {largest} elements is too much for {threads} threads")

    def largest(self, lowered: Lowered) -> int:
        """The elements of the greatest tensor."""
        sizes: dict[str, Dim] = {
            name: value.data for name, value in lowered.constexprs.data.items() if isinstance(value, IntAttr)
        }
        counts = [1]
        for dims in self._dims(lowered.structure):
            extents = [substitute(dim, sizes) for dim in dims]
            counts.append(math.prod(extent for extent in extents if isinstance(extent, int)))
        return max(counts)

    def _dims(self, structure: Structure) -> set[tuple[Dim, ...]]:
        """The distinct shapes of a structure's tensors; walked once."""
        known = self._shapes.get(id(structure))
        if known is None:
            types = {result.type for op in structure.module.walk() for result in op.results}
            shapes = {dims_of(type_) for type_ in types if isinstance(type_, TensorType)}
            known = self._shapes[id(structure)] = (structure, shapes)
        return known[1]


__all__ = [
    "Launch", "PrunedError", "Resources", "TileSizes", "capture", "compile_launch", "gpu_of", "rule_out",
]  # fmt: skip
