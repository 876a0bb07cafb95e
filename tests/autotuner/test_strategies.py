"""Strategies: what they propose is legal, new, and near the best so far; and what a search shows of itself."""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, Settings, exc
from helion_ir.autotuner.progress import Reporter, decorator_line, level_number, milliseconds
from helion_ir.autotuner.strategies import FiniteSearch, PatternSearch, RandomSearch, Trial, leading, neighbors, walk
from helion_ir.space.config_spec import ConfigSpec


def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


@pytest.fixture(scope="module")
def spec() -> ConfigSpec:
    x = helion_ir.TensorSpec((512, 512), torch.bfloat16)
    return helion_ir.kernel(product).bind((x, x)).config_spec


def default(spec: ConfigSpec) -> Config:
    return spec.normalize(spec.default_config())


def measured(configs: Sequence[Config]) -> list[Trial]:
    """A history in which each config is slower than the one before."""
    return [Trial(config, "ok", 1.0 + i) for i, config in enumerate(configs)]


def changed_sites(one: Config, other: Config) -> int:
    count = 0
    for key in {*one, *other}:
        before, after = one.get(key), other.get(key)
        if isinstance(before, list) and isinstance(after, list):
            count += sum(a != b for a, b in zip(before, after, strict=True))
        else:
            count += before != after
    return count


