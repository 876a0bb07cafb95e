"""Random kernels for as long as one wants.

    python -m tests.fuzz --seconds 3600 --jobs 16 --seed 7 --out findings [--device cuda]
    python -m tests.fuzz --replay findings/NAME.py

Works from a plain checkout: run in its root. Each process holds at most 3 GB and starts afresh after 300 cases.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PER_PROCESS = 300


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="random kernels against PyTorch")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--avoid", default="", help="features, separated by commas: kernels that have one are skipped")
    parser.add_argument("--binary", action="store_true", help="compile every tenth kernel for sm_90")
    parser.add_argument("--cases", type=int, default=PER_PROCESS, help="at most so many in each process")
    parser.add_argument("--raw", action="store_true", help="keep findings as they are, do not shrink them")
    parser.add_argument("--replay", type=Path, nargs="*", default=[], help="reproducers to check at all levels")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def supervise(options: argparse.Namespace) -> int:
    """Keep so many workers running until the time is over; sum up."""
    from .campaign import Tally  # noqa: PLC0415

    started, total, running = time.monotonic(), Tally(), []
    next_seed = options.seed * 1_000_000
    options.out.mkdir(parents=True, exist_ok=True)
    lost = 0
    while True:
        left = options.seconds - (time.monotonic() - started)
        while len(running) < options.jobs and left > 3:
            running.append(_worker(options, next_seed, left))
            next_seed += 1000
        if not running:
            break
        time.sleep(0.2)
        for process, tally_file in list(running):
            if process.poll() is None:
                continue
            running.remove((process, tally_file))
            text = tally_file.read_text() if tally_file.exists() else ""
            tally_file.unlink(missing_ok=True)
            if text:
                total.add(Tally.from_json(text))
            if process.returncode:
                lost += 1
                print(f"a worker ended with code {process.returncode}; see {options.out}/worker-*.log", flush=True)
    print(total.summary())
    print(f"{total.cases} cases in {time.monotonic() - started:.0f} s, {options.jobs} processes, {lost} lost; "
          f"{len(list(options.out.glob('*.py')))} reproducers in {options.out}")  # fmt: skip
    return bool(total.findings or lost)


def _worker(options: argparse.Namespace, seed: int, seconds: float) -> tuple[subprocess.Popen[bytes], Path]:
    tally = options.out / f"tally-{seed}.json"
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "FUZZ_TALLY": str(tally),
        "TRITON_INTERPRET": "1" if options.device == "cpu" else "0",
    }  # fmt: skip
    command = [
        sys.executable, "-X", "faulthandler", "-m", "tests.fuzz", "--worker", "--seed", str(seed),
        "--seconds", str(seconds), "--out", str(options.out), "--device", options.device, "--avoid", options.avoid,
        *(["--binary"] if options.binary else []), *(["--raw"] if options.raw else []),
        "--cases", str(options.cases),
    ]  # fmt: skip
    with open(options.out / f"worker-{seed}.log", "wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log), tally


def work(options: argparse.Namespace) -> None:
    """A worker process: one campaign."""
    from .campaign import campaign  # noqa: PLC0415
    from .process import options_for  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix="helion_ir_fuzz_") as folder,
        options_for(Path(folder), options.device, binary=options.binary) as checks,
    ):
        tally = campaign(
            checks, options.out, options.seed, options.seconds, frozenset(filter(None, options.avoid.split(","))),
            most=options.cases, shrinks=not options.raw, say=lambda text: print(text, flush=True),
        )  # fmt: skip
    Path(os.environ["FUZZ_TALLY"]).write_text(tally.to_json())


def replay(options: argparse.Namespace) -> int:
    """Check reproducers at all levels; how many still fail."""
    from .process import replayed  # noqa: PLC0415

    wrong = 0
    for path in options.replay:
        told = replayed(path, options.device)
        print(f"{'ok   ' if told is None else 'WRONG'} {path.name} {told or ''}", flush=True)
        wrong += told is not None
    return wrong


def main() -> int:
    options = parsed()
    options.out = options.out.resolve()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import _path  # pyright: ignore[reportMissingImports]  # noqa: PLC0415

    _path.setup()
    if options.replay:
        if options.device == "cpu":
            os.environ["TRITON_INTERPRET"] = "1"
        return replay(options)
    if options.worker:
        work(options)
        return 0
    return supervise(options)


if __name__ == "__main__":
    sys.exit(main())
