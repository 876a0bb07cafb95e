"""The whole search, with a cost made up from the config: nothing here needs a GPU."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, exc
from helion_ir.autotuner.search import Outcome
from helion_ir.autotuner.tuning import tune

BEST = [16, 8]


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] + y[tile]
    return out


def add_block_size(x: torch.Tensor) -> torch.Tensor:
    """Its results depend on the config."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] + tile.block_size
    return out


def increment(x: torch.Tensor) -> None:
    for tile in hl.tile(x.size(0)):
        x[tile] = x[tile] + 1


def cost(compiled: helion_ir.CompiledKernel, args: object) -> float:
    """Milliseconds that are least at BEST with 8 warps."""
    config: Any = compiled.config
    sizes = zip(config["block_sizes"], BEST, strict=False)
    return 1 + sum(abs(math.log2(size) - math.log2(best)) for size, best in sizes) + abs(config["num_warps"] - 8) / 10


class Costs:
    """The cost, and every config that it was asked for."""

    def __init__(self, of: Callable[..., float] = cost) -> None:
        self._of = of
        self.configs: list[Config] = []
        self.sources: list[str] = []

    def __call__(self, compiled: helion_ir.CompiledKernel, args: object) -> float:
        self.configs.append(compiled.config)
        self.sources.append(compiled.source)
        return self._of(compiled, args)


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(13, 21), torch.randn(13, 21)


def search(fn: Callable[..., Any] = add, args: tuple[Any, ...] | None = None, **settings: Any) -> Outcome:
    """A quick search, without checking results unless asked to."""
    chosen = {
        "autotune_effort": "quick", "autotune_benchmark_fn": cost, "autotune_accuracy_check": False,
        "autotune_log_level": "off", **settings,
    }  # fmt: skip
    args = pair() if args is None else args
    configs = chosen.pop("configs", None)
    return tune(helion_ir.kernel(fn, configs=configs, **chosen).bind(args), args)


# Finding -----------------------------------------------------------------------------------------------------------


def test_pattern_search_finds_the_best_config_and_counts_what_it_tried() -> None:
    costs = Costs()
    outcome = search(autotune_benchmark_fn=costs)
    assert outcome.config["block_sizes"] == BEST
    assert outcome.config["num_warps"] == 8
    assert outcome.milliseconds == 1.0
    measured = [trial for trial in outcome.history if trial.status == "ok"]
    assert outcome.tried == len(measured) == len(set(costs.sources))
    assert [trial.config for trial in measured] == costs.configs[: len(measured)]
    assert 0 < outcome.seconds_to_best <= outcome.seconds
    assert not outcome.interrupted


