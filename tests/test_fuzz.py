"""Random kernels from a fixed seed against PyTorch, at every level; `make fuzz` runs more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CASES, SECONDS = 150, 85
"""Of each of two halves, which two processes of pytest run side by side; the box ends a half on a slow machine."""


@pytest.mark.parametrize("half", [0, 1])
def test_random_kernels(half: int, tmp_path: Path) -> None:
    from tests.fuzz.campaign import Tally  # noqa: PLC0415

    tally = tmp_path / "tally.json"
    environment = {
        **os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "FUZZ_TALLY": str(tally), "HELION_CACHE_DIR": "",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "tests.fuzz", "--worker", "--seed", str(1000 * half), "--seconds", str(SECONDS),
        "--cases", str(CASES), "--out", str(tmp_path / "findings"), "--binary", "--raw",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    total = Tally.from_json(tally.read_text())
    print(total.summary())
    shown = "\n\n".join(path.read_text() for path in sorted((tmp_path / "findings").glob("*.py")))
    assert not total.findings, f"{total.summary()}\n\n{shown}"
    assert total.cases > 20, f"only {total.cases} cases in {SECONDS} s"
