"""What a worker process of the autotuner runs: tasks from a pipe, one by one.

The pipe is an inherited file descriptor. A task is a function and its arguments, pickled; the answer is
`("ok", result)` or `("error", message)`. The process ends with the pipe.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import Connection

ERRORS = 2
READY = "ready"
"""What a worker sends before the first task."""


def serve(connection: Connection) -> None:
    """Answer tasks until the other side closes."""
    connection.send(READY)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, args = connection.recv()
            os.ftruncate(ERRORS, 0)
            os.lseek(ERRORS, 0, os.SEEK_SET)
            try:
                answer = ("ok", function(*args))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            connection.send(answer)


def main(descriptor: int) -> None:
    """Serve on an inherited descriptor; standard error is a file that the caller reads if the process dies."""
    serve(Connection(descriptor))
