"""Sizes that turn out equal while a dynamic kernel is traced: they are solved for; no trace is tried without end."""

from __future__ import annotations

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

dynamic = helion_ir.kernel(static_shapes=False, autotune_effort="none")


@dynamic
def differences(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.size(0), 11)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, 1:] - x[t, :11]
    return out


def test_an_equality_of_expressions_is_solved() -> None:
    for rows in (9, 4):
        x = torch.randn(rows, 12)
        torch.testing.assert_close(differences(x), x[:, 1:] - x[:, :11])
    with pytest.raises(exc.ShapeMismatch, match="do not broadcast") as caught:
        differences(torch.randn(4, 14))
    assert caught.value.location is not None


@dynamic
def every_other(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(y)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, ::2] + y[t, :]
    return out


def test_an_equality_with_a_quotient_is_solved() -> None:
    for n in (8, 9, 7):
        x, y = torch.randn(3, n), torch.randn(3, (n + 1) // 2)
        torch.testing.assert_close(every_other(x, y), x[:, ::2] + y)


@dynamic
def clipped(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.size(0))
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :11].sum(-1) + x[t, -3:].sum(-1) + x[t, 2:-2].sum(-1)
    return out


def test_constant_bounds_of_slices_are_clipped_to_dynamic_sizes() -> None:
    for n in (20, 11, 5, 4):
        x = torch.randn(3, n)
        want = x[:, :11].sum(-1) + x[:, -3:].sum(-1) + x[:, 2:-2].sum(-1)
        torch.testing.assert_close(clipped(x), want)
