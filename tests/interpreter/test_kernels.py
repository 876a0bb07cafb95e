"""Hand-written tile kernels against torch in float64, at odd sizes so that every loop ends in a partial tile."""

from __future__ import annotations

import pytest
import torch

from helion_ir.interpreter import run_kernel

from ..support.ir_text import kernel

SEEDS = pytest.mark.parametrize("seed", [0, 1], ids=["nan", "garbage"])
"""Both kinds of poison in padding lanes."""


def random(*sizes: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(sum(sizes)), dtype=torch.float64).to(dtype)


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual.double(), expected.double(), atol=tolerance, rtol=tolerance)


@SEEDS
@pytest.mark.parametrize("blocks", [None, {"b0": 1, "b1": 64}, {"b0": 64, "b1": 4}])
def test_add(seed: int, blocks: dict[str, int] | None):
    x, y, out = random(37, 53), random(53, 37).t(), torch.zeros(37, 53)
    run_kernel(kernel("add"), [x, y, out], block_sizes=blocks, seed=seed)
    close(out, x + y, 0)


@SEEDS
@pytest.mark.parametrize("sizes", [(37, 41, 53), (16, 32, 48), (1, 1, 1), (5, 70, 3)])
def test_matmul(seed: int, sizes: tuple[int, int, int]):
    m, k, n = sizes
    x, y, out = random(m, k, dtype=torch.bfloat16), random(k, n, dtype=torch.bfloat16), torch.zeros(m, n)
    run_kernel(kernel("matmul"), [x, y, out], seed=seed)
    close(out, x.double() @ y.double(), 1e-5)


def test_matmul_over_nothing_is_zero():
    out = torch.full((7, 5), 3.0)
    empty = torch.empty(7, 0, dtype=torch.bfloat16)
    run_kernel(kernel("matmul"), [empty, empty.new_empty(0, 5), out])
    close(out, torch.zeros(7, 5), 0)


@SEEDS
def test_softmax(seed: int):
    x, out = random(37, 53, dtype=torch.float16), torch.zeros(37, 53, dtype=torch.float16)
    run_kernel(kernel("softmax"), [x, out], seed=seed)
    close(out, x.double().softmax(1), 2e-3)


@SEEDS
def test_layer_norm(seed: int):
    x, w, out = random(37, 53), random(53), torch.zeros(37, 53)
    run_kernel(kernel("layer_norm"), [x, w, out, 1e-5], seed=seed)
    expected = torch.nn.functional.layer_norm(x.double(), (53,), w.double(), eps=1e-5)
    close(out, expected, 1e-5)


@SEEDS
def test_embedding(seed: int):
    ids, table, out = torch.randint(0, 101, (37,)), random(101, 53), torch.zeros(37, 53)
    run_kernel(kernel("embedding"), [ids, table, out], seed=seed)
    close(out, table[ids], 0)


@SEEDS
def test_causal_attention_with_a_run_time_bound(seed: int):
    q, k, v, out = random(61, 24), random(61, 24) / 3, random(61, 24) + 1, torch.zeros(61, 24)
    run_kernel(kernel("attention"), [q, k, v, out], seed=seed)
    scores = (q.double() @ k.double().t()).masked_fill(torch.ones(61, 61).triu(1).bool(), float("-inf"))
    close(out, scores.softmax(1) @ v.double(), 1e-5)


@SEEDS
def test_branch_and_while(seed: int):
    x, flag, out = random(11, 53), torch.arange(-5, 6, dtype=torch.int32), torch.zeros(11, 53)
    steps = torch.zeros(11, dtype=torch.int32)
    run_kernel(kernel("branch"), [x, flag, 10.0, out, steps], seed=seed)
    close(out, torch.where(flag[:, None] > 0, 2 * x, -x), 0)
    assert steps.tolist() == [4] * 11


@SEEDS
def test_unsigned_bytes_and_atomics(seed: int):
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (77,), dtype=torch.uint8, generator=generator)
    x[:5] = 255
    y = torch.randint(1, 256, (77,), dtype=torch.uint8, generator=generator)
    out, counts = torch.zeros(77, dtype=torch.uint8), torch.zeros(256, dtype=torch.int32)
    run_kernel(kernel("bytes"), [x, y, out, counts], seed=seed)
    assert torch.equal(out, x // y)
    assert torch.equal(counts, torch.bincount(x, minlength=256).int())


def test_program_order_does_not_matter():
    x, y = random(37, 41, dtype=torch.bfloat16), random(41, 53, dtype=torch.bfloat16)
    results = []
    for seed in (2, 4):
        out = torch.zeros(37, 53)
        run_kernel(kernel("matmul"), [x, y, out], seed=seed, shuffle=True)
        results.append(out)
    assert torch.equal(*results)


def test_strided_refs():
    x, y = random(53, 37).t(), random(37, 106)[:, ::2]
    storage = torch.zeros(37, 80)
    run_kernel(kernel("add"), [x, y, storage[:, 7:60]])
    close(storage[:, 7:60], x + y, 0)
    assert not storage[:, :7].any()
    assert not storage[:, 60:].any()
