"""Making and combining device values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .api import api


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
