"""Scatters into device values, quantiles, the mode, arg reductions of several dimensions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from tests.support.levels import run_levels


def over_rows(x: Tensor, function: Any, out: Tensor) -> Tensor:
    for t in hl.tile(x.size(0)):
        out[t, :] = function(x[t, :])
    return out


def routed(row: Tensor) -> Tensor:
    top, where = row.topk(3, dim=1)
    return torch.zeros_like(row).scatter(1, where, torch.softmax(top, 1))


def counted(row: Tensor) -> Tensor:
    bins = (row.abs() * 2).to(torch.int64).clamp(max=12)
    return torch.zeros_like(row).scatter_add_(1, bins, torch.ones_like(row))


SCATTERS = {
    "value": lambda row: torch.zeros_like(row).scatter_(1, row.topk(2, dim=1)[1], 1.0),
    "src": routed,
    "add": counted,
    "amax": lambda row: row.scatter_reduce(1, row.argsort(dim=1) // 2, row * 2, "amax"),
    "prod": lambda row: row.scatter_reduce(1, row.argsort(dim=1) // 2, row * 2, "prod"),
    "index_add": lambda row: row.index_add(1, torch.arange(3, device=row.device) * 2, row[:, 1:4], alpha=2),
}


@pytest.mark.parametrize("name", SCATTERS)
def test_scatters(name: str) -> None:
    x = torch.randn(5, 13)
    found = run_levels(over_rows, helion.Config(block_sizes=[4]), x, SCATTERS[name], torch.empty(5, 13))
    torch.testing.assert_close(found, SCATTERS[name](x))


def test_the_last_of_equal_entries_counts() -> None:
    x = torch.randn(4, 6)
    found = run_levels(
        over_rows, helion.Config(block_sizes=[2]), x, lambda row: row.scatter(1, row.argsort(dim=1) * 0 + 2, row),
        torch.empty(4, 6),
    )  # fmt: skip
    expected = x.clone()
    expected[:, 2] = x[:, 5]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(interpolation: str) -> None:
    x = torch.randn(5, 12)
    x[1, 3] = float("nan")

    def both(row: Tensor) -> Tensor:
        one = torch.quantile(row, 0.3, dim=1, keepdim=True, interpolation=interpolation)
        other = row.nanquantile(0.75, dim=1, keepdim=True, interpolation=interpolation)
        return torch.cat([one, other], 1)

    found = run_levels(over_rows, helion.Config(block_sizes=[2]), x, both, torch.empty(5, 2))
    torch.testing.assert_close(found, both(x), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_the_mode_is_the_least_of_the_most_frequent(dtype: torch.dtype) -> None:
    x = (torch.randn(6, 13) * 1.5).round().to(dtype)
    found = run_levels(over_rows, helion.Config(block_sizes=[4]), x, lambda row: row.mode(1, True)[0], x[:, :1].clone())
    assert torch.equal(found, x.mode(1, True).values)


def test_arg_reductions_of_several_dimensions() -> None:
    def kernel(x: Tensor) -> tuple[Tensor, Tensor]:
        most, least = (torch.empty([x.size(0)], dtype=torch.int64) for _ in range(2))
        for i in hl.grid(x.size(0)):
            most[i] = x[i, :, :].argmax()
            least[i] = torch.argmin(x[i, :, :], keepdim=True).sum()
        return most, least

    x = torch.randn(4, 5, 6).round()
    x[2, 3, 1] = float("nan")
    most, least = run_levels(kernel, helion.Config(), x)
    assert torch.equal(most, x.flatten(1).argmax(1))
    assert torch.equal(least, x.flatten(1).argmin(1))


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (lambda row: row.scatter(1, row.T.long(), row), exc.ShapeMismatch, "a scatter along"),
        (lambda row: row.scatter_reduce(1, row.long(), row, "mean"), exc.InductorLoweringError, "'mean'"),
        (lambda row: torch.quantile(row, 2.0, dim=1, keepdim=True), exc.InductorLoweringError, "from 0 to 1"),
    ],
)
def test_refusals(function: Any, error: type[exc.Base], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        helion.kernel(over_rows).bind((torch.randn(3, 5), function, torch.empty(3, 5)))
    assert raised.value.location is not None
    assert raised.value.location.file == __file__
