"""What a worker process of the autotuner runs: tasks from a pipe, one by one.

A script that imports nothing of ours before it is safe to be left alone. Its arguments: the import path (JSON), the
inherited descriptor of the pipe, the caller's process id, and a module that is imported before the first task. A task
is a function and its arguments, pickled; the answer is `("ok", result)` or `("error", message)`.

The process ends with the pipe, and with the caller, however that ends: the kernel is told to end it (Linux), and a
thread watches the pipe and the caller's process id. Both, because a compiler may hold Python's lock for long, and
because a process that the caller forked may hold the other end of the pipe. What the worker started ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection

ERRORS = 2
READY = "ready"
"""What a worker sends before the first task."""
_PR_SET_PDEATHSIG = 1
_WATCH_MILLISECONDS = 500


def serve(connection: Connection) -> None:
    """Answer tasks until the other side closes."""
    connection.send(READY)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function, args = connection.recv()
            os.ftruncate(ERRORS, 0)
            os.lseek(ERRORS, 0, os.SEEK_SET)
            try:
                answer = ("ok", function(*args))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            connection.send(answer)


def end_with(caller: int, descriptor: int) -> None:
    """End this process, and its group where it leads one, as soon as the process `caller` is gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(caller, descriptor), daemon=True, name="watch").start()


def _watch(caller: int, descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLHUP alone: what can be read is for `serve`
    while os.getppid() == caller and not poll.poll(_WATCH_MILLISECONDS):
        pass
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(path: str, descriptor: str, caller: str, prepare: str) -> None:
    """Serve on an inherited descriptor; standard error is a file that the caller reads if the process dies."""
    end_with(int(caller), int(descriptor))
    sys.path[:] = json.loads(path)
    import_module(prepare)
    serve(Connection(int(descriptor)))


if __name__ == "__main__":
    main(*sys.argv[1:])