def test_neighbors_are_legal_and_one_step_away(spec: ConfigSpec) -> None:
    begin = default(spec)
    found = list(neighbors(spec, begin))
    assert len(set(found)) > 30
    for config in found:
        assert spec.normalize(config) == config
    m, n, k = begin["block_sizes"]  # type: ignore[misc]
    for sizes in ([2 * m, n, k], [m, n // 2, k], [m, n, 2 * k]):
        assert sizes in [config["block_sizes"] for config in found]
    together = [config["indexing"] for config in found if config["indexing"] != begin["indexing"]]
    assert ["tensor_descriptor"] * 3 in together, "all sites of a key move together, too"
    assert ["tensor_descriptor", "pointer", "pointer"] in together


def test_walks_are_legal_and_differ(spec: ConfigSpec) -> None:
    rng = Random(3)
    walks = [walk(spec, default(spec), rng) for _ in range(100)]
    assert all(spec.normalize(config) == config for config in walks)
    assert len(set(walks)) > 80
    counts = [changed_sites(default(spec), config) for config in walks]
    assert min(counts) <= 3 < 8 < max(counts)


def test_pattern_search_begins_with_the_seeds(spec: ConfigSpec) -> None:
    seeds = [default(spec), spec.normalize({"block_sizes": [128, 256, 64], "num_warps": 8})]
    first = PatternSearch(spec, seeds).propose([], Random(0), 50)
    assert first[:2] == seeds
    assert len(set(first)) == 50
    assert PatternSearch(spec, seeds).propose([], Random(0), 50) == first
    assert PatternSearch(spec, seeds).propose([], Random(1), 50) != first


def test_pattern_search_moves_around_the_best_and_repeats_nothing(spec: ConfigSpec) -> None:
    strategy = PatternSearch(spec, [default(spec)], copies=2)
    history = measured(strategy.propose([], Random(0), 40))
    best, second = history[0].config, history[1].config
    proposed = strategy.propose(history, Random(0), 24)
    assert len(set(proposed)) == 24
    assert not set(proposed) & {trial.config for trial in history}
    near = [config for config in proposed if config in set(neighbors(spec, best))]
    assert len(near) >= 12
    assert len([config for config in proposed if config in set(neighbors(spec, second))]) >= 6


def test_a_plateau_is_left_by_longer_walks(spec: ConfigSpec) -> None:
    begin = default(spec)
    known = [begin, *dict.fromkeys(neighbors(spec, begin))]
    proposed = PatternSearch(spec, [begin], copies=1).propose(measured(known), Random(0), 16)
    assert len(set(proposed)) == 16
    assert not set(proposed) & set(known)


def test_while_nothing_works_pattern_search_draws_at_random(spec: ConfigSpec) -> None:
    history = [Trial(default(spec), "failed", reason="no")]
    proposed = PatternSearch(spec, [default(spec)]).propose(history, Random(0), 16)
    assert proposed == RandomSearch(spec, [default(spec)]).propose(history, Random(0), 16)
    assert len(set(proposed)) == 16


def test_given_configs_are_proposed_once() -> None:
    configs = [Config(num_warps=warps) for warps in (1, 2, 4, 8, 2)]
    strategy = FiniteSearch(configs)
    first = strategy.propose([], Random(0), 3)
    assert first == configs[:3]
    assert strategy.propose(measured(first), Random(0), 3) == [configs[3]]
    assert strategy.propose(measured(configs), Random(0), 3) == []


def test_a_small_space_ends() -> None:
    x = helion_ir.TensorSpec((512, 512), torch.bfloat16)
    small = helion_ir.kernel(product).bind((x, x)).config_spec
    small.keys = {"num_warps": small.keys["num_warps"]}
    for strategy in (PatternSearch(small, [Config(num_warps=4)]), RandomSearch(small, [Config(num_warps=4)])):
        history: list[Trial] = []
        while proposed := strategy.propose(history, Random(0), 3):
            history += measured(proposed)
        assert len(history) == len({trial.config for trial in history}) <= 6
        assert len(history) >= 5


def test_leaders_are_measured_ones() -> None:
    configs = [Config(num_warps=warps) for warps in (1, 2, 4, 8)]
    history = [
        Trial(configs[0], "ok", 3.0), Trial(configs[1], "failed", reason="no"), Trial(configs[2], "ok", 1.0),
        Trial(configs[3], "duplicate"),
    ]  # fmt: skip
    assert leading(history, 3) == [configs[2], configs[0]]
    assert leading(history, 1) == [configs[2]]


# Progress ----------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(stream: io.StringIO, **settings: Any) -> str:
    """What a small search writes."""
    with Reporter("product", Settings(**settings), stream) as reporter:
        reporter.trial(Trial(Config(num_warps=1), "ok", 0.0125))
        reporter.trial(Trial(Config(num_warps=2), "wrong", reason="result 0: [1] of 2 elements"))
        reporter.trial(Trial(Config(num_warps=4), "failed", reason="OutOfResources"))
        counts = Counter({"ok": 1, "wrong": 1, "failed": 1, "duplicate": 3})
        reporter.status(2, counts, 0.0125)  # type: ignore[arg-type]
        reporter.generation(2, counts, 0.0125)  # type: ignore[arg-type]
        reporter.say("done", logging.WARNING)
    return stream.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    assert play(io.StringIO()).splitlines() == [
        "helion_ir: product: wrong: result 0: [1] of 2 elements: Config(num_warps=2)",
        "helion_ir: product: failed: OutOfResources: Config(num_warps=4)",
        "helion_ir: product: generation 2, 3 tried, 1 failed, 1 wrong, best 12.5 µs, 0 s",
        "helion_ir: product: done",
    ]
    assert play(io.StringIO(), autotune_log_level="warning").splitlines() == [
        "helion_ir: product: wrong: result 0: [1] of 2 elements: Config(num_warps=2)", "helion_ir: product: done",
    ]  # fmt: skip
    assert "failed:" not in play(io.StringIO(), autotune_ignore_errors=True)
    assert "ok: 12.5 µs: Config(num_warps=1)" in play(io.StringIO(), autotune_log_level="debug")
    assert play(io.StringIO(), autotune_log_level="off") == ""


def test_a_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = play(Terminal())
    assert "generation 2, 3 tried, 1 failed, 1 wrong, best 12.5 µs" in text
    assert "wrong: result 0: [1] of 2 elements: Config(num_warps=2)" in text
    assert "\x1b[" in text, "the line is redrawn"
    assert "\x1b[" not in play(Terminal(), autotune_progress_bar=False)


def test_how_things_are_written() -> None:
    assert [milliseconds(time) for time in (0.00123, 0.5, 1.5, 1234.5)] == ["1.23 µs", "500 µs", "1.5 ms", "1234 ms"]
    line = decorator_line(Config(block_sizes=[16, 32], num_warps=8))
    assert line == "@helion_ir.kernel(config=helion_ir.Config(block_sizes=[16, 32], num_warps=8))"
    assert level_number("debug") == level_number("10") == level_number(10) == 10
    with pytest.raises(exc.InvalidAPIUsage, match="loud"):
        level_number("loud")