def test_equal_seeds_give_equal_searches() -> None:
    first, again, other = (
        [trial.config for trial in search(autotune_random_seed=seed, autotune_max_generations=2).history]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_random_search_is_a_strategy_and_an_unknown_one_is_refused() -> None:
    outcome = search(autotuner="random", autotune_max_generations=1)
    assert outcome.tried > 40
    with pytest.raises(exc.InvalidAPIUsage, match=r"annealing.*pattern, random"):
        search(autotuner="annealing")


def test_candidates_of_equal_source_are_measured_once() -> None:
    """A hint that no loop of the kernel can use leaves the source as it is."""
    costs = Costs()
    outcome = search(autotune_benchmark_fn=costs, autotune_max_generations=2)
    duplicates = [trial for trial in outcome.history if trial.status == "duplicate"]
    assert duplicates
    assert len(outcome.history) == outcome.tried + len(duplicates)
    assert len(set(costs.sources[: outcome.tried])) == outcome.tried
    bound = helion_ir.kernel(add).bind(pair())
    assert {bound.lower(trial.config).source for trial in duplicates} <= set(costs.sources)


def test_the_budget_ends_the_search() -> None:
    def slow(compiled: helion_ir.CompiledKernel, args: object) -> float:
        time.sleep(0.05)
        return cost(compiled, args)

    unbounded = search(autotune_max_generations=3)
    started = time.monotonic()
    outcome = search(autotune_benchmark_fn=slow, autotune_effort="full", autotune_budget_seconds=1.5)
    assert time.monotonic() - started < 6
    assert 1 <= outcome.tried < min(unbounded.tried, 30)


def test_the_leaders_are_measured_again_in_turns() -> None:
    """A config that is quick once, by luck, does not win."""
    seen: dict[Config, int] = {}

    def lucky(compiled: helion_ir.CompiledKernel, args: object) -> float:
        seen[compiled.config] = seen.get(compiled.config, 0) + 1
        first = seen[compiled.config] == 1
        return 0.95 if first and compiled.config["num_warps"] == 1 else cost(compiled, args)

    configs = [Config(block_sizes=BEST, num_warps=warps) for warps in (1, 8, 4)]
    outcome = search(autotune_benchmark_fn=lucky, configs=configs)
    assert outcome.config["num_warps"] == 8
    assert [seen[trial.config] for trial in outcome.history] == [6, 6, 1]


def test_given_configs_are_all_that_is_tried() -> None:
    costs = Costs()
    configs = [Config(block_sizes=[4, 4]), Config(block_sizes=[16, 16]), Config(block_sizes=[1, 1])]
    outcome = search(autotune_benchmark_fn=costs, configs=configs)
    assert outcome.tried == 3
    assert outcome.config["block_sizes"] == [16, 16]
    assert {tuple(config["block_sizes"]) for config in costs.configs} == {(4, 4), (16, 16), (1, 1)}  # type: ignore[arg-type]


def test_seed_configs_are_tried_and_overrides_hold_for_all() -> None:
    costs = Costs()
    outcome = search(
        autotune_benchmark_fn=costs, autotune_seed_configs=[{"block_sizes": [2, 1], "num_warps": 2}],
        autotune_config_overrides={"num_stages": 4}, autotune_max_generations=0,
    )  # fmt: skip
    assert {config["num_stages"] for config in costs.configs} == {4}
    assert [2, 1] in [config["block_sizes"] for config in costs.configs[:2]]
    assert outcome.config["num_stages"] == 4


# Failures ----------------------------------------------------------------------------------------------------------


def test_candidates_that_fail_are_logged_and_the_search_goes_on(tmp_path: Path) -> None:
    def fragile(compiled: helion_ir.CompiledKernel, args: object) -> float:
        if compiled.config["num_warps"] == 4:
            raise RuntimeError("out of luck")
        return cost(compiled, args)

    log = tmp_path / "logs" / "trials.jsonl"
    outcome = search(autotune_benchmark_fn=fragile, autotune_log=str(log))
    assert outcome.config["block_sizes"] == BEST
    assert outcome.config["num_warps"] != 4
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(records) == len(outcome.history)
    failed = [record for record in records if record["status"] == "failed"]
    assert len(failed) == outcome.failed > 0
    assert all("out of luck" in record["reason"] and record["config"]["num_warps"] == 4 for record in failed)


def test_wrong_results_are_no_candidates() -> None:
    x = torch.randn(37)
    outcome = search(add_block_size, (x,), autotune_accuracy_check=True, autotune_max_generations=1)
    default = helion_ir.kernel(add_block_size).bind((x,)).config_spec.default_config()
    assert outcome.wrong > 0
    assert outcome.config["block_sizes"] == default["block_sizes"]
    assert {tuple(t.config["block_sizes"]) for t in outcome.history if t.status == "ok"} == {  # type: ignore[arg-type]
        tuple(default["block_sizes"])  # type: ignore[arg-type]
    }
    assert all("are wrong, by up to" in trial.reason for trial in outcome.history if trial.status == "wrong")


def test_a_baseline_function_says_what_is_right() -> None:
    x = torch.randn(37)
    settings: dict[str, Any] = {"autotune_accuracy_check": True, "autotune_max_generations": 3}
    outcome = search(add_block_size, (x,), autotune_baseline_fn=lambda x: x + 8, **settings)
    assert outcome.config["block_sizes"] == [8]
    loose = search(add_block_size, (x,), autotune_baseline_fn=lambda x: x + 8, autotune_baseline_atol=100.0, **settings)
    assert loose.wrong == 0
    with pytest.raises(exc.AutotuneError, match="the baseline fails: ValueError: no idea"):
        search(add_block_size, (x,), autotune_baseline_fn=_no_idea, **settings)


def _no_idea(x: torch.Tensor) -> torch.Tensor:
    raise ValueError("no idea")


def test_no_config_works() -> None:
    def broken(compiled: helion_ir.CompiledKernel, args: object) -> float:
        raise RuntimeError("never works")

    with pytest.raises(exc.NoConfigFound, match="add: none of 2 configs works: RuntimeError: never works"):
        search(autotune_benchmark_fn=broken, configs=[Config(block_sizes=[4, 4]), Config(block_sizes=[8, 8])])


def test_tuning_changes_no_argument() -> None:
    x = torch.arange(37.0)
    kernel = helion_ir.kernel(
        increment, autotune_effort="quick", autotune_benchmark_fn=cost, autotune_max_generations=0,
        autotune_log_level="off",
    )  # fmt: skip
    kernel(x)
    torch.testing.assert_close(x, torch.arange(37.0) + 1)  # the call itself, once
    outcome = search(increment, (x,), autotune_accuracy_check=True, autotune_max_generations=0)
    assert outcome.wrong == outcome.failed == 0 < outcome.tried
    torch.testing.assert_close(x, torch.arange(37.0) + 1)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    costs: Costs

    def impatient(compiled: helion_ir.CompiledKernel, args: object) -> float:
        if len(costs.configs) == 12:
            raise KeyboardInterrupt
        return cost(compiled, args)

    costs = Costs(impatient)
    kernel = helion_ir.kernel(add, autotune_effort="quick", autotune_benchmark_fn=costs, autotune_log_level="off")
    x, y = pair()
    torch.testing.assert_close(kernel(x, y), x + y)
    assert len(costs.configs) == 12
    best = min(costs.configs[:-1], key=lambda config: cost_of(config))
    assert helion_ir.from_cache(kernel, (x, y)) == best == kernel.bind((x, y)).lower(best).config

    def at_once(compiled: helion_ir.CompiledKernel, args: object) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(autotune_benchmark_fn=at_once)


def cost_of(config: Config) -> float:
    class Compiled:
        pass

    compiled: Any = Compiled()
    compiled.config = config
    return cost(compiled, ())


# Calls, settings, the cache ----------------------------------------------------------------------------------------


def tunable(costs: Costs, **settings: Any) -> helion_ir.Kernel:
    """A new kernel, as a new process would have it; its settings see the environment of now."""
    settings = {"autotune_max_generations": 0, "autotune_log_level": "off", **settings}
    return helion_ir.kernel(add, autotune_benchmark_fn=costs, **settings)


def test_a_call_tunes_once_and_keeps_the_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELION_AUTOTUNE_EFFORT", "quick")
    costs = Costs()
    kernel = tunable(costs)
    x, y = pair()
    for _ in range(2):
        torch.testing.assert_close(kernel(x, y), x + y)
    count = len(costs.configs)
    assert count > 20
    best = helion_ir.from_cache(kernel, (x, y))
    assert best is not None
    assert kernel.bind((x, y)).to_triton_code() == kernel.bind((x, y)).to_triton_code(best)

    tunable(costs)(x, y)
    assert len(costs.configs) == count, "the second process finds it"
    assert tunable(costs).autotune((x, y), force=False) == best
    assert len(costs.configs) == count
    monkeypatch.setenv("HELION_FORCE_AUTOTUNE", "1")
    tunable(costs)(x, y)
    assert len(costs.configs) == 2 * count
    monkeypatch.delenv("HELION_FORCE_AUTOTUNE")
    monkeypatch.setenv("HELION_SKIP_CACHE", "1")
    before = len(costs.configs)
    tunable(costs)(x, y)
    assert len(costs.configs) > before
    monkeypatch.delenv("HELION_SKIP_CACHE")
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "another"))
    before = len(costs.configs)
    tunable(costs)(x, y)
    assert len(costs.configs) > before


