"""A tile over a dimension of size 1 reads its one element in every lane; a write through one is refused."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

kernel = helion.kernel(autotune_effort="none")


def run(k, config, *args):
    compiled = helion.compile(k, config, args)
    compile(compiled.source, "<emitted>", "exec")
    return compiled(*args)


@kernel
def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for a, b in hl.tile(x.size()):
        out[a, b] = x[a, b] + y[a, b]
    return out


@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
@pytest.mark.parametrize("shape", [(1, 40), (20, 1), (1, 1)])
def test_broadcasts(shape: tuple[int, int], indexing: str):
    x, y = torch.randn(20, 40), torch.randn(shape)
    for sizes in ([16, 16], [1, 64], [8, 1]):
        assert_close(run(add, {"block_sizes": sizes, "indexing": indexing}, x, y), x + y)


_dynamic = helion.kernel(add.fn, static_shapes=False, autotune_effort="none")


def test_broadcasts_where_sizes_are_dynamic():
    """One kernel for all calls; whether a size is 1 is asked where the loop does not say it."""
    for rows, columns in [(20, 33), (1, 33), (20, 1), (1, 1), (0, 3)]:
        for shape in {(rows, columns), (1, columns), (rows, 1), (1, 1)}:
            x, y = torch.randn(rows, columns), torch.randn(shape)
            assert_close(_dynamic(x, y), x + y)


def test_one_bound_kernel_is_right_for_sizes_that_are_all_1():
    """Sizes of 0 and 1 are no specialization of their own where nothing broadcasts."""
    bound = _dynamic.bind((torch.randn(4, 5), torch.randn(4, 5)))
    for shape in [(1, 7), (6, 1), (1, 1), (0, 3), (3, 0), (9, 9)]:
        x, y = torch.randn(shape), torch.randn(shape)
        assert_close(bound(x, y), x + y)
        assert _dynamic.bind((x, y)) is bound
    with pytest.raises(exc.InvalidAPIUsage):
        bound(torch.randn(6, 7), torch.randn(1, 7))


@kernel
def reductions(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sums = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    tops = torch.empty_like(sums)
    for a in hl.tile(x.size(0)):
        total = hl.zeros([a], dtype=x.dtype)
        top = hl.full([a], float("-inf"), dtype=x.dtype)
        for b in hl.tile(x.size(1)):
            total = total + y[a, b].sum(-1)
            top = torch.maximum(top, (x[a, b] - y[a, b]).amax(-1))
        sums[a], tops[a] = total, top
    return sums, tops


@pytest.mark.parametrize("shape", [(1, 37), (9, 1), (1, 1)])
def test_repeated_lanes_are_reduced_as_often_as_the_tile_has_them(shape: tuple[int, int]):
    x, y = torch.randn(9, 37), torch.randn(shape)
    want = y.expand(9, 37).sum(-1), (x - y).amax(-1)
    assert_close(run(reductions, {"block_sizes": [4, 16]}, x, y), want, atol=1e-4, rtol=1e-4)


@kernel
def rolled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for a in hl.tile(x.size(0)):
        row = x[a, :] * y[a, :]
        out[a, :] = row - row.amax(-1, keepdim=True)
    return out


@pytest.mark.parametrize("shape", [(1, 200), (6, 1), (1, 1)])
def test_rolled_reductions(shape: tuple[int, int]):
    x, y = torch.randn(6, 200), torch.randn(shape)
    want = x * y - (x * y).amax(-1, keepdim=True)
    for chunk in (None, 64):
        assert_close(run(rolled, {"block_sizes": [4], "reduction_loops": [chunk]}, x, y), want)


@kernel
def spellings(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for a, b in hl.tile(x.size()):
        rows = a.index
        masked = hl.load(y, [a, b], extra_mask=(rows % 2 == 0)[:, None])
        out[a, b] = y[a, b] + 10 * y[a + 1, b] + 100 * masked + 1000 * y[a, None, b][:, 0, :]
    return out


@pytest.mark.parametrize("shape", [(1, 21), (10, 21), (1, 1)])
def test_shifts_masks_and_new_axes(shape: tuple[int, int]):
    x, y = torch.zeros(10, 21), torch.randn(shape)
    full = y.expand(10, 21)
    below = full if shape[0] == 1 else torch.cat([full[1:], torch.zeros(1, 21)])
    even = (torch.arange(10) % 2 == 0)[:, None]
    want = full + 10 * below + 100 * torch.where(even, full, 0) + 1000 * full
    assert_close(run(spellings, {"block_sizes": [4, 8]}, x, y), want)


@kernel
def beside_gathers(table: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    out = torch.empty([where.size(0), 12], dtype=table.dtype, device=table.device)
    for a, b in hl.tile([where.size(0), 12]):
        out[a, b] = table[where[a], b]
    return out


def test_beside_an_index_tensor():
    table, where = torch.randn(7, 1), torch.tensor([3, 0, 6, 6, 1])
    assert_close(run(beside_gathers, {"block_sizes": [4, 8]}, table, where), table[where].expand(5, 12))


@kernel
def halo(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + 10 * x[t + 1] + x[t.begin : t.begin + 3].sum()
    return out


def test_where_the_loop_has_one_position_nothing_changes():
    x = torch.randn(1)
    assert_close(run(halo, {"block_sizes": [4]}, x), 2 * x)


@kernel
def write(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for a, b in hl.tile(x.size()):
        out[a, b] = x[a, b]
    return out


@kernel
def count(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for a, b in hl.tile(x.size()):
        hl.atomic_add(out, [a, b], x[a, b])
    return out


@pytest.mark.parametrize("k", [write, count])
@pytest.mark.parametrize("static", [True, False])
def test_writes_are_refused_unless_the_loop_has_one_position(k, static: bool):
    k = helion.kernel(k.fn, static_shapes=static, autotune_effort="none")
    for _ in range(2):
        with pytest.raises(exc.ShapeMismatch, match=r"dimension 0, which has size 1[\s\S]*test_size_one.py"):
            k(torch.randn(5, 6), torch.zeros(1, 6))
        x = torch.randn(1, 6)
        assert_close(k(x, torch.zeros(1, 6)), x)
        x = torch.randn(5, 6)
        assert_close(k(x, torch.zeros(5, 6)), x)
