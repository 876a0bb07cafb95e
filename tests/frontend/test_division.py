"""Division that gives whole numbers, and its remainders: PyTorch's for every dtype, sign, zero, infinity and NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, 0.2, 6.0, 5.0, 7.0, -3.0, math.inf, -math.inf, math.nan, 1000.0]
DIVISIONS: dict[str, Callable[[Any, Any], Any]] = {
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "floor_divide": torch.floor_divide, "fmod": torch.fmod,
    "remainder": torch.remainder, "floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
}  # fmt: skip
DTYPES = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
)  # fmt: skip


@helion_ir.kernel(autotune_effort="none")
def divided(out: torch.Tensor, x: torch.Tensor, y: Any, of: Callable[..., Any]) -> torch.Tensor:
    for t in hl.tile(x.size(0)):
        out[t] = of(x[t], y[t] if isinstance(y, torch.Tensor) else y)
    return out


@helion_ir.kernel(autotune_effort="none")
def divides(out: torch.Tensor, x: float, y: torch.Tensor, of: Callable[..., Any]) -> torch.Tensor:
    for t in hl.tile(y.size(0)):
        out[t] = of(x, y[t])
    return out


def operands(dtype: torch.dtype, divisor: bool = False) -> torch.Tensor:
    values = torch.tensor(SPECIAL, dtype=torch.float64)
    if not dtype.is_floating_point:
        values = values.nan_to_num(3, 2, -2).clamp(0 if dtype == torch.uint8 else -128, 100)
        values = torch.where(values.trunc() == 0, 1, values) if divisor else values
    values = values.to(dtype)
    return values.repeat(len(SPECIAL)) if divisor else values.repeat_interleave(len(SPECIAL))


def check(kernel: Any, name: str, x: Any, y: Any) -> None:
    try:
        want = DIVISIONS[name](x, y)
    except (RuntimeError, TypeError):
        pytest.skip("not in PyTorch")
    constants = [hl.constexpr(v) if isinstance(v, float) else v for v in (x, y)]
    got = kernel(torch.empty_like(want), *constants, DIVISIONS[name])
    torch.testing.assert_close(got, want, rtol=8e-3 if want.itemsize == 2 else 0, atol=0, equal_nan=True)
    if want.is_floating_point():
        assert torch.equal(got.signbit() & ~got.isnan(), want.signbit() & ~want.isnan())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIVISIONS)
def test_tensors(name: str, dtype: torch.dtype) -> None:
    if name == "trunc" and dtype == torch.bfloat16:
        pytest.skip("PyTorch rounds the quotient to bfloat16 first; here halves are computed in float32")
    check(divided, name, operands(dtype), operands(dtype, divisor=True))


@pytest.mark.parametrize("dtypes", [(torch.int32, torch.float32), (torch.uint8, torch.int16), (torch.bool, torch.int8)])
@pytest.mark.parametrize("name", DIVISIONS)
def test_two_dtypes(name: str, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    for first, second in (dtypes, dtypes[::-1]):
        check(divided, name, operands(first), operands(second, divisor=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int32, torch.uint8])
@pytest.mark.parametrize("number", [0.1, -0.3, 3, -2])
@pytest.mark.parametrize("name", DIVISIONS)
def test_numbers(name: str, number: float, dtype: torch.dtype) -> None:
    if number < 0 and dtype == torch.uint8:
        pytest.skip("a negative number wraps")
    check(divided, name, operands(dtype), number)
    if name in ("//", "%"):
        check(divides, name, number, operands(dtype, divisor=True))


def test_the_emitted_text_divides_alike() -> None:
    x, y = operands(torch.float32), operands(torch.float32, divisor=True)
    compiled = helion_ir.compile(divided, {"block_sizes": [64]}, (x.clone(), x, y, DIVISIONS["//"]))
    compiled.binary("sm_90")
    torch.testing.assert_close(compiled(x.clone(), x, y, DIVISIONS["//"]), x // y, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_rounded_next_is_an_exact_quotient(dtype: torch.dtype) -> None:
    """Triton's `/` of float32 is not, so `x / x` may be less than 1."""
    x = torch.full((4,), -6.875, dtype=dtype)
    for name in ("trunc", "floor", "//"):
        compiled = helion_ir.compile(divided, helion_ir.Config(block_sizes=[4]), (x, x, x, DIVISIONS[name]))
        assert "libdevice.div_rn(" in compiled.source
