"""Random numbers: those of Triton's Philox by the user's seeds, those of torch's generator; at every level."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from tests.support.philox import FIRST_OFFSET, SECOND, SEED, SHAPE

LEVELS = ("tile", "tl")


@helion.kernel(static_shapes=False)
def uniform(x: Tensor, seed: int) -> Tensor:
    m, n = x.shape
    out = torch.empty_like(x)
    for tm, tn in hl.tile([m, n]):
        out[tm, tn] = hl.rand([tm, tn], seed)
    return out


@helion.kernel()
def several(x: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    m, n = x.shape
    four = torch.empty([4, m, n], device=x.device)
    ints = torch.empty([m, n], dtype=torch.int32, device=x.device)
    for tm in hl.tile(m):
        for tn in hl.tile(n):
            offsets = tm.index[:, None].to(torch.int64) * n + tn.index[None, :] + FIRST_OFFSET
            a, b, c, d = hl.rand4x(seeds[0], offsets)
            four[0, tm, tn], four[1, tm, tn], four[2, tm, tn], four[3, tm, tn] = a, b, c, d
            ints[tm, tn] = hl.randint([tm, tn], -3, 7, seeds[1] + 5)
    return four, ints


@helion.kernel()
def of_generator(x: Tensor) -> tuple[Tensor, Tensor]:
    normal, dropped = torch.empty_like(x), torch.empty_like(x)
    for tm in hl.tile(x.size(0)):
        normal[tm, :] = torch.randn_like(x[tm, :])
        dropped[tm, :] = F.dropout(x[tm, :], 0.3)
    return normal, dropped


def run(kernel: Any, sizes: list[int], *args: Any) -> Any:
    torch.manual_seed(5)
    return helion.compile(kernel, helion.Config(block_sizes=sizes), args)(*args)


def drawn(scale: int) -> dict[str, Tensor]:
    """What the kernels draw, under one of two configs."""
    x = torch.ones(SHAPE)
    four, ints = run(several, [4 * scale, 16], x, torch.tensor([SEED, SECOND]))
    normal, dropped = run(of_generator, [8 // scale], x)
    rand = run(uniform, [8, 8 * scale], x, SEED)
    return {"rand": rand, "four": four, "ints": ints, "normal": normal, "dropped": dropped}


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Triton's own numbers, and ours by the emitted text; in a process of its own, as Triton reads TRITON_INTERPRET
    when it is imported."""
    path = tmp_path_factory.mktemp("random") / "drawn.pt"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.philox", str(path)], capture_output=True, text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(path)