def test_forced_tuning_wins_over_a_given_config(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = Costs()
    x, y = pair()
    settings: dict[str, Any] = {"config": Config(block_sizes=[4, 4]), "autotune_effort": "quick"}
    tunable(costs, **settings)(x, y)
    assert not costs.configs
    monkeypatch.setenv("HELION_FORCE_AUTOTUNE", "1")
    kernel = tunable(costs, **settings)
    kernel(x, y)
    assert [4, 4] in [config["block_sizes"] for config in costs.configs]
    count = len(costs.configs)
    kernel(x, y)
    assert len(costs.configs) == count > 20


def test_at_effort_none_nothing_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_AUTOTUNE_EFFORT", "none")
    costs = Costs()
    x, y = pair()
    torch.testing.assert_close(tunable(costs)(x, y), x + y)
    assert not costs.configs
    with pytest.raises(exc.AutotuneError, match="effort 'none'"):
        tunable(costs).autotune((x, y))
    assert tunable(costs).autotune((x, y), autotune_effort="quick")["num_warps"]
    with pytest.raises(TypeError, match="autotune_effrt"):
        tunable(costs).autotune((x, y), autotune_effrt="quick")


def test_the_environment_may_forbid_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_DISALLOW_AUTOTUNING", "1")
    costs = Costs()
    x, y = pair()
    for use in (lambda: tunable(costs)(x, y), lambda: tunable(costs).autotune((x, y))):
        with pytest.raises(exc.AutotuningDisallowedInEnvironment, match="add"):
            use()
    assert not costs.configs
    given = tunable(costs, config=Config(block_sizes=[4, 4]))
    torch.testing.assert_close(given(x, y), x + y)


def test_the_configs_of_a_kernel_count_when_one_is_kept() -> None:
    """What the whole space gave is not what two configs gave; configs that are assigned later hold at once."""
    costs = Costs()
    x, y = pair()
    kernel = tunable(costs, autotune_effort="quick", configs=[Config(block_sizes=[2, 2]), Config(block_sizes=[4, 4])])
    kernel(x, y)
    assert kernel.bind((x, y)).to_code().count("_BLOCK_SIZE_0 = 4")
    assert helion_ir.from_cache(tunable(costs), (x, y)) is None
    assert helion_ir.from_cache(kernel, (x, y)) is not None
    kernel.configs = [Config(block_sizes=[1, 1])]
    kernel(x, y)
    assert kernel.bind((x, y)).to_code().count("_BLOCK_SIZE_0 = 1\n")


PROCESS = """
import sys, torch, helion_ir
import helion_ir.language as hl

def times(compiled, args):
    print("measured", flush=True)
    return compiled.config["num_warps"]

@helion_ir.kernel(autotune_benchmark_fn=times, autotune_effort="quick", autotune_max_generations=0)
def double(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * 2
    return out

double(torch.ones(37))
print(double.bind((torch.ones(37),)).to_code())
"""


def test_the_next_process_finds_the_config(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROCESS)
    first, second = (
        subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=dict(os.environ))
        for _ in range(2)
    )
    assert first.stdout.count("measured") > 20
    assert second.stdout.count("measured") == 0
    assert second.stdout == first.stdout.replace("measured\n", "")
    assert "num_warps=1," in second.stdout
    assert "tuned: 1 ms" in first.stderr
    assert second.stderr == ""


