"""What orders lanes, at lengths that leave lanes past the end, along any axis, in PyTorch's order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from tests.support.levels import run_levels

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)


def numbers(dtype: torch.dtype, *shape: int) -> Tensor:
    """With equals among them, and for floats a NaN, infinities and zeros of both signs."""
    x = (torch.randn(shape) * 4).round()
    if not dtype.is_floating_point:
        return (x.abs() if dtype == torch.uint8 else x).to(dtype)
    for place, number in enumerate((0.0, float("nan"), -0.0, float("inf"), float("-inf"), float("nan"))):
        x.view(-1)[place * 7 % x.numel()] = number
    return x.to(dtype)


def sorts(x: Tensor, descending: hl.constexpr) -> tuple[Tensor, Tensor]:
    values, where = torch.empty_like(x), torch.empty(x.shape, dtype=torch.int64, device=x.device)
    for t in hl.tile(x.size(0)):
        values[t, :], where[t, :] = torch.sort(x[t, :], dim=-1, descending=descending, stable=True)
    return values, where


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable(dtype: torch.dtype, descending: bool) -> None:
    for n in (1, 13, 16):
        x = numbers(dtype, 5, n)
        values, where = run_levels(sorts, helion.Config(block_sizes=[2]), x, descending, triton=n == 13)
        expected = torch.sort(x, dim=-1, descending=descending, stable=True)
        torch.testing.assert_close(values, expected.values, equal_nan=True, rtol=0, atol=0)
        assert torch.equal(where, expected.indices)


def test_other_axes_and_tiles() -> None:
    def kernel(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        columns, order, blocks = torch.empty_like(x), torch.empty(x.shape, dtype=torch.int64), torch.empty_like(x)
        for t in hl.tile(x.size(1)):
            columns[:, t] = torch.sort(x[:, t], dim=0).values
            order[:, t] = torch.argsort(x[:, t], dim=0, stable=True)
            for r in hl.tile(x.size(0)):
                blocks[r, t] = x[r, t].sort(0, descending=True)[0]
        return columns, order, blocks

    x = torch.randn(11, 6)
    columns, order, blocks = run_levels(kernel, helion.Config(block_sizes=[4, 8]), x, triton=True)
    assert torch.equal(columns, x.sort(0).values)
    assert torch.equal(order, x.argsort(0))
    assert torch.equal(blocks, torch.cat([part.sort(0, descending=True).values for part in x.split(8)]))


def routing(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The experts of each token, with weights that sum to one."""
    tokens = logits.size(0)
    weights = torch.empty([tokens, k], dtype=torch.float32, device=logits.device)
    experts = torch.empty([tokens, k], dtype=torch.int32, device=logits.device)
    for t in hl.tile(tokens):
        top, where = torch.topk(torch.softmax(logits[t, :].float(), dim=-1), k, dim=-1)
        weights[t, :] = top / top.sum(-1, keepdim=True)
        experts[t, :] = where.to(torch.int32)
    return weights, experts


@pytest.mark.parametrize("k", [1, 3, 8])
def test_routing(k: int) -> None:
    logits = torch.randn(9, 24, dtype=torch.bfloat16).unique().repeat(9)[: 9 * 24].view(9, 24).float()
    logits = logits + torch.randn(9, 24) * 1e-3
    weights, experts = run_levels(routing, helion.Config(block_sizes=[4]), logits, k, triton=k == 3)
    top, where = torch.topk(torch.softmax(logits, -1), k, dim=-1)
    torch.testing.assert_close(weights, top / top.sum(-1, keepdim=True))
    assert torch.equal(experts.long(), where)


def test_smallest_and_a_tile_with_fewer_lanes() -> None:
    def kernel(x: Tensor) -> tuple[Tensor, Tensor]:
        least = torch.empty([x.size(0), 3], dtype=x.dtype)
        sums = torch.zeros([x.size(0)], dtype=x.dtype)
        for t in hl.tile(x.size(0)):
            least[t, :] = x[t, :].topk(3, largest=False, sorted=False)[0]
            acc = hl.zeros([t], dtype=x.dtype)
            for c in hl.tile(x.size(1)):
                acc += x[t, c].topk(3, dim=1)[0].sum(1)
            sums[t] = acc
        return least, sums

    x = torch.randn(5, 9, dtype=torch.float64)
    least, sums = run_levels(kernel, helion.Config(block_sizes=[2, 8]), x)
    assert torch.equal(least, x.topk(3, largest=False).values)
    torch.testing.assert_close(sums, x[:, :8].topk(3).values.sum(1) + x[:, 8])


