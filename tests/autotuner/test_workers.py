"""Compilation ahead of measuring: worker processes that hang or die, captured launches, what resources rule out."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
from helion_ir.backends.base import Resources
from helion_ir.backends.triton.backend import BACKEND, TritonBackend
from helion_ir.backends.triton.runtime import precompile
from helion_ir.dialects.targets import TARGETS
from triton.backends.compiler import GPUTarget

import helion_ir
import helion_ir.language as hl
from helion_ir import Config
from helion_ir.autotuner import workers as workers_module
from helion_ir.autotuner.resources import PrunedError, TileSizes, rule_out
from helion_ir.autotuner.tuning import tune
from helion_ir.autotuner.workers import NoWorkersError, TaskFailedError, Workers

H100 = TARGETS["sm_90"]


def scaled(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.softmax(x[tile, :], dim=1) * n
    return out


def args() -> tuple[torch.Tensor, int]:
    return torch.randn(12, 100), 48


# Workers -----------------------------------------------------------------------------------------------------------


def test_a_worker_that_hangs_dies_or_raises_costs_one_task() -> None:
    """The functions are Python's own, so that a worker need not import this file."""
    started = time.monotonic()
    with Workers(2, timeout=2.0) as workers:
        hangs = workers.submit(time.sleep, 1000)
        dies = workers.submit(os._exit, 7)
        raises = workers.submit(int, "seven")
        works = [workers.submit(pow, 3, n) for n in range(8)]
        with pytest.raises(TaskFailedError, match="no answer within 2 s"):
            hangs.result(timeout=60)
        with pytest.raises(TaskFailedError, match=r"died \(exit status 7\)"):
            dies.result(timeout=60)
        with pytest.raises(TaskFailedError, match=r"ValueError: .*'seven'"):
            raises.result(timeout=60)
        assert [future.result(timeout=60) for future in works] == [3**n for n in range(8)]
        pids = [worker.process.pid for worker in workers._all]
    assert time.monotonic() - started < 60
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)


def test_closing_ends_what_hangs() -> None:
    workers = Workers(1, timeout=1000.0)
    hangs = workers.submit(time.sleep, 1000)
    waits = workers.submit(pow, 2, 3)
    time.sleep(0.5)
    started = time.monotonic()
    workers.close()
    assert time.monotonic() - started < 10
    assert waits.cancelled()
    with pytest.raises(TaskFailedError, match="died"):
        hangs.result(timeout=10)


def test_workers_do_not_run_the_callers_script(tmp_path: Path) -> None:
    """A script without a `__main__` guard, as users write them."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('script runs', flush=True)\n"
        "from helion_ir.autotuner.workers import Workers\n"
        "workers = Workers(2, 60.0)\n"
        "print([workers.submit(pow, 2, n).result() for n in (3, 4)])\n"
        "workers.close()\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert result.stdout == "script runs\n[8, 16]\n"
    assert result.stderr == ""


def test_workers_import_what_the_caller_imports(tmp_path: Path) -> None:
    """A folder of the package's name in the working directory is not the package."""
    (tmp_path / "here" / "helion_ir").mkdir(parents=True)
    (tmp_path / "here" / "helion_ir" / "__init__.py").touch()
    script = tmp_path / "script.py"
    script.write_text(
        "from helion_ir.autotuner.workers import Workers\n"
        "with Workers(1, 60.0) as workers:\n"
        "    print(workers.submit(pow, 2, 5).result())\n"
    )
    command = [sys.executable, str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path / "here")
    assert result.stdout == "32\n", result.stderr


def test_the_last_words_of_a_worker_that_dies() -> None:
    with Workers(1, timeout=60.0) as workers:
        workers.submit(os.write, 2, b"of the task before").result(timeout=60)
        dies = workers.submit(exec, "import os; os.write(2, b'out of luck'); os._exit(3)")
        with pytest.raises(TaskFailedError, match=r"died \(exit status 3\): out of luck$"):
            dies.result(timeout=60)


NO_START = [sys.executable, "-c", "raise SystemExit('no such package')"]


def test_workers_that_cannot_start_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_COMMAND", NO_START)
    with (
        Workers(1, timeout=60.0) as workers,
        pytest.raises(NoWorkersError, match=r"no worker process starts: .*exit status 1.*no such package"),
    ):
        workers.submit(pow, 2, 3).result(timeout=60)


