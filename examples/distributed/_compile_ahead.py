"""Kernels of a benchmark compiled side by side in worker processes, into Triton's cache, before they are run."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from typing import Any

from helion_ir.autotuner.workers import TaskFailedError, Workers


class Ahead:
    """A pool of workers. What cannot be compiled ahead is compiled when it is first called, and fails there."""

    def __init__(self, jobs: int, seconds: float, device: Any) -> None:
        """`seconds`: what one kernel may take."""
        self._device, self._jobs, self._seconds = device, jobs, seconds
        self._workers: Workers | None = None
        self._pending: list[Future[Any]] = []

    def submit(self, compiled: Any, args: tuple[Any, ...]) -> None:
        """Compile a `CompiledKernel` as a call with these arguments does; nothing is launched."""
        bound, launch = compiled.bound, None
        backend = bound.backend
        self._workers = self._workers or Workers(self._jobs, self._seconds, backend.worker)
        with contextlib.suppress(Exception):
            given = bound.kernel.normalize_args(*args)
            launch = backend.capture(compiled.source, bound.name, bound.runner(compiled.config), given)
        if launch is not None:
            self._pending.append(self._workers.submit(backend.precompile, launch, backend.device_gpu(self._device)))

    def wait(self) -> None:
        """Until all that was submitted is compiled."""
        for future in self._pending:
            with contextlib.suppress(TaskFailedError):
                future.result()
        self._pending.clear()

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
