"""What a search outlives: measurements that fail or are no times, logs and caches that cannot be used."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest
import torch
from helion_ir.backends.base import Resources
from helion_ir.backends.load import load_source, source_path
from helion_ir.backends.triton.backend import TritonBackend
from helion_ir.backends.triton.targets import TARGETS

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, exc
from helion_ir.autotuner import best_configs, search
from helion_ir.autotuner.tuning import tune

WARPS = [1, 2, 4, 8]


def double(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * 2
    return out


X = torch.arange(37.0)
CONFIGS = [Config(block_sizes=[16], num_warps=warps) for warps in WARPS]


def bound(measure: Callable[..., Any], **settings: Any) -> helion_ir.BoundKernel:
    settings = {"configs": CONFIGS, "autotune_effort": "quick", "autotune_log_level": "off", **settings}
    return helion_ir.kernel(double, autotune_benchmark_fn=measure, **settings).bind((X,))


def warps_of(compiled: helion_ir.CompiledKernel) -> int:
    warps = compiled.config["num_warps"]
    assert isinstance(warps, int)
    return warps


def by_warps(compiled: helion_ir.CompiledKernel, args: object) -> float:
    """4 warps are the best."""
    return 1 + abs(math.log2(warps_of(compiled)) - 2) / 100


# Measurements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, -1.0, math.inf, -math.inf, "no number", None])
def test_what_is_no_time_costs_the_candidate(value: Any) -> None:
    def measure(compiled: helion_ir.CompiledKernel, args: object) -> Any:
        return value if warps_of(compiled) in (1, 4) else by_warps(compiled, args)

    outcome = tune(bound(measure), (X,))
    assert {trial.config["num_warps"]: trial.status for trial in outcome.history} == {
        1: "failed", 2: "ok", 4: "failed", 8: "ok",
    }  # fmt: skip
    assert outcome.config["num_warps"] in (2, 8)
    assert outcome.milliseconds == 1.01
    assert outcome.failed == 2
    assert outcome.tried == 4


class Again:
    """Measures well once for each config, and then as `again` says."""

    def __init__(self, again: Callable[[int, float], float]) -> None:
        self._again = again
        self.seen: dict[int, int] = {}

    def __call__(self, compiled: helion_ir.CompiledKernel, args: object) -> float:
        warps, time = warps_of(compiled), by_warps(compiled, args)
        self.seen[warps] = self.seen.get(warps, 0) + 1
        return time if self.seen[warps] == 1 else self._again(warps, time)


def _out_of_luck(warps: int, time: float) -> float:
    raise RuntimeError("out of luck")


@pytest.mark.parametrize("fault", [_out_of_luck, lambda warps, time: math.nan, lambda warps, time: -time])
def test_a_leader_that_fails_when_it_is_measured_again_is_out(fault: Callable[[int, float], float]) -> None:
    measure = Again(lambda warps, time: fault(warps, time) if warps == 4 else time)
    outcome = tune(bound(measure), (X,))
    assert outcome.config["num_warps"] in (2, 8)
    assert outcome.milliseconds == 1.01
    assert measure.seen == {1: 6, 2: 6, 4: 2, 8: 6}
    assert (outcome.tried, outcome.failed) == (4, 1)
    failed = [trial for trial in outcome.history if trial.status == "failed"]
    assert [trial.config["num_warps"] for trial in failed] == [4]
    assert failed[0].reason.startswith("measured again: ")


def test_what_was_found_stays_where_nothing_can_be_measured_again() -> None:
    kernel = bound(Again(_out_of_luck))
    outcome = tune(kernel, (X,))
    assert outcome.config["num_warps"] in WARPS
    assert best_configs.recall(kernel) == outcome.config


def test_ctrl_c_while_the_leaders_are_measured_again_keeps_the_best() -> None:
    def interrupt(warps: int, time: float) -> float:
        raise KeyboardInterrupt

    kernel = bound(Again(interrupt))
    outcome = tune(kernel, (X,))
    assert outcome.interrupted
    assert outcome.config["num_warps"] == 4
    assert best_configs.recall(kernel) == outcome.config


class NoWorkers:
    """Stands for a pool, where nothing is to be compiled."""

    def __init__(self, *_: object) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("late", [False, True])
def test_a_candidate_that_breaks_the_device_ends_the_search_and_the_best_other_is_kept(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, or when the leaders are measured again."""
    monkeypatch.setattr(TritonBackend, "device_gpu", lambda self, device: TARGETS["sm_90"])
    monkeypatch.setattr(search, "Workers", NoWorkers)
    monkeypatch.setattr(TritonBackend, "capture", lambda *_: None)

    def broken() -> None:
        raise RuntimeError("an illegal memory access was encountered")

    def fail(warps: int, time: float) -> float:
        if warps == 4:
            monkeypatch.setattr(torch.cuda, "synchronize", broken)
            broken()
        return time

    def measure(compiled: helion_ir.CompiledKernel, args: object) -> float:
        return fail(warps_of(compiled), by_warps(compiled, args))

    kernel = bound(Again(fail) if late else measure, autotune_accuracy_check=False)
    with pytest.raises(exc.TritonUnrecoverableRuntimeError, match="unusable for this process: RuntimeError"):
        tune(kernel, (X,))
    kept = best_configs.recall(kernel)
    assert kept is not None
    assert kept["num_warps"] == 2