def test_a_worker_that_dies_before_it_begins_costs_no_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first process ends at once; another does its task."""
    once = tmp_path / "once.py"
    script = workers_module._COMMAND[-1]
    once.write_text(
        "import os, runpy, sys\n"
        f"flag = {str(tmp_path / 'flag')!r}\n"
        "if not os.path.exists(flag):\n"
        "    open(flag, 'w').close()\n"
        "    os._exit(9)\n"
        f"runpy.run_path({script!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(workers_module, "_COMMAND", [sys.executable, "-P", str(once)])
    with Workers(1, timeout=60.0) as workers:
        assert workers.submit(pow, 2, 3).result(timeout=100) == 8


def test_where_no_process_can_be_started_no_task_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers_module.subprocess, "Popen", refuse)
    with (
        Workers(2, timeout=60.0) as workers,
        pytest.raises(NoWorkersError, match=r"no worker process: .*Resource temporarily unavailable"),
    ):
        workers.submit(pow, 2, 3).result(timeout=60)


def test_what_cannot_be_sent_costs_its_task_and_no_worker() -> None:
    with Workers(1, timeout=60.0) as workers:
        with pytest.raises(TaskFailedError, match="the task cannot be sent: "):
            workers.submit(lambda: 1).result(timeout=60)
        with pytest.raises(TaskFailedError, match="the worker process died"):
            workers.submit(memoryview, b"x").result(timeout=60)  # what comes back cannot be pickled
        assert workers.submit(pow, 2, 3).result(timeout=100) == 8


WRITE = """
import os, struct
for fd in map(int, os.listdir("/proc/self/fd")):
    if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
        os.write(fd, %s)
"""


def test_garbage_from_a_workers_pipe_costs_one_task() -> None:
    messages = (
        "b'garbage and more of it'",  # a length that is none
        "struct.pack('!i', 4) + b'junk'",  # no pickle
        "struct.pack('!i', 5) + b'\\x80\\x04K\\x07.'",  # a pickle, but of 7
    )
    half = "struct.pack('!i', 8 << 20) + b'half'"  # the beginning of a long answer
    with Workers(2, timeout=2.0) as workers:
        garbage = [workers.submit(exec, WRITE % message) for message in messages]
        hangs = workers.submit(exec, WRITE % half + "import time; time.sleep(1000)")
        works = workers.submit(pow, 2, 3)
        for future in garbage:
            with pytest.raises(TaskFailedError, match="sent what is no answer"):
                future.result(timeout=100)
        with pytest.raises(TaskFailedError, match="no answer within 2 s"):
            hangs.result(timeout=100)
        assert works.result(timeout=100) == 8


CALLER = """
import time
from helion_ir.autotuner.workers import Workers

workers = Workers(2, 1000.0)
if {ready}:
    workers.submit(pow, 2, 3).result()
    workers.submit(exec, "import subprocess; subprocess.run(['sleep', '1000'])")
    time.sleep(0.5)
print(*(worker.process.pid for worker in workers._all), flush=True)
time.sleep(1000)
"""


def _lives(pid: int) -> bool:
    """Whether there is a process that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("ready", [False, True])
