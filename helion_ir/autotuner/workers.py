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
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from . import worker as worker_script
from .worker import READY

START_SECONDS = 180.0
"""A worker imports PyTorch and a compiler before its first answer, on a busy machine."""
STARTS = 3
"""Workers that may die one after the other before they take a task, until the pool gives up."""
TAIL = 600
"""Characters of what a worker wrote to its standard error that say why it died."""
LONGEST = 16 << 20
"""Bytes of an answer; what says that it is longer is none."""
_COMMAND = [sys.executable, "-P", str(worker_script.__file__)]
"""The folder of the script is not on the import path (`-P`); the caller's path is set, not added to."""


class TaskFailedError(Exception):
    """A task raised, hung, or killed its worker."""


class NoWorkersError(TaskFailedError):
    """Worker processes die before they do anything."""


class _StartError(TaskFailedError):
    """A worker died before it took a task."""


class _GarbageError(Exception):
    """What came through a worker's pipe is no answer."""


class _Worker:
    """One process, which is not waited for when it starts."""

    def __init__(self, prepare: str) -> None:
        self._prepare = prepare
        self.process: subprocess.Popen[bytes] | None = None
        self._connection: Connection
        self.ready = False
        """Whether it has begun to take tasks."""

    def start(self) -> None:
        """Start the process; OSError where there can be no more processes or files."""
        pipe: Any = Pipe()
        ours, theirs = pipe
        # Written as long as the process lives.
        self._errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        try:
            self.process = subprocess.Popen(
                [*_COMMAND, path, str(theirs.fileno()), str(os.getpid()), self._prepare],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is for the search, which ends its workers itself
            )
        except BaseException:
            ours.close()
            self._errors.close()
            raise
        finally:
            theirs.close()
        self._connection = ours

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Any:
        """The function's result. Raises TaskFailedError; `alive` then says whether the worker can go on."""
        try:
            if self.process is None:
                self.start()
            if not self.ready:
                with self._within(START_SECONDS):
                    self._receive_ready()
                self.ready = True
            with self._within(timeout):
                kind, value = self._answer((function, args))
        except (EOFError, OSError, _GarbageError) as error:
            raise (TaskFailedError if self.ready else _StartError)(self._end(error)) from None
        if kind == "error":
            raise TaskFailedError(value)
        return value

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End the process if the block takes longer, be it that it reads half an answer or writes to a full pipe."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError, _GarbageError):
            if late.is_set():
                raise TaskFailedError(f"no answer within {seconds:g} s") from None
            raise
        finally:
            timer.cancel()

    def _receive_ready(self) -> None:
        if self._receive() != READY:
            raise _GarbageError

    def _answer(self, task: tuple[Callable[..., Any], tuple[Any, ...]]) -> tuple[str, Any]:
        try:
            message = pickle.dumps(task)
        except Exception as error:
            raise TaskFailedError(f"the task cannot be sent: {type(error).__name__}: {error}") from None
        self._connection.send_bytes(message)
        match self._receive():
            case ("ok" | "error" as kind, value):
                return kind, value
            case _:
                raise _GarbageError

    def _receive(self) -> Any:
        try:
            message = self._connection.recv_bytes(LONGEST)
        except OSError as error:
            if error.errno is None:  # a length that is none
                raise _GarbageError from None
            raise
        try:
            return pickle.loads(message)
        except Exception:  # bytes that are no pickle raise anything
            raise _GarbageError from None

    def _end(self, error: Exception) -> str:
        """End a process that cannot go on; says why."""
        self.kill()
        if self.process is None:
            return f"no worker process: {error}"
        if isinstance(error, _GarbageError):
            return f"the worker process sent what is no answer{self._last_words()}"
        return f"the worker process died (exit status {self.process.returncode}){self._last_words()}"

    def _last_words(self) -> str:
        """The end of what the process wrote to its standard error since its last task began."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return f": {text if len(text) <= TAIL else '…' + text[-TAIL:]}" if text else ""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End the process and what it started; the pipe stays, so that a thread that reads it sees its end."""
        if self.process is None:
            return
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own, so a group, too
        self.process.wait()

    def close(self) -> None:
        """End the process, and give back what was kept for it."""
        if self.process is not None:
            self.kill()
            self._connection.close()
            self._errors.close()


class Workers:
    """A pool of `count` worker processes; a context manager that ends them."""

    def __init__(self, count: int, timeout: float, prepare: str = "pickle") -> None:
        """`timeout`: the seconds that a task may take; `prepare`: the module that each imports before its first."""
        self._prepare = prepare
        self._timeout = timeout
        self._all: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="helion-ir-compile")
        self._closed = False
        self._deaths = 0  # of workers that took no task, since one did
        for _ in range(count):
            self._idle.put(self._new())

    def _new(self) -> _Worker:
        worker = _Worker(self._prepare)
        self._all.append(worker)
        with contextlib.suppress(OSError):  # it is tried again with its first task
            worker.start()
        return worker

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """The result of a module-level function, to come; TaskFailedError if there is none, NoWorkersError if
        there will never be any."""
        return self._threads.submit(self._run, function, args)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        while True:
            try:
                return self._run_once(function, args)
            except _StartError as error:  # it is no fault of the task
                if self._closed or self._deaths >= STARTS:
                    raise NoWorkersError(f"no worker process starts: {error}") from None

    def _run_once(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(function, args, self._timeout)
        finally:
            self._deaths = 0 if worker.ready else self._deaths + 1
            if not worker.alive and not self._closed:
                self._all.remove(worker)
                worker.close()
                worker = self._new()
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
