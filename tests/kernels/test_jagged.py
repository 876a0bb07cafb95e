"""Jagged tiles: lanes of one tile end elsewhere in each lane of another; what is past an end does not exist.

Memory past a lane's end belongs to the next lane, so whoever reads too far gets a wrong number.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..support.executions import environment, poisoned_allocations

kernel = helion.kernel(autotune_effort="none", dot_precision="ieee")
dynamic = helion.kernel(autotune_effort="none", static_shapes=False)

LENGTHS = (3, 0, 7, 1, 12)
BLOCKS = ([2, 4, 4], [8, 16, 2], [1, 1, 8])


def run(k: Any, blocks: list[int], *args: Any) -> Any:
    """The results of a kernel by both interpreters, which must agree."""
    compiled = helion.compile(k, {"block_sizes": blocks}, args)
    compile(compiled.source, "<emitted>", "exec")
    results = []
    for level in ("tile", "tl"):
        with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
            results.append(compiled(*args))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5, equal_nan=True)
    return results[1]


def offsets(dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor([0, *LENGTHS]).cumsum(0).to(dtype)


def rows(m: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Rows of all lanes, one lane's after the other's."""
    return torch.randn(sum(LENGTHS), m, generator=torch.Generator().manual_seed(0)).to(dtype)


def parts(x: Tensor) -> list[Tensor]:
    return list(x.split(LENGTHS))


@kernel
def jagged_sum(x: Tensor, offsets: Tensor) -> Tensor:
    m, n = x.shape[1], offsets.size(0) - 1
    out = torch.empty([n, m], dtype=x.dtype, device=x.device)
    flat = x.view(-1)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        for tile_m in hl.tile(m):
            acc = hl.zeros([tile_b, tile_m], dtype=torch.float32)
            for tile_k in hl.jagged_tile(lengths):
                row = starts[:, None] + tile_k.index[None, :]
                acc = acc + flat[row[:, :, None] * m + tile_m.index].sum(1)
            out[tile_b, tile_m] = acc
    return out


@kernel
def jagged_sum_by_hand(x: Tensor, offsets: Tensor) -> Tensor:
    """Without `jagged_tile`: the loop goes to the largest length, loads have a mask."""
    m, n = x.shape[1], offsets.size(0) - 1
    out = torch.empty([n, m], dtype=x.dtype, device=x.device)
    flat = x.view(-1)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        for tile_m in hl.tile(m):
            acc = hl.zeros([tile_b, tile_m], dtype=torch.float32)
            for tile_k in hl.tile(0, lengths.amax()):
                row = starts[:, None] + tile_k.index[None, :]
                exists = tile_k.index[None, :] < lengths[:, None]
                mask = exists[:, :, None] & (tile_m.index < m)[None, None, :]
                acc = acc + hl.load(flat, [row[:, :, None] * m + tile_m.index], extra_mask=mask).sum(1)
            out[tile_b, tile_m] = acc
    return out


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("k", [jagged_sum, jagged_sum_by_hand])
def test_sum(k: Any, blocks: list[int]) -> None:
    for dtype, index in ((torch.float32, torch.int64), (torch.float16, torch.int32)):
        x = rows(13, dtype)
        want = torch.stack([part.double().sum(0) for part in parts(x)]).to(dtype)
        torch.testing.assert_close(run(k, blocks, x, offsets(index)), want, atol=2e-3, rtol=2e-3)


@kernel
def jagged_mean(x: Tensor, offsets: Tensor, features: Tensor) -> Tensor:
    """Means over the rows and the first `features` columns of each lane."""
    n, m = offsets.size(0) - 1, x.size(1)
    out = torch.zeros([n], device=x.device)
    flat = x.view(-1)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        columns = features[tile_b]
        total = hl.zeros([tile_b])
        for tile_k in hl.jagged_tile(lengths):
            for tile_m in hl.jagged_tile(columns):
                row = starts[:, None] + tile_k.index[None, :]
                values = flat[row[:, :, None] * m + tile_m.index[None, None, :]]
                total += values.sum([1, 2])
        out[tile_b] = total / (lengths * columns)
    return out


@pytest.mark.parametrize("blocks", BLOCKS)
def test_mean_over_two_jagged_axes(blocks: list[int]) -> None:
    x, features = rows(9), torch.tensor([4, 9, 1, 9, 5])
    want = [part[:, :n].mean() for part, n in zip(parts(x), features, strict=True)]
    torch.testing.assert_close(run(jagged_mean, blocks, x, offsets(), features), torch.stack(want), equal_nan=True)


