"""Worker processes that may hang or die, at the cost of the one task they were at.

Each is a fresh interpreter (`worker.py`) on a pipe, driven by a thread. `ProcessPoolExecutor` is not used, for three
reasons: it imports the caller's main module again in each worker, which runs a script that has no `__main__` guard; a
worker that dies breaks all tasks of the pool, without saying which one killed it; a worker that hangs cannot be ended
alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from .worker import READY

START_SECONDS = 180.0
"""A worker imports PyTorch and Triton before its first answer, on a busy machine."""


STARTS = 3
"""Workers that may die before they take a task, while none has taken one, until the pool gives up."""
TAIL = 600
"""Characters of what a worker wrote to its standard error that say why it died."""
_BEGIN = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    f"from {__package__}.worker import main\n"
    "main(int(sys.argv[2]))\n"
)
"""The import path is set, not added to: `python -m` would look in the working directory before everything else."""


class TaskFailedError(Exception):
    """A task raised, hung, or killed its worker."""


class NoWorkersError(TaskFailedError):
    """Worker processes die before they do anything."""


class _StartError(TaskFailedError):
    """A worker died before it took a task."""


class _Worker:
    """One process, started at once and not waited for."""

    def __init__(self) -> None:
        pipe: Any = Pipe()
        ours, theirs = pipe
        # Written as long as the process lives.
        self._errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, path, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the search, which ends its workers itself
        )
        theirs.close()
        self._connection: Connection = ours
        self.ready = False
        """Whether it has begun to take tasks."""

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Any:
        """The function's result. Raises TaskFailedError; `alive` then says whether the worker can go on."""
        try:
            if not self.ready and self._receive(START_SECONDS) == READY:
                self.ready = True
            self._connection.send((function, args))
            kind, value = self._receive(timeout)
        except (EOFError, OSError):
            self.kill()
            text = f"the worker process died (exit status {self.process.returncode}){self._last_words()}"
            raise (TaskFailedError if self.ready else _StartError)(text) from None
        if kind == "error":
            raise TaskFailedError(value)
        return value

    def _receive(self, timeout: float) -> Any:
        if not self._connection.poll(timeout):
            self.kill()
            raise TaskFailedError(f"no answer within {timeout:g} s")
        return self._connection.recv()

    def _last_words(self) -> str:
        """The end of what the process wrote to its standard error since its last task began."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return f": {text if len(text) <= TAIL else '…' + text[-TAIL:]}" if text else ""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process and what it started; the pipe stays, so that a thread that reads it sees its end."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own, so a group, too
        self.process.wait()

    def close(self) -> None:
        """End the process, and give back what was kept for it."""
        self.kill()
        self._connection.close()
        self._errors.close()


class Workers:
    """A pool of `count` worker processes; a context manager that ends them."""

    def __init__(self, count: int, timeout: float) -> None:
        """`timeout`: the seconds that a task may take."""
        self._timeout = timeout
        self._all = [_Worker() for _ in range(count)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="helion-ir-compile")
        self._closed = False
        self._works = False  # some worker has taken a task
        self._deaths = 0

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """The result of a module-level function, to come; TaskFailedError if there is none, NoWorkersError if
        there will never be any."""
        return self._threads.submit(self._run, function, args)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(function, args, self._timeout)
        except _StartError as error:
            self._deaths += 1
            if self._works or self._deaths < STARTS or self._closed:
                raise
            raise NoWorkersError(f"no worker process starts: {error}") from None
        finally:
            self._works |= worker.ready
            if not worker.alive and not self._closed:
                self._all.remove(worker)
                worker.close()
                worker = _Worker()
                self._all.append(worker)
            self._idle.put(worker)

    def close(self) -> None:
        """End the workers, whatever they are at; tasks that have not ended fail."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._all):
            worker.kill()
        self._threads.shutdown(wait=True)
        for worker in list(self._all):
            worker.close()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_jobs() -> int:
    """Worker processes that leave the measuring process a core: at most one a core, and no more than 32."""
    return max(1, min(len(os.sched_getaffinity(0)) - 1, 32))
