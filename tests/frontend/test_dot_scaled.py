"""hl.dot_scaled: products of numbers of few bits that share scales."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

from ..support.levels import run_levels

CONFIG = helion_ir.Config(block_sizes=[16, 16])
DTYPES = {
    "e2m1": torch.uint8, "e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2, "bf16": torch.bfloat16,
    "fp16": torch.float16,
}  # fmt: skip


def whole(a, a_scale, a_format: hl.constexpr, b, b_scale, b_format: hl.constexpr):
    out = torch.empty([a.size(0), b.size(1)], dtype=torch.float32, device=a.device)
    for m, n in hl.tile(out.size()):
        out[m, n] = hl.dot_scaled(a[m, :], a_scale[m, :], a_format, b[:, n], b_scale[n, :], b_format)
    return out


def by_blocks(a, a_scale, a_format: hl.constexpr, b, b_scale, b_format: hl.constexpr):
    out = torch.empty([a.size(0), b.size(1)], dtype=torch.float32, device=a.device)
    for m, n in hl.tile(out.size()):
        acc = hl.zeros([m, n])
        for k in hl.tile(a.size(1), block_size=64):
            s = k.begin // 32 + hl.arange(k.block_size // 32)
            acc = hl.dot_scaled(a[m, k], a_scale[m, s], a_format, b[k, n], b_scale[n, s], b_format, acc=acc)
        out[m, n] = acc
    return out


def by_groups(a, a_scale, a_format: hl.constexpr, b, b_scale, b_format: hl.constexpr):
    """A tile over the scales: an end within a block is no multiple of it."""
    groups = a_scale.size(1)
    left, right = a.view(a.size(0), groups, -1), b.view(groups, -1, b.size(1))
    out = torch.empty([a.size(0), b.size(1)], dtype=torch.float32, device=a.device)
    for m, n in hl.tile(out.size()):
        acc = hl.zeros([m, n])
        for g in hl.tile(groups, block_size=2):
            lhs, rhs = left[m, g, :].flatten(1), right[g, :, n].flatten(0, 1)
            acc = hl.dot_scaled(lhs, a_scale[m, g], a_format, rhs, b_scale[n, g], b_format, acc=acc)
        out[m, n] = acc
    return out


def halves(a, a_scale, b, b_scale, acc):
    """Bits of float8 as bytes; an accumulator of half precision gives its dtype."""
    out = torch.empty_like(acc)
    for m, n in hl.tile(out.size()):
        out[m, n] = hl.dot_scaled(a[m, :], a_scale[m, :], "e5m2", b[:, n], b_scale[n, :], "e4m3", acc=acc[m, n])
    return out


def numbers(format_: str, rows: int, columns: int, axis: int) -> torch.Tensor:
    if format_ != "e2m1":
        return torch.randn(rows, columns).to(DTYPES[format_])
    shape = [rows, columns]
    shape[axis] //= 2
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def exact(x: torch.Tensor, axis: int) -> torch.Tensor:
    """In float64; an e2m1 by the meaning of its bits: sign, two of exponent with bias 1, one of mantissa."""
    if x.dtype != torch.uint8:
        return x.double()

    def value(code: int) -> float:
        exponent, mantissa = (code >> 1) & 3, (code & 1) / 2
        size = math.ldexp(1 + mantissa, exponent - 1) if exponent else mantissa
        return -size if code & 8 else size

    table = torch.tensor([[value(byte & 15), value(byte >> 4)] for byte in range(256)], dtype=torch.float64)
    pairs = table[x.long()]
    return pairs.flatten(1) if axis == 1 else pairs.transpose(1, 2).flatten(0, 1)


def scaled(x: torch.Tensor, scale: torch.Tensor, axis: int) -> torch.Tensor:
    factors = torch.tensor(2.0, dtype=torch.float64) ** (scale.double() - 127)
    factors = torch.where(scale == 255, torch.nan, factors).repeat_interleave(32, 1)
    return exact(x, axis) * (factors if axis == 1 else factors.T)


def problem(m: int, n: int, k: int, a_format: str, b_format: str) -> tuple[Any, ...]:
    scales = [torch.randint(120, 134, (rows, k // 32), dtype=torch.uint8) for rows in (m, n)]
    return numbers(a_format, m, k, 1), scales[0], a_format, numbers(b_format, k, n, 0), scales[1], b_format


def check(function: Any, args: tuple[Any, ...], **options: Any) -> None:
    a, a_scale, _, b, b_scale, _ = args
    expected = scaled(a, a_scale, 1) @ scaled(b, b_scale, 0)
    found = run_levels(function, CONFIG, *args, **options)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize(
    ("function", "formats", "sizes"),
    [
        (whole, ("e2m1", "e2m1"), (19, 23, 96)),
        (whole, ("e4m3", "e2m1"), (1, 20, 32)),
        (whole, ("bf16", "e5m2"), (20, 1, 160)),
        (by_blocks, ("e5m2", "e4m3"), (19, 23, 128)),
        (by_groups, ("e2m1", "fp16"), (19, 23, 96)),
    ],
)
def test_product(function, formats, sizes) -> None:
    check(function, problem(*sizes, *formats), triton=True)


def test_sizes_at_run_time() -> None:
    check(whole, problem(19, 23, 96, "e2m1", "e4m3"), static_shapes=False)


def test_scales_that_are_no_numbers() -> None:
    """A scale of 255 is NaN, in its row only; none comes from the lanes past an end."""
    args = problem(19, 23, 96, "e4m3", "e2m1")
    args[1][3, 1] = 255
    args[1][4] = 0
    check(whole, args)
    assert torch.isnan(run_levels(whole, CONFIG, *args)).sum() == 23


def test_bits_and_half_precision() -> None:
    a, a_scale, _, b, b_scale, _ = problem(19, 23, 64, "e5m2", "e4m3")
    acc = torch.randn(19, 23, dtype=torch.float16)
    found = run_levels(halves, CONFIG, a.view(torch.uint8), a_scale, b.view(torch.uint8), b_scale, acc)
    expected = scaled(a, a_scale, 1) @ scaled(b, b_scale, 0) + acc
    torch.testing.assert_close(found, expected.half(), rtol=2e-3, atol=1e-3)


def test_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    args = problem(19, 23, 96, "e2m1", "e5m2")
    kernel = helion_ir.kernel(whole, config=CONFIG, ref_mode=helion_ir.RefMode.EAGER)
    expected = scaled(args[0], args[1], 1) @ scaled(args[3], args[4], 0)
    torch.testing.assert_close(kernel(*args), expected.float(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "text", "change"),
    [
        (exc.InvalidAPIUsage, "no format 'e3m0' for a", {2: "e3m0"}),
        (exc.InvalidAPIUsage, "b of format bf16 is torch.bfloat16 or torch.uint16", {5: "bf16"}),
        (exc.InvalidAPIUsage, "a_scale holds exponents in torch.uint8", {1: torch.ones(19, 3)}),
        (exc.ShapeMismatch, "a has 96 numbers along k, b_scale has 2", {4: torch.zeros(23, 2, dtype=torch.uint8)}),
        (exc.ShapeMismatch, "a has 96 numbers along k, b has 128", {3: torch.zeros(128, 23).to(torch.float8_e4m3fn)}),
        (exc.RankMismatch, "a_scale has 1 dim", {1: torch.zeros(19, dtype=torch.uint8)}),
    ],
)  # fmt: skip
def test_mistakes(error, text, change) -> None:
    def vector(a, a_scale, a_format: hl.constexpr, b, b_scale, b_format: hl.constexpr):
        out = torch.empty([a.size(0), b.size(1)], dtype=torch.float32, device=a.device)
        for m, n in hl.tile(out.size()):
            scale = a_scale[m] if a_scale.dim() == 1 else a_scale[m, :]
            out[m, n] = hl.dot_scaled(a[m, :], scale, a_format, b[:, n], b_scale[n, :], b_format)
        return out

    args = list(problem(19, 23, 96, "e4m3", "e4m3"))
    for place, value in change.items():
        args[place] = value
    with pytest.raises(error, match=text) as caught:
        helion_ir.kernel(vector, config=CONFIG)(*args)
    assert "hl.dot_scaled(a[m, :], scale" in str(caught.value)