def picks(x: Tensor) -> tuple[Tensor, ...]:
    m = x.size(0)
    kth, middle, rest = (torch.empty([m], dtype=x.dtype, device=x.device) for _ in range(3))
    where = torch.empty([m, 1], dtype=torch.int64, device=x.device)
    every = torch.empty([m], dtype=x.dtype, device=x.device)
    for t in hl.tile(m):
        row = x[t, :]
        kth[t], _ = torch.kthvalue(row, 2, dim=-1)
        middle[t] = torch.median(row, dim=1).values
        found, where[t, :] = torch.nanmedian(row, dim=1, keepdim=True)
        rest[t] = found.squeeze(1)
        every[t] = row.reshape(-1).median() if x.size(1) < 4 else row.amax(1)
    return kth, middle, rest, where


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
def test_one_place_of_the_order(dtype: torch.dtype) -> None:
    for n in (5, 12):
        x = numbers(dtype, 4, n)
        kth, middle, rest, where = run_levels(picks, helion.Config(block_sizes=[2]), x, triton=n == 5)
        torch.testing.assert_close(kth, x.kthvalue(2).values, equal_nan=True)
        torch.testing.assert_close(middle, x.median(1).values, equal_nan=True)
        torch.testing.assert_close(rest, x.nanmedian(1).values, equal_nan=True)
        torch.testing.assert_close(x.gather(1, where)[:, 0], rest, equal_nan=True)


def prefixes(x: Tensor) -> tuple[Tensor, ...]:
    most, least, smooth = torch.empty_like(x), torch.empty_like(x), torch.empty_like(x)
    at, low = (torch.empty(x.shape, dtype=torch.int64, device=x.device) for _ in range(2))
    for t in hl.tile(x.size(0)):
        most[t, :], at[t, :] = torch.cummax(x[t, :], dim=1)
        least[t, :], low[t, :] = x[t, :].cummin(-1)
        if x.dtype.is_floating_point:
            smooth[t, :] = torch.logcumsumexp(x[t, :], 1)
    return most, at, least, low, smooth


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.bool])
def test_running_extrema(dtype: torch.dtype) -> None:
    for n in (1, 13):
        x = numbers(dtype, 4, n)
        most, at, least, low, smooth = run_levels(prefixes, helion.Config(block_sizes=[2]), x, triton=n == 13)
        for values, where, expected in ((most, at, x.cummax(1)), (least, low, x.cummin(1))):
            torch.testing.assert_close(values, expected.values, equal_nan=True)
            assert torch.equal(where, expected.indices)
        if dtype.is_floating_point:
            torch.testing.assert_close(smooth, x.logcumsumexp(1), equal_nan=True)


def searches(x: Tensor, edges: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    left, right, own = (torch.empty(x.shape, dtype=torch.int64, device=x.device) for _ in range(3))
    bins = torch.empty([x.size(0), 7], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        left[t, :] = torch.bucketize(x[t, :], edges[:])
        right[t, :] = torch.searchsorted(edges[:], x[t, :], right=True)
        own[t, :] = torch.searchsorted(rows[t, :], x[t, :])
        for one in hl.grid(t.begin, t.end):
            bins[one, :] = torch.histc(x[one, :], bins=7, min=-2, max=2)
    return left, right, own, bins


def test_searches() -> None:
    x, rows = torch.randn(5, 9), torch.randn(5, 6).sort(1).values
    edges = torch.tensor([-1.0, -0.5, 0.0, 0.0, 2.0])
    x[0, 0], x[1, 1] = float("nan"), 0.0
    left, right, own, bins = run_levels(searches, helion.Config(block_sizes=[2]), x, edges, rows, triton=True)
    assert torch.equal(left, torch.bucketize(x, edges))
    assert torch.equal(right, torch.searchsorted(edges, x, right=True))
    assert torch.equal(own, torch.searchsorted(rows, x))
    torch.testing.assert_close(bins, torch.stack([row.nan_to_num(9).histc(7, -2, 2) for row in x]))


def _apply(x: Tensor, function: Any) -> Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = function(x[t, :])
    return out


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (lambda row: row.topk(9)[0], exc.InvalidAPIUsage, "k = 9 of a dimension of size 5"),
        (lambda row: row.sort(2)[0], exc.Base, "imension"),
        (lambda row: torch.unique_consecutive(row), exc.DataDependentOutputShapeNotSupported, "shape"),
        (lambda row: torch.histc(row, 4), exc.InductorLoweringError, "min= and max="),
    ],
)
def test_refusals(function: Any, error: type[exc.Base], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        helion.kernel(_apply).bind((torch.randn(3, 5), function))
    assert raised.value.location is not None
    assert raised.value.location.file == __file__
