"""Memory: loads, stores and atomics on host tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .api import api


@api()
def load(
    tensor: torch.Tensor,
    index: Sequence[Any],
    extra_mask: torch.Tensor | None = None,
    eviction_policy: str | None = None,
) -> torch.Tensor:
    """`tensor[index]`; lanes where `extra_mask` is false hold zero."""
    raise NotImplementedError


@api()
def store(tensor: torch.Tensor, index: Sequence[Any], value: Any, extra_mask: torch.Tensor | None = None) -> None:
    """`tensor[index] = value`, only where `extra_mask` is true."""


@api()
def atomic_add(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Add atomically; the previous values. `sem`: relaxed, acquire, release or acq_rel."""
    raise NotImplementedError


@api()
def atomic_and(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Bitwise and, atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_or(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Bitwise or, atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_xor(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Bitwise exclusive or, atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_xchg(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Exchange atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_max(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Maximum, atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_min(target: torch.Tensor, index: Sequence[Any], value: Any, sem: str = "relaxed") -> torch.Tensor:
    """Minimum, atomically; the previous values."""
    raise NotImplementedError


@api()
def atomic_cas(
    target: torch.Tensor, index: Sequence[Any], expected: Any, value: Any, sem: str = "relaxed"
) -> torch.Tensor:
    """Write `value` where `expected` is found; the previous values."""
    raise NotImplementedError
