"""Facts of the GPUs that Triton compiles for, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...dialects.targets import TARGETS as GPUS

TARGETS = {
    **GPUS,
    "sm_90": replace(GPUS["sm_90"], spare_stages=0, stage_bytes=8),
    "sm_100": replace(GPUS["sm_100"], spare_stages=0, stage_bytes=16),
}
"""Tensor cores of sm_90 and later read operands from shared memory, so the stage in use needs its buffer; elsewhere it
is in registers. Each stage takes some bytes besides, for its barriers. Source: bytes of shared memory of matrix
products with 1 to 4 stages, Triton 3.7.1 (tests/config/test_resources.py)."""

SPECIALIZING = frozenset(("sm_100",))
"""The targets that `tl.range(warp_specialize=True)` is for. Source: Triton's documentation of `tl.range` ("only works
on Blackwell"); on sm_90 it took effect, but see `WARP_SPECIALIZED`."""


@dataclass(frozen=True)
class WarpSpecialization:
    """The shape of loops that `warp_specialize` is emitted for; it is ignored for all others."""

    num_warps: int
    num_stages: int
    rows: int


WARP_SPECIALIZED = WarpSpecialization(num_warps=4, num_stages=2, rows=128)
"""Loops whose every load goes through a descriptor, with 4 warps, 2 stages and products of 128 rows.

Source: an H100 with Triton 3.6.0. Loads by pointers fail in Triton's pass manager with 4 warps; 8 warps ignore the
option; blocks of 64 rows and 3 stages gave wrong results of attention (errors of 0.2, NaN). Compiled for sm_80 to
sm_100 with Triton 3.7.1.
"""
