"""Fills of lanes past a tile's end: only what the element type holds exactly, on every element type."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
from helion_ir.dialects.constants import exact, highest, integer_range, lowest, neutral_element, wrapped
from torch import Tensor
from xdsl.dialects.builtin import IntegerType, Signedness, f32, i1, i8, i32

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.interpreter.state import DTYPES

from ..kernels.test_lanes import run

kernel = helion.kernel(autotune_effort="none")
FLOATS = {element: dtype for element, dtype in DTYPES.items() if dtype.is_floating_point}


@pytest.mark.parametrize("element", FLOATS, ids=[str(dtype) for dtype in FLOATS.values()])
def test_exact_floats(element: Any):
    """As torch converts them; zeros of fnuz types have no sign."""
    dtype, generator = FLOATS[element], random.Random(0)
    numbers = [0.0, 1.0, 448.0, 449.0, 480.0, 57344.0, 65504.0, 65505.0, math.inf, -math.inf, 1e-3, 3.4e38, 2.0**-1074]
    numbers += [generator.randint(-64, 64) * 2.0 ** generator.randint(-170, 140) for _ in range(200)]
    if dtype.itemsize == 1:
        numbers += torch.arange(256, dtype=torch.uint8).view(dtype).double().tolist()
        held = {x for x in torch.arange(256, dtype=torch.uint8).view(dtype).double().tolist() if x == x}
    else:
        held = {x for x in numbers if torch.tensor(x, dtype=torch.float64).to(dtype).double().item() == x}
    for number in numbers:
        negative_zero = number == 0 and math.copysign(1, number) < 0
        if not (negative_zero and str(dtype).endswith("fnuz")):
            assert (exact(number, element) is not None) == (number in held), number
    assert lowest(element) == min(held)
    assert highest(element) == max(held)


def test_integers_and_neutral_elements():
    unsigned = IntegerType(8, Signedness.UNSIGNED)
    assert (integer_range(i1), integer_range(i8), integer_range(unsigned)) == ((0, 1), (-128, 127), (0, 255))
    assert (exact(1.0, i1), exact(2, i1), exact(-129, i8), exact(0.5, i32), exact(math.inf, i32)) == (1, *[None] * 4)
    assert (wrapped(128, i8), wrapped(-1, unsigned), wrapped(2, i1), wrapped(3, i1)) == (-128, 255, 0, 1)
    assert [neutral_element("and", element) for element in (i1, i8)] == [1, -1]
    assert [neutral_element("max", element) for element in (i1, i8, f32)] == [0, -128, -math.inf]
    assert [neutral_element("min", element) for element in (i1, i8, f32)] == [1, 127, math.inf]


@kernel
def extremes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = x.size()
    top = torch.empty([m], dtype=torch.float32)
    low = torch.empty([m], dtype=torch.float32)
    product = torch.empty([m], dtype=torch.float32)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        acc = hl.full([tm, block], float("-inf"), dtype=torch.float32)
        power = hl.full([tm, block], 1.0, dtype=torch.float32)
        for t in hl.tile(n, block_size=block):
            acc = torch.maximum(acc, x[tm, t].float())
            power *= x[tm, t].float()
        top[tm] = acc.amax(-1)
        product[tm] = power.prod(-1)
        low[tm] = x[tm, :].float().amin(-1)
    return top, low, product


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16])
def test_extremes_of_narrow_floats(dtype: torch.dtype):
    x = (-torch.rand(5, 37) - 0.5).to(dtype)
    wide = x.float()
    top, low, product = run(extremes, {"block_sizes": [8, 2]}, x)
    assert torch.equal(top, wide.amax(-1))
    assert torch.equal(low, wide.amin(-1))
    torch.testing.assert_close(product, wide.prod(-1), rtol=1e-4, atol=1e-6)


@kernel
def integers(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    m = x.size(0)
    top, low = torch.empty([m], dtype=x.dtype), torch.empty([m], dtype=x.dtype)
    total, small = torch.empty([m], dtype=torch.int64), torch.empty([m], dtype=torch.bool)
    for tm in hl.tile(m):
        v = x[tm, :]
        top[tm] = v.amax(-1)
        low[tm] = v.amin(-1)
        total[tm] = v.sum(-1)
        small[tm] = (~(v > 3)).all(-1)
    return top, low, total, small


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int64, torch.bool])
def test_integers_and_booleans(dtype: torch.dtype):
    x = torch.randint(1, 100, (5, 37))
    x = x > 50 if dtype == torch.bool else (-x if dtype.is_signed else x).to(dtype)
    got = run(integers, {"block_sizes": [2]}, x)
    for ours, want in zip(got, (x.amax(-1), x.amin(-1), x.sum(-1), (~(x > 3)).all(-1)), strict=True):
        assert torch.equal(ours, want)


@kernel
def negated(y: Tensor, mask: Tensor, i: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    m = y.size(0)
    chosen, total = torch.empty([m], dtype=y.dtype), torch.empty([m], dtype=y.dtype)
    count, bits = torch.empty([m], dtype=torch.int64), torch.empty([m], dtype=torch.int32)
    for tm in hl.tile(m):
        chosen[tm] = torch.where(mask[tm, :], y[tm, :], float("-inf")).amax(-1)
        total[tm] = (y[tm, :] * ~mask[tm, :]).sum(-1)
        count[tm] = (mask[tm, :] ^ True).sum(-1)
        bits[tm] = (~i[tm, :]).amax(-1)
    return chosen, total, count, bits


def test_masks_and_negations():
    y, mask, i = torch.randn(5, 37), torch.rand(5, 37) > 0.4, torch.randint(3, 90, (5, 37), dtype=torch.int32)
    chosen, total, count, bits = run(negated, {"block_sizes": [4]}, y, mask, i)
    assert torch.equal(chosen, torch.where(mask, y, float("-inf")).amax(-1))
    torch.testing.assert_close(total, (y * ~mask).sum(-1), rtol=1e-5, atol=1e-5)
    assert torch.equal(count, (~mask).sum(-1))
    assert torch.equal(bits, (~i).amax(-1))


@kernel
def past_the_end(x: Tensor) -> tuple[Tensor, Tensor]:
    m, n = x.size()
    out, halo = torch.empty([m], dtype=x.dtype), torch.empty([m, n], dtype=x.dtype)
    for tm in hl.tile(m):
        acc = hl.full([tm, 16], -3.0, dtype=x.dtype)
        for i in range(4):
            acc = torch.maximum(acc, x[tm, i * 16 : i * 16 + 16] - 2)
        out[tm] = acc.sum(-1)
        for t in hl.tile(n):
            near = (x[tm, t.begin : t.begin + t.block_size + 2] + 1).amin(-1)
            halo[tm, t] = x[tm, t] + near[:, None]
    return out, halo


def test_slices_have_no_lanes_past_the_tensors_end():
    """A slice is clipped to the tensor, as in PyTorch."""
    x = torch.randn(5, 37) - 5
    out, halo = run(past_the_end, {"block_sizes": [2, 16]}, x)
    acc, want = torch.full((5, 16), -3.0), torch.empty(5, 37)
    for begin in range(0, 37, 16):
        part = x[:, begin : begin + 16]
        acc[:, : part.size(1)] = torch.maximum(acc[:, : part.size(1)], part - 2)
        want[:, begin : begin + 16] = part + (x[:, begin : begin + 18] + 1).amin(-1, keepdim=True)
    torch.testing.assert_close(out, acc.sum(-1))
    torch.testing.assert_close(halo, want)
