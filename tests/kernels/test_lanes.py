"""Lanes past a tile's end, wherever their value goes: variables that outlive the tile keep what they held before.

Each kernel is compared with the same on lanes that exist: accumulators of a full block, updated in a prefix of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helion_ir.dialects.tile import KeepOp
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.interpreter import run_kernel
from helion_ir.pipeline import Pipeline
from helion_ir.runtime.stages import context

from ..support.executions import environment, poisoned_allocations

kernel = helion.kernel(autotune_effort="none", dot_precision="ieee")
dynamic = helion.kernel(autotune_effort="none", static_shapes=False)
M, N = 5, 37


def run(k: Any, config: dict[str, Any], *args: Any) -> Any:
    """The results of a kernel by both interpreters, which must agree; the emitted module is Python."""
    compiled = helion.compile(k, config, args)
    compile(compiled.source, "<emitted>", "exec")
    results = []
    for level in ("tile", "tl"):
        with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
            results.append(compiled(*args))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)
    return results[1]


def by_lane(x: Tensor, block: int, update: Callable[[Tensor, Tensor], Tensor], start: float | Tensor) -> Tensor:
    """An accumulator `[m, block]`, each of whose lanes is updated in those iterations in which it exists."""
    acc = torch.full((x.size(0), block), start, dtype=x.dtype) if not isinstance(start, Tensor) else start.clone()
    for begin in range(0, x.size(1), block):
        part = x[:, begin : begin + block]
        lanes = acc[:, : part.size(1)]
        acc[:, : part.size(1)] = update(lanes, part)
    return acc


def data(m: int = M, n: int = N) -> Tensor:
    return torch.randn(m, n, generator=torch.Generator().manual_seed(0))


BLOCKS = pytest.mark.parametrize("block", [1, 8, 64])


def config(block: int, *others: int) -> dict[str, Any]:
    return {"block_sizes": [block, *(others or (2,))]}


@kernel
def several(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = x.size()
    decayed = torch.empty([m], dtype=x.dtype)
    top = torch.empty([m], dtype=x.dtype)
    place = torch.empty([m], dtype=torch.int32)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        a = hl.full([tm, block], 0.0, dtype=x.dtype)
        b = hl.full([tm, block], float("-inf"), dtype=x.dtype)
        at = hl.full([tm, block], -1, dtype=torch.int32)
        for t in hl.tile(n, block_size=block):
            v = x[tm, t]
            a = a * 0.5 + v
            better = v > b
            at = torch.where(better, t.index[None, :], at)
            b = torch.where(better, v, b)
        decayed[tm] = a.sum(-1)
        best = b.amax(-1)
        top[tm] = best
        place[tm] = torch.where(b == best[:, None], at, 100000).amin(-1).to(torch.int32)
    return decayed, top, place


@BLOCKS
def test_several_variables_and_positions(block: int):
    x = data()
    decayed, top, place = run(several, config(block), x)
    torch.testing.assert_close(decayed, by_lane(x, block, lambda a, v: a * 0.5 + v, 0.0).sum(-1))
    torch.testing.assert_close(top, x.amax(-1))
    torch.testing.assert_close(place, x.argmax(-1).int())


@kernel
def replaced(x: Tensor) -> Tensor:
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        last = hl.full([tm, block], 1.0, dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            last = x[tm, t]
        out[tm] = last.prod(-1)
    return out


@kernel
def swapped(x: Tensor) -> Tensor:
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        a = hl.zeros([tm, block], dtype=x.dtype)
        b = hl.full([tm, block], 1.0, dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            a, b = b, a + x[tm, t]
        out[tm] = a.sum(-1) + 2 * b.sum(-1)
    return out


@BLOCKS
def test_values_that_take_a_variables_place(block: int):
    x = data()
    torch.testing.assert_close(run(replaced, config(block), x), by_lane(x, block, lambda a, v: v, 1.0).prod(-1))
    a, b = torch.zeros(M, block), torch.ones(M, block)
    for begin in range(0, N, block):
        part = x[:, begin : begin + block]
        k = part.size(1)
        a[:, :k], b[:, :k] = b[:, :k].clone(), a[:, :k] + part
    torch.testing.assert_close(run(swapped, config(block), x), a.sum(-1) + 2 * b.sum(-1), rtol=1e-4, atol=1e-5)


@kernel
def counted(x: Tensor) -> tuple[Tensor, Tensor]:
    m, n = x.size()
    counts = torch.empty([m], dtype=x.dtype)
    totals = torch.zeros([m, n], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        count = hl.zeros([tm, block], dtype=x.dtype)
        acc = hl.zeros([tm, block], dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            count += 1
            acc = acc + x[tm, t]
            totals[tm, t] = acc.sum(-1)[:, None] + hl.zeros([tm, t])
        counts[tm] = count.sum(-1)
    return counts, totals


@BLOCKS
def test_what_a_variable_holds_in_the_loop_has_every_lane(block: int):
    """An update that meets no tile counts the lanes that the loop walks; a running total sees those of before."""
    x = data()
    counts, totals = run(counted, config(block), x)
    torch.testing.assert_close(counts, torch.full((M,), float(N)))
    want = torch.cat(
        [x[:, : b + block].sum(-1, keepdim=True).expand(M, min(block, N - b)) for b in range(0, N, block)], 1
    )
    torch.testing.assert_close(totals, want, rtol=1e-4, atol=1e-5)


@kernel
def one_block(x: Tensor) -> Tensor:
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m, block_size=block):
        acc = torch.zeros([tm, block], dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            acc = acc + x[tm, t]
        out[tm] = acc.sum(-1)
    return out


@kernel
def loops_in_loops(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = x.size()
    often = torch.empty([m], dtype=x.dtype)
    outer = torch.empty([m], dtype=x.dtype)
    local = torch.empty([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        a = hl.zeros([tm, block], dtype=x.dtype)
        b = hl.zeros([tm, block], dtype=x.dtype)
        c = hl.zeros([tm], dtype=x.dtype)
        for s in hl.tile(n, block_size=block):
            for t in hl.tile(n, block_size=block):
                a += x[tm, t]
            v = hl.zeros([tm, block], dtype=x.dtype)
            for j in range(3):
                b = b + x[tm, s] * (j + 1)
                c += v.sum(-1)
                v = v + x[tm, s]
            c += v.sum(-1)
        often[tm] = a.sum(-1)
        outer[tm] = b.sum(-1)
        local[tm] = c
    return often, outer, local


@BLOCKS
def test_loops_over_one_block(block: int):
    """The tile that an axis met counts, not the innermost of its block."""
    x = data()
    torch.testing.assert_close(run(one_block, {"block_sizes": [block]}, x), x.sum(-1))
    often, outer, local = run(loops_in_loops, config(block), x)
    torch.testing.assert_close(often, x.sum(-1) * math.ceil(N / block), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outer, x.sum(-1) * 6, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(local, x.sum(-1) * 6, rtol=1e-4, atol=1e-4)


@kernel
def axes_anywhere(x: Tensor) -> tuple[Tensor, Tensor]:
    p, m, n = x.size()
    middle = torch.zeros([p, m], dtype=x.dtype)
    both = torch.zeros([p], dtype=x.dtype)
    block, rows = hl.register_block_size(n), hl.register_block_size(m)
    for tp in hl.tile(p, block_size=2):
        for tm in hl.tile(m, block_size=4):
            acc = hl.zeros([tp, block, tm], dtype=x.dtype)
            for t in hl.tile(n, block_size=block):
                acc = torch.maximum(acc.permute(0, 2, 1), x[tp, tm, t]).permute(0, 2, 1)
            middle[tp, tm] = acc.sum(1)
        square = hl.full([tp, rows, block], 1.0, dtype=x.dtype)
        for s, t in hl.tile([m, n], block_size=[rows, block]):
            square = torch.maximum(square, x[tp, s, t])
        both[tp] = square.sum(-1).sum(-1)
    return middle, both


@pytest.mark.parametrize(("block", "rows"), [(8, 2), (64, 8), (1, 4)])
def test_axes_in_any_position(block: int, rows: int):
    x = torch.randn(3, M, N)
    middle, both = run(axes_anywhere, {"block_sizes": [block, rows]}, x)
    flat = x.reshape(3 * M, N)
    torch.testing.assert_close(
        middle.reshape(-1), by_lane(flat, block, torch.maximum, 0.0).sum(-1), rtol=1e-4, atol=1e-4
    )
    acc = torch.ones(3, rows, block)
    for i in range(0, M, rows):
        for j in range(0, N, block):
            part = x[:, i : i + rows, j : j + block]
            lanes = acc[:, : part.size(1), : part.size(2)]
            acc[:, : part.size(1), : part.size(2)] = torch.maximum(lanes, part)
    torch.testing.assert_close(both, acc.sum(-1).sum(-1), rtol=1e-4, atol=1e-4)


@kernel
def branches(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype)
    parts = torch.empty([m, 3], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        accs = [hl.full([tm, block], 1.0, dtype=x.dtype), hl.zeros([tm, block], dtype=x.dtype)]
        for t in hl.tile(n, block_size=block):
            if t.begin % 3 == 0:
                accs[0] = accs[0] + x[tm, t] * x[tm, t]
            else:
                accs[0] -= x[tm, t]
            new = torch.maximum(accs[1], x[tm, t])
            accs[1] = new
        out[tm] = accs[0].sum(-1) + accs[1].sum(-1)
        for i in range(3):
            if i == 1:
                v = y[tm, i * 8 : i * 8 + 16]
                v -= 1
            else:
                v = x[tm, i * 16 : i * 16 + 16] + 3
            parts[tm, i] = v.sum(-1)
    return out, parts


@BLOCKS
def test_branches_lists_and_slices_past_the_end(block: int):
    """What is first bound in both arms has as many lanes as the arm's slice has."""
    x, y = data(), data(M, 20)
    out, parts = run(branches, config(block), x, y)
    acc = torch.ones(M, block)
    for begin in range(0, N, block):
        part = x[:, begin : begin + block]
        acc[:, : part.size(1)] += part * part if begin % 3 == 0 else -part
    want = acc.sum(-1) + by_lane(x, block, torch.maximum, 0.0).sum(-1)
    torch.testing.assert_close(out, want, rtol=1e-4, atol=1e-4)
    sums = [(x[:, :16] + 3).sum(-1), (y[:, 8:] - 1).sum(-1), (x[:, 32:] + 3).sum(-1)]
    torch.testing.assert_close(parts, torch.stack(sums, 1), rtol=1e-4, atol=1e-4)


