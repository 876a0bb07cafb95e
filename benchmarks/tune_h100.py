"""Kernels that find their own config, on one GPU, beside PyTorch's.

    python benchmarks/tune_h100.py [SECONDS] [--only matmul,softmax,…] [--compile] [--effort full] [--out FOLDER]

Each kernel is tuned with a budget of SECONDS (default 60) and no config given; then the best config, PyTorch's eager
operators, with `--compile` `torch.compile(mode="max-autotune")`, and the vendor's library are checked against float64
and timed in turns in one run (`_timing.py`). Writes tune.json, tune.md and, per kernel, trials_<kernel>.jsonl (every
candidate) and the emitted source, into FOLDER ($OUT, else benchmarks/results). Needs torch, triton, xdsl, networkx and
rich.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import traceback
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


def matmul_subject() -> Subject:
    """bf16 4096³, beside cuBLAS, which is what eager PyTorch calls."""
    x, y = args = matmul.example_args("cuda", torch.bfloat16, (4096, 4096, 4096))
    return Subject(
        "matmul bf16 4096³", matmul.matmul, args, lambda: matmul.reference(x, y), torch.matmul, (x, y),
        {"cuBLAS": lambda: torch.mm(x, y)},
    )  # fmt: skip


def softmax_subject() -> Subject:
    """bf16 4096×4096: bound by memory."""
    (x,) = args = softmax.example_args("cuda", torch.bfloat16, (4096, 4096))
    return Subject(
        "softmax bf16 4096×4096", softmax.softmax, args, lambda: softmax.reference(x),
        lambda x: torch.softmax(x, dim=1), args,
    )  # fmt: skip


def layer_norm_subject() -> Subject:
    """bf16 4096×10240: bound by memory."""
    x, weight, bias = args = layer_norm.example_args("cuda", torch.bfloat16, (4096, 10240))
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


def attention_subject(causal: bool) -> Subject:
    """bf16 [2, 32, 4096, 128], beside PyTorch's flash and cuDNN attention."""
    q, k, v, _ = args = attention.example_args("cuda", torch.bfloat16, (2, 32, 4096, 128), causal)

    def library(backend: SDPBackend) -> Run:
        def run() -> torch.Tensor:
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=causal)

        return run

    return Subject(
        f"attention{' causal' if causal else ''} bf16 2×32×4096×128", attention.attention, args,
        lambda: attention.reference(*args), written_out, (q, k, v, causal),
        {"SDPA flash": library(SDPBackend.FLASH_ATTENTION), "SDPA cuDNN": library(SDPBackend.CUDNN_ATTENTION)},
        tolerance=1e-2,
    )  # fmt: skip


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "matmul": matmul_subject,
    "softmax": softmax_subject,
    "layer_norm": layer_norm_subject,
    "attention": lambda: attention_subject(False),
    "attention_causal": lambda: attention_subject(True),
}


@dataclass
class Report:
    """What a run found, and where it goes."""

    folder: Path
    facts: dict[str, object]
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def failed(self, what: str) -> None:
        """Record the exception being handled."""
        self.failures.append(f"{what}: {traceback.format_exc()}")
        print(f"FAILED {what}: {traceback.format_exc().strip().splitlines()[-1][:300]}", flush=True)

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
            lines.append(
                f"| {row['kernel']} | {row['times']['tuned']:.1f} | {found['seconds_to_best']:.1f} | "
                f"{found['seconds']:.1f} | {found['generations']} | {found['tried']} | {found['failed']} | "
                f"{found['wrong']} | {found['pruned']} |"
            )
        lines += ["", "| kernel | contender | µs | contender / tuned |", "|---|---|---|---|"]
        for row in self.rows:
            for name, time in sorted(row["times"].items(), key=lambda item: item[1]):
                lines.append(f"| {row['kernel']} | {name} | {time:.1f} | {time / row['times']['tuned']:.3f} |")
        lines += ["", *(f"- {row['kernel']}: `{row['search']['config']}`" for row in self.rows)]
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


def measure(name: str, subject: Subject, options: argparse.Namespace, report: Report) -> None:
    """Tune one kernel, then check and time everything about it."""
    bound = subject.kernel.bind(subject.args)
    report.folder.mkdir(parents=True, exist_ok=True)
    log = report.folder / f"trials_{name}.jsonl"
    log.unlink(missing_ok=True)
    outcome = tune(
        bound, subject.args, autotune_budget_seconds=options.seconds, autotune_effort=options.effort,
        autotune_log=str(log), autotune_random_seed=options.seed,
    )  # fmt: skip
    (report.folder / f"best_{name}.py").write_text(bound.to_triton_code(outcome.config))
    exact = subject.exact()
    checked: dict[str, Run] = {}
    for contender, run in contenders(subject, bound, outcome.config, options.compile):
        try:
            with torch.no_grad():
                right(subject, exact, run)
            checked[contender] = run
        except Exception:
            report.failed(f"{name}: {contender}")
    del exact
    if "tuned" not in checked:
        raise AssertionError("the tuned kernel is wrong")
    with torch.no_grad():
        times = compare(checked)
    found = {key: value for key, value in vars(outcome).items() if key not in ("history", "config")}
    found["config"] = repr(pinned(outcome.config, bound.config_spec))
    report.rows.append({"kernel": subject.name, "search": found, "times": times})


def main() -> int:
    """Tune and measure all; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="the budget of each kernel's search")
    parser.add_argument("--only", default="", help=f"comma-separated, of {', '.join(SUBJECTS)}")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which takes minutes")
    parser.add_argument("--effort", default="full", choices=["quick", "full"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", str(_path.ROOT / "benchmarks/results"))))
    options = parser.parse_args()
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="tune_triton_")  # nothing is compiled already
    os.environ["HELION_CACHE_DIR"] = tempfile.mkdtemp(prefix="tune_helion_")
    torch.manual_seed(0)
    report = Report(options.out, {
        "device": torch.cuda.get_device_name(), "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__,
        "triton": triton.__version__, "budget s": options.seconds, "effort": options.effort, "seed": options.seed,
    })  # fmt: skip
    print(report.facts, flush=True)
    chosen = [name for name in SUBJECTS if not options.only or name in options.only.split(",")]
    for name in chosen:
        try:
            measure(name, SUBJECTS[name](), options, report)
        except Exception:
            report.failed(name)
        torch.cuda.empty_cache()
        report.write()
    print(report.tables())
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
