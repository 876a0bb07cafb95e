"""Iterations of one loop that surely read what others of them write are refused; those that cannot are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

kernel = helion_ir.kernel(autotune_effort="none")


@kernel
def shifted(a: torch.Tensor) -> None:
    for t in hl.tile(a.size(0) - 1):
        a[t + 1, :] = a[t, :] * 2


@kernel
def shifted_rows(a: torch.Tensor) -> None:
    for i in hl.grid(a.size(0) - 1):
        a[i, :] = a[i + 1, :]


@kernel
def transposed(a: torch.Tensor) -> None:
    for i, j in hl.tile([a.size(0), a.size(0)]):
        a[i, j] = a[j, i].T


@kernel
def centred(a: torch.Tensor) -> None:
    for i, j in hl.tile(a.shape):
        a[i, j] = a[i, j] - a[i, :].mean(-1, keepdim=True)


@pytest.mark.parametrize("racing", [shifted, shifted_rows, transposed, centred])
def test_a_race_within_one_tensor(racing: Any) -> None:
    with pytest.raises(exc.InvalidAPIUsage, match="another one reads of a") as caught:
        racing(torch.randn(9, 9))
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


@kernel
def by_rows(a: torch.Tensor) -> None:
    for i in hl.tile(a.size(0)):
        a[i, :] = a[i, :] - a[i, 0][:, None]


@kernel
def in_one_block(a: torch.Tensor) -> None:
    for i, j in hl.tile(a.shape, block_size=[None, 16]):
        a[i, j] = a[i, j] - a[i, 0][:, None]


@kernel
def halves(a: torch.Tensor) -> None:
    for t in hl.tile(4):
        a[t, :] = a[t + 4, :] - a[t + 4, 0][:, None]


@kernel
def two_walks(a: torch.Tensor) -> None:
    for i in hl.tile(9):
        first = hl.zeros([i])
        for j in hl.tile(9):
            first = first + torch.where(j.index == 0, a[i, j], 0).sum(1)
        for j in hl.tile(9):
            a[i, j] = a[i, j] - first[:, None]


@pytest.mark.parametrize("ordered", [by_rows, in_one_block, halves, two_walks])
def test_no_race(ordered: Any) -> None:
    a = torch.randn(9, 9)
    want = a - a[:, :1]
    if ordered is halves:
        want = torch.cat([want[4:8], a[4:]])
    ordered(a)
    torch.testing.assert_close(a, want)
