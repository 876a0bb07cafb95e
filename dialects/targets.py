"""The GPUs that kernels are compiled for, and what Triton is known to make of programs there, with the source of each.

A kernel for another target than `DEFAULT` names it in its attribute `target`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation


@dataclass(frozen=True)
class GPU:
    """What the compiler and the checks must know of a device.

    - `shared_bytes`: the most a program may use; `registers`: the most of a thread; `multiprocessors`: what the common
      model has (A100, H100, B200, MI300X, MI355X). Sources: CUDA C++ Programming Guide, table "Technical
      Specifications per Compute Capability"; AMD CDNA3 and CDNA4 ISA guides.
    - `spare_stages`: of `n` pipeline stages, how many Triton keeps no buffer for. Tensor cores of sm_90 and later read
      operands from shared memory, so the stage in use needs its buffer; elsewhere it is in registers. Source: bytes of
      shared memory of matrix products with 1 to 4 stages, Triton 3.7.1 (tests/config/test_resources.py).
    - `stage_bytes`: what each stage takes besides, for its barriers. Source: the same.
    - `wgmma`: tensor cores accumulate in registers that cannot be spilled, `WGMMA_REGISTERS` of a thread at a time at
      most. Source: PTX ISA, `wgmma.mma_async`; ptxas' error C7602.
    - `specializes_warps`: whether `tl.range(warp_specialize=True)` is for this target at all. Source: Triton's
      documentation of `tl.range` ("only works on Blackwell"); on sm_90 it took effect, but see `WARP_SPECIALIZED`.
    """

    backend: str
    arch: int | str
    warp_size: int
    shared_bytes: int
    registers: int
    multiprocessors: int
    max_threads: int = 1024
    spare_stages: int = 1
    stage_bytes: int = 0
    wgmma: bool = False
    specializes_warps: bool = False


DEFAULT = "sm_90"
"""What a kernel is completed for on a machine without GPU."""

TARGETS = {
    "sm_80": GPU("cuda", 80, 32, 163 * 1024, 255, 108),
    "sm_90": GPU("cuda", 90, 32, 227 * 1024, 255, 132, spare_stages=0, stage_bytes=8, wgmma=True),
    "sm_100": GPU("cuda", 100, 32, 227 * 1024, 255, 148, spare_stages=0, stage_bytes=16, specializes_warps=True),
    "gfx942": GPU("hip", "gfx942", 64, 64 * 1024, 512, 304),
    "gfx950": GPU("hip", "gfx950", 64, 160 * 1024, 512, 256),
}
"""The targets that need no GPU to compile for."""

REGISTERS = 1 << 16
"""Registers of a multiprocessor, of 32 bits. Source: CUDA C++ Programming Guide, compute capabilities 8.0 to 10.0."""
REGISTER_UNIT = 8
"""Registers of a thread are given out in multiples of this. Source: the same."""
WGMMA_REGISTERS = 128
"""The most registers of a thread that one instruction accumulates in: 64 × 256 results over 128 threads."""
OTHER_REGISTERS = 26
"""What a thread needs beside them. Source: ptxas asks for 90 and 154 where they are 64 and 128."""

MAX_LANES = 1 << 20
"""The most elements of one tensor, on every target. Source: `TRITON_MAX_TENSOR_NUMEL` of triton.language."""


@dataclass(frozen=True)
class WarpSpecialization:
    """The programs that `warp_specialize` is emitted for: everywhere else the loop option is ignored."""

    num_warps: int
    num_stages: int
    rows: int


WARP_SPECIALIZED = WarpSpecialization(num_warps=4, num_stages=2, rows=128)
"""Loops whose every load goes through a descriptor, with 4 warps, 2 stages and products of 128 rows.

Source: an H100 with Triton 3.6.0. Loads by pointers fail in Triton's pass manager with 4 warps; 8 warps ignore the
option; blocks of 64 rows and 3 stages gave wrong results of attention (errors of 0.2, NaN). Compiled for sm_80 to
sm_100 with Triton 3.7.1.
"""


def target_of(kernel: Operation | None) -> str:
    """The target that a kernel is compiled for."""
    target = None if kernel is None else kernel.attributes.get("target")
    return target.data if isinstance(target, StringAttr) and target.data in TARGETS else DEFAULT
