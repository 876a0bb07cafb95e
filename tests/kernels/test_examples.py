"""Every example against PyTorch in float64, in the three executions that need no GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from ..support.executions import ROOT, TritonProcess, run_case
from ..support.matrix import EXECUTIONS, MATRIX, Case, covering_cases

CASES = list(covering_cases())
SCRIPTS = sorted({example.module for example in MATRIX.values()})


@pytest.fixture(scope="module")
def triton_process() -> Iterator[TritonProcess]:
    """One process that runs emitted sources, for all cases."""
    process = TritonProcess()
    yield process
    process.close()


@pytest.mark.parametrize("execution", [execution for execution in EXECUTIONS if execution != "triton"])
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_reference_interpreter(case: Case, execution: str) -> None:
    outcome = run_case(case, execution)
    assert outcome.failure is None, outcome.failure


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_triton_interpreter(case: Case, triton_process: TritonProcess) -> None:
    outcome = triton_process.run(case)
    assert outcome.failure is None, outcome.failure


@pytest.mark.parametrize("name", SCRIPTS)
def test_runs_as_a_script(name: str) -> None:
    """`python examples/<name>.py` checks itself and prints a line per kernel."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    assert all("max error" in line for line in lines), done.stdout


def test_the_covering_cases_cover() -> None:
    """Per example every dtype, both kinds of shapes, every size and at least four configs."""
    for name, example in MATRIX.items():
        cases = [case for case in CASES if case.example == name]
        assert {case.dtype for case in cases} == {"float32", "float16", "bfloat16"}
        assert {case.static_shapes for case in cases} == {True, False}
        assert [arguments for arguments in example.arguments if arguments not in [c.arguments for c in cases]] == []
        assert len({str(case.config) for case in cases}) >= 4
