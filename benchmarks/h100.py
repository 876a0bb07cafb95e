"""Speed on one GPU: our kernels beside hand-written Triton, PyTorch's libraries and the memory's own speed.

    python benchmarks/h100.py [--out FOLDER] [--only matmul,attention,…]

Needs torch, triton, xdsl and networkx, and the checkout alone (`_path.py`). Everything is checked against float64
before it is timed; all contenders of a problem are timed in turns in one run (`_timing.py`). A candidate that fails is
recorded and left out. Writes h100.json, h100.md, log.txt and sources.txt (the emitted Triton) into FOLDER ($OUT, else
benchmarks/results), and prints the table last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import torch  # noqa: E402
import triton  # noqa: E402
from _timing import compare, copy_bandwidth  # noqa: E402
from problems import PROBLEMS, Problem  # noqa: E402

import helion_ir  # noqa: E402


@dataclass
class Report:
    """What a run found, and where it goes."""

    folder: Path
    rows: list[dict[str, object]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.log.append(text)

    def failed(self, what: str) -> None:
        """Record the exception being handled."""
        last = traceback.format_exc().strip().splitlines()[-1]
        self.say(f"FAILED {what}: {last[:300]}")
        self.log.append(traceback.format_exc())

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        payload = {"facts": self.facts, "rows": self.rows}
        (self.folder / "h100.json").write_text(json.dumps(payload, indent=1) + "\n")
        (self.folder / "h100.md").write_text(self.table() + "\n")
        (self.folder / "log.txt").write_text("\n".join(self.log) + "\n")
        (self.folder / "sources.txt").write_text("\n".join(self.sources) + "\n")

    def table(self) -> str:
        """All contenders, best of ours marked, as markdown."""
        lines = [
            ", ".join(f"{name}: {value}" for name, value in self.facts.items()), "",
            "| problem | contender | µs | of the floor | ours / same blocking by hand |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for row in self.rows:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
            best = " **best**" if row["best"] else ""
            lines.append(f"| {row['problem']} | {row['name']}{best} | {row['us']:.1f} | {row['floor']:.1%} | {ratio} |")
        return "\n".join(lines)


def relative_error(actual: torch.Tensor, exact: torch.Tensor) -> float:
    """‖actual − exact‖ / ‖exact‖ in float64."""
    return ((actual.double() - exact).norm() / exact.norm()).item()


def checked(
    problem: Problem, exact: torch.Tensor, contenders: Iterator[tuple[str, Callable[[], torch.Tensor]]], report: Report
) -> dict[str, Callable[[], torch.Tensor]]:
    """The contenders whose result is right; the others are reported."""
    right: dict[str, Callable[[], torch.Tensor]] = {}
    for name, run in contenders:
        try:
            error = relative_error(run(), exact)
            if not error <= problem.tolerance:
                raise AssertionError(f"relative error {error:.2e}, allowed {problem.tolerance:.0e}")
            report.say(f"  {problem.name}: {name}: relative error {error:.1e}")
            right[name] = run
        except Exception:
            report.failed(f"{problem.name}: {name}")
    return right


def ours(problem: Problem, report: Report) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
    """Our kernel under each of the problem's configs, compiled."""
    for name, config in problem.configs.items():
        try:
            start = time.perf_counter()
            compiled = helion_ir.compile(problem.kernel, helion_ir.Config(**config), problem.args)
            source = compiled.source
            report.sources.append(f"# ===== {problem.name}: {name}: {config}\n{source}")
            resources = compiled.resources("sm_90")
            seconds = time.perf_counter() - start
            report.say(f"  {problem.name}: {name}: compiled in {seconds:.1f} s, {resources}")
            yield name, lambda compiled=compiled: problem.result(compiled(*problem.args))
        except Exception:
            report.failed(f"{problem.name}: {name}")


def measure(problem: Problem, bandwidth: float, flops: float, report: Report) -> None:
    """Check and time everything about one problem."""
    exact = problem.exact()
    mine = checked(problem, exact, ours(problem, report), report)
    others = checked(problem, exact, iter(problem.others.items()), report)
    del exact
    times = compare({**mine, **others})
    floor = max(problem.moved_bytes / bandwidth, problem.operations / flops) * 1e6
    best = min((times[name], name) for name in mine)[1] if mine else None
    for name, elapsed in sorted(times.items(), key=lambda item: item[1]):
        twin = times.get(problem.twins.get(name, ""))
        report.rows.append({
            "problem": problem.name, "name": name, "us": elapsed, "floor": floor / elapsed,
            "ratio": None if twin is None or name not in mine else twin / elapsed, "best": name == best,
        })  # fmt: skip


def matmul_rate() -> float:
    """Operations per second of a large bf16 product by the vendor's library, on random data."""
    x, y = (torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    return 2 * 8192**3 / (compare({"mm": lambda: x @ y}, rounds=2, repeats=10)["mm"] * 1e-6)


def main() -> int:
    """Measure all problems; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", str(_path.ROOT / "benchmarks/results"))))
    parser.add_argument("--only", default="", help="comma-separated beginnings of problem names")
    options = parser.parse_args()
    report = Report(options.out)
    torch.manual_seed(0)
    bandwidth, flops = copy_bandwidth(), matmul_rate()
    report.facts |= {
        "device": torch.cuda.get_device_name(), "torch": torch.__version__, "triton": triton.__version__,
        "copy GB/s": round(bandwidth / 1e9), "bf16 TFLOP/s": round(flops / 1e12),
    }  # fmt: skip
    report.say(str(report.facts))
    for name, make in PROBLEMS.items():
        if options.only and not name.startswith(tuple(options.only.split(","))):
            continue
        try:
            measure(make(), bandwidth, flops, report)
        except Exception:
            report.failed(name)
        torch.cuda.empty_cache()
        report.write()
    print(report.table())
    return int(any(line.startswith("FAILED") for line in report.log))


if __name__ == "__main__":
    sys.exit(main())
