"""Joins and splits where a dot contracts a dim of two: the axis of two has the dot's sixteen lanes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.interpreter import run_func

CONFIG = helion_ir.Config(block_sizes=[4])
Combine = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
COMBINES: dict[str, Combine] = {
    "sum": lambda a, b: torch.stack([a, b], -1).sum(-1),
    "mean": lambda a, b: torch.stack([a, b], -1).mean(-1),
    "largest": lambda a, b: torch.stack([a, b], -1).amax(-1),
    "flipped": lambda a, b: torch.stack([a, b], -1).flip(-1).cumsum(-1).amin(-1),
    "again": lambda a, b: a - b,
}


@helion_ir.kernel(autotune_effort="none", verify_each=True)
def paired(x: torch.Tensor, w: torch.Tensor, out: torch.Tensor, combine: Combine) -> None:
    for t in hl.tile(x.size(0)):
        first, second = hl.split(x[t, :])
        out[t] = combine((x[t, :] @ w[:, :]).sum(-1) + first, second)


@pytest.mark.parametrize("name", COMBINES)
def test_pairs_beside_a_product_over_two(name: str) -> None:
    combine = COMBINES[name]
    x, w = torch.randn(5, 2, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    expected = combine((x @ w).sum(-1) + x[:, 0], x[:, 1])
    out = torch.full([5], torch.nan, dtype=torch.float64)
    compiled = helion_ir.compile(paired, CONFIG, (x, w, out, combine))
    compiled(x, w, out, combine)
    torch.testing.assert_close(out, expected)
    out.fill_(torch.nan)
    run_func(compiled.bound.lower(CONFIG).module(), [x, w, out])
    torch.testing.assert_close(out, expected)
    compiled.binary("sm_90")
