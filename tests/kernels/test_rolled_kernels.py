"""Kernels with rolled reductions and blocks of one lane, against PyTorch: axes that move, meet and part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc


def run(function: Any, block: int, loops: int | None, *args: Any) -> Any:
    config = helion.Config(block_sizes=[block], reduction_loops=[loops])
    return helion.compile(helion.kernel(function), config, args)(*args)


def gathered(x: Tensor, ids: Tensor) -> Tensor:
    out = x.new_empty(x.size(0))
    for t in hl.tile(x.size(0)):
        out[t] = torch.gather(x[t, :], 1, ids[t, :]).sum(1)
    return out


def gathered_beside(x: Tensor, ids: Tensor) -> Tensor:
    out = x.new_empty(x.size(0), ids.size(2))
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.gather(x[t, :, :], 2, ids[t, :, :]).sum(1)
    return out


def looked_up(x: Tensor, ids: Tensor, table: Tensor) -> Tensor:
    out = x.new_empty(x.shape)
    for t in hl.tile(x.size(0)):
        v = x[t, :] + table[ids[t, :]]
        p = torch.exp(v - v.amax(1, keepdim=True))
        out[t, :] = p / p.sum(1, keepdim=True)
    return out


def permuted(x: Tensor) -> Tensor:
    out = x.new_empty(x.size(0), x.size(2))
    for t in hl.tile(x.size(0)):
        v = x[t, :, :].permute(2, 0, 1)
        out[t, :] = (v - v.sum(2, keepdim=True)).amax(2).t()
    return out


def beside_a_reshape(x: Tensor) -> Tensor:
    out = x.new_empty(x.size(0), x.size(1))
    for t in hl.tile(x.size(0)):
        v = x[t, :, :]
        w = v.reshape(v.size(0), v.size(1), 3, 5).sum(3).amax(2)
        out[t, :] = w - w.sum(1)[:, None]
    return out


def joined(x: Tensor, y: Tensor) -> Tensor:
    out = x.new_empty(x.size(0))
    for t in hl.tile(x.size(0)):
        pairs = hl.join(x[t, :], y[t, :])
        a, b = hl.split(pairs * 2)
        out[t] = a.sum(1) + b.amax(1) + pairs.sum(2).sum(1)
    return out


def sizes_of_one(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    out = x.new_empty(x.size(0))
    for t in hl.tile(x.size(0)):
        out[t] = (x[t, :] * y[t, :] + z[t, :]).sum(1)
    return out


def without_row_sums(x: Tensor) -> Tensor:
    v = x.permute(2, 0, 1)
    return (v - v.sum(2, keepdim=True)).amax(2).t()


def regrouped(x: Tensor) -> Tensor:
    w = x.reshape(*x.shape[:2], 3, 5).sum(3).amax(2)
    return w - w.sum(1, keepdim=True)


def random(*sizes: int) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(sum(sizes)))


def indices(below: int, *sizes: int) -> Tensor:
    return torch.randint(0, below, sizes, generator=torch.Generator().manual_seed(below))


CASES: dict[str, tuple[Any, tuple[Tensor, ...], Callable[..., Tensor]]] = {
    "gathered": (gathered, (random(5, 13), indices(13, 5, 29)), lambda x, i: x.gather(1, i).sum(1)),
    "gathered_beside": (
        gathered_beside, (random(5, 24, 7), indices(7, 5, 24, 3)), lambda x, i: x.gather(2, i).sum(1),
    ),
    "looked_up": (
        looked_up, (random(5, 29), indices(11, 5, 29), random(11)), lambda x, i, table: (x + table[i]).softmax(1),
    ),
    "permuted": (permuted, (random(5, 24, 3),), without_row_sums),
    "beside_a_reshape": (beside_a_reshape, (random(5, 24, 15),), regrouped),
    "joined": (
        joined, (random(5, 24), random(5, 24) + 1), lambda x, y: 2 * x.sum(1) + 2 * y.amax(1) + (x + y).sum(1),
    ),
    "sizes_of_one": (
        sizes_of_one, (random(5, 24), random(1, 24), random(5, 1)), lambda x, y, z: (x * y + z).sum(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_rolled(name: str, block: int) -> None:
    function, args, reference = CASES[name]
    expected = reference(*(v.double() if v.is_floating_point() else v for v in args)).float()
    torch.testing.assert_close(run(function, block, 8, *args), expected, rtol=1e-4, atol=1e-4)


def test_in_place_through_an_index_tensor_is_not_rolled() -> None:
    """A chunk may name an element that an earlier chunk has overwritten."""

    def less_the_sum(x: Tensor, ids: Tensor) -> Tensor:
        for _ in hl.tile(1):
            i = ids[:]
            v = x[i]
            x[i] = v - v.sum()
        return x

    x, ids = random(40), torch.arange(24)
    with pytest.raises(exc.InvalidConfig, match="no site"):
        run(less_the_sum, 1, 8, x.clone(), ids)
    expected = torch.cat([x[:24] - x[:24].sum(), x[24:]])
    compiled = helion.compile(helion.kernel(less_the_sum), helion.Config(block_sizes=[1]), (x.clone(), ids))
    torch.testing.assert_close(compiled(x.clone(), ids), expected)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (4, 8)])
def test_scans_and_flips_of_blocks(rows: int, columns: int) -> None:
    def mixed(x: Tensor) -> Tensor:
        out = x.new_empty(x.shape)
        for a, b in hl.tile(x.shape):
            v = x[a, b]
            out[a, b] = v.cumsum(1).flip(0) + v.sum(0)[None, :] + v.flip(1)
        return out

    def one(v: Tensor) -> Tensor:
        return v.cumsum(1).flip(0) + v.sum(0)[None, :] + v.flip(1)

    x = random(5, 7)
    expected = torch.cat([torch.cat([one(v) for v in part.split(columns, 1)], 1) for part in x.split(rows)])
    compiled = helion.compile(helion.kernel(mixed), helion.Config(block_sizes=[rows, columns]), (x,))
    torch.testing.assert_close(compiled(x), expected)


@pytest.mark.parametrize("loops", [[4, 2], [4, None], [None, 2]])
def test_entries_of_reductions_outlive_unrolled_loops(loops: list[int | None]) -> None:
    """The reduction of the first dim is in a loop without iterations: unrolling takes it away, not its entry."""

    def totals(x: Tensor, y: Tensor) -> Tensor:
        out = x.new_empty(x.size(0))
        for t in hl.tile(x.size(0)):
            acc = x[t, 0]
            for _ in range(0):
                acc = acc + y[t, :].amax(-1)
            out[t] = acc + x[t, :].sum(-1)
        return out

    x, y = random(5, 7), random(5, 9)
    config = helion.Config(block_sizes=[4], reduction_loops=loops, static_ranges=[True])
    actual = helion.compile(helion.kernel(totals), config, (x, y))(x, y)
    torch.testing.assert_close(actual, x[:, 0] + x.sum(1))
