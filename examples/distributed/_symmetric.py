"""Memory that ranks share, with signal pads: torch's symmetric memory on GPUs, or that of one process on the CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Result = TypeVar("Result")

SMALLEST_BLOCK = 16
"""Pads have a slot per program for blocks of at least this edge (or the whole edge of a smaller result)."""


@dataclass(frozen=True)
class Shared:
    """What one rank sees of the memory shared by `world_size` ranks.

    Attributes:
        buffers: a float32 [m, n] of each rank; `buffers[rank]` is this rank's own.
        pads: the address of each rank's signal pad, as uint64.
        pad: this rank's own signal pad, int32: zero whenever no kernel is running.
    """

    rank: int
    world_size: int
    buffers: tuple[torch.Tensor, ...]
    pads: torch.Tensor
    pad: torch.Tensor
    owners: tuple[Any, ...] = field(default=(), repr=False)
    """What must live as long as the memory is used."""


def pad_slots(m: int, n: int, world_size: int) -> int:
    """The slots of a signal pad: one per program and rank, for a result of [m, n]."""
    blocks = -(-m // min(m, SMALLEST_BLOCK)) * -(-n // min(n, SMALLEST_BLOCK))
    return blocks * world_size


def _addresses(tensors: list[torch.Tensor], device: torch.device | str) -> torch.Tensor:
    return torch.tensor([tensor.data_ptr() for tensor in tensors], dtype=torch.int64, device=device).view(torch.uint64)


def begin_rank(seconds: float) -> torch.device:
    """Join the torchrun job; collectives that take longer than `seconds` fail. Returns this rank's GPU.

    NVLink multicast stays off unless the environment says otherwise: nothing here needs it.
    """
    os.environ.setdefault("TORCH_SYMM_MEM_DISABLE_MULTICAST", "1")
    os.environ.setdefault("NCCL_NVLS_ENABLE", "0")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    dist.init_process_group("nccl", timeout=timedelta(seconds=seconds))
    return device


def _rendezvous(own: torch.Tensor) -> tuple[Any, list[torch.Tensor]]:
    """Exchange a tensor of symmetric memory; what keeps it alive, and every rank's tensor as this rank sees it."""
    import torch.distributed._symmetric_memory as symm_mem  # noqa: PLC0415  # on import it asks for a build with NCCL

    group: Any = dist.group.WORLD
    handle = symm_mem.rendezvous(own, group.group_name)
    rank, shape, dtype = dist.get_rank(), own.shape, own.dtype
    # The tensor may lie anywhere in its allocation: at the same place on all ranks, as all allocate alike.
    begin = (own.data_ptr() - handle.get_buffer(rank, shape, dtype).data_ptr()) // own.element_size()
    seen = [handle.get_buffer(peer, shape, dtype, begin) for peer in range(dist.get_world_size())]
    assert seen[rank].data_ptr() == own.data_ptr(), "symmetric memory is not where its tensor is"
    return handle, seen


def share(m: int, n: int) -> Shared:
    """Allocate on this process's GPU and exchange with all ranks; every rank must call this with the same sizes."""
    import torch.distributed._symmetric_memory as symm_mem  # noqa: PLC0415

    rank, world_size = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", torch.cuda.current_device())
    own = symm_mem.empty(m, n, dtype=torch.float32, device=device)
    pad = symm_mem.empty(pad_slots(m, n, world_size), dtype=torch.int32, device=device).zero_()
    (buffer, buffers), (pad_handle, pads) = _rendezvous(own), _rendezvous(pad)
    shared = Shared(rank, world_size, tuple(buffers), _addresses(pads, device), pad, (own, buffer, pad_handle, *pads))
    torch.cuda.synchronize()
    dist.barrier()  # No rank may signal before all pads are zero.
    return shared


def share_in_process(m: int, n: int, world_size: int, device: torch.device | str = "cpu") -> list[Shared]:
    """The same for ranks that are threads of this process: what each of them sees."""
    buffers = tuple(torch.full((m, n), float("nan"), device=device) for _ in range(world_size))
    slots = pad_slots(m, n, world_size)
    pads = [torch.zeros(slots, dtype=torch.int32, device=device) for _ in range(world_size)]
    addresses = _addresses(pads, device)
    return [Shared(rank, world_size, buffers, addresses, pads[rank], tuple(pads)) for rank in range(world_size)]


def run_as_threads(body: Callable[[int], Result], world_size: int, seconds: float = 60.0) -> list[Result]:
    """`body(rank)` for all ranks at once, each in a thread; their results in the order of ranks.

    Raises what the first rank that failed raised, and TimeoutError for ranks that still run after `seconds`: such
    threads are left behind as daemons.
    """
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}
    failed = threading.Event()

    def rank_main(rank: int) -> None:
        try:
            results[rank] = body(rank)
        except BaseException as error:
            errors[rank] = error
            failed.set()

    threads = [threading.Thread(target=rank_main, args=(rank,), daemon=True) for rank in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        remaining = seconds
        while thread.is_alive() and remaining > 0 and not failed.is_set():
            thread.join(0.05)
            remaining -= 0.05
    if errors:
        raise errors[min(errors)]
    if len(results) < world_size:
        raise TimeoutError(f"ranks {sorted(set(range(world_size)) - set(results))} still wait for a peer")
    return [results[rank] for rank in range(world_size)]
