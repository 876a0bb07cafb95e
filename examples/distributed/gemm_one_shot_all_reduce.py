"""A matrix product and its all-reduce over ranks in one kernel: each rank reads its peers' tiles over the GPUs' links.

    torchrun --nproc-per-node 2 examples/distributed/gemm_one_shot_all_reduce.py     # a GPU per rank
    python examples/distributed/gemm_one_shot_all_reduce.py                          # two ranks as threads, on the CPU

The ranks' programs of equal id meet twice: before they read each other's tiles, and before anybody may overwrite them
in the next call. Both meetings can be spelled in the language (`hl.symm_mem_sync`) or by hand, as Triton with PTX.
All ranks must run the same config: programs meet by their ids.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import triton
import triton.language as tl
from _symmetric import Shared, begin_rank, run_as_threads, share, share_in_process

import helion_ir
import helion_ir.language as hl

CONFIG = helion_ir.Config(block_sizes=[64, 64, 64], l2_groupings=[8], num_warps=4, num_stages=3)


@triton.jit
def sync_blocks(
    pads_ptr,
    sync_id,
    RANK: tl.constexpr,
    WORLD_SIZE: tl.constexpr,
    RELEASE: tl.constexpr,
    ACQUIRE: tl.constexpr,
):
    """The programs with the same id on every rank meet: with a release of what they did before, an acquire for after.

    Slot `id * WORLD_SIZE + r` of a rank's pad says that rank r has arrived. Thread t serves peer t: it sets our slot of
    the peer's pad from 0 to 1, and the peer's slot of our pad from 1 to 0 once the peer has set it; both are tried at
    once. So a pad is all zero again when everybody has met, and a signal never overtakes the one before. The block's
    barrier before makes what all of its threads did part of the release, the one after makes the acquire hold for all.
    """
    if sync_id is None:
        block = tl.program_id(0) + tl.num_programs(0) * (tl.program_id(1) + tl.num_programs(1) * tl.program_id(2))
    else:
        block = sync_id
    SEND: tl.constexpr = "release" if RELEASE else "relaxed"
    WAIT: tl.constexpr = "acquire" if ACQUIRE else "relaxed"
    if RELEASE:
        tl.debug_barrier()
    tl.inline_asm_elementwise(
        """
        {
        .reg .pred outside, met;
        .reg .b32 peer, slot, sent, taken;
        .reg .b64 theirs, ours;
        mov.u32 peer, %tid.x;
        setp.ge.u32 outside, peer, $4;
        @outside bra done;
        mad.wide.u32 theirs, peer, 8, $1;
        mad.wide.u32 ours, $3, 8, $1;
        ld.global.b64 theirs, [theirs];
        ld.global.b64 ours, [ours];
        add.u32 slot, $2, $3;
        mad.wide.u32 theirs, slot, 4, theirs;
        add.u32 slot, $2, peer;
        mad.wide.u32 ours, slot, 4, ours;
        atom.global."""
        + SEND
        + """.sys.cas.b32 sent, [theirs], 0, 1;
        atom.global."""
        + WAIT
        + """.sys.cas.b32 taken, [ours], 1, 0;
        send:
        setp.eq.u32 met, sent, 0;
        @met bra wait;
        atom.global."""
        + SEND
        + """.sys.cas.b32 sent, [theirs], 0, 1;
        bra send;
        wait:
        setp.eq.u32 met, taken, 1;
        @met bra done;
        atom.global."""
        + WAIT
        + """.sys.cas.b32 taken, [ours], 1, 0;
        bra wait;
        done:
        mov.b32 $0, 0;
        }
        """,
        "=r,l,r,r,r",
        [pads_ptr.to(tl.uint64), block * WORLD_SIZE, RANK, WORLD_SIZE],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )
    if ACQUIRE:
        tl.debug_barrier()


def sync_in_language(pads: Any, rank: int, world_size: int, previous: bool, subsequent: bool) -> None:
    """Meet, in the language's own words; `previous`, `subsequent`: whether accesses before, after are to be ordered."""
    hl.symm_mem_sync(pads, None, rank, world_size, hasPreviousMemAccess=previous, hasSubsequentMemAccess=subsequent)


def sync_by_hand(pads: Any, rank: int, world_size: int, previous: bool, subsequent: bool) -> None:
    """The same through a Triton function of our own."""
    hl.triton_kernel(sync_blocks, args=(pads, None, rank, world_size, previous, subsequent), output_like=None)


SPELLINGS: dict[str, Callable[..., None]] = {"language": sync_in_language, "by hand": sync_by_hand}


@helion_ir.kernel()
def gemm_one_shot_all_reduce(
    a: torch.Tensor,
    b: torch.Tensor,
    buf_tuple: tuple[torch.Tensor, ...],
    signal_pad_ptrs: torch.Tensor,
    rank: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
    world_size: hl.constexpr,  # pyright: ignore[reportInvalidTypeForm]
    sync: Callable[..., None] = sync_in_language,
) -> torch.Tensor:
    """The sum over ranks of a [m, k] @ b [k, n], accumulated in float32 in the order of ranks, in the dtype of a.

    Args:
        buf_tuple: a float32 [m, n] of each rank, in symmetric memory.
        signal_pad_ptrs: the address of each rank's signal pad: 32-bit zeros, a slot per program and rank.
        sync: how programs of equal id meet: one of `SPELLINGS`.
    """
    m, k = a.shape
    k2, n = b.shape
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.empty([m, n], dtype=a.dtype, device=a.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, a[tile_m, tile_k], b[tile_k, tile_n])
        buf_tuple[rank][tile_m, tile_n] = acc
        sync(signal_pad_ptrs, rank, world_size, True, True)  # All tiles are there before anybody reads them.
        total = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for i in hl.static_range(world_size):
            total = total + buf_tuple[i][tile_m, tile_n]
        sync(signal_pad_ptrs, rank, world_size, True, False)  # All are read before a next call overwrites them.
        out[tile_m, tile_n] = total
    return out


