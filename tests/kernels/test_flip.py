"""`torch.flip`: valid lanes change places, and no others are seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl


def run(function: Any, config: helion.Config, *args: Any, triton: bool = False) -> Tensor:
    compiled = helion.compile(helion.kernel(function), config, args)
    compile(compiled.source, "<emitted>", "exec")
    if triton:
        compiled.binary("sm_90")
    return compiled(*args)


def rows(x: Tensor) -> Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.flip(x[t, :], [1])
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.int64])
def test_rows(dtype: torch.dtype) -> None:
    for size in (1, 13, 16):
        x = (torch.randn(5, size) * 3).to(dtype)
        assert torch.equal(run(rows, helion.Config(block_sizes=[2]), x, triton=size == 13), x.flip(1))


def test_two_axes() -> None:
    def both(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t, :, :] = x[t, :, :].flip(-1, 1)
        return out

    x = torch.randn(4, 3, 7)
    assert torch.equal(run(both, helion.Config(block_sizes=[1]), x), x.flip(1, 2))


@pytest.mark.parametrize("block", [1, 2, 4, 8, 16])
def test_lanes_of_a_tile(block: int) -> None:
    """The last tile is partly filled: its first lane takes the last valid one."""

    def blocks(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t].flip(0)
        return out

    x = torch.randn(11)
    expected = torch.cat([part.flip(0) for part in x.split(block)])
    assert torch.equal(run(blocks, helion.Config(block_sizes=[block]), x, triton=block == 4), expected)


def test_a_slice_and_its_reduction() -> None:
    """What is flipped is reduced as it was before: garbage stays past the end."""

    def weighted(x: Tensor, w: Tensor) -> Tensor:
        out = x.new_empty(x.size(0))
        for t in hl.tile(x.size(0)):
            out[t] = (x[t, 1:11:3].flip(1) * w[None, :4]).sum(1)
        return out

    x, w = torch.randn(6, 12), torch.randn(5)
    expected = (x[:, 1:11:3].flip(1).double() * w[:4].double()).sum(1)
    torch.testing.assert_close(run(weighted, helion.Config(block_sizes=[4]), x, w), expected.float())


def test_beside_a_rolled_reduction() -> None:
    """The axis of the flip is whole; the other one, of equal extent, is rolled."""

    def mirrored(x: Tensor) -> Tensor:
        out = x.new_empty(x.size(0), x.size(2))
        for t in hl.tile(x.size(0)):
            out[t, :] = x[t, :, :].flip(2).sum(1)
        return out

    x = torch.randn(3, 24, 24)
    got = run(mirrored, helion.Config(block_sizes=[2], reduction_loops=[8]), x)
    torch.testing.assert_close(got, x.double().flip(2).sum(1).float())


def test_narrow_floats() -> None:
    def widened(x: Tensor) -> Tensor:
        out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        for t in hl.tile(x.size(0)):
            out[t, :] = x[t, :].flip(1).float()
        return out

    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        x = (torch.randn(5, 13) * 4).to(dtype)
        assert torch.equal(run(widened, helion.Config(block_sizes=[4]), x), x.float().flip(1))
