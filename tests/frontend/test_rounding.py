"""A conversion that the user wrote rounds, in every dtype; one that the compiler added may give way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from xdsl.dialects import arith

import helion_ir
import helion_ir.language as hl

BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
kernel = helion_ir.kernel(autotune_effort="none")


@kernel
def apply(x: torch.Tensor, y: torch.Tensor, function: Callable[..., Any]) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = function(x[t], y[t])
    return out


def stages(function: Callable[..., Any], x: torch.Tensor, y: torch.Tensor) -> helion_ir.CompiledKernel:
    return helion_ir.compile(apply, {"block_sizes": [32]}, (x, y, function))


OF_SINGLES: list[Callable[..., torch.Tensor]] = [
    lambda x, y: x.to(E4M3).to(F32),
    lambda x, y: x.to(E5M2).float(),
    lambda x, y: x.half().float(),
    lambda x, y: x.bfloat16().float() + y,
    lambda x, y: (x * y).to(torch.bfloat16).to(torch.float32) * 3,
    lambda x, y: x.type(torch.float16).type(torch.float32),
    lambda x, y: x.to(dtype=F16).type_as(y),
    lambda x, y: x.half().bfloat16().float(),
    lambda x, y: (x * 100).to(torch.int8).to(F32) + (y * 1000).to(torch.int16).float(),
    lambda x, y: (x * 40).to(torch.int32).to(torch.uint8).float(),
    lambda x, y: torch.where(x > 0, x.half(), y.half()).float(),
    lambda x, y: x.bfloat16().view(-1)[:, None].expand(-1, 2).float().sum(-1),
]
OF_HALVES: list[Callable[..., torch.Tensor]] = [
    lambda x, y: (x * y).to(x.dtype).float(),
    lambda x, y: (x * y).type_as(x).float() + 1,
    lambda x, y: (x / 3).half().float() if x.dtype == F16 else (x / 3).bfloat16().float(),
    lambda x, y: (x.exp().to(x.dtype) - 1).to(x.dtype).float(),
]


@pytest.mark.parametrize("function", OF_SINGLES)
def test_conversions_of_singles_round(function: Callable[..., torch.Tensor]) -> None:
    x, y = torch.randn(100), torch.randn(100)
    torch.testing.assert_close(stages(function, x, y)(x, y, function), function(x, y), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [BF16, F16])
@pytest.mark.parametrize("function", OF_HALVES)
def test_conversions_of_what_the_compiler_widened_round(
    function: Callable[..., torch.Tensor], dtype: torch.dtype
) -> None:
    x, y = torch.randn(100).to(dtype), torch.randn(100).to(dtype)
    torch.testing.assert_close(stages(function, x, y)(x, y, function), function(x, y), rtol=0, atol=0)


def test_what_the_compiler_added_gives_way() -> None:
    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x * y + x).float()

    x, y = torch.randn(100).to(BF16), torch.randn(100).to(BF16)
    compiled = stages(function, x, y)
    torch.testing.assert_close(compiled(x, y, function), x.float() * y.float() + x.float(), rtol=0, atol=0)
    assert "bfloat16" not in compiled.source


def test_the_mark_is_printed_parsed_and_used_up() -> None:
    x = torch.randn(100).to(BF16)
    module = apply.bind((x, x, OF_HALVES[0])).tile_module
    narrowings = [op for op in module.walk() if isinstance(op, arith.TruncFOp)]
    assert narrowings
    assert not any("elidable" in op.attributes for op in narrowings)


@kernel
def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    out = torch.empty([a.size(0), b.size(1)], dtype=torch.float32, device=a.device)
    for m, n in hl.tile(out.size()):
        out[m, n] = hl.dot(a[m, :], b[:, n], out_dtype=torch.float16).float()
    return out


@kernel
def total(a: torch.Tensor) -> torch.Tensor:
    out = torch.empty([a.size(0)], dtype=torch.float32, device=a.device)
    for m in hl.tile(a.size(0)):
        out[m] = a[m, :].sum(-1, dtype=torch.float16).float()
    return out


def test_the_dtype_of_a_result_that_the_user_chose_rounds() -> None:
    a, b = torch.randn(20, 32).half(), torch.randn(32, 24).half()
    got = helion_ir.compile(product, {"block_sizes": [32, 32]}, (a, b))(a, b)
    assert torch.equal(got, got.half().float())
    torch.testing.assert_close(got, a.float() @ b.float(), rtol=2e-3, atol=2e-3)
    single = torch.randn(9, 33)
    rounded = total(single)
    assert torch.equal(rounded, rounded.half().float())
    torch.testing.assert_close(rounded, single.sum(-1), rtol=2e-3, atol=2e-3)


def test_negative_floats_as_uint8_wrap() -> None:
    """PyTorch goes by int64, on every device; a conversion to unsigned saturates on GPUs."""

    @helion_ir.kernel(autotune_effort="none")
    def to_bytes(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty(x.size(), dtype=torch.uint8, device=x.device)
        for tile in hl.tile(x.size(0)):
            out[tile] = x[tile].to(torch.uint8)
        return out

    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        x = torch.tensor([-3.0, -2.5, -1.0, -0.25, 0.0, 1.75, 255.0], dtype=dtype)
        torch.testing.assert_close(to_bytes(x), x.to(torch.int64).to(torch.uint8))
    assert ".to(tl.int64)" in to_bytes.bind((x,)).to_triton_code()
