"""How long a candidate takes: medians of CUDA events, or what `autotune_benchmark_fn` says."""

from __future__ import annotations

import ctypes
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

Run = Callable[..., Any]

PROBE_CALLS = 3
SLOW = 1.5
"""A candidate whose fastest probe is slower than the best by this factor is not measured further."""
TARGET_MILLISECONDS = 40.0
"""Device time that the measurement of one candidate should take."""
MIN_CALLS, MAX_CALLS = 5, 60


class ColdCache:
    """Empties the L2 cache of a GPU, so that a call after it finds none of its data there.

    A buffer larger than the cache is written, which also takes longer than a launch's host side: that stays out of
    the times. Lines that were loaded with `evict_last` outlive such a write; they are made ordinary ones before it.
    """

    BYTES = 256 << 20

    def __init__(self, device: torch.device | str):
        self._device = torch.device(device)
        self._buffer = torch.empty(self.BYTES, dtype=torch.int8, device=device)
        self._driver = None if torch.version.hip else ctypes.CDLL("libcuda.so.1")

    def __call__(self) -> None:
        if self._driver is not None:
            torch.cuda.synchronize(self._device)  # the reset is not ordered after what was launched
            self._driver.cuCtxResetPersistingL2Cache()
        self._buffer.zero_()


class MeasurementError(Exception):
    """A measurement gave what is no time."""


class Measure(Protocol):
    """Times a candidate."""

    def __call__(self, run: Run, args: Sequence[object], best: float | None) -> float:
        """Milliseconds of a call; one much slower than `best` may be timed less exactly.

        Raises MeasurementError, and what the call raises.
        """
        ...


def checked(milliseconds: float) -> float:
    """A time that can be compared with others; raises MeasurementError for NaN, infinity and what is negative."""
    if not (math.isfinite(milliseconds) and milliseconds >= 0):
        raise MeasurementError(f"measured {milliseconds:g} ms, which is no time")
    return milliseconds


class DeviceMeasure:
    """Times on the GPU, with the L2 cache flushed before each call; as many calls as the duration asks for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cold_cache = ColdCache(device)

    def __call__(self, run: Run, args: Sequence[object], best: float | None) -> float:
        probe = self._times(run, args, PROBE_CALLS)
        if best is not None and min(probe) > SLOW * best:
            return checked(statistics.median(probe))
        calls = int(TARGET_MILLISECONDS / max(statistics.median(probe), 1e-3))
        return checked(statistics.median(self._times(run, args, min(max(calls, MIN_CALLS), MAX_CALLS))))

    def _times(self, run: Run, args: Sequence[object], calls: int) -> list[float]:
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(calls)]
        with torch.no_grad(), torch.cuda.device(self._device):
            for start, end in events:
                self._cold_cache()
                start.record()
                run(*args)
                end.record()
            torch.cuda.synchronize()
        return [start.elapsed_time(end) for start, end in events]


class GivenMeasure:
    """Times by the user's function of a compiled kernel and its arguments."""

    def __init__(self, benchmark: Callable[..., Any]) -> None:
        self._benchmark = benchmark

    def __call__(self, run: Run, args: Sequence[object], best: float | None) -> float:
        return checked(float(self._benchmark(run, args)))


def in_turns(
    measure: Measure, candidates: Sequence[tuple[Run, Sequence[object]]], rounds: int
) -> list[float | Exception]:
    """The median over `rounds` of each candidate's time; they take turns, so that clocks and heat meet all alike.

    A candidate whose measurement raises has no further turn, and the exception in place of a time.
    """
    samples: list[list[float]] = [[] for _ in candidates]
    failures: dict[int, Exception] = {}
    for _ in range(rounds):
        for at, (run, args) in enumerate(candidates):
            if at in failures:
                continue
            try:
                samples[at].append(measure(run, args, None))
            except Exception as error:
                failures[at] = error
    return [failures[at] if at in failures else statistics.median(times) for at, times in enumerate(samples)]


__all__ = ["ColdCache", "DeviceMeasure", "GivenMeasure", "Measure", "MeasurementError", "in_turns"]
