"""Runs every example of examples/: compares with its reference, times both, writes a table.

    python benchmarks/run_examples.py --device cuda --out FILE [--jobs 10] [--only WORD …] [--timeout 120]

Files that list `EXAMPLES` are found, each example runs in a process of its own with its default config, and one that
fails or hangs costs its row only. Processes import, trace, compile and check side by side; while one measures, no
other uses the device. Times are medians of `benchmarks/_timing.py` on a GPU (a cold cache), of single calls on a CPU.
The exit code is 1 unless all are right.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import _path

_path.setup()

import torch  # noqa: E402

from helion_ir.testing import Example, milliseconds  # noqa: E402
from tests.support.example_files import FILES, FOLDER, load  # noqa: E402

Row = dict[str, object]


@contextmanager
def device_use(lock: Path, alone: bool) -> Iterator[None]:
    """Hold the device, alone or with others."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def measure(example: Example, device: str, lock: Path) -> Row:
    """Check an example, then time it and its reference."""
    with device_use(lock, alone=False):
        error = example.check(device)
    if device == "cuda":
        torch.cuda.empty_cache()  # others check meanwhile
    args = example.make(device)
    run = example.runner(args)
    with device_use(lock, alone=True):
        contenders = {"ours": lambda: run(*args), "eager": lambda: example.reference(*args)}
        if device != "cuda":
            return {"error": error, **{name: milliseconds(call, device) for name, call in contenders.items()}}
        from _timing import compare  # noqa: PLC0415 - needs a GPU

        once = max(milliseconds(call, device, 3) for call in contenders.values())
        times = compare(contenders, rounds=4, repeats=max(2, min(10, int(50 / once))))
        return {"error": error, **{name: time / 1e3 for name, time in times.items()}}


def one(path: str, number: int, device: str, lock: Path) -> None:
    """What a child process does: a row as JSON is the last line that it prints."""
    row: Row
    try:
        row = measure(load(Path(path)).EXAMPLES[number], device, lock)
    except BaseException as error:
        traceback.print_exc()
        row = {"failure": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
    print(json.dumps(row), flush=True)


def child(path: Path, number: int, title: str, options: argparse.Namespace, lock: Path) -> Row:
    """Run one example in a process."""
    row: Row = {"title": f"{path.relative_to(FOLDER).with_suffix('')}: {title}"}
    command = [
        sys.executable,
        __file__,
        "--device",
        options.device,
        "--lock",
        str(lock),
        "--one",
        str(path),
        str(number),
    ]
    threads = {"OMP_NUM_THREADS": "1"} if options.device == "cpu" else {}
    start = time.monotonic()
    try:
        environment = {**os.environ, "HELION_AUTOTUNE_EFFORT": "none", **threads}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=options.timeout, check=False, env=environment
        )
        result = json.loads(done.stdout.strip().rpartition("\n")[2])
        if "failure" in result:
            print(f"--- {row['title']}\n{done.stderr[-3000:]}", file=sys.stderr)
        return {**row, **result, "seconds": time.monotonic() - start}
    except subprocess.TimeoutExpired:
        return {**row, "failure": f"no end within {options.timeout} s"}
    except ValueError:
        return {**row, "failure": f"died with code {done.returncode}: {done.stderr[-200:].strip()}"}


def titles(path: Path) -> list[str]:
    """The titles of a file's examples, or one that says why it cannot be loaded."""
    try:
        return [example.title for example in load(path).EXAMPLES]
    except Exception as error:
        return [f"({error})"]


def table(rows: Sequence[Row], device: str) -> str:
    """The rows as Markdown."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU, reference interpreter"
    failed = [row for row in rows if "failure" in row]
    slower = [row for row in rows if "failure" not in row and float(str(row["ours"])) > float(str(row["eager"]))]
    lines = [
        f"{name}, torch {torch.__version__}: {len(rows)} examples, "
        f"{len(failed)} failed, {len(slower)} slower than eager",
        "",
        "| example | largest error | default config, ms | PyTorch eager, ms | eager / ours |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if "failure" in row:
            text = re.sub(r"[|\n]", " ", str(row["failure"]))[:200]
            lines.append(f"| {row['title']} | **{text}** | | | |")
        else:
            ours, eager = float(str(row["ours"])), float(str(row["eager"]))
            lines.append(f"| {row['title']} | {row['error']:.1e} | {ours:.4f} | {eager:.4f} | {eager / ours:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Parse options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="the file for the table")
    parser.add_argument("--jobs", type=int, default=10, help="processes at a time")
    parser.add_argument("--only", nargs="*", default=[], help="words of which one is in an example's name")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one example")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--lock", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], int(options.one[1]), options.device, options.lock)
        return 0
    chosen = [
        (path, number, title)
        for path in FILES
        for number, title in enumerate(titles(path))
        if not options.only or any(word in f"{path}: {title}" for word in options.only)
    ]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        lock = Path(folder) / "device"
        rows = list(pool.map(lambda each: child(*each, options, lock), chosen))
    text = table(rows, options.device)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    return int(any("failure" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
