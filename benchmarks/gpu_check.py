"""The GPU column of the examples' test matrix: the full product of sizes, dtypes, kinds of shapes and configs.

    python benchmarks/gpu_check.py [--jobs 12] [--seconds 400] [--first 0] [--only softmax,…]

Cases run in several processes that share the GPU, since most of the time is Triton's compilation. They come in a fixed
random order, beginning at case number `first` and going round; past the deadline no more are started, and what was not
run is said. Writes gpu_check.json and, for
failures, gpu_check.txt into $OUT (else benchmarks/results); prints a summary per example last. The exit code is 1
unless everything that ran passed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import torch  # noqa: E402

from tests.support.executions import Outcome, run_case  # noqa: E402
from tests.support.matrix import Case, every_case  # noqa: E402


def check(case: Case) -> tuple[Case, Outcome]:
    """Run one case on the GPU, in a worker."""
    return case, run_case(case, "gpu")


def until(cases: Sequence[Case], deadline: float) -> Iterator[Case]:
    """The cases, as long as there is time."""
    for case in cases:
        if time.monotonic() > deadline:
            return
        yield case


def summary(cases: Sequence[Case], results: dict[str, Outcome]) -> str:
    """One line per example: passed, failed, not run, the largest error by dtype."""
    lines = [f"GPU matrix on {torch.cuda.get_device_name()}, torch {torch.__version__}"]
    for name in dict.fromkeys(case.example for case in cases):
        mine = [case for case in cases if case.example == name]
        count = Counter("not run" if c.id not in results else "failed" if results[c.id].failure else "ok" for c in mine)
        worst: dict[str, float] = {}
        for case in mine:
            if case.id in results and (error := results[case.id].max_error) is not None:
                worst[case.dtype] = max(error, worst.get(case.dtype, 0.0))
        errors = ", ".join(f"{dtype} {error:.1e}" for dtype, error in worst.items())
        counts = f"{count['ok']:4} ok {count['failed']:4} failed {count['not run']:4} not run"
        lines.append(f"{name:<18} {counts}   largest error: {errors}")
    return "\n".join(lines)


def run_all(cases: Iterator[Case], jobs: int, last: float) -> Iterator[tuple[Case, Outcome]]:
    """Run cases side by side, each worker an executor of its own, so that one that dies or hangs costs its case only.

    What has not ended at the time `last` counts as failed.
    """
    context = multiprocessing.get_context("spawn")
    idle = [ProcessPoolExecutor(1, mp_context=context) for _ in range(jobs)]
    running: dict[Future[tuple[Case, Outcome]], tuple[Case, ProcessPoolExecutor]] = {}
    while True:
        while idle and (case := next(cases, None)) is not None:
            executor = idle.pop()
            running[executor.submit(check, case)] = case, executor
        if not running:
            return
        done, _ = wait(running, timeout=max(0.0, last - time.monotonic()), return_when=FIRST_COMPLETED)
        if not done:
            break
        for future in done:
            case, executor = running.pop(future)
            try:
                yield future.result()
            except BrokenProcessPool:
                yield case, Outcome("the worker died")
                executor = ProcessPoolExecutor(1, mp_context=context)
            idle.append(executor)
    for case, executor in running.values():
        yield case, Outcome("did not end in time")
        for process in executor._processes.values():  # the public ways all wait for the process
            process.kill()


def main() -> int:
    """Run the matrix; 0 if nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=400, help="start no case after this time")
    parser.add_argument("--first", type=int, default=0, help="the case to begin with, in the fixed random order")
    parser.add_argument("--only", default="", help="comma-separated names of the matrix")
    options = parser.parse_args()
    folder = Path(os.environ.get("OUT", str(_path.ROOT / "benchmarks/results")))
    folder.mkdir(parents=True, exist_ok=True)
    wanted = set(options.only.split(",")) - {""}
    cases = [case for case in every_case() if not wanted or case.example in wanted]
    random.Random(0).shuffle(cases)
    cases = cases[options.first :] + cases[: options.first]
    deadline = time.monotonic() + options.seconds
    results: dict[str, Outcome] = {}
    with (folder / "gpu_check.txt").open("w") as failures:
        for case, outcome in run_all(until(cases, deadline), options.jobs, deadline + 60):
            results[case.id] = outcome
            if outcome.failure:
                print(f"FAILED {case.id}: {outcome.failure.strip().splitlines()[-1][:200]}", flush=True)
                failures.write(f"===== {case.id}\n{outcome.failure}\n")
                failures.flush()
    rows = [{**asdict(case), **asdict(results[case.id])} for case in cases if case.id in results]
    (folder / "gpu_check.json").write_text(json.dumps(rows, indent=0) + "\n")
    print(summary(cases, results))
    return int(any(outcome.failure for outcome in results.values()))


if __name__ == "__main__":
    sys.exit(main())