@kernel
def jagged_softmax(x: Tensor, offsets: Tensor) -> Tensor:
    """Over the rows of each lane, for each column, in one pass for the statistics and one for the result."""
    m, n = x.shape[1], offsets.size(0) - 1
    out = torch.empty([x.numel()], dtype=x.dtype, device=x.device)
    flat = x.view(-1)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        for tile_m in hl.tile(m):
            top = hl.full([tile_b, tile_m], float("-inf"))
            total = hl.zeros([tile_b, tile_m])
            for tile_k in hl.jagged_tile(lengths):
                row = starts[:, None] + tile_k.index[None, :]
                values = flat[row[:, :, None] * m + tile_m.index]
                new = torch.maximum(top, values.amax(1))
                scale = torch.where(top == new, 1.0, torch.exp(top - new))
                total = total * scale + torch.exp(values - new[:, None, :]).sum(1)
                top = new
            for tile_k in hl.jagged_tile(lengths):
                row = starts[:, None] + tile_k.index[None, :]
                at = row[:, :, None] * m + tile_m.index
                out[at] = torch.exp(flat[at] - top[:, None, :]) / total[:, None, :]
    return out.view(x.shape)


@pytest.mark.parametrize("blocks", [[2, 4, 4, 2], [8, 16, 2, 16], [1, 1, 8, 4]])
def test_softmax(blocks: list[int]) -> None:
    x = rows(5)
    want = torch.cat([part.double().softmax(0) for part in parts(x)]).float()
    torch.testing.assert_close(run(jagged_softmax, blocks, x, offsets()), want)


@kernel
def jagged_layer_norm(x: Tensor, offsets: Tensor, eps: float = 1e-6) -> Tensor:
    """Each lane's rows and columns together are normalized."""
    m, n = x.shape[1], offsets.size(0) - 1
    out = torch.empty([x.numel()], dtype=x.dtype, device=x.device)
    flat = x.view(-1)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        total = hl.zeros([tile_b])
        for tile_k in hl.jagged_tile(lengths):
            row = starts[:, None] + tile_k.index[None, :]
            total += flat[row[:, :, None] * m + hl.arange(m)].sum([1, 2])
        mean = total / (lengths * m)
        squares = hl.zeros([tile_b])
        for tile_k in hl.jagged_tile(lengths):
            row = starts[:, None] + tile_k.index[None, :]
            distance = flat[row[:, :, None] * m + hl.arange(m)] - mean[:, None, None]
            squares += (distance * distance).sum([1, 2])
        scale = torch.rsqrt(squares / (lengths * m) + eps)
        for tile_k in hl.jagged_tile(lengths):
            row = starts[:, None] + tile_k.index[None, :]
            at = row[:, :, None] * m + hl.arange(m)
            out[at] = (flat[at] - mean[:, None, None]) * scale[:, None, None]
    return out.view(x.shape)


def test_layer_norm() -> None:
    x = rows(6) + 3
    want = [F.layer_norm(part, part.shape, eps=1e-6) for part in parts(x) if part.numel()]
    torch.testing.assert_close(run(jagged_layer_norm, [4, 2, 8, 4], x, offsets()), torch.cat(want))


@kernel
def jagged_dense_add(x: Tensor, offsets: Tensor, y: Tensor) -> Tensor:
    n = y.size(0)
    out = y.clone()
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        for tile_k in hl.jagged_tile(offsets[tile_b.index + 1] - starts):
            out[tile_b, tile_k] = x[starts[:, None] + tile_k.index[None, :]] + y[tile_b, tile_k]
    return out


def test_dense_add() -> None:
    x, y = rows(1)[:, 0].contiguous(), torch.randn(len(LENGTHS), 15)
    want = y.clone()
    for lane, part in enumerate(parts(x)):
        want[lane, : len(part)] += part
    for blocks in ([2, 4], [8, 16], [1, 2]):
        torch.testing.assert_close(run(jagged_dense_add, blocks, x, offsets(), y), want)


@kernel
def jagged_dense_bmm(x: Tensor, offsets: Tensor, dense: Tensor, bias: Tensor) -> Tensor:
    """`x[lane] @ dense[lane] + bias[lane]` for the rows of each lane."""
    n, d, k = dense.shape
    out = torch.empty([x.size(0), k], dtype=x.dtype, device=x.device)
    for tile_b in hl.tile(n):
        starts = offsets[tile_b]
        lengths = offsets[tile_b.index + 1] - starts
        for tile_l in hl.jagged_tile(lengths):
            row = starts[:, None] + tile_l.index[None, :]
            for tile_k in hl.tile(k):
                acc = hl.zeros([tile_b, tile_l, tile_k])
                for tile_d in hl.tile(d):
                    left = x.view(-1)[row[:, :, None] * d + tile_d.index]
                    acc = acc + torch.matmul(left, dense[tile_b, tile_d, tile_k])
                acc = acc + bias[tile_b, tile_k].unsqueeze(1)
                out.view(-1)[row[:, :, None] * k + tile_k.index] = acc
    return out


