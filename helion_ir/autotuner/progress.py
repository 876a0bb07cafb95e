"""What a search tells its user: a live line on a terminal, plain lines elsewhere, and a log file if one is set."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ..config import Config
from ..exc import InvalidAPIUsage, TuningLogNotWritable, warn
from ..settings import Settings
from .strategies import Status, Trial

SHOWN = 400
"""Characters of a reason that are shown; the log file has all of it."""
_LEVEL_OF: dict[Status, int] = {
    "wrong": logging.WARNING, "failed": logging.INFO, "pruned": logging.DEBUG, "duplicate": logging.DEBUG,
    "ok": logging.DEBUG,
}  # fmt: skip


def level_number(level: str | int) -> int:
    """The threshold of `autotune_log_level`: a name or number of `logging`; `off` shows nothing."""
    if isinstance(level, int) or level.lstrip("-").isdigit():
        return int(level)
    if level.lower() in ("off", "none"):
        return logging.CRITICAL + 1
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise InvalidAPIUsage(
            f"setting autotune_log_level={level!r}: expected debug, info, warning, error, off or a number"
        )
    return number


def milliseconds(time: float) -> str:
    """A time with three digits that count."""
    return f"{time * 1e3:.3g} µs" if time < 1 else f"{time:.4g} ms"


def decorator_line(config: Config) -> str:
    """What to paste over the kernel."""
    return f"@helion_ir.kernel(config=helion_ir.{config!r})"


class Reporter:
    """Shows one search of kernel `name`; a context manager, while which the live line is on."""

    def __init__(self, name: str, settings: Settings, stream: TextIO | None = None) -> None:
        self._name = name
        self._level = level_number(settings.autotune_log_level)
        self._hide_failures = settings.autotune_ignore_errors
        self._stream = sys.stderr if stream is None else stream
        self._ignored = tuple(settings.ignore_warnings)
        self._log = self._opened(settings.autotune_log)
        self._start = time.monotonic()
        self._live: Progress | None = None
        self._task = TaskID(0)
        if self._stream.isatty() and settings.autotune_progress_bar and self._level <= logging.INFO:
            self._live = Progress(
                SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(),
                console=Console(file=self._stream), transient=True,
            )  # fmt: skip
            self._task = self._live.add_task(f"{name}: begins", total=None)

    def __enter__(self) -> Reporter:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        self._close_log()

    def say(self, text: str, level: int = logging.INFO) -> None:
        """One line."""
        if level < self._level:
            return
        line = f"helion_ir: {self._name}: {text}"
        with contextlib.suppress(OSError):  # a closed terminal, a pipe without a reader
            if self._live is not None:
                self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                print(line, file=self._stream, flush=True)

    def trial(self, trial: Trial) -> None:
        """One candidate is done with."""
        if self._log is not None:
            record = {
                "kernel": self._name, "seconds": round(time.monotonic() - self._start, 3), "status": trial.status,
                "milliseconds": trial.milliseconds, "reason": trial.reason, "config": trial.config.config,
            }  # fmt: skip
            self._write(json.dumps(record, default=str) + "\n")
        level = _LEVEL_OF[trial.status]
        if self._hide_failures and trial.status in ("failed", "wrong"):
            level = logging.DEBUG
        if level >= self._level:
            what = (
                milliseconds(trial.milliseconds) if trial.milliseconds is not None else " ".join(trial.reason.split())
            )
            self.say(f"{trial.status}: {what[:SHOWN]}: {trial.config!r}", level)

    def _opened(self, path: str | None) -> TextIO | None:
        """The log file, which grows from search to search; None without one, and where it cannot be written."""
        if path is None:
            return None
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            return open(path, "a", encoding="utf-8")
        except OSError as error:
            self._give_up_log(error)
            return None

    def _write(self, line: str) -> None:
        assert self._log is not None
        try:
            self._log.write(line)
            self._log.flush()
        except OSError as error:
            self._give_up_log(error)
            self._close_log()

    def _give_up_log(self, error: OSError) -> None:
        warn(TuningLogNotWritable(f"{self._name}: the search goes on without a log: {error}"), self._ignored)

    def _close_log(self) -> None:
        if self._log is not None:
            with contextlib.suppress(OSError):  # what is left in the buffer
                self._log.close()
        self._log = None

    def status(self, generation: int, counts: Counter[Status], best: float | None) -> None:
        """Where the search is, on the live line."""
        if self._live is not None:
            self._live.update(self._task, description=f"{self._name}: {_standing(generation, counts, best)}")

    def generation(self, generation: int, counts: Counter[Status], best: float | None) -> None:
        """A generation has ended."""
        if self._live is None:
            self.say(f"{_standing(generation, counts, best)}, {time.monotonic() - self._start:.0f} s")


def _standing(generation: int, counts: Counter[Status], best: float | None) -> str:
    tried = counts.total() - counts["duplicate"]
    failures = ", ".join(f"{counts[status]} {status}" for status in ("failed", "wrong", "pruned") if counts[status])
    leader = f", best {milliseconds(best)}" if best is not None else ""
    return f"generation {generation}, {tried} tried{', ' + failures if failures else ''}{leader}"


__all__ = ["Reporter", "decorator_line", "level_number", "milliseconds"]
