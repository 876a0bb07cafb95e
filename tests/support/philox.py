"""Triton's own random numbers, for those of kernels to be compared with; run as a module under TRITON_INTERPRET=1."""

from __future__ import annotations

import sys

import torch
import triton
import triton.language as tl

SEED, SECOND, FIRST_OFFSET = -(2**40) - 12345, 2**50 + 17, 2**33
SHAPE = (19, 45)


@triton.jit
def _draw(rand, four, ints, normal, seed, second, first, N: tl.constexpr):  # type: ignore[no-untyped-def]
    lanes = tl.arange(0, 1024)
    tl.store(rand + lanes, tl.rand(seed, lanes), lanes < N)
    a, b, c, d = tl.rand4x(seed, lanes.to(tl.int64) + first)
    tl.store(four + lanes, a, lanes < N)
    tl.store(four + N + lanes, b, lanes < N)
    tl.store(four + 2 * N + lanes, c, lanes < N)
    tl.store(four + 3 * N + lanes, d, lanes < N)
    draw = tl.randint(second + 5, lanes).to(tl.int32, bitcast=True)
    tl.store(ints + lanes, -3 + tl.abs(draw) % 10, lanes < N)
    tl.store(normal + lanes, tl.randn(second, lanes), lanes < N)


def expected() -> dict[str, torch.Tensor]:
    """What Triton draws for the seeds, by function."""
    m, n = SHAPE
    out = {name: torch.empty(m, n) for name in ("rand", "normal")}
    out["four"], out["ints"] = torch.empty(4, m, n), torch.empty(m, n, dtype=torch.int32)
    _draw[(1,)](out["rand"], out["four"], out["ints"], out["normal"], SEED, SECOND, FIRST_OFFSET, m * n)
    return out


if __name__ == "__main__":
    from tests.kernels import test_random

    torch.save((expected(), test_random.drawn(1)), sys.argv[1])
