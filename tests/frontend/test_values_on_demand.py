"""Arguments whose values Python needs while tracing join the key; others are run-time values of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import helion_ir
import helion_ir.language as hl

X = torch.randn(33, 64, dtype=torch.float64)


@helion_ir.kernel(autotune_effort="none")
def rows(x: torch.Tensor, fn: Callable[..., torch.Tensor], n: Any) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype)
    for t in hl.tile(x.size(0)):
        out[t] = fn(x[t, :], n).sum(-1)
    return out


def kind_of(value: torch.Tensor, n: Any) -> torch.Tensor:
    if n == 1:
        return value.to(torch.float32)
    value = value[:, None, :].expand(-1, 2, -1)
    return value.sum(-1)


CASES: list[tuple[Callable[..., torch.Tensor], tuple[Any, ...]]] = [
    (lambda v, n: v.softmax(n), (1, -1)),
    (lambda v, n: v.sum(dim=1, keepdim=n).reshape(v.size(0), 1), (True, False)),
    (lambda v, n: torch.round(v, decimals=n), (0, 2)),
    (lambda v, n: torch.var(v, 1, correction=n, keepdim=True), (0, 1, 2)),
    (lambda v, n: torch.linalg.vector_norm(v, n, dim=1, keepdim=True), (1, 2, 3.0, float("inf"))),
    (lambda v, n: v.chunk(n, 1)[0] * v.chunk(n, 1)[1], (2, 4)),
    (lambda v, n: v.unsqueeze(n).squeeze(n).flip(n).cumsum(n), (1, -1)),
    (lambda v, n: torch.cat([v, v * 2], n), (1, -1)),
    (lambda v, n: torch.cat([v, v * 2], 1) if n == 1 else v, (1, 2)),
    (lambda v, n: kind_of(v, n), (1, 2)),
    (lambda v, n: torch.roll(v, n, 1) * v, (1, 5)),
    (lambda v, n: F.elu(v, n) + F.hardtanh(v, -n, n) + torch.logit(v.abs() / 9, n / 9), (0.25, 0.5)),
    (lambda v, n: v * [1, 2, 3][n] + {1: 5, 2: 6}[n], (1, 2)),
    (lambda v, n: sum([v * i for i in range(n)], v), (2, 3)),
    (lambda v, n: v * (2 if f"{n}" == "1" else 3), (1, 2)),
    (lambda v, n: v[:, None, :].expand(-1, n, -1).sum(1), (2, 4)),
]


@pytest.mark.parametrize(("fn", "values"), CASES)
def test_a_value_that_python_needs(fn: Callable[..., torch.Tensor], values: tuple[Any, ...]) -> None:
    for n in values:
        torch.testing.assert_close(rows(X, fn, n), fn(X, n).sum(-1), check_dtype=False, rtol=1e-5, atol=1e-5)


def test_a_value_that_it_does_not_need_is_none_of_the_key() -> None:
    def scaled(value: torch.Tensor, n: Any) -> torch.Tensor:
        return value * n + (1 if n > 2 else 0)

    for n in (1, 2, 7):
        torch.testing.assert_close(rows(X, scaled, n), scaled(X, n).sum(-1))
    assert rows.bind((X, scaled, 1)) is rows.bind((X, scaled, 9))
