"""Axes merged of tiles, which may be partly filled: reduced, contracted, carried, and taken apart again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, einsum

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..frontend.test_values import run as run_tile
from .test_taking import made


def carried(x: Tensor) -> Tensor:
    out = x.new_empty(x.size(0))
    bu = hl.register_block_size(x.size(1))
    for t in hl.tile(x.size(0)):
        acc = hl.zeros([t, 6 * bu])
        for u in hl.tile(x.size(1), block_size=bu):
            acc = acc + x[t, u, :].flatten(1) * 2 + 1
        out[t] = acc.sum(1)
    return out


def carried_in_place(x: Tensor) -> Tensor:
    out = x.new_empty(x.size(0))
    bu = hl.register_block_size(x.size(1))
    for t in hl.tile(x.size(0)):
        acc = hl.zeros([t, 6 * bu])
        for u in hl.tile(x.size(1), block_size=bu):
            acc += x[t, u, :].flatten(1) * 2 + 1
        out[t] = acc.sum(1)
    return out


def contracted(x: Tensor, w: Tensor) -> Tensor:
    n, a, b = x.size()
    out = x.new_empty([n, w.size(2)])
    for t in hl.tile(n):
        acc = hl.zeros([t, w.size(2)])
        for u, v in hl.tile([a, b]):
            acc = torch.addmm(acc, x[t, u, v].flatten(1), w[u, v, :].flatten(0, 1))
        out[t, :] = acc
    return out


def by_einsum(x: Tensor, w: Tensor) -> Tensor:
    n, a, b = x.size()
    out = x.new_empty([n, w.size(2)])
    for t in hl.tile(n):
        acc = hl.zeros([t, w.size(2)])
        for u, v in hl.tile([a, b]):
            acc = acc + einsum("nab,abk->nk", x[t, u, v], w[u, v, :])
        out[t, :] = acc
    return out


def heads(q: Tensor, k: Tensor) -> Tensor:
    b, h, s, _ = q.size()
    out = q.new_empty([b, h, s, k.size(2)])
    for tb, th, ts, tk in hl.tile([b, h, s, k.size(2)]):
        out[tb, th, ts, tk] = einsum("bhqd,bhkd->bhqk", q[tb, th, ts, :], k[tb, th, tk, :])
    return out


def average(x: Tensor) -> Tensor:
    out = x.new_empty(x.size(2))
    for t in hl.tile(x.size(2)):
        acc = hl.zeros([t])
        for u, v in hl.tile([x.size(0), x.size(1)]):
            acc = acc + x[u, v, t].flatten(0, 1).mean(0)
        out[t] = acc
    return out


def rows_of_two_tiles(x: Tensor, w: Tensor) -> Tensor:
    b, m, d = x.size()
    out = x.new_empty([b, m, w.size(1)])
    for tb, tm in hl.tile([b, m]):
        v = x[tb, tm, :].view([tb.block_size * tm.block_size, d]) @ w[:, :]
        out[tb, tm, :] = v.view(tb, tm, w.size(1))
    return out


X, W, Q, K = made(5, 7, 6), made(7, 6, 5), made(3, 5, 7, 16), made(3, 5, 6, 16)
CASES: dict[str, tuple[Callable[..., Any], list[list[int]], tuple[Tensor, ...], Callable[..., Tensor]]] = {
    "carried": (carried, [[4, 2], [4, 4], [2, 8]], (X,), lambda x: (x * 2 + 1).sum((1, 2))),
    "carried_in_place": (carried_in_place, [[4, 2], [2, 8]], (X,), lambda x: (x * 2 + 1).sum((1, 2))),
    "contracted": (contracted, [[2, 4, 4], [1, 1, 1], [8, 1, 4]], (X, W), lambda x, w: einsum("nab,abk->nk", x, w)),
    "by_einsum": (by_einsum, [[4, 2, 8]], (X, W), lambda x, w: einsum("nab,abk->nk", x, w)),
    "heads": (heads, [[2, 4, 4, 4], [1, 1, 8, 8]], (Q, K), lambda q, k: q @ k.transpose(-1, -2)),
    "rows_of_two_tiles": (rows_of_two_tiles, [[2, 4], [4, 8]], (X, made(6, 9)), lambda x, w: x @ w),
    "average": (average, [[4, 8, 8]], (X,), lambda x: x.mean((0, 1))),
}


@pytest.mark.parametrize("name", CASES)
def test_merged(name: str) -> None:
    kernel, configs, args, reference = CASES[name]
    expected = reference(*[x.double() for x in args]).float()
    for number, blocks in enumerate(configs):
        whole = helion.kernel(kernel, dot_precision="ieee")
        compiled = helion.compile(whole, helion.Config(block_sizes=blocks), args)
        torch.testing.assert_close(compiled(*args), expected, rtol=1e-4, atol=1e-4)
        if number == 0 and name in ("carried", "contracted"):
            compiled.binary("sm_90")
            named = {f"b{i}": size for i, size in enumerate(blocks)}
            torch.testing.assert_close(run_tile(kernel, *args, blocks=named), expected, rtol=1e-4, atol=1e-4)


def of_two_tiles(x: Tensor, f: Any) -> Tensor:
    out = torch.empty_like(x)
    for t, u in hl.tile(x.size()):
        out[t, u] = f(x[t, u], t, u)
    return out


@pytest.mark.parametrize(
    "f",
    [
        lambda v, t, u: v.reshape(-1).sum() - v,
        lambda v, t, u: v.flatten().softmax(0).view(t, u),
        lambda v, t, u: v - v.reshape(-1).mean() + v.flatten().var(0),
        lambda v, t, u: v[:, :, None].expand(t, u, 3).reshape(t, -1).amax(1)[:, None] + v,
    ],
)
def test_of_two_tiles(f: Any) -> None:
    x = made(6, 7)
    compiled = helion.compile(helion.kernel(of_two_tiles), helion.Config(block_sizes=[4, 4]), (x, f))
    expected = torch.cat(
        [torch.cat([f(part, *part.shape) for part in rows.split(4, 1)], 1) for rows in x.double().split(4)]
    )
    torch.testing.assert_close(compiled(x, f), expected.float(), rtol=1e-4, atol=1e-4)


def test_refused() -> None:
    """Prefixes along lanes that are not in a row."""
    args = (made(6, 7), lambda v, t, u: v.flatten().cumsum(0).view(t, u))
    with pytest.raises(exc.ReductionOnNonTile, match="valid lanes are not in a row") as caught:
        helion.compile(helion.kernel(of_two_tiles), helion.Config(block_sizes=[4, 4]), args)
    assert "test_merged_axes.py" in str(caught.value)


def test_expanded_by_tile() -> None:
    """`scale[rows]` has its axis where the tile is."""

    def scaled(x: Tensor, scale: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t, u in hl.tile(x.size()):
            out[t, u] = scale[t].expand_as(x[t, u]) * x[t, u].permute(0, 1).squeeze(0) + scale[t].expand(t, u)
        return out

    x, scale = made(6, 7), made(6)
    compiled = helion.compile(helion.kernel(scaled), helion.Config(block_sizes=[4, 4]), (x, scale))
    torch.testing.assert_close(compiled(x, scale), x * scale[:, None] + scale[:, None])