def test_dense_bmm() -> None:
    x, dense, bias = rows(6), torch.randn(5, 6, 9), torch.randn(5, 9)
    want = torch.cat([part @ w + b for part, w, b in zip(parts(x), dense, bias, strict=True)])
    torch.testing.assert_close(
        run(jagged_dense_bmm, [2, 4, 8, 4], x, offsets(), dense, bias), want, rtol=1e-4, atol=1e-4
    )


@kernel
def hstu_attention(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, largest: int) -> Tensor:
    """Causal attention with `silu(q @ k.T / largest)` as weights, sequence by sequence."""
    _, heads, d = q.shape
    heads, d = hl.specialize((heads, d))
    out = torch.empty_like(v)
    for tile_b, tile_h, tile_q in hl.tile([offsets.size(0) - 1, heads, largest], block_size=[1, 1, None]):
        start, end = offsets[tile_b.begin], offsets[tile_b.begin + 1]
        length = end - start
        if tile_q.begin < length:
            rows = tile_q.index + start
            exists = tile_q.index < length
            queries = hl.load(q, [rows, tile_h.begin, hl.arange(d)], extra_mask=exists[:, None])
            acc = hl.zeros([tile_q, d])
            for tile_k in hl.tile(0, tile_q.end):
                columns, inside = tile_k.index + start, tile_k.index < length
                keys = hl.load(k, [columns, tile_h.begin, hl.arange(d)], extra_mask=inside[:, None])
                values = hl.load(v, [columns, tile_h.begin, hl.arange(d)], extra_mask=inside[:, None])
                scores = F.silu(torch.matmul(queries, keys.T)) / largest
                causal = tile_q.index[:, None] >= tile_k.index[None, :]
                weights = torch.where(causal & exists[:, None] & inside[None, :], scores, 0.0)
                acc += torch.matmul(weights.to(values.dtype), values)
            hl.store(out, [rows, tile_h.begin, hl.arange(d)], acc.to(out.dtype), extra_mask=exists[:, None])
    return out


def test_hstu_attention() -> None:
    q, k, v = (torch.randn(sum(LENGTHS), 2, 16) for _ in range(3))
    want = []
    for a, b, c in zip(parts(q), parts(k), parts(v), strict=True):
        scores = F.silu(torch.einsum("qhd,khd->hqk", a, b)) / 12
        want.append(torch.einsum("hqk,khd->qhd", scores.tril(), c))
    got = run(hstu_attention, [4, 8], q, k, v, offsets(), 12)
    torch.testing.assert_close(got, torch.cat(want), rtol=1e-4, atol=1e-4)


