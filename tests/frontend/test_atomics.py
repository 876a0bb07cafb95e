"""Atomics: dtypes that GPUs have none for are refused at their line; compare-and-swap through partial tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

KINDS: dict[str, Callable[..., Any]] = {
    name: getattr(hl, f"atomic_{name}") for name in ("add", "max", "min", "xchg", "and", "or", "xor")
}


@helion_ir.kernel(autotune_effort="none")
def atomically(x: torch.Tensor, of: Callable[..., Any]) -> torch.Tensor:
    out = torch.zeros_like(x)
    for t in hl.tile(x.size(0)):
        of(out, [t], x[t])
    return out


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("add", torch.int8), ("add", torch.bool), ("max", torch.float16), ("min", torch.bfloat16), ("max", torch.int16),
        ("and", torch.float32), ("xor", torch.float64), ("xchg", torch.uint8),
    ],
)  # fmt: skip
def test_dtypes_without_atomics(kind: str, dtype: torch.dtype) -> None:
    with pytest.raises(exc.InvalidAPIUsage, match=f"no atomic_{kind} of") as caught:
        atomically(torch.arange(3).to(dtype), KINDS[kind])
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


@pytest.mark.parametrize(
    ("kind", "dtype"), [("add", torch.bfloat16), ("max", torch.float32), ("or", torch.int64), ("min", torch.uint32)]
)
def test_dtypes_with_atomics(kind: str, dtype: torch.dtype) -> None:
    helion_ir.compile(atomically, {"block_sizes": [4]}, (torch.arange(3).to(dtype), KINDS[kind])).binary("sm_90")


@helion_ir.kernel(autotune_effort="none")
def claimed(slots: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    old, previous = torch.empty_like(slots), torch.empty_like(grid)
    for t in hl.tile(slots.size(0)):
        old[t] = hl.atomic_cas(slots, [t], 0, 7)
        previous[t, :] = hl.atomic_cas(grid, [t, slice(None)], 1, t.index[:, None] + 2)
    return old, previous


@pytest.mark.parametrize("block", [1, 4, 16])
def test_compare_and_swap_through_partial_tiles(block: int) -> None:
    slots = torch.tensor([0, 1, 0, 7, 0, 2, 0], dtype=torch.int32)
    grid = torch.tensor([[1, 0, 1]] * 7, dtype=torch.int32)
    want = torch.where(slots == 0, 7, slots)
    want_grid = torch.where(grid == 1, torch.arange(7, dtype=torch.int32)[:, None] + 2, grid)
    compiled = helion_ir.compile(claimed, {"block_sizes": [block]}, (slots, grid))
    old, previous = compiled(now := slots.clone(), grid_now := grid.clone())
    torch.testing.assert_close((old, previous, now, grid_now), (slots, grid, want, want_grid))
    compiled.binary("sm_90")
