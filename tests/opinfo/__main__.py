"""All operators of PyTorch's database, and a table of what came of them.

    python -m tests.opinfo --jobs 2 --out build/opinfo [--device cuda] [--text sm_90] [NAME ...]

Works from a plain checkout, run in its root; needs `expecttest`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.opinfo", description="PyTorch's operators in device code")
    parser.add_argument("names", nargs="*", help="operators; all without one")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", action="append", default=[], help="only this dtype (float32, ...)")
    parser.add_argument("--calls", type=int, default=1000, help="at most so many of an operator and dtype")
    parser.add_argument("--text", help="a target (sm_90, ...): compile the emitted text, too")
    parser.add_argument("--reference", action="store_true", help="large, small and special values, too")
    parser.add_argument("--out", type=Path, default=Path("build/opinfo"), help="folder of the results")
    parser.add_argument("--table", type=Path, help="page whose table of this device is written; in --out without it")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def work(options: argparse.Namespace) -> None:
    """A worker process: outcomes of the operators in `names`, a line each."""
    import torch  # noqa: PLC0415

    from .checks import check  # noqa: PLC0415
    from .operators import operators  # noqa: PLC0415

    torch.set_num_threads(1)
    known = operators()
    with options.worker.open("a", encoding="utf-8") as lines:
        for name in options.names:
            lines.write(json.dumps({"begin": name}) + "\n")
            lines.flush()
            for dtype in known[name].dtypes(options.device):
                if options.dtype and str(dtype).removeprefix("torch.") not in options.dtype:
                    continue
                outcome = check(
                    known[name], dtype, device=options.device, most=options.calls, text=options.text,
                    reference=options.reference,
                )  # fmt: skip
                lines.write(json.dumps(asdict(outcome)) + "\n")
                lines.flush()


def _started(options: argparse.Namespace, names: list[str], lines: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-X", "faulthandler", "-m", "tests.opinfo", *names, "--worker", str(lines), "--device",
        options.device, "--calls", str(options.calls), *(["--text", options.text] if options.text else []),
        *(["--reference"] if options.reference else []),
        *(part for dtype in options.dtype for part in ("--dtype", dtype)),
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})


def supervise(options: argparse.Namespace) -> list[dict[str, object]]:
    """Share the operators among processes; one that dies is a wrong outcome of the operator that it was at."""
    from .operators import operators  # noqa: PLC0415

    waiting = options.names or list(operators())
    outcomes: list[dict[str, object]] = []
    running: list[tuple[subprocess.Popen[bytes], list[str], Path]] = []
    folder = Path(tempfile.mkdtemp(prefix="helion_ir_opinfo_"))
    number = 0
    shares = [part for i in range(options.jobs) if (part := waiting[i :: options.jobs])]
    while shares or running:
        while shares and len(running) < options.jobs:
            names, number = shares.pop(0), number + 1
            lines = folder / f"{number}.jsonl"
            running.append((_started(options, names, lines), names, lines))
        time.sleep(0.1)
        for entry in [each for each in running if each[0].poll() is not None]:
            running.remove(entry)
            process, names, lines = entry
            told = [json.loads(line) for line in lines.read_text("utf-8").splitlines()] if lines.exists() else []
            outcomes += [each for each in told if "verdict" in each]
            begun = [each["begin"] for each in told if "begin" in each]
            if process.returncode and begun:
                outcomes.append({"operator": begun[-1], "dtype": "?", "verdict": "wrong",
                                 "told": f"the process ended with code {process.returncode}", "calls": 0})  # fmt: skip
                shares += [rest] if (rest := names[len(begun) :]) else []
            elif process.returncode:
                raise SystemExit(f"a worker ended with code {process.returncode} before it began")
    return outcomes


def main() -> int:
    options = parsed()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import _path  # pyright: ignore[reportMissingImports]  # noqa: PLC0415

    _path.setup()
    if options.worker:
        work(options)
        return 0
    from .refused import disagreements  # noqa: PLC0415
    from .table import section, told, write_page  # noqa: PLC0415

    begun = time.monotonic()
    outcomes = supervise(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.device}.json").write_text(json.dumps(outcomes, indent=0) + "\n", "utf-8")
    write_page(options.table or options.out / "opinfo.md", options.device, section(outcomes, _where(options)))
    print(told(outcomes))
    stale = disagreements(outcomes)
    print("\n".join(stale))
    print(f"{time.monotonic() - begun:.0f} s with {options.jobs} processes; {options.out}")
    return bool(stale)


def _where(options: argparse.Namespace) -> str:
    """The machine and the versions of a run."""
    import torch  # noqa: PLC0415
    import triton  # noqa: PLC0415

    device = torch.cuda.get_device_name() if options.device == "cuda" else "The interpreter on a CPU"
    text = f", the emitted text through Triton's front end for {options.text}" if options.text else ""
    return f"{device}, torch {torch.__version__}, triton {triton.__version__}, {time.strftime('%Y-%m-%d')}{text}"


if __name__ == "__main__":
    sys.exit(main())
