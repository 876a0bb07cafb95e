"""Host time of a call on 1,024 elements: ours with a config, Triton's own launch with an allocation, and PyTorch.

    python benchmarks/host_time.py [--calls 200] [--rounds 60] [--out FOLDER]

Times are medians over rounds that take turns; the device is idle at the start of each round, and a round is shorter
than the queue of launches, so that no call waits for the device. Writes host_time.json and host_time.md into FOLDER
($OUT, else benchmarks/results).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402

import helion_ir  # noqa: E402
import helion_ir.language as hl  # noqa: E402

COUNT, BLOCK = 1024, 1024


@helion_ir.kernel(config=helion_ir.Config(block_sizes=[BLOCK], num_warps=4))
def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`x + y` of two vectors."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] + y[tile]
    return out


@triton.jit
def raw_add(x, y, out, n, block: tl.constexpr):
    """The same by hand."""
    offset = tl.program_id(0) * block + tl.arange(0, block)
    mask = offset < n
    tl.store(out + offset, tl.load(x + offset, mask=mask) + tl.load(y + offset, mask=mask), mask=mask)


def raw(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Allocates and launches, on a grid that is a constant."""
    out = torch.empty_like(x)
    raw_add[(1,)](x, y, out, COUNT, BLOCK, num_warps=4)  # pyright: ignore[reportCallIssue]
    return out


def raw_with_grid(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """As Triton's tutorials write it: the grid follows from the arguments."""
    out = torch.empty_like(x)
    n = out.numel()
    raw_add[(triton.cdiv(n, BLOCK),)](x, y, out, n, BLOCK, num_warps=4)  # pyright: ignore[reportCallIssue]
    return out


Call = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def microseconds(call: Call, x: torch.Tensor, y: torch.Tensor, n: int) -> float:
    """Host time of a call, mean of `n` in a row."""
    torch.cuda.synchronize()
    start = time.perf_counter_ns()
    for _ in range(n):
        call(x, y)
    return (time.perf_counter_ns() - start) / n / 1e3


def main() -> int:
    """Measure and print; the exit code is 1 if a result is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="calls a round")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", str(_path.ROOT / "benchmarks/results"))))
    options = parser.parse_args()
    x, y = (torch.randn(COUNT, device="cuda") for _ in range(2))
    calls: dict[str, Call] = {
        "helion_ir, configured": add, "triton.jit[grid] + torch.empty_like": raw,
        "the same, grid by triton.cdiv": raw_with_grid, "torch.add": torch.add,
    }  # fmt: skip
    wrong = [name for name, call in calls.items() if not torch.equal(call(x, y), x + y)]
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.rounds):
        for name, call in calls.items():
            samples[name].append(microseconds(call, x, y, options.calls))
    times = {name: statistics.median(values[5:]) for name, values in samples.items()}
    facts = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "triton": triton.__version__}
    ours = times["helion_ir, configured"]
    lines = [", ".join(f"{name}: {value}" for name, value in facts.items()), ""]
    lines += ["| call on 1,024 elements | host µs | against ours |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {value / ours:.3f} |" for name, value in times.items()]
    lines += [f"WRONG: {name}" for name in wrong]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "host_time.md").write_text("\n".join(lines) + "\n")
    (options.out / "host_time.json").write_text(json.dumps({"facts": facts, "us": times, "wrong": wrong}, indent=1))
    print("\n".join(lines))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
