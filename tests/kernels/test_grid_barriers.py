"""Top-level loops that depend on each other: phases of one launch, in the three executions that need no GPU."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch
from helion_ir.dialects.tl import GridBarrierOp
from torch.testing import assert_close
from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import Rewriter

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.interpreter import run_func
from helion_ir.space.config_spec import ConfigSpec

kernel = helion.kernel(autotune_effort="none")
INTERLEAVED = {"pid_type": "persistent_interleaved", "num_sm_multiplier": 2}


def barriers(source: str) -> int:
    return len(re.findall(r"^ +_grid_barrier\(", source, re.MULTILINE))


def split_k(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    n = y.size(1)
    parts = torch.empty([3, m, n], dtype=torch.float32, device=x.device)
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for part, tile_m, tile_n in hl.tile([3, m, n], block_size=[1, None, None]):
        acc = hl.zeros([tile_m, tile_n])
        for tile_k in hl.tile(part.begin * (k // 3), (part.begin + 1) * (k // 3)):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        parts[part.begin, tile_m, tile_n] = acc
    hl.barrier()
    for tile_m, tile_n in hl.tile([m, n]):
        out[tile_m, tile_n] = parts[:, tile_m, tile_n].sum(0).to(x.dtype)
    return out


def in_place(x: torch.Tensor) -> torch.Tensor:
    """A read after a write, a write after a read, and both."""
    n = x.size(0)
    turned = torch.empty_like(x)
    for t in hl.tile(n):
        turned[t] = x[n - 1 - t.index]
    for t in hl.tile(n):
        x[t] = turned[t] * 2
    for t in hl.tile(n):
        x[t] = x[t] + turned[n - 1 - t.index]
    return x


def overwritten(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t]
    for t in hl.tile(x.size(0) // 2):
        out[t] = x[t] * 3
    return out


def histogram(x: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros([16], dtype=torch.int32, device=x.device)
    out = torch.empty([16], dtype=torch.int32, device=x.device)
    for t in hl.tile(x.size(0)):
        hl.atomic_add(counts, [x[t]], 1)
    for _ in hl.grid(1):
        out[:] = torch.cumsum(counts[:], 0)
    return out


def through_views(x: torch.Tensor) -> torch.Tensor:
    """One storage, written by other names and at other positions than it is read by."""
    n = x.size(0)
    rows, tail = x.view(n // 3, 3), x[3:]
    out = torch.empty_like(x)
    for t in hl.tile(n // 3):
        rows[t, :] = rows[t, :] * 2
    for t in hl.tile(n - 3):
        out[t] = tail[t]
    for t in hl.tile(3):
        out[n - 3 + t.index] = x[t]
    return out


def small(*shape: int) -> torch.Tensor:
    return torch.randint(-3, 4, shape).to(torch.float32)


CASES: list[tuple[Callable[..., Any], Callable[[], tuple[torch.Tensor, ...]], Callable[..., torch.Tensor], int]] = [
    (split_k, lambda: (small(21, 33), small(33, 19)), lambda x, y: x @ y, 1),
    (in_place, lambda: (small(157),), lambda x: x.flip(0) * 2 + x, 2),
    (overwritten, lambda: (small(157),), lambda x: torch.cat([x[:78] * 3, x[78:]]), 1),
    (histogram, lambda: (torch.randint(0, 16, (157,)),), lambda x: torch.bincount(x, minlength=16).cumsum(0).int(), 1),
    (through_views, lambda: (small(99),), lambda x: (2 * x).roll(-3), 2),
]


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_phases(case: Any, static: bool, monkeypatch: pytest.MonkeyPatch):
    function, make, reference, count = case
    decorated = helion.kernel(autotune_effort="none", static_shapes=static)(function)
    args = make()
    expected = reference(*args)
    for config in ({}, INTERLEAVED):
        compiled = helion.compile(decorated, config, args)
        assert barriers(compiled.source) == count
        assert "launch_cooperative_grid=True" in compiled.source
        assert_close(compiled(*[arg.clone() for arg in args]), expected)
        monkeypatch.setenv("HELION_INTERPRET_LEVEL", "tile")
        assert_close(compiled(*[arg.clone() for arg in args]), expected)
        monkeypatch.delenv("HELION_INTERPRET_LEVEL")


def test_programs_go_from_barrier_to_barrier():
    """In any order, as many as there are; without the barriers some order gives something else."""
    x = torch.arange(64.0)
    compiled = helion.compile(kernel(in_place), {"block_sizes": [8, 8, 8], **INTERLEAVED}, (x,))
    module = compiled.bound.lower(compiled.config).module()
    kept = [_shuffled(module, x, seed) for seed in range(3)]
    assert all(torch.equal(value, x.flip(0) * 2 + x) for value in kept)
    for op in [op for op in module.walk() if isinstance(op, GridBarrierOp)]:
        Rewriter.erase_op(op)
    assert not all(map(torch.equal, kept, [_shuffled(module, x, seed) for seed in range(3)]))


def _shuffled(module: ModuleOp, x: torch.Tensor, seed: int) -> torch.Tensor:
    value = x.clone()
    run_func(module, (value, torch.empty(64), torch.zeros(1, dtype=torch.int32)), seed=seed, shuffle=True)
    return value


def test_branches_of_the_host_between_loops():
    @kernel
    def branches(x: torch.Tensor, flag: bool, factor: int) -> torch.Tensor:
        n = x.size(0)
        middle, out = torch.empty_like(x), torch.empty_like(x)
        if flag:
            for t in hl.tile(n):
                middle[t] = x[t] + 1
            hl.barrier()
        else:
            for t, _ in hl.tile([n, 1]):
                middle[t] = x[t] + 2
        if factor > 3:
            hl.barrier()
            for t in hl.tile(n):
                out[t] = middle[n - 1 - t.index] * factor
        else:
            for t in hl.tile(n):
                out[t] = middle[t]
        return out

    x = torch.randn(37)
    for flag in (True, False):
        for factor in (2, 5):
            middle = x + (1 if flag else 2)
            expected = middle.flip(0) * factor if factor > 3 else middle
            assert_close(branches(x, flag, factor), expected)


def test_only_persistent_grids():
    args = (torch.randn(40),)
    bound = kernel(overwritten).bind(args)
    assert bound.config_spec.allowed_pid_types == ("persistent_blocked", "persistent_interleaved")
    for pid_type in ("flat", "xyz"):
        with pytest.raises(exc.BarrierRequiresPersistent, match="must run at once") as caught:
            bound.compile_config({"pid_type": pid_type})
        assert "def overwritten" in str(caught.value)
    assert bound.config_spec.repair({**bound.config_spec.default_config(), "pid_type": "flat"})["pid_type"] != "flat"


def test_what_meets_at_barriers_goes_by_pointers():
    """Copies of tensor descriptors go through another proxy, which barriers do not order."""

    @kernel
    def rewritten(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t, u in hl.tile(x.size()):
            out[t, u] = x[t, u]
        for t, u in hl.tile(x.size()):
            out[t, u] = x[t, u] * 2
        return out

    x = torch.randn(64, 64)
    config = {"block_sizes": [16] * 4, "indexing": "tensor_descriptor"}
    source = helion.compile(rewritten, config, (x,)).source
    assert "make_tensor_descriptor" in source
    assert source.count("tl.store(") == 2
    assert "descriptor.store" not in source


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_binaries(target: str):
    x, y = torch.randn(64, 48), torch.randn(48, 64)
    binary = helion.compile(kernel(split_k), INTERLEAVED, (x, y)).binary(target)
    text = binary.asm["ptx" if target == "sm_90" else "amdgcn"]
    assert ("atom.global.gpu.acq_rel" if target == "sm_90" else "global_atomic_add") in text


def test_programs_of_a_multiprocessor_fit_together():
    """Registers, threads and shared memory are for all that run at once; what cannot be is refused with its numbers."""
    spec = kernel(split_k).bind((torch.randn(64, 48), torch.randn(48, 64))).config_spec
    spec = ConfigSpec(spec.module, spec.pipeline)  # as on a GPU
    assert spec.normalize({"num_sm_multiplier": 4, "num_warps": 4})["maxnreg"] == 128
    with pytest.raises(exc.InvalidConfig, match="has 512 for each of num_sm_multiplier=4 programs that run at once"):
        spec.normalize({"num_sm_multiplier": 4, "num_warps": 32})
    with pytest.raises(exc.InvalidConfig, match="a multiprocessor has 16384 for each"):
        spec.normalize({"num_sm_multiplier": 4, "num_warps": 4, "maxnreg": 255})
    rng = Random(0)
    for _ in range(50):
        spec.normalize(spec.random(rng))


def test_each_loop_has_default_blocks_of_its_own():
    x, y = torch.randn(512, 512), torch.randn(512, 512)
    blocks = kernel(split_k).bind((x, y)).config_spec.default_config()["block_sizes"]
    assert min(blocks[:2]) >= 32
    assert blocks[3] * blocks[4] >= 128
