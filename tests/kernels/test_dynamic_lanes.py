"""Lanes of extents that are known at run time only: at least a dot's minimum, and one where there is nothing."""

from __future__ import annotations

import pytest
import torch

import helion_ir
import helion_ir.language as hl

torch.manual_seed(0)
dynamic = helion_ir.kernel(static_shapes=False, autotune_effort="none")


@dynamic
def product(x, y):
    out = torch.empty(x.size(0), y.size(1), dtype=torch.float32, device=x.device)
    for t, u in hl.tile([x.size(0), y.size(1)]):
        out[t, u] = hl.dot(x[t, :], y[:, u], out_dtype=torch.float32)
    return out


@dynamic
def batched(x, y):
    out = torch.empty(x.size(0), x.size(1), y.size(2), device=x.device)
    for b in hl.tile(x.size(0)):
        out[b, :, :] = torch.bmm(x[b, :, :], y[b, :, :])
    return out


@dynamic
def twice(x, y, w):
    out = torch.empty(x.size(0), w.size(1), device=x.device)
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.relu(x[t, :] @ y[:, :]) @ w[:, :]
    return out


@dynamic
def row_sum(x):
    out = torch.empty(x.size(0), device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :].sum(-1)
    return out


def check(kernel, args, want):
    compiled = helion_ir.compile(kernel, kernel.bind(args).config_spec.default_config(), args)
    compiled.binary("sm_90")
    torch.testing.assert_close(compiled(*args).double(), want, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("inner", [0, 1, 5, 33])
def test_a_contraction_has_the_lanes_of_a_dot(inner):
    x, y = torch.randn(33, inner), torch.randn(inner, 40)
    check(product, (x, y), x.double() @ y.double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float8_e4m3fn])
def test_narrow_operands_need_more_lanes(dtype):
    x, y = torch.randn(7, 3).to(dtype), torch.randn(3, 9).to(dtype)
    check(product, (x, y), x.double() @ y.double())


def test_batches_and_products_of_products():
    x, y = torch.randn(3, 5, 7), torch.randn(3, 7, 2)
    check(batched, (x, y), x.double() @ y.double())
    x, y, w = torch.randn(5, 3), torch.randn(3, 4), torch.randn(4, 2)
    check(twice, (x, y, w), torch.relu(x.double() @ y.double()) @ w.double())


def test_nothing_has_one_lane():
    check(row_sum, (torch.randn(5, 0),), torch.zeros(5, dtype=torch.double))
