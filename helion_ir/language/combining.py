"""Reductions and scans by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .api import api


@api()
def reduce(
    combine_fn: Callable[..., Any],
    x: torch.Tensor | Sequence[torch.Tensor],
    dim: int | None = None,
    other: float | Sequence[float] = 0,
    keep_dims: bool = False,
) -> Any:
    """`x` combined along `dim`, or over all dimensions for None.

    Args:
        combine_fn: an associative and commutative function of two elements of `x`. For a tuple it takes the elements
            unpacked, `(a0, a1, …, b0, b1, …)`, or two tuples if it has two parameters, and gives one value for each
            tensor. It is traced once, on scalars: a lambda, a closure, a function, a kernel's function.
        x: a tensor, or tensors of shapes that broadcast and of any dtypes; half precision is combined in float32.
        dim: the dimension that is reduced.
        other: what a reduction of nothing gives, for all tensors or for each. Lanes past an end are never combined.
        keep_dims: whether the dimension stays, of size 1.

    Raises:
        InvalidAPIUsage: the function does not give one value for each tensor.
        NotAllowedInHelperFunction: the function branches, loops, or uses run-time values of the kernel.
    """
    raise NotImplementedError


@api()
def associative_scan(
    combine_fn: Callable[..., Any], x: torch.Tensor | Sequence[torch.Tensor], dim: int, reverse: bool = False
) -> Any:
    """What the elements of `x` up to each one along `dim` combine to, from the far end when `reverse`.

    Args:
        combine_fn: an associative function of what came before and the next element, as that of `reduce`.
        x: a tensor, or tensors of shapes that broadcast and of any dtypes.
        dim: the dimension that is scanned.
        reverse: whether to begin at the end.
    """
    raise NotImplementedError
