"""The fused product and all-reduce on several GPUs: is it right, and how long does it take beside its rivals?

    torchrun --nproc-per-node 2 examples/distributed/benchmark_gemm_one_shot_all_reduce.py [--seconds 220] [--out DIR]

First correctness (`_correctness.py`), then the table of shapes in bf16 (`_contest.py`). A time is the median over calls
of the slowest rank's CUDA-event time, each call right after a barrier on the device, operands random, contenders taking
turns; the L2 cache is flushed before each call with `--flush` only. Writes symm.json and symm.md into DIR ($OUT, else
benchmarks/results) after each shape. No shape is begun after `--seconds`, and a rank that hangs for `--hang` seconds
prints its stacks and ends the run. Without installation: `torchrun … benchmarks/symm_h200x2.py`, with these options.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "benchmarks")]

import torch  # noqa: E402
import triton  # noqa: E402
from _compile_ahead import Ahead  # noqa: E402
from _contest import BEST, HAND, NCCL, ONE_SHOT, ORDERED, SAME, SHAPES, UNORDERED, Contest, Rates  # noqa: E402
from _correctness import check_all  # noqa: E402
from _ranks import Ranks  # noqa: E402

COLUMNS = (SAME, BEST, HAND, ORDERED, UNORDERED, NCCL, ONE_SHOT)


@dataclass
class Report:
    """What a run found, and where rank 0 writes it."""

    folder: Path
    facts: dict[str, Any]
    checks: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Both files, anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        payload = {"facts": self.facts, "verdict": self.verdict(), "rows": self.rows, "checks": self.checks}
        (self.folder / "symm.json").write_text(json.dumps(payload, indent=1) + "\n", encoding="utf-8")
        (self.folder / "symm.md").write_text(self.text() + "\n", encoding="utf-8")

    def verdict(self) -> str:
        """PASS or FAIL of the two demands, and why."""
        wrong = [f"{row['test']} of {row['case']}" for row in self.checks if not row["ok"]]
        wrong += [f"{name} at {row['sizes']}" for row in self.rows for name in row["wrong"]]
        slow = [f"{tuple(row['sizes'])} {_ratio(row, HAND, SAME)}" for row in self.rows if not _as_quick(row)]
        correct = f"correct everywhere: {'FAIL: ' + '; '.join(wrong) if wrong or not self.checks else 'PASS'}"
        unmeasured = [f"{name} not measured" for name in self.missing]
        lost = "; ".join(slow + unmeasured)
        return f"{correct} | same blocking >= 1.0x by hand: {'FAIL: ' + lost if lost else 'PASS'}"

    def text(self) -> str:
        """The tables, as markdown."""
        passed = sum(row["ok"] for row in self.checks)
        lines = [", ".join(f"{name}: {value}" for name, value in self.facts.items()), ""]
        lines += [f"Correctness: {passed} of {len(self.checks)} tests passed.", ""]
        titles = ["M×N×K", *(f"{name}, µs" for name in COLUMNS), "by hand / same blocking", "best rival / ours"]
        lines.append(f"| {' | '.join(titles)} | least µs | bound by |")
        lines += ["|---" * (len(COLUMNS) + 5) + "|"]
        for row in self.rows:
            cells = [f"{row['us'][name]:.2f}" if name in row["us"] else "" for name in COLUMNS]
            shape = "×".join(map(str, row["sizes"]))
            ratios = f"{_ratio(row, HAND, SAME)} | {_ratio(row, _best_rival(row), BEST)}"
            lines.append(f"| {shape} | {' | '.join(cells)} | {ratios} | {row['bound_us']:.2f} | {row['bound_by']} |")
        lines += [
            "",
            "| M×N×K | config of ours, same blocking | config of ours, best | bounds, µs |",
            "|---|---|---|---|",
        ]
        for row in self.rows:
            bounds = ", ".join(f"{name} {value:.2f}" for name, value in row["bounds_us"].items())
            configs = f"`{row['same_config']}` | `{row['best_config']}`"
            lines.append(f"| {'×'.join(map(str, row['sizes']))} | {configs} | {bounds} |")
        return "\n".join([*lines, "", self.verdict()])


def _best_rival(row: dict[str, Any]) -> str:
    rivals = [name for name in (HAND, ORDERED, UNORDERED, NCCL, ONE_SHOT) if name in row["us"]]
    return min(rivals, key=row["us"].__getitem__, default=HAND)


def _ratio(row: dict[str, Any], rival: str, ours: str) -> str:
    """The rival's time over ours: above 1, ours is quicker."""
    times = row["us"]
    return f"{times[rival] / times[ours]:.3f}" if rival in times and ours in times else "none"


def _as_quick(row: dict[str, Any]) -> bool:
    times = row["us"]
    return SAME in times and HAND in times and times[SAME] <= times[HAND]


def facts(ranks: Ranks, rates: Rates, options: argparse.Namespace) -> dict[str, Any]:
    """What a reader must know of the run."""
    return {
        "devices": f"{ranks.world_size} x {torch.cuda.get_device_name()}", "date": str(datetime.date.today()),
        "torch": torch.__version__, "triton": triton.__version__, "python": platform.python_version(),
        "L2 flushed": options.flush, "link GB/s, one way, measured": round(rates.link / 1e9),
        "bf16 TFLOP/s, measured": round(rates.flops / 1e12),
        "command": f"torchrun --nproc-per-node {ranks.world_size} {' '.join(sys.argv)}",
    }  # fmt: skip


def run(ranks: Ranks, options: argparse.Namespace) -> Report:
    """All of it."""
    ahead = Ahead(options.jobs, 90.0, ranks.device)
    try:
        with ranks.stage("rates of the machine"):
            rates = Rates.measured(ranks)
            ranks.say(f"links {rates.link / 1e9:.0f} GB/s, products {rates.flops / 1e12:.0f} TFLOP/s")
        report = Report(options.out, facts(ranks, rates, options), missing=["correctness", *map(str, SHAPES)])
        with ranks.stage("correctness"):
            report.checks = check_all(ranks, ahead)
        report.missing.remove("correctness")
        with ranks.stage("compilation of all configs"):
            contests = [Contest(sizes, ranks) for sizes in SHAPES]
            for contest in contests:
                for compiled in contest.ours.values():
                    ahead.submit(compiled, contest.args)
            ahead.wait()
        for contest in contests:
            if ranks.seconds > options.seconds:
                ranks.say(f"out of time before {contest.sizes}")
                break
            with ranks.stage(f"shape {contest.sizes}"):
                report.rows.append(row := contest.run(rates))
                ranks.say(", ".join(f"{name} {row['us'][name]:.1f} us" for name in COLUMNS if name in row["us"]))
            report.missing.remove(str(contest.sizes))
            if ranks.rank == 0:
                report.write()
    finally:
        ahead.close()
    return report


def main() -> int:
    """One rank; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=220, help="begin no shape after this time")
    parser.add_argument("--hang", type=float, default=90, help="end the run when nothing has happened for so long")
    parser.add_argument("--jobs", type=int, default=max(1, len(os.sched_getaffinity(0)) // 2 - 1))
    parser.add_argument("--flush", action="store_true", help="flush the L2 cache before each timed call")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", str(ROOT / "benchmarks" / "results"))))
    options = parser.parse_args()
    ranks = Ranks(options.hang, options.flush)
    report = run(ranks, options)
    if ranks.rank == 0:
        report.write()
        print(report.text(), flush=True)
    failed = "FAIL" in report.verdict()
    ranks.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
