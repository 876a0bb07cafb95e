"""Reductions, scans and dots over every lane of the tensors they are given; callers cut padding off first."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from xdsl.utils.exceptions import InterpretationError

from .elementwise import NARROW


def identity(kind: str, dtype: torch.dtype) -> float | int | bool:
    """The neutral element of a reduction or scan."""
    if kind in ("sum", "or", "xor"):
        return 0
    if kind == "prod":
        return 1
    if kind == "and":
        return True if dtype == torch.bool else -1
    if kind not in ("max", "min"):
        raise InterpretationError(f"unknown kind {kind!r}")
    if dtype == torch.bool:
        return kind == "min"
    if dtype.is_floating_point:
        return float("-inf") if kind == "max" else float("inf")
    info = torch.iinfo(dtype)
    return info.min if kind == "max" else info.max


def _skip_nan(function: Callable[[Tensor, int], Tensor], fill: float) -> Callable[[Tensor, int], Tensor]:
    def run(x: Tensor, axis: int) -> Tensor:
        nans = torch.isnan(x)
        return torch.where(nans.all(axis), torch.nan, function(torch.where(nans, fill, x), axis))

    return run


def fold(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, axis: int) -> Tensor:
    """Combine the lanes of an axis pairwise, neighbours first; the axis must not be empty."""
    while x.shape[axis] > 1:
        pairs = x.shape[axis] // 2
        left = x.narrow(axis, 0, 2 * pairs)
        halves = left.unflatten(axis, (pairs, 2))
        combined = function(halves.select(axis + 1, 0), halves.select(axis + 1, 1))
        x = torch.cat([combined, x.narrow(axis, 2 * pairs, x.shape[axis] - 2 * pairs)], axis)
    return x.squeeze(axis)


def reduce(kind: str, x: Tensor, axis: int, *, ignore_nan: bool = False) -> Tensor:
    """Reduce an axis away with a kind of `REDUCE_KINDS`; narrow floats accumulate in float32."""
    if x.shape[axis] == 0:
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return torch.full(shape, identity(kind, x.dtype), dtype=x.dtype)
    dtype = x.dtype
    wide = x.float() if dtype in NARROW else x
    return _reduction(kind, wide, ignore_nan)(wide, axis).to(dtype)


def _reduction(kind: str, x: Tensor, ignore_nan: bool) -> Callable[[Tensor, int], Tensor]:
    if kind in ("max", "min"):
        extremum = torch.amax if kind == "max" else torch.amin
        return _skip_nan(extremum, identity(kind, x.dtype)) if ignore_nan and x.is_floating_point() else extremum
    if kind in ("and", "or", "xor") or (kind == "sum" and x.dtype == torch.bool):
        function = {"and": torch.bitwise_and, "or": torch.bitwise_or}.get(kind, torch.bitwise_xor)
        return lambda x, axis: fold(function, x, axis)
    if kind == "prod" and x.dtype == torch.bool:
        return lambda x, axis: torch.all(x, axis)
    total = torch.sum if kind == "sum" else torch.prod
    return lambda x, axis: total(x, axis, dtype=x.dtype)


def arg_reduce(kind: str, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The extremum along an axis, and the (int64) position of its first occurrence; a NaN wins."""
    if x.shape[axis] == 0:
        value = reduce(kind, x, axis)
        return value, torch.zeros(value.shape, dtype=torch.int64)
    keys = x.to(torch.int8) if x.dtype == torch.bool else x.float() if x.dtype in NARROW else x
    position = (torch.argmax if kind == "max" else torch.argmin)(keys, axis)
    return torch.gather(x, axis, position.unsqueeze(axis)).squeeze(axis), position


def scan(kind: str, x: Tensor, axis: int, *, reverse: bool = False) -> Tensor:
    """Inclusive prefix along an axis, from the other end when `reverse`; narrow floats accumulate in float32."""
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "sum": lambda x: torch.cumsum(x, axis, dtype=x.dtype),
        "prod": lambda x: torch.cumprod(x, axis, dtype=x.dtype),
        "max": lambda x: torch.cummax(x, axis).values,
        "min": lambda x: torch.cummin(x, axis).values,
    }
    if x.shape[axis] == 0:
        return x
    wide = x.float() if x.dtype in NARROW else x
    wide = wide.flip(axis) if reverse else wide
    result = functions[kind](wide).to(x.dtype)
    return result.flip(axis) if reverse else result


def dot(lhs: Tensor, rhs: Tensor, acc: Tensor | None, dtype: torch.dtype) -> Tensor:
    """`acc + lhs @ rhs` in `dtype`: products of the exact operands, summed in float32 (float64, int32) at least."""
    if dtype.is_floating_point:
        compute = torch.float64 if dtype == torch.float64 else torch.float32
        product = lhs.to(compute) @ rhs.to(compute)
        return product.to(dtype) if acc is None else (acc.to(compute) + product).to(dtype)
    product = (lhs.to(torch.int64) @ rhs.to(torch.int64)).to(dtype)
    return product if acc is None else acc + product
