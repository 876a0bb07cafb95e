"""Making and combining device values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .api import api

SCALED_DTYPES = {
    "e2m1": (torch.uint8, torch.int8),
    "e4m3": (torch.float8_e4m3fn, torch.uint8),
    "e5m2": (torch.float8_e5m2, torch.uint8),
    "bf16": (torch.bfloat16, torch.uint16),
    "fp16": (torch.float16, torch.uint16),
}
"""Format → the dtype of its elements, and the one in which their bits may come instead."""


@api()
def zeros(shape: Sequence[Any], dtype: torch.dtype = torch.float32, device: Any = None) -> torch.Tensor:
    """A device tensor of zeros; sizes are tiles, block sizes, or constants."""
    raise NotImplementedError


@api()
def full(shape: Sequence[Any], value: Any, dtype: torch.dtype = torch.float32, device: Any = None) -> torch.Tensor:
    """A device tensor with `value` (a number or a device scalar) in every lane."""
    raise NotImplementedError


@api()
def arange(*bounds: Any, step: int | None = None, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    """`begin, begin + step, …` below `end`, 1-D, by `arange(end)`, `arange(begin, end)` or `arange(begin, end, step)`;
    of the index dtype unless `dtype` says otherwise. The length is a constant, any one. `device` is the kernel's."""
    raise NotImplementedError


@api()
def dot(
    a: torch.Tensor, b: torch.Tensor, acc: torch.Tensor | None = None, out_dtype: torch.dtype | None = None
) -> torch.Tensor:
    """`acc + a @ b`, 2-D or with one batch dimension.

    The result has the dtype of `acc`, else `out_dtype`, else float32 for floats of 32 bits or fewer, float64 for
    float64 and int32 for int8.
    """
    raise NotImplementedError


@api()
def dot_scaled(
    a: torch.Tensor,
    a_scale: torch.Tensor,
    a_format: str,
    b: torch.Tensor,
    b_scale: torch.Tensor,
    b_format: str,
    acc: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """`acc + (a · a_scale) @ (b · b_scale)` of numbers that share scales by 32 along k (OCP Microscaling Formats 1.0).

    Args:
        a: `[m, k]`; bytes `[m, k/2]` for "e2m1", two numbers each, the first one in the low bits.
        a_scale: `[m, k/32]` of uint8: 2^(s - 127), and NaN for 255 (e8m0).
        a_format: "e2m1" (uint8 or int8), "e4m3" (float8_e4m3fn or uint8), "e5m2" (float8_e5m2 or uint8), "bf16" or
            "fp16" (the dtype or uint16).
        b: `[k, n]`; bytes `[k/2, n]` for "e2m1".
        b_scale: `[n, k/32]` of uint8.
        acc: added to the product, `[m, n]`.

    The result has the dtype of `acc`, else `out_dtype`, else float32, in which products are summed. GPUs without tensor
    cores for these formats compute with bfloat16, or float16 if an operand is "fp16": what a scale takes out of their
    range is infinite or zero there.

    Raises:
        ShapeMismatch: lengths along k do not fit each other.
        InvalidAPIUsage: an unknown format, or a dtype that is not the format's.
    """
    raise NotImplementedError


@api()
def cumsum(x: torch.Tensor, dim: int, reverse: bool = False) -> torch.Tensor:
    """Inclusive prefix sums along `dim`, from its end when `reverse`."""
    raise NotImplementedError


@api()
def cumprod(x: torch.Tensor, dim: int, reverse: bool = False) -> torch.Tensor:
    """Inclusive prefix products along `dim`, from its end when `reverse`."""
    raise NotImplementedError


@api()
def clamp(x: torch.Tensor, min: Any = None, max: Any = None) -> torch.Tensor:
    """`x` with what is below `min` raised to it, then what is above `max` lowered to it: `torch.clamp`, for a device
    scalar, too. The bounds are numbers, device scalars or tensors; the dtype follows PyTorch's promotion."""
    raise NotImplementedError


@api()
def split(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The two halves of a tensor whose last dimension has size two."""
    raise NotImplementedError


@api()
def join(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Two tensors along a new last dimension."""
    raise NotImplementedError


@api()
def subscript(value: torch.Tensor, index: Any) -> torch.Tensor:
    """Keep (`:`) or add (`None`) dimensions of a device value."""
    raise NotImplementedError
