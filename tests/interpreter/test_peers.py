"""Ranks as threads: programs meet through pads in CPU memory, at both levels of the interpreter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
import triton
import triton.language as tl

import helion_ir
import helion_ir.language as hl
from helion_ir.interpreter import MeetingTimeoutError, implements, peers

LEVELS = pytest.mark.parametrize("level", ["tile", "tl"])


@helion_ir.kernel()
def reduce_scaled(
    x: torch.Tensor,
    buffers: tuple[torch.Tensor, ...],
    pads: torch.Tensor,
    rank: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
    world_size: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
) -> torch.Tensor:
    """The sum over ranks of 2 * x, in two meetings; every rank walks its peers beginning with the next one."""
    out = torch.empty_like(x)
    for tile_m, tile_n in hl.tile(x.size()):
        buffers[rank][tile_m, tile_n] = 2 * x[tile_m, tile_n]
        hl.symm_mem_sync(pads, None, rank, world_size)
        total = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for i in hl.static_range(world_size):
            total = total + buffers[i][tile_m, tile_n]
        out[tile_m, tile_n] = total
        hl.symm_mem_sync(pads, None, rank, world_size, hasSubsequentMemAccess=False)
    return out


@triton.jit
def meet_by_hand(pads, block, RANK: tl.constexpr, WORLD: tl.constexpr):
    tl.inline_asm_elementwise("trap; // $0 $1", "=r,r", [block], dtype=tl.int32, is_pure=False, pack=1)


@helion_ir.kernel()
def reduce_by_hand(
    x: torch.Tensor,
    buffers: tuple[torch.Tensor, ...],
    pads: torch.Tensor,
    rank: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
    world_size: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
) -> torch.Tensor:
    """The same by a jit function of our own."""
    out = torch.empty_like(x)
    for tile_m, tile_n in hl.tile(x.size()):
        buffers[rank][tile_m, tile_n] = 2 * x[tile_m, tile_n]
        block = tile_m.id * 1000 + tile_n.id
        hl.triton_kernel(meet_by_hand, args=(pads, block, rank, world_size), output_like=None)
        total = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for i in hl.static_range(world_size):
            total = total + buffers[i][tile_m, tile_n]
        out[tile_m, tile_n] = total
    return out


def in_threads(body: Callable[[int], Any], world_size: int) -> list[Any]:
    """`body(rank)` in a thread per rank; raises what the first rank that failed raised."""
    results: list[Any] = [None] * world_size

    def run(rank: int) -> None:
        try:
            results[rank] = body(rank)
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def pads_of(world_size: int, slots: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """A zero pad for each rank, and their addresses."""
    pads = [torch.zeros(slots, dtype=torch.int32) for _ in range(world_size)]
    return pads, torch.tensor([pad.data_ptr() for pad in pads], dtype=torch.int64)


def run_ranks(kernel: Any, world_size: int, sizes: tuple[int, int], config: dict[str, Any], launches: int = 1) -> None:
    """All ranks, some times in a row, against float64; the pads are zero afterwards."""
    pads, addresses = pads_of(world_size, 64 * world_size)
    buffers = tuple(torch.full(sizes, float("nan")) for _ in range(world_size))
    inputs = [torch.randn(sizes) for _ in range(world_size)]
    args = [(inputs[rank], buffers, addresses, rank, world_size) for rank in range(world_size)]
    compiled = [helion_ir.compile(kernel, helion_ir.Config(**config), args[rank]) for rank in range(world_size)]
    exact = sum(2 * x.double() for x in inputs)
    for _ in range(launches):
        for out in in_threads(lambda rank: compiled[rank](*args[rank]), world_size):
            torch.testing.assert_close(out.double(), exact, atol=1e-5, rtol=1e-6)
    assert not any(pad.any() for pad in pads)


@LEVELS
@pytest.mark.parametrize("unrolled", [False, True])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_ranks_meet(world_size: int, unrolled: bool, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    config: dict[str, Any] = {"block_sizes": [8, 16], "l2_groupings": [2]}
    if world_size > 1:  # a loop of one iteration is gone before any config
        config["static_ranges"] = [unrolled]
    run_ranks(reduce_scaled, world_size, (19, 33), config, launches=2)


@LEVELS
@pytest.mark.parametrize("pid_type", ["xyz", "flat", "persistent_blocked", "persistent_interleaved"])
def test_every_program_mapping(pid_type: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    run_ranks(reduce_scaled, 2, (9, 20), {"block_sizes": [4, 4], "pid_type": pid_type}, launches=2)


@LEVELS
def test_own_functions_have_implementations(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    barrier = threading.Barrier(2)
    calls: list[tuple[Any, ...]] = []

    @implements("meet_by_hand")
    def by_hand(pads: torch.Tensor, block: int, RANK: int, WORLD: int) -> None:
        calls.append((block, RANK, WORLD, tuple(pads.shape)))
        barrier.wait(60)

    run_ranks(reduce_by_hand, 2, (5, 9), {"block_sizes": [4, 8], "l2_groupings": [1]})
    blocks = [0, 1, 1000, 1001]
    assert sorted(calls) == sorted((block, rank, 2, (2,)) for block in blocks for rank in (0, 1))


@LEVELS
def test_a_rank_that_does_not_come(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    monkeypatch.setattr(peers, "TIMEOUT_SECONDS", 0.05)
    pads, addresses = pads_of(2, 8)
    x = torch.randn(4, 4)
    args = (x, (torch.zeros(4, 4), torch.zeros(4, 4)), addresses, 1, 2)
    message = r"test_peers.py:\d+:.*rank 1 at meeting 0 waits for rank 0, in slot 0 of its own pad"
    with pytest.raises(MeetingTimeoutError, match=message):
        helion_ir.compile(reduce_scaled, helion_ir.Config(block_sizes=[4, 4]), args)(*args)
    assert [pad.tolist() for pad in pads] == [[0, 1, *[0] * 6]] * 2  # its own signal, too