def operands(
    sizes: tuple[int, int, int], rank: int, dtype: torch.dtype, device: str, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rank's own a [m, k] and b [k, n] for `sizes` (m, n, k), of a product of the order of one."""
    m, n, k = sizes
    generator = torch.Generator(device).manual_seed(1000 * seed + rank)
    a = torch.randn(m, k, device=device, generator=generator) / max(k, 1) ** 0.5
    return a.to(dtype), torch.randn(k, n, device=device, generator=generator).to(dtype)


def kernel_args(a: torch.Tensor, b: torch.Tensor, shared: Shared, spelling: str = "language") -> tuple[Any, ...]:
    """The kernel's arguments on one rank."""
    sync = SPELLINGS[spelling]
    return a, b, shared.buffers, shared.pads, shared.rank, shared.world_size, sync


def example_args(
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    sizes: tuple[int, int, int] = (256, 256, 256),
    spelling: str = "language",
) -> tuple[Any, ...]:
    """Arguments of rank 0 of 2, to compile for: no peer will answer."""
    shared = share_in_process(sizes[0], sizes[1], 2, device)[0]
    return kernel_args(*operands(sizes, 0, dtype, device), shared, spelling)


def run_on_interpreter(
    sizes: tuple[int, int, int],
    world_size: int,
    dtype: torch.dtype = torch.float32,
    launches: int = 1,
    kernel: Any = gemm_one_shot_all_reduce,
    config: Any = CONFIG,
) -> float:
    """All ranks as threads on the reference interpreter, `launches` times with new operands; the largest error.

    Raises AssertionError where a rank's result differs from the float64 product, or its pad is not all zero after.
    """
    ranks = share_in_process(sizes[0], sizes[1], world_size)
    seeds = range(launches)
    inputs = [[operands(sizes, rank, dtype, "cpu", seed) for seed in seeds] for rank in range(world_size)]
    # All is compiled before the threads begin: Python 3.11 builds syntax trees in one thread at a time only.
    bound = [kernel.bind(kernel_args(*inputs[rank][0], ranks[rank])) for rank in range(world_size)]
    runs = [specialization.compile_config(config) for specialization in bound]

    def body(rank: int) -> list[torch.Tensor]:
        return [runs[rank](*kernel_args(*inputs[rank][seed], ranks[rank])) for seed in seeds]

    outputs = run_as_threads(body, world_size)
    worst = 0.0
    for seed in seeds:
        exact = torch.stack([a.double() @ b.double() for a, b in (inputs[rank][seed] for rank in range(world_size))])
        for output in (outputs[rank][seed] for rank in range(world_size)):
            torch.testing.assert_close(output, exact.sum(0).to(dtype))
            worst = max(worst, (output.double() - exact.sum(0)).abs().max().item())
    assert not any(shared.pad.any() for shared in ranks), "a signal was left behind"
    return worst


def microseconds(run: Callable[[], object], repeats: int = 50) -> float:
    """Mean time of a call on this rank's GPU, of calls in a row that are queued before the first begins."""
    for _ in range(3):
        run()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    dist.barrier()
    torch.cuda._sleep(10_000_000)  # cycles: some milliseconds
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e3 / repeats


def rank_main() -> None:
    """One rank of a torchrun job: check against float64, and time."""
    begin_rank(60)
    sizes, dtype = (512, 1024, 4096), torch.bfloat16
    shared = share(sizes[0], sizes[1])
    a, b = operands(sizes, shared.rank, dtype, "cuda")
    exact = a.double() @ b.double()
    dist.all_reduce(exact)
    for spelling in SPELLINGS:
        args = kernel_args(a, b, shared, spelling)
        run = helion_ir.compile(gemm_one_shot_all_reduce, CONFIG, args)
        output = run(*args)
        torch.testing.assert_close(output, exact.to(dtype))
        error = (output.double() - exact).abs().max().item()
        elapsed = microseconds(lambda run=run, args=args: run(*args))
        if shared.rank == 0:
            title = f"gemm + all-reduce, {spelling}"
            where = f"{'x'.join(map(str, sizes))} on {shared.world_size} GPUs"
            print(f"{title:<28} {where:<40} max error {error:.1e}  {elapsed:9.1f} us")
    dist.destroy_process_group()


def main() -> None:
    """Under torchrun with GPUs, one rank; alone, two ranks on the interpreter."""
    if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        rank_main()
        return
    start = time.perf_counter()
    error = run_on_interpreter((130, 70, 33), world_size=2)
    elapsed = (time.perf_counter() - start) * 1e3
    where = "130x70x33, 2 ranks as threads, interpreter"
    print(f"{'gemm + all-reduce':<28} {where:<40} max error {error:.1e}  {elapsed:9.1f} ms")


if __name__ == "__main__":
    main()
