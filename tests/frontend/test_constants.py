"""Operators of tensors and constants, and powers of integers: as PyTorch's, and in text that Triton compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

Function = Callable[..., torch.Tensor]
TRUTHS: list[Function] = [
    lambda x, y: x > False, lambda x, y: x <= True, lambda x, y: y > False, lambda x, y: torch.sign(x),
    lambda x, y: (x >= y) ^ (x < True), lambda x, y: torch.maximum(x, y) ^ True, lambda x, y: x > 0,
]  # fmt: skip
POWERS: list[Function] = [
    lambda x, y: x**0, lambda x, y: x**5, lambda x, y: x**y, lambda x, y: y**x, lambda x, y: 3**y,
    lambda x, y: torch.pow(x, y - 3), lambda x, y: torch.sign(x) * 2,
]  # fmt: skip


@helion_ir.kernel(autotune_effort="none")
def combined(out: torch.Tensor, x: torch.Tensor, y: torch.Tensor, of: Function) -> torch.Tensor:
    for t in hl.tile(x.size(0)):
        out[t] = of(x[t], y[t])
    return out


def check(of: Function, x: torch.Tensor, y: torch.Tensor) -> helion_ir.CompiledKernel:
    want = of(x, y)
    compiled = helion_ir.compile(combined, {"block_sizes": [16]}, (torch.empty_like(want), x, y, of))
    torch.testing.assert_close(compiled(torch.empty_like(want), x, y, of), want, rtol=0, atol=0)
    return compiled


@pytest.mark.parametrize("of", TRUTHS)
def test_truth_values(of: Function) -> None:
    check(of, torch.rand(13) > 0.5, torch.rand(13) > 0.5).binary("sm_90")


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8, torch.uint8])
@pytest.mark.parametrize("of", POWERS)
def test_powers_of_integers(of: Function, dtype: torch.dtype) -> None:
    x, y = torch.tensor([-1, 1, 2, -2, 0, 3, 100, -7, 255]).to(dtype), torch.arange(9).to(dtype)
    check(of, x, y)


def test_triton_compiles_powers_of_integers() -> None:
    x = torch.arange(9)
    check(lambda x, y: x**y, x, x).binary("sm_90")


@helion_ir.kernel(autotune_effort="none")
def power_of_a_number(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] ** n + n ** x[t]
    return out


@pytest.mark.parametrize("n", [0, 1, 5])
def test_powers_of_run_time_integers(n: int) -> None:
    x = torch.arange(6)
    torch.testing.assert_close(power_of_a_number(x, n), x**n + n**x)


@pytest.mark.parametrize(
    ("of", "words"), [(lambda x, y: x**-1, "negative integer powers"), (lambda x, y: ~x.float(), "bits")]
)
def test_what_pytorch_refuses(of: Function, words: str) -> None:
    with pytest.raises(exc.TorchOpTracingError, match=words) as caught:
        combined(torch.arange(4), torch.arange(4), torch.arange(4), of)
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


TABLE = torch.arange(5.0)


@helion_ir.kernel(autotune_effort="none")
def keyword_only(x: torch.Tensor, *, scale: Any = 2.0, shift: float) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, :] * scale + TABLE[:] + shift
    return out


def test_keyword_only_parameters_beside_a_captured_tensor() -> None:
    x = torch.randn(7, 5)
    torch.testing.assert_close(keyword_only(x, shift=1.0), x * 2 + TABLE + 1)
    torch.testing.assert_close(keyword_only(x, shift=1.0, scale=3.0), x * 3 + TABLE + 1)
    compiled = helion_ir.compile(keyword_only, {"block_sizes": [4]})
    torch.testing.assert_close(compiled(x, shift=2.0), x * 2 + TABLE + 2)
