"""Runs the RUN lines of `tests/passes/filecheck/**/*.mlir` in this process; the files work with lit and a shell too.

A RUN line is a pipeline of `helion-opt` and `filecheck` commands: `%s` is the file, `%S` its folder, `%t` a
temporary path; `2>&1` adds standard error; `not` before a command expects it to fail.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filecheck.main

from helion_ir.cli import opt

ROOT = Path(__file__).resolve().parents[1] / "passes" / "filecheck"
MARK = "// RUN:"


@dataclass
class Finished:
    """What a command left."""

    code: int
    out: str
    err: str


@contextlib.contextmanager
def _standard_input(text: str) -> Iterator[None]:
    saved = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = saved


def run_command(argv: list[str], stdin: str = "") -> Finished:
    """Run `helion-opt` or `filecheck` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with _standard_input(stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        match argv[0]:
            case "helion-opt":
                code = opt.main(argv[1:])
            case "filecheck":
                try:
                    filecheck.main.main(list(argv))
                    code = 0
                except SystemExit as stop:
                    code = int(stop.code or 0)
            case other:
                raise ValueError(f"a RUN line may only call helion-opt and filecheck, not {other!r}")
    return Finished(code, out.getvalue(), err.getvalue())


def run_lines(path: Path) -> list[str]:
    """The RUN lines of a file, with `\\` at their end joined to the next."""
    lines: list[str] = []
    open_line = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(MARK):
            continue
        text = line.removeprefix(MARK).strip()
        if open_line:
            lines[-1] += " " + text.removesuffix("\\").strip()
        else:
            lines.append(text.removesuffix("\\").strip())
        open_line = text.endswith("\\")
    return lines


def _stages(line: str, path: Path, temporary: Path) -> Iterator[tuple[list[str], bool, bool]]:
    """The commands of a RUN line: arguments, whether `not` stands before, whether `2>&1` stands behind."""
    values = {"%s": str(path), "%S": str(path.parent), "%t": str(temporary)}
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    command: list[str] = []
    for token in [*lexer, "|"]:
        if token == "|":
            both = "2>&1" in command
            words = [word for word in command if word != "2>&1"]
            yield words[1:] if words[0] == "not" else words, words[0] == "not", both
            command = []
            continue
        for name, value in values.items():
            token = token.replace(name, value)
        command.append(token)


def run_line(line: str, path: Path, temporary: Path) -> None:
    """Run one RUN line. Raises `AssertionError` with all output when a command ends as it should not."""
    text = ""
    for argv, fails, both in _stages(line, path, temporary):
        done = run_command(argv, text)
        if (done.code != 0) != fails:
            raise AssertionError(f"{shlex.join(argv)}: exit code {done.code}\n{done.out}{done.err}\ninput was:\n{text}")
        text = done.out + done.err if both else done.out
