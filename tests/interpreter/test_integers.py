"""Integer arithmetic against Python's unbounded integers, at every width, with the corners of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from helion_ir.interpreter import integers

WIDTHS = {torch.int8: 8, torch.int16: 16, torch.int32: 32, torch.int64: 64}
WIDTH = pytest.mark.parametrize("dtype", list(WIDTHS), ids=str)


def wrap(value: int, bits: int) -> int:
    """The signed reading of the low bits."""
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def unsigned(value: int, bits: int) -> int:
    return value % (1 << bits)


def trunc_div(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def pairs(dtype: torch.dtype, *, nonzero: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of corner values and some random ones."""
    info = torch.iinfo(dtype)
    corners = [0, 1, 2, 3, 7, -1, -2, -7, info.max, info.max - 1, info.min, info.min + 1]
    generator = torch.Generator().manual_seed(WIDTHS[dtype])
    values = torch.cat([
        torch.tensor(corners, dtype=dtype), torch.randint(info.min, info.max, (20,), dtype=dtype, generator=generator)
    ])  # fmt: skip
    a, b = torch.cartesian_prod(values, values).unbind(1)
    return (a[b != 0], b[b != 0]) if nonzero else (a, b)


def agrees(
    function: Callable[..., torch.Tensor],
    reference: Callable[[int, int, int], int],
    dtype: torch.dtype,
    *,
    nonzero: bool = False,
) -> None:
    a, b = pairs(dtype, nonzero=nonzero)
    bits = WIDTHS[dtype]
    expected = [wrap(reference(x, y, bits), bits) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    actual = function(a, b)
    assert actual.dtype == dtype
    assert actual.tolist() == expected


@WIDTH
@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (integers.div, lambda a, b, n: trunc_div(a, b)),
        (integers.floor_div, lambda a, b, n: a // b),
        (integers.ceil_div, lambda a, b, n: -(-a // b)),
        (integers.rem, lambda a, b, n: a - b * trunc_div(a, b)),
        (integers.unsigned_div, lambda a, b, n: unsigned(a, n) // unsigned(b, n)),
        (integers.unsigned_rem, lambda a, b, n: unsigned(a, n) % unsigned(b, n)),
        (integers.unsigned_ceil_div, lambda a, b, n: -(-unsigned(a, n) // unsigned(b, n))),
    ],
    ids=["div", "floor", "ceil", "rem", "udiv", "urem", "uceil"],
)
def test_division(dtype: torch.dtype, function: Callable[..., torch.Tensor], reference: Callable[..., int]):
    agrees(function, reference, dtype, nonzero=True)


@WIDTH
@pytest.mark.parametrize(
    "function", [integers.div, integers.floor_div, integers.ceil_div, integers.rem, integers.unsigned_div],
)  # fmt: skip
def test_division_by_zero_does_not_trap(dtype: torch.dtype, function: Callable[..., torch.Tensor]):
    a, _ = pairs(dtype)
    assert function(a, torch.zeros_like(a)).shape == a.shape


@WIDTH
@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (integers.unsigned_max, lambda a, b, n: max(unsigned(a, n), unsigned(b, n))),
        (integers.unsigned_min, lambda a, b, n: min(unsigned(a, n), unsigned(b, n))),
        (integers.unsigned_high_product, lambda a, b, n: unsigned(a, n) * unsigned(b, n) >> n),
        (integers.high_product, lambda a, b, n: a * b >> n),
        (integers.shift_left, lambda a, b, n: a << unsigned(b, n) if unsigned(b, n) < n else 0),
        (integers.shift_right, lambda a, b, n: a >> min(unsigned(b, n), n - 1)),
        (integers.shift_right_logical, lambda a, b, n: unsigned(a, n) >> unsigned(b, n) if unsigned(b, n) < n else 0),
    ],
    ids=["umax", "umin", "umulhi", "mulhi", "shl", "shr", "shru"],
)  # fmt: skip
def test_binary(dtype: torch.dtype, function: Callable[..., torch.Tensor], reference: Callable[..., int]):
    agrees(function, reference, dtype)


@WIDTH
def test_shifts_at_every_amount(dtype: torch.dtype):
    bits = WIDTHS[dtype]
    a, amount = torch.cartesian_prod(pairs(dtype)[0][:12], torch.arange(bits).to(dtype)).unbind(1)
    numbers = list(zip(a.tolist(), amount.tolist(), strict=True))
    assert integers.shift_left(a, amount).tolist() == [wrap(x << s, bits) for x, s in numbers]
    assert integers.shift_right(a, amount).tolist() == [x >> s for x, s in numbers]
    assert integers.shift_right_logical(a, amount).tolist() == [wrap(unsigned(x, bits) >> s, bits) for x, s in numbers]


@WIDTH
def test_comparisons_as_unsigned(dtype: torch.dtype):
    a, b = pairs(dtype)
    bits = WIDTHS[dtype]
    expected = [unsigned(x, bits) < unsigned(y, bits) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert integers.unsigned(torch.lt)(a, b).tolist() == expected


@WIDTH
def test_bit_counts(dtype: torch.dtype):
    a, _ = pairs(dtype)
    bits = WIDTHS[dtype]
    words = [f"{unsigned(x, bits):0{bits}b}" for x in a.tolist()]
    assert integers.population(a).tolist() == [word.count("1") for word in words]
    assert integers.leading_zeros(a).tolist() == [len(word) - len(word.lstrip("0")) for word in words]
    assert integers.trailing_zeros(a).tolist() == [len(word) - len(word.rstrip("0")) for word in words]


@WIDTH
def test_unsigned_to_float(dtype: torch.dtype):
    a, _ = pairs(dtype)
    expected = torch.tensor([float(unsigned(x, WIDTHS[dtype])) for x in a.tolist()], dtype=torch.float64)
    assert torch.equal(integers.unsigned_to_float(a, torch.float64), expected)


@WIDTH
def test_float_to_integer_rounds_to_zero(dtype: torch.dtype):
    info = torch.iinfo(dtype)
    values = torch.tensor([0.9, -0.9, 1.5, -1.5, 100.99, -100.99, float(info.min)], dtype=torch.float64)
    assert integers.from_float(values, dtype).tolist() == [0, 0, 1, -1, 100, -100, info.min]
    integers.from_float(torch.tensor([float("nan"), float("inf"), -1e300]), dtype)


def test_large_floats_as_unsigned():
    assert integers.from_float(torch.tensor([2.0**63, 2.0**64 - 2048], dtype=torch.float64), torch.int64).tolist() == [
        -(2**63), -2048,
    ]  # fmt: skip


def test_power():
    base = torch.tensor([2, -3, 0, 1, -1, 5, 2, -1, 0], dtype=torch.int32)
    exponent = torch.tensor([10, 3, 0, -2, -3, 1, -1, -2, 4], dtype=torch.int32)
    assert integers.power(base, exponent).tolist() == [1024, -27, 1, 1, -1, 5, 0, 1, 0]


def test_one_bit():
    t, f = torch.tensor(True), torch.tensor(False)
    assert not integers.wrapping(torch.add)(t, t)
    assert integers.wrapping(torch.sub)(f, t)
    assert integers.sign_extend(t).item() == -1
    assert integers.zero_extend(t, torch.int32).item() == 1
    assert integers.truncate(torch.tensor([2, 3, -1]), torch.bool).tolist() == [False, True, True]
