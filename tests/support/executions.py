"""Runs a case of the matrix in one execution and compares it with the example's float64 reference.

`tile` and `tl`: the reference interpreter on the scheduled `tile` module and on the `tl` module. `triton`: the emitted
source under Triton's own interpreter, in a process of its own (`TritonProcess`), since Triton looks at TRITON_INTERPRET
when it is imported. `gpu`: the emitted source on a CUDA device.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import helion_ir

from .matrix import MATRIX, Case, Tolerance
from .triton_patches import correct_interpreter

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: nothing in `failure` if it passed; the largest absolute error, if it came to comparing."""

    failure: str | None
    max_error: float | None = None


@cache
def example_module(name: str) -> ModuleType:
    """The module examples/<name>.py."""
    folder = str(ROOT / "examples")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


@cache
def example_kernel(name: str, static_shapes: bool) -> Any:
    """The kernel of a matrix entry.

    Every pass is verified. Products are computed in full precision (`ieee`), because with Triton's default, tf32,
    float32 operands keep 10 bits of mantissa, which no tolerance for float32 allows.
    """
    entry = MATRIX[name]
    kernel = getattr(example_module(entry.module), entry.kernel)
    return helion_ir.kernel(kernel.fn, static_shapes=static_shapes, dot_precision="ieee", verify_each=True)


def case_args(case: Case, device: str) -> tuple[Any, ...]:
    """The case's arguments, random with a fixed seed."""
    torch.manual_seed(0)
    make = example_module(MATRIX[case.example].module).example_args
    return make(device, dtype=getattr(torch, case.dtype), **case.arguments)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def poisoned_allocations() -> Iterator[None]:
    """`torch.empty` gives NaN (the largest number for integers), so that what a kernel does not write shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def run_kernel_of(case: Case, args: tuple[Any, ...], execution: str) -> tuple[torch.Tensor, ...]:
    """The kernel's results in this process."""
    kernel = example_kernel(case.example, case.static_shapes)
    with environment(HELION_INTERPRET_LEVEL=execution if execution in ("tile", "tl") else "tl"), poisoned_allocations():
        results = helion_ir.compile(kernel, helion_ir.Config(**case.config), args)(*args)
    return results if isinstance(results, tuple) else (results,)


def expect_close(case: Case, actual: tuple[torch.Tensor, ...], args: tuple[Any, ...]) -> float:
    """The largest absolute error; raises AssertionError beyond the dtype's tolerance or the table's looser one."""
    entry = MATRIX[case.example]
    expected = example_module(entry.module).reference(*args)
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert len(actual) == len(expected), f"{len(actual)} results, {len(expected)} expected"
    looser: Tolerance | None = entry.tolerances.get(case.dtype)
    bounds = {"rtol": looser.rtol, "atol": looser.atol} if looser else {}
    worst = 0.0
    for ours, exact in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, exact.to(ours.dtype), **bounds)
        if ours.numel():
            worst = max(worst, (ours.double() - exact.double()).abs().max().item())
    return worst


def run_case(case: Case, execution: str) -> Outcome:
    """Run and compare in this process; any exception is the outcome's failure."""
    try:
        args = case_args(case, "cuda" if execution == "gpu" else "cpu")
        return Outcome(None, expect_close(case, run_kernel_of(case, args, execution), args))
    except Exception:
        return Outcome(traceback.format_exc())


class TritonProcess:
    """A process in which Triton was imported as an interpreter; it runs the cases that it is sent, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.executions"],
            cwd=ROOT,
            env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, case: Case) -> Outcome:
        """The case's outcome; a process that died is one, too."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asdict(case)) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            return Outcome(f"the process that interprets Triton ended with code {self._process.wait()}")
        return Outcome(**json.loads(answer))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """The other end of `TritonProcess`: a case per line in, an outcome per line out."""
    correct_interpreter()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What kernels print must not mix with the answers.
    for line in sys.stdin:
        answers.write(json.dumps(asdict(run_case(Case(**json.loads(line)), "triton"))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
