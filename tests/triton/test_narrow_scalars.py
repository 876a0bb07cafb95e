"""Integers of less than 32 bits in blocks of one lane: Triton's scalars, beside which a bare constant is wider."""

from __future__ import annotations

import pytest
import torch

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel(autotune_effort="none", verify_each=True)
def arithmetic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        v = x[t]
        out[t] = torch.minimum(v.clamp(1, 100) // 3 + v % 7, torch.maximum(y[t], v >> 1)) + (v > 5)
    return out


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_narrow_scalars_compile_and_are_right(dtype: torch.dtype) -> None:
    x, y = torch.arange(0, 120, 7).to(dtype), torch.arange(17, -1, -1).to(dtype)
    expected = torch.minimum(x.clamp(1, 100) // 3 + x % 7, torch.maximum(y, x >> 1)) + (x > 5)
    for block in (1, 4):
        compiled = helion_ir.compile(arithmetic, {"block_sizes": [block]}, (x, y))
        torch.testing.assert_close(compiled(x, y), expected)
        compiled.binary("sm_90")
