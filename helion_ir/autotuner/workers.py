"""Worker processes that may hang or die, at the cost of the one task they were at.

Each is a fresh interpreter (`worker.py`) on a pipe, driven by a thread. `ProcessPoolExecutor` is not used, for three
reasons: it imports the caller's main module again in each worker, which runs a script that has no `__main__` guard; a
worker that dies breaks all tasks of the pool, without saying which one killed it; a worker that hangs cannot be ended
alone.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from .worker import READY

START_SECONDS = 180.0
"""A worker imports PyTorch and Triton before its first answer, on a busy machine."""


class TaskFailedError(Exception):
    """A task raised, hung, or killed its worker."""


class _Worker:
    """One process, started at once and not waited for."""

    def __init__(self) -> None:
        pipe: Any = Pipe()
        ours, theirs = pipe
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is for the search, which ends its workers itself
        )
        theirs.close()
        self._connection: Connection = ours
        self._ready = False

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Any:
        """The function's result. Raises TaskFailedError; `alive` then says whether the worker can go on."""
        try:
            if not self._ready and self._receive(START_SECONDS) == READY:
                self._ready = True
            self._connection.send((function, args))
            kind, value = self._receive(timeout)
        except (EOFError, OSError):
            self.kill()
            raise TaskFailedError(f"the worker process died (exit status {self.process.returncode})") from None
        if kind == "error":
            raise TaskFailedError(value)
        return value

    def _receive(self, timeout: float) -> Any:
        if not self._connection.poll(timeout):
            self.kill()
            raise TaskFailedError(f"no answer within {timeout:g} s")
        return self._connection.recv()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process and what it started; the pipe stays, so that a thread that reads it sees its end."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own, so a group, too
        self.process.wait()


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

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """The result of a module-level function, to come; TaskFailedError if there is none."""
        return self._threads.submit(self._run, function, args)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(function, args, self._timeout)
        finally:
            if not worker.alive and not self._closed:
                self._all.remove(worker)
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
            worker.kill()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_jobs() -> int:
    """Worker processes that leave the measuring process a core: at most one a core, and no more than 32."""
    return max(1, min(len(os.sched_getaffinity(0)) - 1, 32))
