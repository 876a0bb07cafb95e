"""The GPUs that kernels are compiled for: what passes must know of them, with the source of each fact.

A kernel for another target than `DEFAULT` names it in its attribute `target`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation


@dataclass(frozen=True)
class GPU:
    """What the compiler and the checks must know of a device.

    - `platform`: `cuda` or `hip`, with the `arch` as its compiler names it.
    - `shared_bytes`: the most a program may use; `registers`: the most of a thread; `multiprocessors`: what the common
      model has (A100, H100, B200, MI300X, MI355X). Sources: CUDA C++ Programming Guide, table "Technical
      Specifications per Compute Capability"; AMD CDNA3 and CDNA4 ISA guides.
    - `wgmma`: tensor cores accumulate in registers that cannot be spilled, `WGMMA_REGISTERS` of a thread at a time at
      most. Source: PTX ISA, `wgmma.mma_async`; ptxas' error C7602.
    - `spare_stages`: of `n` pipeline stages, how many have no buffer in shared memory; `stage_bytes`: what each stage
      takes besides. A backend says what its compiler does.
    """

    platform: str
    arch: int | str
    warp_size: int
    shared_bytes: int
    registers: int
    multiprocessors: int
    max_threads: int = 1024
    wgmma: bool = False
    spare_stages: int = 1
    stage_bytes: int = 0


DEFAULT = "sm_90"
"""What a kernel is completed for on a machine without GPU."""

TARGETS = {
    "sm_80": GPU("cuda", 80, 32, 163 * 1024, 255, 108),
    "sm_90": GPU("cuda", 90, 32, 227 * 1024, 255, 132, wgmma=True),
    "sm_100": GPU("cuda", 100, 32, 227 * 1024, 255, 148),
    "gfx942": GPU("hip", "gfx942", 64, 64 * 1024, 512, 304),
    "gfx950": GPU("hip", "gfx950", 64, 160 * 1024, 512, 256),
}
"""The targets that need no GPU to compile for."""

REGISTERS = 1 << 16
"""Registers of a multiprocessor, of 32 bits. Source: CUDA C++ Programming Guide, compute capabilities 8.0 to 10.0."""
MOST_THREADS = 2048
"""Threads of all programs that a multiprocessor runs at once. Source: the same; AMD CDNA3 ISA guide: 32 waves of 64."""
RESERVED_BYTES = 1024
"""Shared memory that the system takes of each of them. Source: CUDA C++ Programming Guide, section on shared memory."""
REGISTER_UNIT = 8
"""Registers of a thread are given out in multiples of this. Source: the same."""
WGMMA_REGISTERS = 128
"""The most registers of a thread that one instruction accumulates in: 64 × 256 results over 128 threads."""
OTHER_REGISTERS = 26
"""What a thread needs beside them. Source: ptxas asks for 90 and 154 where they are 64 and 128."""

MAX_LANES = 1 << 20
"""The most elements of one tensor of `tl`."""
ALIGNMENT = 16
"""Bytes at which wide accesses and tensor descriptors want addresses; integers that are multiples of it are told from
others where a kernel is compiled."""


def target_of(kernel: Operation | None) -> str:
    """The target that a kernel is compiled for."""
    target = None if kernel is None else kernel.attributes.get("target")
    return target.data if isinstance(target, StringAttr) else DEFAULT
