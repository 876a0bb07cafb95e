"""Bounds and steps that only the device knows; and tiles of one lane, whose values are scalars."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..support.executions import environment, poisoned_allocations

kernel = helion.kernel(autotune_effort="none", dot_precision="ieee")
BOTH = pytest.mark.parametrize("static_shapes", [True, False])

OFFSETS = torch.tensor([0, 3, 3, 10, 11, 23])


def run(k: Any, *args: Any, static_shapes: bool = True, **config: Any) -> Any:
    """The results of a kernel by both interpreters, which must agree."""
    k = helion.kernel(k.fn, static_shapes=static_shapes, dot_precision="ieee", autotune_effort="none")
    compiled = helion.compile(k, config or k.bind(args).config_spec.default_config(), args)
    compile(compiled.source, "<emitted>", "exec")
    results = []
    for level in ("tile", "tl"):
        with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
            results.append(compiled(*args))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)
    return results[1]


# Bounds


@kernel
def prefix(x: Tensor, n: Tensor) -> Tensor:
    out = torch.zeros_like(x[:, 0])
    for tile_m in hl.tile(x.size(0)):
        acc = hl.zeros([tile_m])
        for tile_n in hl.tile(n):
            acc += x[tile_m, tile_n].sum(1)
        out[tile_m] = acc
    return out


@kernel
def prefix_of_grid(x: Tensor, n: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_m in hl.tile(n):
        out[tile_m, :] = x[tile_m, :] + 1
    return out


@BOTH
def test_host_tensors_of_rank_0(static_shapes: bool) -> None:
    x = torch.randn(7, 11)
    for n in (0, 3, 7):
        for dtype in (torch.int64, torch.int32):
            end = torch.tensor(n, dtype=dtype)
            torch.testing.assert_close(run(prefix, x, end, static_shapes=static_shapes), x[:, :n].sum(1))
        want = torch.cat([x[:n] + 1, torch.zeros_like(x[n:])])
        torch.testing.assert_close(run(prefix_of_grid, x, torch.tensor(n), static_shapes=static_shapes), want)


@kernel
def grouped(a: Tensor, b: Tensor, offsets: Tensor) -> Tensor:
    """Rows of group `g` times matrix `g`."""
    groups, k, n = b.shape
    out = torch.empty([a.size(0), n], dtype=a.dtype, device=a.device)
    for g in hl.grid(groups):
        start, end = offsets[g], offsets[g + 1]
        if start < end:
            for tile_m, tile_n in hl.tile([start, 0], [end, n]):
                acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
                for tile_k in hl.tile(k):
                    acc = torch.addmm(acc, a[tile_m, tile_k], b[g, tile_k, tile_n])
                out[tile_m, tile_n] = acc.to(out.dtype)
    return out


@kernel
def grouped_persistent(a: Tensor, b: Tensor, offsets: Tensor) -> Tensor:
    """The same, by workers that take the tiles of each group in turns."""
    groups, k, n = b.shape
    out = torch.empty([a.size(0), n], dtype=a.dtype, device=a.device)
    block_m, block_n = hl.register_block_size(1, 64), hl.register_block_size(1, 64)
    workers = helion.runtime.get_num_sm(a.device)
    for worker in hl.grid(workers):
        for g in hl.grid(groups):
            start, end = offsets[g], offsets[g + 1]
            rows = helion.cdiv(end - start, block_m)
            for number in hl.grid(worker, rows * helion.cdiv(n, block_n), step=workers):
                row = start + (number % rows) * block_m + hl.arange(block_m)
                column = (number // rows) * block_n + hl.arange(block_n)
                acc = hl.zeros([block_m, block_n], dtype=torch.float32)
                for tile_k in hl.tile(k):
                    left = hl.load(a, [row, tile_k.index], extra_mask=(row < end)[:, None])
                    right = hl.load(b, [g, tile_k.index, column], extra_mask=(column < n)[None, :])
                    acc = torch.addmm(acc, left, right)
                mask = (row < end)[:, None] & (column < n)[None, :]
                hl.store(out, [row, column], acc.to(out.dtype), extra_mask=mask)
    return out


@BOTH
@pytest.mark.parametrize("k", [grouped, grouped_persistent])
def test_products_by_group(k: Any, static_shapes: bool) -> None:
    a, b = torch.randn(23, 19), torch.randn(5, 19, 9)
    want = torch.cat([rows @ w for rows, w in zip(a.split(OFFSETS.diff().tolist()), b, strict=True)])
    for blocks in ([4, 8, 8], [2, 16, 4]):
        got = run(k, a, b, OFFSETS.to(torch.int32), static_shapes=static_shapes, block_sizes=blocks)
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@kernel
def strided(x: Tensor, starts: Tensor, ends: Tensor, steps: Tensor, by: int) -> Tensor:
    out = torch.zeros([starts.size(0), 4], device=x.device)
    for g in hl.grid(starts.size(0)):
        for i in hl.grid(starts[g], ends[g], step=steps[g]):
            out[g, 0] = out[g, 0] + x[i]
        for i in hl.grid(starts[g], ends[g], step=by):
            out[g, 1] = out[g, 1] + x[i]
        for i in range(ends[g] - 1, starts[g] - 1, -steps[g]):
            out[g, 2] = out[g, 2] * 2 + x[i]
        for i in range(ends[g] - 1, starts[g] - 1, -1):
            out[g, 3] = out[g, 3] * 2 + x[i]
    return out


@BOTH
def test_steps(static_shapes: bool) -> None:
    x, steps = torch.randn(23), torch.tensor([1, 2, 3, 1, 5])
    want = torch.zeros(5, 4)
    for g, (a, b, s) in enumerate(zip(OFFSETS.tolist(), OFFSETS.tolist()[1:], steps.tolist(), strict=False)):
        want[g, 0], want[g, 1] = x[a:b:s].sum(), x[a:b:4].sum()
        for column, step in ((2, s), (3, 1)):
            for i in range(b - 1, a - 1, -step):
                want[g, column] = want[g, column] * 2 + x[i]
    args = (x, OFFSETS[:-1].contiguous(), OFFSETS[1:].contiguous(), steps, 4)
    torch.testing.assert_close(run(strided, *args, static_shapes=static_shapes), want)


def test_a_step_over_a_grid_of_programs() -> None:
    @kernel
    def every(x: Tensor, by: int) -> Tensor:
        out = torch.zeros_like(x)
        for i in hl.grid(1, x.size(0), step=by):
            out[i] = x[i] * 2
        return out

    x = torch.randn(10)
    for by in (1, 3, 20):
        want = torch.zeros_like(x)
        want[1::by] = x[1::by] * 2
        torch.testing.assert_close(run(every, x, by), want)


@pytest.mark.parametrize("step", [0, -1, True, 0.5])
def test_wrong_steps(step: Any) -> None:
    @kernel
    def bad(x: Tensor) -> Tensor:
        for i in hl.grid(0, x.size(0), step=step):
            x[i] = 0
        return x

    with pytest.raises(exc.InvalidTileRange):
        bad.bind((torch.randn(4),))


# While


@kernel
def walks(x: Tensor, offsets: Tensor, next_: Tensor) -> tuple[Tensor, Tensor]:
    out, chased = torch.zeros([offsets.size(0) - 1]), torch.zeros([offsets.size(0) - 1])
    for g in hl.grid(offsets.size(0) - 1):
        i, total = offsets[g], 0.0
        while i < offsets[g + 1]:
            total = total + x[i]
            i = i + 1
        out[g] = total
        i = g * 1
        while next_[i] >= 0:
            chased[g] = chased[g] + x[i]
            i = next_[i]
    return out, chased


def test_while_on_loaded_scalars() -> None:
    x, next_ = torch.randn(23), torch.tensor([2, -1, 3, -1, 1])
    sums, chased = run(walks, x, OFFSETS, next_)
    torch.testing.assert_close(sums, torch.stack([part.sum() for part in x.split(OFFSETS.diff().tolist())]))
    torch.testing.assert_close(chased, torch.stack([x[0] + x[2], x[1] * 0, x[2], x[3] * 0, x[4]]))


# Tiles of one lane


@kernel
def one_lane(x: Tensor, lengths: Tensor, order: Tensor, w: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0), block_size=1):
        n = lengths[tile_b]
        row = order[tile_b]
        scale = hl.zeros([tile_b]) + 1
        while scale.sum() < n and n > 2:
            scale = scale * 2
        if n > 3:
            for tile_k in hl.tile(n):
                out[tile_b, tile_k] = x[row, tile_k] * scale + w[tile_k]
        elif lengths[tile_b] == 1:
            out[tile_b, n] = x[tile_b.begin, n].view(1, 1)
        else:
            for tile_m in hl.tile(x.size(1)):
                values = x[tile_b, tile_m] + w[tile_m][None, :]
                out[tile_b, tile_m] = values.squeeze(0) * hl.zeros([tile_m]) - n
    return out


@BOTH
def test_a_lane_alone_is_a_scalar(static_shapes: bool) -> None:
    lengths, order, w = OFFSETS.diff(), torch.tensor([4, 2, 0, 1, 3]), torch.randn(14)
    x, want = torch.randn(5, 14), torch.zeros(5, 14)
    for b, n in enumerate(lengths.tolist()):
        scale = 1
        while scale < n and n > 2:
            scale *= 2
        if n > 3:
            want[b, :n] = x[order[b], :n] * scale + w[:n]
        elif n == 1:
            want[b, n] = x[b, n]
        else:
            want[b] = -n
    torch.testing.assert_close(run(one_lane, x, lengths, order, w, static_shapes=static_shapes), want)


@kernel
def broadcasts(x: Tensor, y: Tensor) -> Tensor:
    """A block of 1 beside tiles of other blocks: as a size of 1."""
    out = torch.empty([x.size(0), y.size(0), x.size(1)], dtype=x.dtype, device=x.device)
    for tile_b, tile_k in hl.tile([x.size(0), x.size(1)], block_size=[1, None]):
        for tile_c in hl.tile(y.size(0)):
            pairs = x[tile_b, tile_k] + y[tile_c, tile_k]
            lanes = torch.where(y[tile_c, 0] > 0, x[tile_b, 0], -x[tile_b, 0])
            out[tile_b, tile_c, tile_k] = (pairs + lanes[:, None]).unsqueeze(0) * x[tile_b, 0].expand(1, 1, 1)
    return out


def test_a_block_of_one_broadcasts() -> None:
    x, y = torch.randn(3, 9), torch.randn(6, 9)
    lanes = torch.where(y[:, 0] > 0, x[:, :1], -x[:, :1])
    want = (x[:, None] + y + lanes[:, :, None]) * x[:, :1, None]
    torch.testing.assert_close(run(broadcasts, x, y, block_sizes=[4, 2]), want)


def test_compiles() -> None:
    a, b = torch.randn(23, 19), torch.randn(5, 19, 9)
    assert helion.compile(grouped_persistent, {"block_sizes": [16, 16, 16]}, (a, b, OFFSETS)).binary("sm_90")
    args = (torch.randn(5, 14), OFFSETS.diff(), torch.arange(5), torch.randn(14))
    assert helion.compile(one_lane, {"block_sizes": [8, 8]}, args).binary("sm_90")