def test_no_worker_outlives_a_killed_caller(ready: bool) -> None:
    """Also those that are still importing, and those that are at something."""
    caller = subprocess.Popen([sys.executable, "-c", CALLER.format(ready=ready)], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    pids = [int(pid) for pid in caller.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(_lives, pids))
    caller.kill()
    caller.wait()
    caller.stdout.close()
    end = time.monotonic() + 20
    while any(map(_lives, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(_lives, pids))


# Compilation -------------------------------------------------------------------------------------------------------


@pytest.fixture
def absent_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Triton takes this machine for one with an H100; nothing can be launched."""
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")  # Triton 3.9 warns where it is not set
    absent: Any = precompile._AbsentDriver(GPUTarget("cuda", 90, 32))
    before = triton.runtime.driver._active
    triton.runtime.driver.set_active(absent)
    yield
    triton.runtime.driver._active = before


def _capture(self: TritonBackend, source: str, name: str, run: object, args: tuple[object, ...]) -> object:
    """What launching the emitted module compiles; here the run of a candidate is interpreted."""
    return precompile.capture(source, name, self.host(source, name), args)


@pytest.mark.usefixtures("absent_gpu")
def test_what_a_worker_compiles_is_what_the_call_looks_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))
    bound = helion_ir.kernel(scaled).bind(args())
    lowered = bound.lower(bound.config_spec.default_config())
    run = BACKEND.host(lowered.source, bound.name)
    launch = precompile.capture(lowered.source, bound.name, run, args())
    assert launch is not None
    assert '"n": "i64"' in launch.data
    with Workers(1, timeout=120.0) as workers:
        resources = workers.submit(precompile.compile_launch, launch, H100).result(timeout=200)
    assert resources.num_warps == bound.config_spec.default_config()["num_warps"]
    assert 8 <= resources.registers <= 255
    assert resources.spills == 0
    hits: list[bool] = []
    monkeypatch.setattr(triton.knobs.compilation, "listener", lambda **event: hits.append(event["cache_hit"]))
    with pytest.raises(AttributeError, match="launcher_cls"):  # where it would go to the GPU
        run(*args())
    assert hits == [True]


@pytest.mark.usefixtures("absent_gpu")
def test_a_search_compiles_in_workers_and_prunes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the GPU: compiled for one with little shared memory, run by the interpreter."""
    small = dataclasses.replace(H100, shared_bytes=8)
    monkeypatch.setattr(TritonBackend, "device_gpu", lambda self, device: small)
    monkeypatch.setattr(TritonBackend, "capture", _capture)
    configs = [Config(block_sizes=[1], num_warps=warps) for warps in (1, 4)] + [Config(block_sizes=[4096])]
    kernel = helion_ir.kernel(
        scaled, configs=configs, autotune_effort="quick", autotune_log_level="off", autotune_precompile_jobs=1,
        autotune_benchmark_fn=lambda compiled, args: compiled.resources("sm_90").registers,
    )  # fmt: skip
    outcome = tune(kernel.bind(args()), args())
    by_warps = {trial.config["num_warps"]: trial for trial in outcome.history if trial.config["block_sizes"] == [1]}
    assert outcome.pruned == 2
    assert by_warps[4].reason == "takes 16 bytes of shared memory, there are 8"
    tiles = [trial for trial in outcome.history if trial.config["block_sizes"] == [4096]]
    assert "too much for" in tiles[0].reason
    assert by_warps[1].status == "ok"
    assert outcome.config["num_warps"] == 1


@pytest.mark.usefixtures("absent_gpu")
def test_a_search_without_workers_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every candidate is measured, those too that waited for the worker that did not come."""
    monkeypatch.setattr(workers_module, "_COMMAND", NO_START)
    monkeypatch.setattr(TritonBackend, "device_gpu", lambda self, device: H100)
    monkeypatch.setattr(TritonBackend, "capture", _capture)
    configs = [Config(block_sizes=[1], num_warps=warps) for warps in (1, 2, 4, 8)]
    kernel = helion_ir.kernel(
        scaled, configs=configs, autotune_effort="quick", autotune_log_level="off", autotune_precompile_jobs=2,
        autotune_benchmark_fn=lambda compiled, args: abs(compiled.config["num_warps"] - 4.0),
    )  # fmt: skip
    outcome = tune(kernel.bind(args()), args())
    assert [trial.status for trial in outcome.history] == ["ok"] * 4
    assert outcome.config["num_warps"] == 4
    warning = capfd.readouterr().err
    assert warning.count("WARNING[WorkersNotAvailable]: scaled: candidates are compiled one by one: ") == 1
    assert "no such package" in warning


def test_resources_that_rule_out() -> None:
    rule_out(Resources(H100.shared_bytes, 32, 255, 0), H100)
    for resources, why in (
        (Resources(H100.shared_bytes + 1, 4, 32, 0), "shared memory"),
        (Resources(0, 64, 32, 0), "2048 threads"),
        (Resources(0, 4, 255, 500), "spills 500 registers"),
    ):
        with pytest.raises(PrunedError, match=why):
            rule_out(resources, H100)


def test_tiles_that_no_register_file_holds_are_ruled_out_uncompiled() -> None:
    bound = helion_ir.kernel(scaled).bind(args())
    tiles = TileSizes()
    for rows, elements in ((1, 128), (16, 2048)):
        lowered = bound.lower(Config(block_sizes=[rows]))
        assert tiles.largest(lowered) == elements
        tiles.rule_out(lowered, H100)
    with pytest.raises(PrunedError, match="262144 elements is too much for 128 threads"):
        tiles.rule_out(bound.lower(Config(block_sizes=[2048], num_warps=4)), H100)
