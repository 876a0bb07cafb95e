"""Kernels that find their own config, on one GPU, beside PyTorch's.

    python benchmarks/tune_h100.py [--seconds 60] [--total 540] [--only matmul,softmax,…] [--compile] [--out FOLDER]

Each kernel is tuned with a budget of `--seconds` and no config given; then the best config, PyTorch's eager operators,
with `--compile` `torch.compile(mode="max-autotune")`, and the vendor's library are checked against float64 and timed
in turns in one run (`_timing.py`). What does not fit into `--total` seconds is left out and listed.

Writes tune.json, tune.md and, per kernel, trials_<kernel>.jsonl (every candidate) and the emitted source, into FOLDER
($OUT, else benchmarks/results), after every step, so that a run that is cut off loses nothing. `--rehearse` runs all
of it on small arguments without a GPU, with made-up times. Needs torch, triton, xdsl, networkx and rich.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import attention  # noqa: E402
import layer_norm  # noqa: E402
import matmul  # noqa: E402
import softmax  # noqa: E402
import torch  # noqa: E402
import triton  # noqa: E402
from _timing import compare  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.nn.functional import layer_norm as torch_layer_norm  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from helion_ir.autotuner.tuning import pinned, tune  # noqa: E402

Run = Callable[[], torch.Tensor]


@dataclass
class Subject:
    """A kernel on its arguments; `eager` is what PyTorch users write, `vendor` the libraries' kernels for it."""

    name: str
    kernel: Any
    args: tuple[Any, ...]
    exact: Callable[[], torch.Tensor]
    eager: Callable[..., torch.Tensor]
    eager_args: tuple[Any, ...]
    vendor: dict[str, Run] = field(default_factory=dict)
    result: Callable[[Any], torch.Tensor] = lambda value: value
    tolerance: float = 5e-3


def _on(device: str, shape: tuple[int, ...], small: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that is measured on a GPU, or the one for rehearsals."""
    return shape if device == "cuda" else small


def matmul_subject(device: str) -> Subject:
    """bf16 4096³, beside cuBLAS, which is what eager PyTorch calls."""
    x, y = args = matmul.example_args(device, torch.bfloat16, _on(device, (4096, 4096, 4096), (64, 48, 32)))
    return Subject(
        "matmul bf16 4096³", matmul.matmul, args, lambda: matmul.reference(x, y), torch.matmul, (x, y),
        {"cuBLAS": lambda: torch.mm(x, y)},
    )  # fmt: skip


def softmax_subject(device: str) -> Subject:
    """bf16 4096×4096: bound by memory."""
    (x,) = args = softmax.example_args(device, torch.bfloat16, _on(device, (4096, 4096), (16, 64)))
    return Subject(
        "softmax bf16 4096×4096", softmax.softmax, args, lambda: softmax.reference(x),
        lambda x: torch.softmax(x, dim=1), args,
    )  # fmt: skip


def layer_norm_subject(device: str) -> Subject:
    """bf16 4096×10240: bound by memory."""
    x, weight, bias = args = layer_norm.example_args(device, torch.bfloat16, _on(device, (4096, 10240), (16, 64)))
    return Subject(
        "layer_norm bf16 4096×10240", layer_norm.layer_norm, args, lambda: layer_norm.reference(*args)[0],
        lambda x, weight, bias: torch_layer_norm(x, (x.size(1),), weight, bias), (x, weight, bias),
        result=lambda results: results[0],
    )  # fmt: skip


def written_out(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """Attention by matrix products and a softmax."""
    scores = (q @ k.transpose(-1, -2)) / math.sqrt(q.size(-1))
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v


def attention_subject(device: str, causal: bool) -> Subject:
    """bf16 [2, 32, 4096, 128], beside PyTorch's flash and cuDNN attention."""
    shape = _on(device, (2, 32, 4096, 128), (1, 2, 64, 16))
    q, k, v, _ = args = attention.example_args(device, torch.bfloat16, shape, causal)

    backends = {"SDPA flash": SDPBackend.FLASH_ATTENTION, "SDPA cuDNN": SDPBackend.CUDNN_ATTENTION}

    def library(backend: SDPBackend) -> Run:
        def run() -> torch.Tensor:
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=causal)

        return run

    return Subject(
        f"attention{' causal' if causal else ''} bf16 2×32×4096×128", attention.attention, args,
        lambda: attention.reference(*args), written_out, (q, k, v, causal),
        {name: library(backend) for name, backend in backends.items()} if device == "cuda" else {},
        tolerance=1e-2,
    )  # fmt: skip


