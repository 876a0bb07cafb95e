"""Functions that kernels of the tests call, in a file of their own."""

from __future__ import annotations

from typing import Any

import torch

import helion_ir.language as hl


def signed(value: torch.Tensor, k: int) -> torch.Tensor:
    if k > 2:
        shifted = value + k
        return shifted * 2
    return value - k


def total_of(x: torch.Tensor, tile: Any, start: float = 0.0) -> torch.Tensor:
    total = hl.full([tile], start, dtype=torch.float32)
    for part in hl.tile(x.size(1)):
        total += x[tile, part].sum(1)
    return total


def never_ends(value: torch.Tensor, k: int) -> torch.Tensor:
    return value if k < 0 else never_ends(value, k - 1)


def other_kinds(value: torch.Tensor, k: int) -> Any:
    if k > 2:
        return value
    return None


def wrong_shape(value: torch.Tensor) -> torch.Tensor:
    if value.dim() == 1:
        return value.view(3, -1)
    return value
