"""Reductions and scans by functions of the user's: what they see, how they are called, what they may do."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch._higher_order_ops import associative_scan

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from tests.support.levels import run_levels


@helion.kernel()
def best_pair(value: Any, index: Any, other: Any, other_index: Any) -> Any:
    wins = (other > value) | ((other == value) & (other_index < index))
    return torch.where(wins, other, value), torch.where(wins, other_index, index)


def best_of_tuples(left: Any, right: Any) -> Any:
    return best_pair.fn(*left, *right)


def arg_rows(x: Tensor, combine: Any) -> tuple[Tensor, Tensor]:
    m, n = x.shape
    values, where = torch.empty([m], dtype=x.dtype, device=x.device), torch.empty([m], dtype=torch.int64)
    for t in hl.tile(m):
        index = hl.arange(n, dtype=torch.int64)[None, :].expand(t, n)
        pair = (x[t, :], index)
        values[t], where[t] = hl.reduce(combine, pair, dim=-1)
    return values, where


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8])
def test_argmax_pairs(dtype: torch.dtype) -> None:
    """Numbers below the `other` of 0, at lengths that leave lanes past the end."""
    for n, combine in ((1, best_of_tuples), (13, best_pair), (16, best_of_tuples)):
        numbers = torch.rand(5, n) * 50 + 1
        x = (numbers if dtype == torch.uint8 else -numbers).to(dtype)
        values, where = run_levels(arg_rows, helion.Config(block_sizes=[2]), x, combine, triton=n == 13)
        assert torch.equal(values, x.amax(1))
        assert torch.equal(where, x.argmax(1))


def test_known_kinds_become_reductions_of_that_kind() -> None:
    def sums(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out, low = torch.empty([x.size(0)]), torch.empty([x.size(0)])
        kept, prefix = torch.empty([x.size(0), 1]), torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = hl.reduce(lambda a, b: a + b, x[t, :], dim=1, other=5.0)
            low[t] = hl.reduce(torch.minimum, x[t, :], 1)
            kept[t, :] = hl.reduce(torch.maximum, x[t, :], 1, keep_dims=True)
            prefix[t, :] = hl.associative_scan(torch.add, x[t, :], 1)
        return out, low, kept, prefix

    x = torch.randn(5, 37)
    out, low, kept, prefix = run_levels(sums, helion.Config(block_sizes=[4], reduction_loops=[8]), x)
    torch.testing.assert_close(out, x.sum(1))
    torch.testing.assert_close(prefix, x.cumsum(1))
    assert torch.equal(low, x.amin(1))
    assert torch.equal(kept, x.amax(1, keepdim=True))
    source = helion.compile(helion.kernel(sums), helion.Config(block_sizes=[4]), (x,)).source
    assert "def _combine" not in source


def linear(x: Tensor, reverse: bool) -> Tensor:
    """`h = a * h + b` along the rows, as pairs."""
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        v = x[t, :]
        pair = (v, v + 1)
        out[t, :] = hl.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), pair, 1, reverse=reverse)[1]
    return out


@pytest.mark.parametrize("reverse", [False, True])
def test_linear_recurrence(reverse: bool) -> None:
    for n in (1, 13, 32):
        x = torch.randn(3, n, dtype=torch.float64)
        found = run_levels(linear, helion.Config(block_sizes=[2]), x, reverse, triton=n == 13)
        rows = x.flip(1) if reverse else x
        h, steps = torch.zeros(3, dtype=torch.float64), []
        for column in rows.unbind(1):
            h = column * h + column + 1
            steps.append(h)
        expected = torch.stack(steps, 1)
        torch.testing.assert_close(found, expected.flip(1) if reverse else expected)


class Pair(NamedTuple):
    low: Any
    high: Any


def test_torchs_own_scan_of_any_structure() -> None:
    def kernel(x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.empty_like(x), torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            v = x[t, :]
            found = associative_scan(
                lambda a, b: {"l": torch.minimum(a["l"], b["l"]), "h": torch.where(b["h"] > a["h"], b["h"], a["h"])},
                {"l": v, "h": v}, 1,
            )  # fmt: skip
            low[t, :], high[t, :] = found["l"], found["h"]
        return low, high

    x = torch.randn(3, 21)
    low, high = run_levels(kernel, helion.Config(block_sizes=[1]), x)
    assert torch.equal(low, x.cummin(1).values)
    assert torch.equal(high, x.cummax(1).values)


def test_over_a_tile_and_carried() -> None:
    def kernel(x: Tensor) -> Tensor:
        out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
        for t in hl.tile(x.size(0)):
            best = hl.full([t], float("-inf"), dtype=x.dtype)
            for c in hl.tile(x.size(1)):
                part = hl.reduce(lambda a, b: torch.where(a > b, a, b), x[t, c], dim=1)
                best = torch.maximum(best, part)
            out[t] = best
        return out

    x = -torch.rand(7, 29) - 1
    for blocks in ([4, 8], [1, 1], [8, 32]):
        assert torch.equal(run_levels(kernel, helion.Config(block_sizes=blocks), x), x.amax(1))


def test_several_dimensions_and_an_empty_range() -> None:
    def kernel(x: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        every, part = torch.empty([x.size(0)]), torch.empty([x.size(0)])
        for t in hl.tile(x.size(0), block_size=1):
            every[t] = hl.reduce(lambda a, b: torch.where(a.abs() > b.abs(), a, b), x[t, :, :], dim=(1, 2))
            part[t] = hl.reduce(lambda a, b: torch.where(a > b, a, b), x[t.begin, 0, :][None, :], 1, other=-1)
        return every, part

    x = torch.randn(3, 5, 6)
    every, part = run_levels(kernel, helion.Config(), x, torch.tensor([0, 2, 6]))
    flat = x.flatten(1)
    assert torch.equal(every, flat.gather(1, flat.abs().argmax(1, keepdim=True))[:, 0])
    assert torch.equal(part, x[:, 0].amax(1))


def combine_segments(value: Any, key: Any, other: Any, other_key: Any) -> Any:
    return torch.where(key == other_key, value + other, other), other_key


def segment_sum(keys: Tensor, x: Tensor, count: int) -> Tensor:
    out = torch.zeros([count, x.size(1)], dtype=x.dtype, device=x.device)
    last = x.size(0) - 1
    for rows, columns in hl.tile([x.size(0), x.size(1)]):
        key = keys[rows]
        following = hl.load(keys, [rows.index + 1], extra_mask=rows.index < last)
        pair = (x[rows, columns], key.float().unsqueeze(1).expand_as(x[rows, columns]))
        total, _ = hl.associative_scan(combine_segments, pair, dim=0)
        ends = (key != following) | (rows.index % rows.block_size == rows.block_size - 1) | (rows.index == last)
        hl.atomic_add(out, [key, columns], torch.where(ends.unsqueeze(1), total, 0.0))
    return out


def test_segments() -> None:
    keys = torch.randint(0, 20, (100,)).sort().values
    x = torch.randn(100, 21)
    found = run_levels(segment_sum, helion.Config(block_sizes=[16, 8]), keys, x, 20, triton=True)
    torch.testing.assert_close(found, torch.zeros(20, 21).index_add_(0, keys, x), atol=1e-4, rtol=1e-4)


def _row(x: Tensor, function: Any) -> Tensor:
    out = torch.empty([x.size(0)])
    for t in hl.tile(x.size(0)):
        out[t] = function(x[t, :], x[t, 0].sum())
    return out


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (lambda row, one: hl.reduce(lambda a, b: (a, b), row, 1), exc.InvalidAPIUsage, "2 values for 1 tensors"),
        (lambda row, one: hl.reduce(lambda a, b: a * b + row, row, 1), exc.ShapeMismatch, "shape"),
        (lambda row, one: hl.reduce(lambda a, b: b if a > b else a, row, 1), exc.NotAllowedInHelperFunction, "branch"),
        (lambda row, one: hl.reduce(lambda a, b: a + b, row, 4), exc.ReductionDimInvalidForShape, "dimension 4"),
        (
            lambda row, one: hl.reduce(lambda a, b: torch.where(a > b, a, b), row, 1, other=(1, 2)),
            exc.InvalidAPIUsage, "2 values of other=",
        ),
        (
            lambda row, one: hl.associative_scan(lambda a, b: a + b, row, (0, 1)).sum(1),
            exc.MultipleReductionDims, "one dimension",
        ),
    ],
)  # fmt: skip
def test_refusals(function: Any, error: type[exc.Base], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        helion.kernel(_row).bind((torch.randn(3, 5), function))
    assert raised.value.location is not None
    assert raised.value.location.file == __file__


@pytest.mark.parametrize("dynamic", [False, True])
def test_rolled(dynamic: bool) -> None:
    """Chunk by chunk beside a reduction of a known kind; the last chunk is partly filled."""

    def kernel(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values, where = torch.empty([x.size(0)]), torch.empty([x.size(0)], dtype=torch.int64)
        scaled = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            row = x[t, :] * 2
            index = hl.arange(x.size(1), dtype=torch.int64)[None, :].expand_as(row)
            values[t], where[t] = hl.reduce(best_pair, (row, index), dim=-1, other=(-7.0, 3))
            scaled[t, :] = row / values[t][:, None] + row.sum(1)[:, None]
        return values, where, scaled

    for n in (37, 64, 5):
        x = -torch.rand(5, n) - 1
        config = helion.Config(block_sizes=[4], reduction_loops=[16 if n > 16 or dynamic else 4])
        values, where, scaled = run_levels(kernel, config, x, triton=n == 37, static_shapes=not dynamic)
        assert torch.equal(values, x.amax(1) * 2)
        assert torch.equal(where, x.argmax(1))
        torch.testing.assert_close(scaled, x * 2 / values[:, None] + (x * 2).sum(1, keepdim=True))


def test_scalars_of_the_kernel() -> None:
    """An argument, a size and an element that was loaded go along, and stay what they are."""

    def kernel(x: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        most, prefix = torch.empty([x.size(0)]), torch.empty_like(x)
        for i in hl.grid(x.size(0)):
            first = x[i, 0]
            most[i] = hl.reduce(lambda a, b: torch.where(a * weight > b * weight, a, b), x[i, :], 0)
            prefix[i, :] = hl.associative_scan(lambda a, b, first=first: a + b - first + x.size(1), x[i, :], 0)
        return most, prefix

    x = torch.randn(3, 13)
    for static in (True, False):
        most, prefix = run_levels(kernel, helion.Config(), x, -1.5, triton=static, static_shapes=static)
        assert torch.equal(most, x.amin(1))
        steps = torch.arange(13) * (13 - x[:, :1])
        torch.testing.assert_close(prefix, x.cumsum(1) + steps)


def test_a_function_of_the_kernel_has_its_own_variables() -> None:
    """Welford's moments; `n` of the function is not the `n` of the loop."""

    def kernel(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = torch.empty([x.size(0)]), torch.empty([x.size(0)])

        def moments(mean_1: Any, square_1: Any, n_1: Any, mean_2: Any, square_2: Any, n_2: Any) -> Any:
            delta, n = mean_2 - mean_1, n_1 + n_2
            weight = n_2 / n
            return mean_1 + delta * weight, square_1 + square_2 + delta * delta * n_1 * weight, n

        for t in hl.tile(x.size(0)):
            row = x[t, :].to(torch.float32)
            middle, square, n = hl.reduce(moments, (row, torch.zeros_like(row), torch.ones_like(row)), dim=-1)
            mean[t], variance[t] = middle, square / n
        return mean, variance

    x = torch.randn(5, 37, dtype=torch.float16)
    for chunk in (None, 16):
        mean, variance = run_levels(kernel, helion.Config(block_sizes=[2], reduction_loops=[chunk]), x, triton=True)
        torch.testing.assert_close(mean, x.float().mean(1))
        torch.testing.assert_close(variance, x.float().var(1, correction=0))
