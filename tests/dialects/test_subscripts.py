"""Subscripts: one model for types, lowering, rolling and interpreter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from helion_ir.dialects.tile import RefType, Subscript, TileType, tensor_type
from torch.testing import assert_close
from xdsl.dialects.builtin import TensorType, i32
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.test_value import create_ssa_value

import helion_ir as helion
import helion_ir.language as hl

kernel = helion.kernel(autotune_effort="none")


def run(k, config, *args):
    """The results of a kernel under a config; the emitted module is Python."""
    compiled = helion.compile(k, config, args)
    compile(compiled.source, "<emitted>", "exec")
    return compiled(*args)


def test_spans_of_indices():
    tile, scalar = create_ssa_value(TileType("b0")), create_ssa_value(i32)
    vector, matrix = create_ssa_value(TensorType(i32, [4])), create_ssa_value(tensor_type(i32, 4, "b1"))
    one = Subscript.of([tile, scalar, tile])
    assert (one.spans, one.dims, one.walked) == (((0,), (), (1,)), ("b0", "b0"), (0, 2))
    outer = Subscript.of([vector, tile, vector])
    assert (outer.spans, outer.walked, outer.tile_operands) == (((0,), (1,), (2,)), (None, 1, None), (4, 2, 5))
    joint = Subscript.of([tile, matrix, scalar, matrix])
    assert (joint.spans, joint.dims) == (((0,), (1, 2), (), (1, 2)), ("b0", 4, "b1"))
    assert joint.tile_operands == (1, 5, 6)


@kernel
def blocks(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros([x.size(1)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, t].sum(-1)
    return out


@kernel
def blocks_in_planes(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros([x.size(1), x.size(0)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(1)):
        for p in hl.grid(x.size(0)):
            out[t, p] = x[p, t, t].sum(-1)
    return out


@kernel
def shifted_blocks(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros([x.size(0)], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t, t + 3].sum(-1)
    return out


def diagonal_blocks(x: torch.Tensor, size: int, shift: int = 0) -> torch.Tensor:
    n = x.size(0)
    parts = [x[s : min(s + size, n), s + shift : min(s + size, n) + shift].sum(-1) for s in range(0, n, size)]
    return torch.cat(parts)


@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
@pytest.mark.parametrize("size", [1, 16, 64])
@pytest.mark.parametrize("shape", [(100, 256), (40, 36), (33, 33)])
def test_one_tile_in_two_dimensions(shape: tuple[int, int], size: int, indexing: str):
    """Each dimension has its own size, whichever is smaller; where the ref ends first, lanes read zeros."""
    x = torch.randn(shape)
    rows, columns = shape
    wide = torch.nn.functional.pad(x, (0, max(0, rows - columns)))
    want = torch.zeros(columns)
    sums = diagonal_blocks(wide, size)
    want[: min(rows, columns)] = sums[: min(rows, columns)]
    assert_close(run(blocks, {"block_sizes": [size], "indexing": indexing}, x), want)


@pytest.mark.parametrize("size", [1, 8, 16])
def test_one_tile_in_two_dimensions_of_three(size: int):
    x = torch.randn(3, 12, 20)
    want = torch.stack([diagonal_blocks(plane, size) for plane in x], 1)
    assert_close(run(blocks_in_planes, {"block_sizes": [size]}, x), want)


@pytest.mark.parametrize("size", [4, 16])
def test_one_tile_and_its_shift_in_two_dimensions(size: int):
    x = torch.randn(10, 16)
    assert_close(run(shifted_blocks, {"block_sizes": [size]}, x), diagonal_blocks(x, size, 3))


def _store_positions(x: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    out = torch.zeros([x.size(1)], dtype=torch.int64, device=x.device)
    for t in hl.tile(where.size(0)):
        at = where[t]
        out[at] = at
    return out


def test_a_value_that_is_also_the_index():
    where = torch.tensor([3, 0, 5, 9, 7])
    want = torch.zeros(12, dtype=torch.int64)
    want[where] = where
    stored: Callable[..., torch.Tensor] = kernel(_store_positions)
    assert_close(run(stored, {"block_sizes": [4]}, torch.empty(1, 12), where), want)


def test_offsets_have_32_or_64_bits():
    assert RefType([4], [1], i32, offsets=64).is_wide
    with pytest.raises(VerifyException, match="got 16"):
        RefType([4], [1], i32, offsets=16)


@kernel
def before(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    out, far, near = torch.empty_like(x), torch.zeros_like(x), torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + x[t.begin - 1 : t.begin + 3].sum()
        near[t] = x[(t - 5) + 3]
    for t in hl.tile(-3, x.size(0)):
        far[t] = x[t] * 2
    return out, far, near


@pytest.mark.parametrize("size", [4, 1])
def test_positions_before_the_ref_are_not_touched(size: int):
    """A slice, a shift of a shift, and a loop that begin below 0."""
    x = torch.randn(8)
    padded = torch.nn.functional.pad(x, (1, 4))
    sums = torch.cat([padded[s : s + 4].sum().expand(size) for s in range(0, 8, size)])
    want = x + sums, x * 2, torch.cat([torch.zeros(2), x[:-2]])
    assert_close(run(before, {"block_sizes": [size, size]}, x), want)