@pytest.mark.parametrize("level", LEVELS)
def test_numbers_are_tritons_whatever_the_blocks(
    level: str, emitted: tuple[dict[str, Tensor], dict[str, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    triton, text = emitted
    for scale in (1, 2):
        ours = drawn(scale)
        for name in ("rand", "four", "ints"):
            assert torch.equal(ours[name], triton[name]), name
            assert torch.equal(ours[name], text[name]), name
        assert torch.equal(ours["dropped"], text["dropped"])
        torch.testing.assert_close(ours["normal"], text["normal"])


def test_the_text_compiles() -> None:
    x, seeds = torch.ones(SHAPE), torch.tensor([SEED, SECOND])
    for kernel, args in ((uniform, (x, SEED)), (several, (x, seeds)), (of_generator, (x,))):
        helion.compile(kernel, helion.Config(), args).binary("sm_90")


def filled(function: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float32, sizes: Any = (97, 301)) -> Tensor:
    def fill(x: Tensor, function: Any) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t, :] = function(x[t, :])
        return out

    return run(helion.kernel(fill), [16], torch.ones(sizes, dtype=dtype), function).double()


DISTRIBUTIONS: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {
    "rand": (lambda v: torch.rand(v.shape, device=v.device, dtype=v.dtype), 0.5, 1 / 12),
    "rand_like": (torch.rand_like, 0.5, 1 / 12),
    "randn": (lambda v: torch.randn(*v.shape, device=v.device, dtype=v.dtype), 0, 1),
    "randint": (lambda v: torch.randint(-2, 7, v.shape, device=v.device), 2, 80 / 12),
    "randint_like": (lambda v: torch.randint_like(v, 10), 4.5, 99 / 12),
    "bernoulli": (lambda v: torch.bernoulli(v * 0.3), 0.3, 0.21),
    "bernoulli_": (lambda v: v.clone().bernoulli_(0.25), 0.25, 0.1875),
    "dropout": (lambda v: F.dropout(v, 0.5), 1, 1),
    "native": (lambda v: torch.native_dropout(v, 0.2, True)[0], 1, 0.25),
    "uniform_": (lambda v: torch.empty_like(v).uniform_(2, 5), 3.5, 0.75),
    "normal_": (lambda v: v.clone().normal_(3, 2), 3, 4), "normal": (lambda v: torch.normal(v, 2 * v), 1, 4),
    "exponential_": (lambda v: v.clone().exponential_(2), 0.5, 0.25),
    "random_": (lambda v: v.clone().random_(5, 9), 6.5, 1.25),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    """Mean and variance within five deviations of a sample of 29,197."""
    function, mean, variance = DISTRIBUTIONS[name]
    values = filled(function)
    assert abs(values.mean() - mean) < 5 * (variance / values.numel()) ** 0.5
    assert abs(values.var() - variance) < 0.08 * variance


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_floating_dtypes(dtype: torch.dtype) -> None:
    """No number rounds up to 1, and all bits of a dtype are used."""
    values = filled(torch.rand_like, dtype)
    assert 0 <= values.min() < values.max() < 1
    assert (values.unique().numel() > 29000) is (dtype == torch.float64)
    assert abs(filled(torch.randn_like, dtype).var() - 1) < 0.08
    with pytest.raises(exc.TorchOpTracingError, match="floating dtypes only"):
        filled(lambda v: torch.rand_like(v, dtype=torch.int32), dtype)


def test_each_call_and_each_site_draws_anew() -> None:
    def two_sites(x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = torch.empty_like(x), torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            a[t] = torch.rand_like(x[t])
            b[t] = torch.rand_like(x[t])
        return a, b

    x = torch.empty(100)
    call = helion.compile(helion.kernel(two_sites), helion.Config(block_sizes=[32]), (x,))
    torch.manual_seed(1)
    first, second = call(x), call(x)
    torch.manual_seed(1)
    again = call(x)
    every = torch.stack([*first, *second])
    assert torch.equal(torch.stack(again), every[:2])
    assert every.unique().numel() > 390


def in_range(x: Tensor) -> Tensor:
    out = torch.empty([3, x.size(0)])
    for t in hl.tile(x.size(0)):
        for i in range(3):
            out[i, t] = torch.rand_like(x[t])
    return out


def in_static_range(x: Tensor) -> Tensor:
    out = torch.empty([3, x.size(0)])
    for t in hl.tile(x.size(0)):
        for i in hl.static_range(3):
            out[i, t] = torch.rand_like(x[t])
    return out


def in_unrolled_range(x: Tensor) -> Tensor:
    out = torch.empty([3, x.size(0)])
    for t in hl.tile(x.size(0)):
        for i in hl.static_range(3):
            out[i, t] = torch.rand_like(x[t]) + len("a" * i)
    return out - torch.arange(3)[:, None]


def in_grid(x: Tensor) -> Tensor:
    out = torch.empty([3, x.size(0)])
    for i in hl.grid(3):
        for t in hl.tile(x.size(0)):
            out[i, t] = torch.rand_like(x[t])
    return out


def in_tile(x: Tensor) -> Tensor:
    out = torch.empty([3, x.size(0)])
    for t, i in hl.tile([x.size(0), 3], block_size=[None, 1]):
        out[i.begin, t] = torch.rand_like(x[t])
    return out


@pytest.mark.parametrize("function", [in_range, in_static_range, in_unrolled_range, in_grid, in_tile])
def test_iterations_draw_different_numbers(function: Any) -> None:
    assert run(helion.kernel(function), [16], torch.empty(40)).unique().numel() > 115


def test_shapes_of_blocks_slices_and_sizes() -> None:
    """A slice counts with its own positions; a registered block that is walked, with those of its loop."""

    def shapes(x: Tensor) -> tuple[Tensor, Tensor]:
        part, rows = x.new_empty(x.size(0), 5), torch.empty_like(x)
        block = hl.register_block_size(x.size(0))
        for t in hl.tile(x.size(0), block_size=block):
            part[t, :] = hl.rand([t, 5], 3)
            rows[t, :] = hl.rand([block, x.size(1)], seed=3)
        return part, rows

    x = torch.empty(11, 7)
    one, other = (run(helion.kernel(shapes), [size], x) for size in (2, 16))
    for mine, yours, width in zip(one, other, (5, 7), strict=True):
        assert torch.equal(mine, yours)
        assert torch.equal(mine.flatten(), run(uniform, [16, 16], torch.empty(1, 11 * width), 3)[0])


def test_refusals() -> None:
    for function, error, words in (
        (lambda v: hl.rand(v.shape, 1.5), exc.InvalidAPIUsage, "a seed is an integer"),
        (lambda v: hl.randint(v.shape, 3, 3, 0), exc.InvalidAPIUsage, "numbers to draw from"),
        (lambda v: F.dropout(v, 1.5), exc.TorchOpTracingError, "between 0 and 1"),
        (lambda v: hl.rand4x(0, v)[0], exc.InvalidAPIUsage, "offsets are integers"),
    ):
        with pytest.raises(error, match=words) as raised:
            filled(function)
        assert raised.value.location is not None
        assert raised.value.location.file == __file__


def in_while_loops(out: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """`out[i, j]` is drawn in iteration `j` of the inner loop in iteration `i` of the outer one."""
    for t in hl.tile(out.size(2)):
        i = counts[0] * 0
        while i < counts[0]:
            j = counts[1] * 0
            while j < counts[1]:
                out[i, j, t] = torch.rand([t])
                j = j + 1
            i = i + 1
    return out


def test_iterations_of_while_loops_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    args = torch.zeros(4, 3, 13), torch.tensor([4, 3])
    compiled = helion.compile(helion.kernel(in_while_loops, verify_each=True), helion.Config(block_sizes=[8]), args)
    found = []
    for level in LEVELS:
        monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
        torch.manual_seed(3)
        found.append(compiled(torch.zeros_like(args[0]), args[1]))
    torch.testing.assert_close(*found, rtol=0, atol=0)
    assert found[0].unique().numel() == found[0].numel()
    compiled.binary("sm_90")
