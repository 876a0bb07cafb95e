"""What a worker process of the autotuner runs: tasks from a pipe, one by one.

`python -m helion_ir.autotuner.worker FD`: the pipe is an inherited file descriptor. A task is a function and its
arguments, pickled; the answer is `("ok", result)` or `("error", message)`. The process ends with the pipe.
"""

from __future__ import annotations

import contextlib
import os
import sys
from multiprocessing.connection import Connection

READY = "ready"
"""What a worker sends before the first task."""


def serve(connection: Connection) -> None:
    """Answer tasks until the other side closes."""
    connection.send(READY)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, args = connection.recv()
            try:
                answer = ("ok", function(*args))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            connection.send(answer)


def main() -> None:
    """Serve on the descriptor given as argument; what tasks print goes nowhere."""
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