@pytest.mark.parametrize("budget", [0.0, 1e-9])
def test_however_small_the_budget_one_candidate_is_tried(budget: float) -> None:
    outcome = tune(bound(by_warps, autotune_budget_seconds=budget), (X,))
    assert outcome.config["num_warps"] in WARPS
    assert outcome.tried == 1


def test_ctrl_c_while_candidates_are_compiled_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is compiled and measured; the others never are."""
    ended: list[str] = []

    class SlowWorkers(NoWorkers):
        def submit(self, *_: object) -> Future[Resources]:
            future: Future[Resources] = Future()
            if not ended:
                future.set_result(Resources(0, 1, 32, 0))
                ended.append("compiled")
            return future

        def close(self) -> None:
            ended.append("closed")

    def interrupted(futures: object, timeout: float | None = None, return_when: str = "") -> Any:
        if timeout == 0 or ended != ["compiled"]:
            return wait(futures, timeout, return_when)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(TritonBackend, "device_gpu", lambda self, device: TARGETS["sm_90"])
    monkeypatch.setattr(search, "Workers", SlowWorkers)
    monkeypatch.setattr(TritonBackend, "capture", lambda *_: "a launch")
    monkeypatch.setattr(search, "wait", interrupted)
    outcome = tune(bound(by_warps, autotune_accuracy_check=False, autotune_precompile_jobs=1), (X,))
    assert outcome.interrupted
    assert outcome.config["num_warps"] == WARPS[0]
    assert ended == ["compiled", "closed"]


def test_memory_that_does_not_suffice_for_a_search_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(search, "Baseline", full)
    with pytest.raises(exc.AutotuneError, match="no memory for a copy of the arguments"):
        tune(bound(by_warps), (X,))


def test_a_terminal_that_is_gone_ends_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stderr", Gone())
    assert tune(bound(by_warps, autotune_log_level="debug"), (X,)).config["num_warps"] == 4


# Logs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["folder", "below a file", "full"])
def test_a_log_that_cannot_be_written_is_a_warning(
    place: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    log = {"folder": tmp_path, "below a file": tmp_path / "file" / "log", "full": Path("/dev/full")}[place]
    assert tune(bound(by_warps, autotune_log=str(log)), (X,)).config["num_warps"] == 4
    assert capfd.readouterr().err.count("WARNING[TuningLogNotWritable]: double: ") == 1


# The cache ---------------------------------------------------------------------------------------------------------


def call(capfd: pytest.CaptureFixture[str], **settings: Any) -> tuple[int, str]:
    """How often a new kernel's two calls measure, and what they say on stderr."""
    count = 0

    def measure(compiled: helion_ir.CompiledKernel, args: object) -> float:
        nonlocal count
        count += 1
        return by_warps(compiled, args)

    settings = {"configs": CONFIGS, "autotune_effort": "quick", "autotune_log_level": "off", **settings}
    kernel = helion_ir.kernel(double, autotune_benchmark_fn=measure, **settings)
    capfd.readouterr()
    for _ in range(2):
        torch.testing.assert_close(kernel(X), X * 2)
    return count, capfd.readouterr().err


def kept_file(capfd: pytest.CaptureFixture[str]) -> Path:
    assert call(capfd)[1] == ""
    (file,) = (Path(os.environ["HELION_CACHE_DIR"]) / "best").glob("*.json")
    return file