@dynamic
def statistics(x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """What reductions, scans and positions make of rows of which the first `lengths` elements count."""
    n = x.size(0)
    top, where = torch.full_like(x[:, 0], -9.0), torch.zeros([n], dtype=torch.int64, device=x.device)
    spread, scanned, columns = torch.zeros_like(x[:, 0]), torch.zeros_like(x), torch.zeros_like(x[0])
    for tile_b in hl.tile(n):
        for tile_k in hl.jagged_tile(lengths[tile_b]):
            values = x[tile_b, tile_k]
            top[tile_b] = torch.maximum(top[tile_b], values.amax(-1))
            where[tile_b] = where[tile_b] + values.argmin(1)
            spread[tile_b] = values.var(1, correction=0)
            scanned[tile_b, tile_k] = hl.cumsum(values, 1, reverse=True) + hl.cumsum(values, 0)
            hl.atomic_add(columns, [tile_k], values.sum(0))
    return top, where, spread, scanned, columns


def test_reductions_scans_and_atomics() -> None:
    """A loop of one iteration, in one program: all lanes at once."""
    bound = None
    for n, m in ((3, 9), (5, 14), (1, 2), (2, 5)):
        x, lengths = torch.randn(n, m), torch.tensor([m, 1, 2, 3, m - 1][:n])
        args = (x, lengths)
        bound = bound or statistics.bind(args)
        assert statistics.bind(args) is bound
        top, where, spread, scanned, columns = run(statistics, [8, 16], *args)
        mask = torch.arange(m) < lengths[:, None]
        rows = [row[:length] for row, length in zip(x, lengths.tolist(), strict=True)]
        torch.testing.assert_close(top, torch.stack([row.amax() for row in rows]))
        torch.testing.assert_close(where, torch.stack([row.argmin() for row in rows]))
        torch.testing.assert_close(spread, torch.stack([row.var(correction=0) for row in rows]))
        kept = torch.where(mask, x, 0.0)
        reverse = kept.flip(1).cumsum(1).flip(1) + kept.cumsum(0)
        torch.testing.assert_close(scanned, torch.where(mask, reverse, 0.0))
        torch.testing.assert_close(columns, kept.sum(0))


@kernel
def shifted(x: Tensor, lengths: Tensor, w: Tensor) -> Tensor:
    """`sum(exp(x[row, k + 1]) * w[k])` over the lengths: by a shifted tile, with weights that all rows share."""
    out = torch.empty([x.size(0)], device=x.device)
    for tile_b in hl.tile(x.size(0)):
        acc = hl.zeros([tile_b])
        for tile_k in hl.jagged_tile(lengths[tile_b]):
            acc += (x[tile_b, tile_k + 1].exp() * w[tile_k] + hl.full([tile_b, tile_k], 1.0)).sum(1)
        out[tile_b] = acc
    return out


@pytest.mark.parametrize("blocks", [[2, 4], [8, 16], [1, 2]])
def test_shifted_tiles_and_values_without_a_load(blocks: list[int]) -> None:
    x, w, lengths = torch.randn(5, 14), torch.randn(13), torch.tensor(LENGTHS)
    want = torch.stack([(x[i, 1 : n + 1].exp() * w[:n] + 1).sum() for i, n in enumerate(LENGTHS)])
    torch.testing.assert_close(run(shifted, blocks, x, lengths, w), want)


@kernel
def products(x: Tensor, y: Tensor, lengths: Tensor) -> Tensor:
    """`x[b, :, :n] @ y[b, :n, :]`; what is past n is infinite."""
    b, m, _ = x.shape
    out = torch.empty([b, m, y.size(2)], device=x.device)
    for tile_b in hl.tile(b):
        acc = hl.zeros([tile_b, m, y.size(2)])
        for tile_k in hl.jagged_tile(lengths[tile_b]):
            acc = torch.baddbmm(acc, x[tile_b, :, tile_k] + 1, y[tile_b, tile_k, :])
        out[tile_b, :, :] = acc
    return out


def test_products_contract_what_exists() -> None:
    lengths = torch.tensor([3, 0, 7])
    past = torch.arange(9) >= lengths[:, None]
    x = torch.randn(3, 4, 9).masked_fill(past[:, None, :], float("inf"))
    y = torch.randn(3, 9, 5).masked_fill(past[:, :, None], float("inf"))
    want = torch.stack([(a[:, :n] + 1) @ c[:n] for a, c, n in zip(x, y, lengths.tolist(), strict=True)])
    torch.testing.assert_close(run(products, [2, 4], x, y, lengths), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [jagged_sum, jagged_softmax, jagged_layer_norm], ids=lambda k: k.fn.__name__)
def test_the_eager_reference_agrees(k: Any) -> None:
    x = rows(5)
    eager = helion.kernel(k.fn, ref_mode=helion.RefMode.EAGER)
    torch.testing.assert_close(eager(x, offsets()), k(x, offsets()))


def test_compiles() -> None:
    args = (rows(13), offsets())
    for k in (jagged_sum, jagged_softmax):
        assert helion.compile(k, {"block_sizes": [4, 16, 16, 16][: 3 + (k is jagged_softmax)]}, args).binary("sm_90")


@kernel
def top_level(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_k in hl.jagged_tile(lengths):
        out[0, tile_k] = x[0, tile_k]
    return out


@kernel
def of_a_scalar(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(lengths[tile_b.begin]):
            out[tile_b, tile_k] = x[tile_b, tile_k]
    return out


@kernel
def of_a_number(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(7):
            out[tile_b, tile_k] = x[tile_b, tile_k]
    return out


@kernel
def of_floats(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(floats[tile_b]):
            out[tile_b, tile_k] = x[tile_b, tile_k]
    return out


@kernel
def of_no_tile(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(lengths[:]):
            out[tile_b, tile_k] = x[tile_b, tile_k]
    return out


@kernel
def flattened(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(lengths[tile_b]):
            out[0, 0] = x[tile_b, tile_k].reshape(-1).sum()
    return out


@kernel
def flipped(x: Tensor, lengths: Tensor, floats: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for tile_b in hl.tile(x.size(0)):
        for tile_k in hl.jagged_tile(lengths[tile_b]):
            out[tile_b, tile_k] = x[tile_b, tile_k].flip(1)
    return out


MISUSES = [top_level, of_a_scalar, of_a_number, of_floats, of_no_tile, flattened, flipped]


@pytest.mark.parametrize("bad", MISUSES, ids=lambda bad: bad.fn.__name__)
def test_misuse(bad: Any) -> None:
    args = (torch.randn(5, 14), torch.tensor(LENGTHS), torch.tensor(LENGTHS, dtype=torch.float32))
    with pytest.raises(exc.InvalidJaggedTileUsage) as caught:
        bad.bind(args)
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
