"""Kernels of a benchmark compiled side by side in worker processes, into Triton's cache, before they are run."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from typing import Any

from helion_ir.autotuner.precompile import capture, compile_launch, gpu_of
from helion_ir.autotuner.workers import TaskFailedError, Workers


class Ahead:
    """A pool of workers. What cannot be compiled ahead is compiled when it is first called, and fails there."""

    def __init__(self, jobs: int, seconds: float, device: Any) -> None:
        """`seconds`: what one kernel may take."""
        self._gpu = gpu_of(device)
        self._workers = Workers(jobs, seconds)
        self._pending: list[Future[Any]] = []

    def submit(self, compiled: Any, args: tuple[Any, ...]) -> None:
        """Compile a `CompiledKernel` as a call with these arguments does; nothing is launched."""
        bound = compiled.bound
        launch = None
        with contextlib.suppress(Exception):
            given = bound.kernel.normalize_args(*args)
            launch = capture(compiled.source, bound.name, bound.runner(compiled.config), given)
        if launch is not None:
            self._pending.append(self._workers.submit(compile_launch, launch, self._gpu))

    def wait(self) -> None:
        """Until all that was submitted is compiled."""
        for future in self._pending:
            with contextlib.suppress(TaskFailedError):
                future.result()
        self._pending.clear()

    def close(self) -> None:
        """End the workers."""
        self._workers.close()