SUBJECTS: dict[str, Callable[[str], Subject]] = {
    "matmul": matmul_subject,
    "softmax": softmax_subject,
    "layer_norm": layer_norm_subject,
    "attention": lambda device: attention_subject(device, False),
    "attention_causal": lambda device: attention_subject(device, True),
}


@dataclass
class Report:
    """What a run found, and where it goes; `deadline`: when it has to be over (`time.monotonic`)."""

    folder: Path
    facts: dict[str, object]
    deadline: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def failed(self, what: str, reason: str = "") -> None:
        """Record a reason, or the exception being handled."""
        text = reason or traceback.format_exc().strip()
        self.failures.append(f"{what}: {text}")
        print(f"FAILED {what}: {text.splitlines()[-1][:300]}", flush=True)

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        payload = {"facts": self.facts, "rows": self.rows, "failures": self.failures}
        (self.folder / "tune.json").write_text(json.dumps(payload, indent=1, default=str) + "\n")
        (self.folder / "tune.md").write_text(self.tables() + "\n")

    def tables(self) -> str:
        """The searches, then all contenders, as markdown; a ratio above 1 says that ours is quicker."""
        lines = [", ".join(f"{name}: {value}" for name, value in self.facts.items()), ""]
        lines += [
            "| kernel | best µs | to best, s | all, s | generations | tried | failed | wrong | pruned |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            found = row["search"]
            best = row["times"].get("tuned", found["milliseconds"] * 1e3)
            counts = " | ".join(str(found[key]) for key in ("generations", "tried", "failed", "wrong", "pruned"))
            seconds = f"{found['seconds_to_best']:.1f} | {found['seconds']:.1f}"
            lines.append(f"| {row['kernel']} | {best:.1f} | {seconds} | {counts} |")
        lines += ["", "| kernel | contender | µs | contender / tuned |", "|---|---|---|---|"]
        for row in self.rows:
            for name, us in sorted(row["times"].items(), key=lambda item: item[1]):
                lines.append(f"| {row['kernel']} | {name} | {us:.1f} | {us / row['times']['tuned']:.3f} |")
        lines += ["", *(f"- {row['kernel']}: `{row['search']['config']}`" for row in self.rows)]
        lines += ["", *(f"- failed: {failure.splitlines()[0]}" for failure in self.failures)]
        return "\n".join(lines)


def contenders(subject: Subject, bound: Any, config: Any, compiled: bool) -> Iterator[tuple[str, Run]]:
    """What is timed; what fails to compile raises where it is run first."""
    default, tuned = bound.compile_config(bound.config_spec.default_config()), bound.compile_config(config)
    args = bound.kernel.normalize_args(*subject.args)
    yield "tuned", lambda: subject.result(tuned(*args))
    yield "default config", lambda: subject.result(default(*args))
    yield "torch eager", lambda: subject.eager(*subject.eager_args)
    if compiled:
        by_inductor = torch.compile(subject.eager, mode="max-autotune-no-cudagraphs", dynamic=False)
        yield "torch.compile max-autotune", lambda: by_inductor(*subject.eager_args)
    yield from subject.vendor.items()


def right(subject: Subject, exact: torch.Tensor, run: Run) -> None:
    """Raise AssertionError if the relative error ‖actual − exact‖ / ‖exact‖ is too large."""
    error = ((run().double() - exact).norm() / exact.norm()).item()
    if not error <= subject.tolerance:
        raise AssertionError(f"relative error {error:.2e}, allowed {subject.tolerance:.0e}")


def made_up_time(compiled: Any, args: object) -> float:
    """Stands for a measurement in rehearsals: a function of the config."""
    return 1 + zlib.crc32(repr(compiled.config).encode()) % 1000 / 1000


def wall_times(contenders: dict[str, Run]) -> dict[str, float]:
    """Stands for `compare` in rehearsals: microseconds of one call of each."""
    times: dict[str, float] = {}
    for name, run in contenders.items():
        start = time.perf_counter()
        run()
        times[name] = (time.perf_counter() - start) * 1e6
    return times


def search(name: str, subject: Subject, bound: Any, options: argparse.Namespace, report: Report) -> Any:
    """Tune one kernel; gives the config, and the row of the report that begins with it."""
    log = report.folder / f"trials_{name}.jsonl"
    log.unlink(missing_ok=True)
    given = {"autotune_benchmark_fn": made_up_time, "autotune_max_generations": 1} if options.rehearse else {}
    outcome = tune(
        bound, subject.args, autotune_budget_seconds=max(min(options.seconds, report.seconds_left), 1.0),
        autotune_effort=options.effort, autotune_log=str(log), autotune_random_seed=options.seed, **given,
    )  # fmt: skip
    (report.folder / f"best_{name}.py").write_text(bound.to_triton_code(outcome.config))
    found = {key: value for key, value in vars(outcome).items() if key not in ("history", "config")}
    found["config"] = repr(pinned(outcome.config, bound.config_spec))
    return outcome.config, {"kernel": subject.name, "search": found, "times": {}}


def measure(name: str, options: argparse.Namespace, report: Report) -> None:
    """Tune one kernel, then check and time everything about it."""
    subject = SUBJECTS[name]("cpu" if options.rehearse else "cuda")
    bound = subject.kernel.bind(subject.args)
    config, row = search(name, subject, bound, options, report)
    report.rows.append(row)
    report.write()
    exact = subject.exact()
    checked: dict[str, Run] = {}
    for contender, run in contenders(subject, bound, config, options.compile):
        if report.seconds_left < 0:
            report.failed(f"{name}: {contender}", "no time left")
            continue
        try:
            with torch.no_grad():
                right(subject, exact, run)
            checked[contender] = run
        except Exception:
            report.failed(f"{name}: {contender}")
    del exact
    if "tuned" not in checked:
        raise AssertionError("the tuned kernel is wrong, or there was no time to run it")
    with torch.no_grad():
        row["times"] = wall_times(checked) if options.rehearse else compare(checked)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="the budget of each kernel's search")
    parser.add_argument("--total", type=float, default=540.0, help="the seconds in which all has to be over")
    parser.add_argument("--only", default="", help=f"comma-separated, of {', '.join(SUBJECTS)}")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which takes a minute a kernel")
    parser.add_argument("--effort", default="full", choices=["quick", "full"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearse", action="store_true", help="small arguments, no GPU, made-up times")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", str(_path.ROOT / "benchmarks/results"))))
    options = parser.parse_args()
    options.names = [name for name in SUBJECTS if not options.only or name in options.only.split(",")]
    if unknown := set(filter(None, options.only.split(","))) - set(SUBJECTS):
        parser.error(f"--only: no {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    return options


def main() -> int:
    """Tune and measure all; the exit code is 1 if anything failed."""
    options = _options()
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="tune_triton_")  # nothing is compiled already
    os.environ["HELION_CACHE_DIR"] = tempfile.mkdtemp(prefix="tune_helion_")
    torch.manual_seed(0)
    report = Report(options.out, {
        "device": "none, a rehearsal" if options.rehearse else torch.cuda.get_device_name(),
        "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__, "triton": triton.__version__,
        "budget s": options.seconds, "effort": options.effort, "seed": options.seed,
    }, time.monotonic() + options.total)  # fmt: skip
    report.write()
    print(report.facts, flush=True)
    for name in options.names:
        try:
            if report.seconds_left < 0:
                report.failed(name, "no time left")
                continue
            measure(name, options, report)
        except Exception:
            report.failed(name)
        finally:
            torch.cuda.empty_cache()
            report.write()
    print(report.tables())
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
