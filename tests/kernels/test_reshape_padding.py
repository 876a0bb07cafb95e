"""Reshapes of axes that have more lanes in registers than they say, or of tiles that are partly filled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl


def run(function: Any, block: int, *args: Any, triton: bool = False, **settings: Any) -> Tensor:
    compiled = helion.compile(helion.kernel(function, **settings), helion.Config(block_sizes=[block]), args)
    compile(compiled.source, "<emitted>", "exec")
    if triton:
        compiled.binary("sm_90")
    return compiled(*args)


def merged(x: Tensor) -> Tensor:
    out = torch.empty([x.size(0), x.size(1) * x.size(2)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        v = x[t, :, :]
        out[t, :] = v.reshape(v.size(0), -1)
    return out


@pytest.mark.parametrize("shape", [(5, 3, 7), (5, 4, 6), (3, 5, 8), (2, 1, 9), (3, 8, 8)])
def test_merged(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for block in (1, 4):
        assert torch.equal(run(merged, block, x, triton=shape == (5, 3, 7)), x.flatten(1))


@pytest.mark.parametrize(("n", "m"), [(3, 5), (2, 6), (6, 2), (4, 4), (1, 7), (3, 4)])
def test_split(n: int, m: int) -> None:
    def split(x: Tensor, n: hl.constexpr) -> Tensor:
        out = torch.empty([x.size(0), n, x.size(1) // n], dtype=x.dtype, device=x.device)
        for t in hl.tile(x.size(0)):
            out[t, :, :] = x[t, :].reshape(-1, n, x.size(1) // n) + 1
        return out

    x = torch.randn(5, n * m)
    assert torch.equal(run(split, 2, x, n, triton=m == 5), x.reshape(5, n, m) + 1)


@pytest.mark.parametrize("block", [1, 2, 8])
def test_a_tile_merged_for_a_product(block: int) -> None:
    def project(x: Tensor, w: Tensor) -> Tensor:
        b, s, d = x.size()
        out = torch.empty([b, s, w.size(1)], dtype=torch.float32, device=x.device)
        for t in hl.tile(b):
            out[t, :, :] = (x[t, :, :].reshape(-1, d) @ w[:, :]).reshape(-1, s, w.size(1))
        return out

    x, w = torch.randn(5, 3, 16), torch.randn(16, 16)
    torch.testing.assert_close(run(project, block, x, w, triton=block == 2), x @ w)


@pytest.mark.parametrize("static", [True, False])
def test_what_is_merged_is_reduced(static: bool) -> None:
    """The merged axis has padding of its own, which a sum does not see; an extent of 0 has no lane at all."""

    def summed(x: Tensor) -> Tensor:
        out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
        for t in hl.tile(x.size(0)):
            v = x[t, :, :]
            out[t] = (v + 1).reshape(v.size(0), -1).sum(-1)
        return out

    x = torch.randn(5, 3, 7)
    torch.testing.assert_close(run(summed, 2, x, static_shapes=static, triton=not static), (x + 1).sum((1, 2)))
    if not static:
        empty = torch.randn(5, 3, 0)
        assert torch.equal(run(summed, 2, empty, static_shapes=False), torch.zeros(5))


def test_the_sum_of_a_merged_tile() -> None:
    def total(x: Tensor) -> Tensor:
        out = torch.zeros([1], dtype=x.dtype, device=x.device)
        for t in hl.tile(x.size(0)):
            hl.atomic_add(out, [0], x[t, :].reshape(-1).sum())
        return out

    x = torch.randn(5, 3)
    torch.testing.assert_close(run(total, 2, x), x.sum()[None])


def test_more_indices_than_lanes() -> None:
    """Triton's own layouts for a gather take no more indices than lanes."""

    def gathered(x: Tensor, index: Tensor) -> Tensor:
        out = x.new_empty(index.shape)
        for t in hl.tile(x.size(0)):
            out[t, :] = torch.gather(x[t, :], 1, index[t, :])
        return out

    x, index = torch.randn(5, 13), torch.randint(0, 13, (5, 30))
    assert torch.equal(run(gathered, 2, x, index, triton=True), x.gather(1, index))


@pytest.mark.parametrize("block", [1, 2, 8])
def test_a_tile_of_one_merged_into_what_a_product_contracts(block: int) -> None:
    def packed(x: Tensor, p: Tensor) -> Tensor:
        out = torch.zeros([x.size(0), p.size(1)], device=x.device)
        for tm, tn in hl.tile([x.size(0), p.size(1)], block_size=[4, 8]):
            acc = hl.zeros([tm, tn])
            for tk in hl.tile(p.size(0)):
                pk = p[tk, tn].to(torch.int32)
                w = torch.stack([pk & 15, pk >> 4], 1).reshape(tk.block_size * 2, tn.block_size).float()
                acc = torch.addmm(acc, x[tm, tk.begin * 2 : tk.begin * 2 + tk.block_size * 2], w)
            out[tm, tn] = acc
        return out

    x, p = torch.randn(5, 46), torch.randint(0, 256, (23, 9))
    want = x @ torch.stack([p & 15, p >> 4], 1).reshape(46, 9).float()
    torch.testing.assert_close(run(packed, block, x, p, triton=block == 1, dot_precision="ieee"), want)
