"""Device times by CUDA events: medians, with the L2 cache flushed before each call and contenders taking turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import torch

from helion_ir.autotuner.measure import ColdCache


def _once(run: Callable[[], object], cold_cache: ColdCache, repeats: int) -> list[float]:
    """Microseconds of each of `repeats` calls."""
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for start, end in events:
        cold_cache()
        start.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) * 1e3 for start, end in events]


def compare(contenders: Mapping[str, Callable[[], object]], rounds: int = 8, repeats: int = 15) -> dict[str, float]:
    """Median microseconds of each contender; they take turns, so that clocks and heat meet all alike."""
    cold_cache = ColdCache("cuda")
    for run in contenders.values():
        _once(run, cold_cache, 5)
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            samples[name] += _once(run, cold_cache, repeats)
    return {name: statistics.median(values) for name, values in samples.items()}


def copy_bandwidth() -> float:
    """Bytes per second, read and written, of a large copy within the device's memory."""
    source = torch.empty(1 << 30, dtype=torch.int8, device="cuda").random_()
    target = torch.empty_like(source)
    time = compare({"copy": lambda: target.copy_(source)}, rounds=3, repeats=10)["copy"]
    return 2 * source.numel() / (time * 1e-6)