@dynamic
def lengths(x: Tensor, offsets: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    groups = offsets.size(0) - 1
    out = torch.empty([groups], dtype=x.dtype)
    later = torch.empty([groups], dtype=x.dtype)
    block = hl.register_block_size(64)
    for g in hl.grid(groups):
        acc = hl.full([block], 2.0, dtype=x.dtype)
        total = hl.zeros([block], dtype=x.dtype)
        for t in hl.tile(offsets[g], offsets[g + 1], block_size=block):
            acc = torch.maximum(acc, x[t])
            total += x[t]
        out[g] = acc.sum(-1)
        for u in hl.tile(y.size(0) - 3, block_size=block):
            total = torch.minimum(total, y[u + 3])
        later[g] = total.sum(-1)
    return out, later


@BLOCKS
def test_run_time_bounds_empty_extents_and_later_loops(block: int):
    x, y, offsets = torch.randn(50) + 2, torch.randn(21), torch.tensor([0, 3, 3, 20, 50])
    out, later = run(lengths, {"block_sizes": [block]}, x, offsets, y)
    for g, (begin, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
        part = x[None, begin:end]
        torch.testing.assert_close(out[g : g + 1], by_lane(part, block, torch.maximum, 2.0).sum(-1))
        total = by_lane(part, block, torch.add, 0.0)
        want = by_lane(y[None, 3:], block, torch.minimum, total).sum(-1)
        torch.testing.assert_close(later[g : g + 1], want, rtol=1e-4, atol=1e-4)


@kernel
def products(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    m, n = x.size(0), y.size(1)
    out = torch.zeros([m], dtype=x.dtype)
    pairs = torch.zeros([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        acc = hl.zeros([tm, block], dtype=torch.float32)
        both = hl.zeros([tm], dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            acc = torch.addmm(acc, x[tm, :], y[:, t])
            for u in hl.tile(z.size(1), block_size=block):
                both += (y[0, t] * z[tm, u] + 1).sum(-1)
        out[tm] = acc.amax(-1)
        pairs[tm] = both
    return out, pairs


def test_dots_and_tiles_that_meet():
    """A product adds NaN times zero past the end, so it is selected; two tiles have the lanes of the shorter one."""
    x, y, z = data(M, 16), data(16, N), data(M, 21)
    x[0, 0], y[0] = math.inf, y[0].abs()
    out, pairs = run(products, config(16, 16), x, y, z)
    torch.testing.assert_close(out, by_lane(x @ y, 16, torch.add, 0.0).amax(-1), rtol=1e-3, atol=1e-3)
    want = torch.zeros(M)
    for i in range(0, N, 16):
        for j in range(0, 21, 16):
            k = min(16, N - i, 21 - j)
            want += (y[0, i : i + k] * z[:, j : j + k] + 1).sum(-1)
    torch.testing.assert_close(pairs, want, rtol=1e-3, atol=1e-3)


@kernel
def fixed(x: Tensor) -> Tensor:
    m, n = x.size()
    out = torch.empty([m], dtype=torch.float32)
    for tm in hl.tile(m):
        acc = torch.zeros([tm, 16], dtype=torch.float32)
        other = hl.zeros([tm, 16], dtype=x.dtype)
        for t in hl.tile(n, block_size=16):
            acc = acc + x[tm, t]
            other += x[tm, t]
        out[tm] = acc.sum(-1) + other.float().sum(-1)
    return out


def test_a_fixed_block_under_its_number():
    """Zeros loaded do, also in half precision: no select."""
    x = data().half()
    torch.testing.assert_close(run(fixed, {"block_sizes": [4]}, x), 2 * x.float().sum(-1), rtol=1e-2, atol=1e-2)
    assert "tl.where" not in helion.compile(fixed, {"block_sizes": [4]}, (x,)).source


@kernel
def row_sum(x: Tensor) -> Tensor:
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype)
    block = hl.register_block_size(n)
    for tm in hl.tile(m):
        acc = hl.zeros([tm, block], dtype=x.dtype)
        for t in hl.tile(n, block_size=block):
            acc += x[tm, t]
        out[tm] = acc.sum(-1)
    return out


@pytest.mark.parametrize("indexing", ["pointer", "tensor_descriptor"])
def test_what_it_costs(indexing: str):
    """An `other`, where the block does not divide the extent; nothing where it does, or a descriptor loads."""
    for n, filled in ((40, indexing == "pointer"), (64, False)):
        x = data(8, n)
        chosen = {**config(16, 8), "indexing": indexing}
        source = helion.compile(row_sum, chosen, (x,)).source
        assert ("other=" in source) == filled
        assert "tl.where" not in source
        torch.testing.assert_close(run(row_sum, chosen, x), x.sum(-1))


@pytest.mark.parametrize("k", [several, swapped, loops_in_loops])
def test_each_pass_keeps_what_the_kernel_computes(k: Any):
    """From the config-free module on, with both kinds of poison."""
    compiled = helion.compile(k, config(8), (data(),))
    module = compiled.bound.tile_module.clone()
    assert any(isinstance(op, KeepOp) for op in module.walk())
    count = sum(1 for name in module.body.block.first_op.arg_names.data if name.data != "x")

    def outputs(seed: int) -> list[Tensor]:
        results = [
            torch.zeros(M, dtype=torch.int32 if k is several and i == 2 else torch.float32) for i in range(count)
        ]
        run_kernel(module, [data(), *results], seed=seed)
        return results

    first, *passes = Pipeline().scheduled(compiled.config, module, to_tl=False)
    first.apply(context(), module)  # assign-block-sizes
    want = outputs(0)
    for pass_ in passes:
        pass_.apply(context(), module)
        for seed in (2, 3):
            torch.testing.assert_close(outputs(seed), want, rtol=1e-4, atol=1e-5, msg=pass_.name)
