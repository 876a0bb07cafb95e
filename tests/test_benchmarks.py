"""The benchmark scripts that need no GPU to be run through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_tuning_benchmark_rehearses(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "tune_h100.py"), "--rehearse", "--only", "softmax"]
    options = ["--effort", "quick", "--seconds", "5", "--out", str(tmp_path)]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "tune.json").read_text())
    assert report["failures"] == []
    (row,) = report["rows"]
    trials = [json.loads(line) for line in (tmp_path / "trials_softmax.jsonl").read_text().splitlines()]
    measured = [trial["milliseconds"] for trial in trials if trial["status"] == "ok"]
    assert row["search"]["milliseconds"] == min(measured)
    assert row["search"]["tried"] == sum(trial["status"] != "duplicate" for trial in trials)
    assert row["times"].keys() == {"tuned", "default config", "torch eager"}
    assert "| torch eager |" in (tmp_path / "tune.md").read_text()