# What the user sees ------------------------------------------------------------------------------------------------


def test_it_says_where_it_is_and_what_to_paste(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = search(autotune_log_level="info", autotune_max_generations=1)
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if re.match(r"helion_ir: add: generation [01], \d+ tried, best .* ms, \d+ s$", line)]
    assert f"{outcome.tried} tried, 0 failed, 0 wrong, 0 pruned" in lines[-2]
    pasted = lines[-1].removeprefix("helion_ir: add: @")
    assert "block_sizes=[" in pasted
    kernel = eval(pasted, {"helion_ir": helion_ir})(add)
    x, y = pair()
    bound = kernel.bind((x, y))
    assert bound.lower(kernel.configs[0]).config == outcome.config
    spec = bound.config_spec
    hints = [name for name, space in spec.keys.items() if space.key.idle is not None]
    changed = [name for name in hints if outcome.config.get(name) != spec.default_config().get(name)]
    assert "load_eviction_policies" in hints
    assert [name for name in hints if f"{name}=" in pasted] == changed
    torch.testing.assert_close(kernel(x, y), x + y)


def test_what_cannot_be_measured_says_so() -> None:
    with pytest.raises(exc.AutotuneError, match=r"add: .*CPU.*autotune_benchmark_fn"):
        helion_ir.kernel(add).autotune(pair())
    meta = torch.empty(13, 21, device="meta")
    with pytest.raises(exc.AutotuneError, match="real tensors"):
        helion_ir.kernel(add, autotune_benchmark_fn=cost).autotune((meta, meta))


def test_of_equally_quick_configs_the_plainest_wins() -> None:
    fancy = {"num_warps": 2, "num_stages": 5, "range_flattens": [True]}
    configs = [Config(block_sizes=[4, 4], **fancy), Config(block_sizes=[4, 4]), Config(block_sizes=[8, 4], **fancy)]
    outcome = search(autotune_benchmark_fn=lambda compiled, args: 1.0, configs=configs)
    assert outcome.config == outcome.history[1].config