def test_a_cache_that_cannot_be_written_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file stands in the way; nothing at all can be written. The process searches once."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        monkeypatch.setenv("HELION_CACHE_DIR", str(folder))
        count, said = call(capfd)
        assert count == len(WARPS) + 5 * len(WARPS)
        assert said.count("WARNING[CacheNotWritable]: double: ") == 1
    assert call(capfd, ignore_warnings=(exc.BaseWarning,)) == (count, "")


def test_a_full_disk_is_a_warning_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(best_configs.os, "replace", full)
    assert "WARNING[CacheNotWritable]: double: the best config is not kept" in call(capfd)[1]
    assert not [path for path in Path(os.environ["HELION_CACHE_DIR"]).rglob("*") if path.is_file()]


def _other_key(text: str) -> str:
    stored = json.loads(text)
    stored["key"]["ir"] = "0" * 64
    return json.dumps(stored)


def _with(**values: object) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), **values})


DAMAGED: dict[str, Callable[[str], str | bytes]] = {
    "deeply nested": lambda text: "[" * 100_000 + "]" * 100_000,
    "nested config": lambda text: json.dumps(json.loads(text)).replace(
        '"num_warps": 4', '"num_warps": ' + "[" * 900 + "]" * 900
    ),
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "binary": lambda text: bytes(range(256)) * 4,
    "a list": lambda text: "[1, 2]",
    "null": lambda text: "null",
    "no config": lambda text: "{}",
    "config is text": _with(config="fast"),
    "config is a list": _with(config=[["num_warps", 4]]),
    "another kernel's": _other_key,
    "key is a list": _with(key=[1]),
    "unknown key": _with(config={"num_wraps": 4}),
    "wrong type": _with(config={"block_sizes": {"a": 1}, "num_warps": "four"}),
    "objects in lists": _with(config={"block_sizes": [{"a": [1]}], "num_warps": 4}),
    "huge integer": lambda text: text.replace('"num_warps": 4', '"num_warps": 1' + "0" * 4000),
    "integer beyond Python's limit": lambda text: text.replace('"num_warps": 4', '"num_warps": 1' + "0" * 9000),
    "not a number": lambda text: text.replace('"num_warps": 4', '"num_warps": NaN'),
    "illegal": _with(config={"block_sizes": [17], "num_warps": 4}),
    "long": lambda text: text + " " * (2 << 20),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_cache_file_is_a_warning_and_a_new_search(
    damage: Callable[[str], str | bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    file = kept_file(capfd)
    content = damage(file.read_text())
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    count, said = call(capfd)
    assert count > 0
    assert said.count("WARNING[CacheNotReadable]: double: ") == 1
    assert len(said) < 1000
    assert call(capfd) == (0, ""), "the new search's config replaced the file"


def test_what_is_no_file_in_the_cache_is_a_warning_and_a_new_search(capfd: pytest.CaptureFixture[str]) -> None:
    file = kept_file(capfd)
    file.unlink()
    file.mkdir()
    count, said = call(capfd)
    assert count > 0
    assert "WARNING[CacheNotReadable]" in said
    assert "WARNING[CacheNotWritable]" in said
    file.rmdir()
    os.mkfifo(file)  # whoever opened it would wait for ever
    count, said = call(capfd)
    assert count > 0
    assert "WARNING[CacheNotReadable]" in said
    assert call(capfd) == (0, "")


def test_a_file_that_may_not_be_read_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kept_file(capfd)

    def denied(path: Path, *args: object, **others: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(best_configs.Path, "read_text", denied)
    count, said = call(capfd)
    assert count > 0
    assert "WARNING[CacheNotReadable]" in said
    assert "Permission denied" in said


def test_emitted_modules_run_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "file"))
    text = "import triton\n\n\n@triton.jit\ndef nothing(n):\n    return\n"
    assert load_source(text, "nothing").nothing.src.startswith("def nothing(n):")
    assert load_source(text, "nothing") is load_source(text, "nothing")


def test_a_damaged_emitted_module_is_written_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path))
    path = source_path("value = 3\n", "kernel")
    path.parent.mkdir()
    path.write_text("value = 4\n")
    assert load_source("value = 3\n", "kernel").value == 3
    assert path.read_text() == "value = 3\n"
