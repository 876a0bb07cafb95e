"""Where searches begin: legal configs, by what a kernel is made of, from which a search in a short budget gets far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, TensorSpec
from helion_ir.autotuner.priors import priors
from helion_ir.autotuner.tuning import tune

CUDA = torch.device("cuda")


def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([x.size(0), y.size(1)]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(x.size(1)):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


def chain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(q)
    d = hl.specialize(q.size(1))
    for tile_m in hl.tile(q.size(0)):
        acc = hl.zeros([tile_m, d], dtype=torch.float32)
        rows = q[tile_m, :]
        for tile_n in hl.tile(k.size(0)):
            acc = torch.addmm(acc, torch.relu(torch.mm(rows, k[tile_n, :].T)).to(v.dtype), v[tile_n, :])
        out[tile_m, :] = acc.to(q.dtype)
    return out


def whole_rows(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.softmax(x[tile, :], dim=1)
    return out


def looped_rows(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for tile in hl.tile(x.size(0)):
        total = hl.zeros([tile], dtype=torch.float32)
        for chunk in hl.tile(x.size(1)):
            total = total + x[tile, chunk].sum(1)
        out[tile] = total.to(x.dtype)
    return out


def elementwise(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] * 2
    return out


def begin(function: Any, *sizes: Sequence[int], dtype: torch.dtype = torch.bfloat16) -> tuple[Any, list[Config]]:
    """The search space of a kernel, and where its searches begin."""
    spec = helion_ir.kernel(function).bind([TensorSpec(size, dtype, device=CUDA) for size in sizes]).config_spec
    return spec, priors(spec)


def having(configs: list[Config], **values: object) -> list[Config]:
    return [config for config in configs if all(config[key] == value for key, value in values.items())]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        (product, ((4096, 4096), (4096, 4096))), (product, ((7, 100), (100, 129))), (chain, ((1000, 64),) * 3),
        (whole_rows, ((4096, 10240),)), (whole_rows, ((3, 20),)), (looped_rows, ((512, 100000),)),
        (elementwise, ((1024,),)), (elementwise, ((8, 3, 5000),)),
    ],
)  # fmt: skip
def test_priors_are_legal_distinct_and_no_larger_than_the_arguments(
    function: Any, sizes: Sequence[Sequence[int]], dtype: torch.dtype
) -> None:
    spec, configs = begin(function, *sizes, dtype=dtype)
    assert len(set(configs)) == len(configs) >= 4
    for config in configs:
        assert spec.normalize(config) == config
        for size, fragment in zip(config["block_sizes"], spec.block_sizes, strict=True):
            assert size < 2 * fragment.size_hint


def test_priors_hold_what_is_known_to_be_good() -> None:
    _, configs = begin(product, (4096, 4096), (4096, 4096))
    for stages in (3, 4):
        assert having(configs, block_sizes=[128, 256, 64], num_warps=8, num_stages=stages, l2_groupings=[8])
    _, configs = begin(product, (4096, 4096), (4096, 4096), dtype=torch.float32)
    assert having(configs, block_sizes=[128, 256, 32], num_warps=8)
    _, configs = begin(chain, *((8192, 128),) * 3)
    assert having(configs, block_sizes=[128, 128], num_warps=8, num_stages=3)
    assert having(configs, block_sizes=[64, 64], num_warps=4, num_stages=3)
    _, configs = begin(whole_rows, (4096, 4096))
    assert having(configs, block_sizes=[1], reduction_loops=[None], num_warps=4)
    assert having(configs, block_sizes=[1], reduction_loops=[2048], num_warps=8)
    _, configs = begin(looped_rows, (4096, 4096))
    assert having(configs, block_sizes=[1, 4096], num_warps=8)
    _, configs = begin(elementwise, (64, 3, 256))
    assert having(configs, block_sizes=[4, 1, 256], num_warps=4) or having(configs, block_sizes=[1, 4, 256])


def test_a_short_search_gets_near_the_best_of_a_made_up_cost() -> None:
    """The cost has its least at a point that is no prior, some steps from one; hints count for a little."""
    best = {"m": 256, "n": 128, "k": 32, "warps": 8, "stages": 5, "group": 16}

    def cost(compiled: Any, args: object) -> float:
        config = compiled.config
        m, n, k = config["block_sizes"]
        found = {"m": m, "n": n, "k": k, "warps": config["num_warps"], "group": config["l2_groupings"][0]}
        steps = sum(abs(math.log2(value / best[name])) for name, value in found.items())
        steps += abs(config["num_stages"] - best["stages"]) + 3 * (config["pid_type"] != "flat")
        steps += 0.5 * sum(kind != "pointer" for kind in config["indexing"]) + (config["maxnreg"] is not None)
        return 1.1**steps

    args = [torch.empty(2048, 2048, dtype=torch.bfloat16) for _ in range(2)]
    outcomes = []
    for seed in range(3):
        kernel = helion_ir.kernel(
            product, autotune_benchmark_fn=cost, autotune_accuracy_check=False, autotune_effort="full",
            autotune_max_generations=10, autotune_log_level="off", autotune_random_seed=seed,
        )  # fmt: skip
        outcomes.append(tune(kernel.bind(args), args))
    found = sorted(outcome.milliseconds for outcome in outcomes)
    assert found[0] <= 1.1001
    assert found[-1] <= 1.1**2 + 1e-4
    assert max(outcome.tried for outcome in outcomes) <= 400
