"""Pruning of candidates by resources, before and after they are compiled."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import IntAttr, TensorType

from ..backends.base import Resources
from ..dialects.dims import Dim, dims_of, substitute
from ..dialects.targets import GPU
from ..runtime.structure import LoweredConfig, Structure

MAX_THREAD_ELEMENTS = 256
"""A thread's share of a tensor beyond which its registers do not hold it; such kernels also take long to compile."""
MAX_SPILLED_SHARE = 0.5
"""Spilled registers, as a share of those that a thread can have, beyond which a kernel is not run."""


class PrunedError(Exception):
    """A candidate that cannot run, or is not worth running, because of its resources."""


def rule_out(resources: Resources, gpu: GPU) -> None:
    """Raise PrunedError for a kernel that the device cannot launch, or that spills most of its values."""
    if resources.shared_bytes > gpu.shared_bytes:
        raise PrunedError(f"takes {resources.shared_bytes} bytes of shared memory, there are {gpu.shared_bytes}")
    threads = resources.num_warps * gpu.warp_size
    if threads > gpu.max_threads:
        raise PrunedError(f"takes {threads} threads, there are {gpu.max_threads}")
    if resources.spills > MAX_SPILLED_SHARE * gpu.registers:
        raise PrunedError(f"spills {resources.spills:g} registers of each thread")


class TileSizes:
    """The sizes of a kernel's tensors under a config, known before anything is compiled."""

    def __init__(self) -> None:
        self._shapes: dict[int, tuple[Structure, set[tuple[Dim, ...]]]] = {}

    def rule_out(self, lowered: LoweredConfig, gpu: GPU) -> None:
        """Raise PrunedError for a config whose largest tensor exceeds the registers of its threads."""
        largest = self.largest(lowered)
        warps = lowered.options.data.get("num_warps")
        threads = (warps.data if isinstance(warps, IntAttr) else 4) * gpu.warp_size
        if largest > MAX_THREAD_ELEMENTS * threads:
            raise PrunedError(f"a tensor of {largest} elements is too much for {threads} threads")

    def largest(self, lowered: LoweredConfig) -> int:
        """The number of elements of the largest tensor."""
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


__all__ = ["PrunedError", "TileSizes", "rule_out"]
