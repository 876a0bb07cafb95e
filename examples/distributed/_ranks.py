"""One rank of a benchmark over several GPUs: what ranks tell each other, their clock, and a watch over hangs."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from _symmetric import begin_rank

LEAD_CYCLES = 250_000
"""Cycles (about 130 µs) that the device sleeps per timed call, so that a batch is queued before it begins."""
FLUSH_BYTES = 256 << 20
"""More than any L2 cache."""


class Ranks:
    """This process among its peers. `barrier` runs on the device: what is queued after it begins at once everywhere."""

    def __init__(self, hang_seconds: float, flush: bool) -> None:
        import torch.distributed._symmetric_memory as symm_mem  # noqa: PLC0415

        self._begin = time.monotonic()
        self._hang_seconds = hang_seconds
        self.alive()
        self.device = begin_rank(hang_seconds)
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.group: str = dist.group.WORLD.group_name  # pyright: ignore[reportOptionalMemberAccess]
        meeting = symm_mem.empty(16, dtype=torch.int32, device=self.device)
        self._meeting: Any = (meeting, symm_mem.rendezvous(meeting, self.group))
        self._flush = torch.empty(FLUSH_BYTES, dtype=torch.int8, device=self.device) if flush else None

    def barrier(self) -> None:
        """All ranks' streams meet here."""
        self._meeting[1].barrier(channel=0)

    def alive(self) -> None:
        """Start the watch anew: unless this is called again in time, all stacks are printed and the process ends."""
        faulthandler.dump_traceback_later(self._hang_seconds, exit=True)

    @property
    def seconds(self) -> float:
        """Since the start, on rank 0's clock."""
        elapsed = torch.tensor([time.monotonic() - self._begin], device=self.device)
        dist.broadcast(elapsed, 0)
        return elapsed.item()

    def say(self, text: str) -> None:
        """A line of progress, by rank 0."""
        if self.rank == 0:
            print(f"[{time.monotonic() - self._begin:6.1f} s] {text}", flush=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A part of the run, whose wall time is printed."""
        begin = time.monotonic()
        self.alive()
        yield
        torch.cuda.synchronize()
        self.alive()
        self.say(f"{name}: took {time.monotonic() - begin:.1f} s")

    def all_true(self, here: bool) -> bool:
        """Whether it is so on all ranks."""
        flag = torch.tensor([int(here)], device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MIN)
        return bool(flag.item())

    def largest(self, values: Sequence[float]) -> list[float]:
        """Element by element, the largest of all ranks' values."""
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor.tolist()

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of all ranks' tensors."""
        value = value.clone()
        dist.all_reduce(value)
        return value

    def _samples(self, run: Callable[[], object], repeats: int) -> list[float]:
        """Microseconds of each of `repeats` calls on this rank, each after a barrier."""
        pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
        torch.cuda._sleep(LEAD_CYCLES * repeats)
        for start, end in pairs:
            if self._flush is not None:
                self._flush.zero_()
            self.barrier()
            start.record()
            run()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) * 1e3 for start, end in pairs]

    def compare(self, contenders: Mapping[str, Callable[[], object]], rounds: int, repeats: int) -> dict[str, float]:
        """Median microseconds of each contender. They take turns; a call takes as long as on its slowest rank."""
        for run in contenders.values():
            self._samples(run, 5)
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, run in contenders.items():
                samples[name] += self._samples(run, repeats)
            self.alive()
        every = self.largest([value for values in samples.values() for value in values])
        count = rounds * repeats
        slowest = {name: every[i * count : (i + 1) * count] for i, name in enumerate(samples)}
        return {name: sorted(values)[count // 2] for name, values in slowest.items()}

    def close(self) -> None:
        """End the process group, and the watch."""
        dist.barrier()
        torch.cuda.synchronize()
        dist.destroy_process_group()
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.flush()
