"""A matrix product fused with a one-shot all-reduce, in plain Triton, of the form that others published.

Each program computes its tile, stores it as float32 into its rank's symmetric buffer, meets the programs of the same id
on all ranks, adds up the tiles of all ranks, and meets them again before anybody's buffer may be overwritten. As
published, the first signal is *relaxed* (nothing but the hardware's habits orders it after the stores of the tile) and
its wait acquires; the last signal is a release, and nothing follows its wait. `FIRST_RELEASES` and `LAST_RELEASES` say
which signals release, so that the price of the ordering can be seen.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def signal_peers(pads_ptr, slot, WORLD_SIZE: tl.constexpr, RELEASE: tl.constexpr):
    """Thread t sets `slot` of rank t's pad from 0 to 1, once that rank has taken the signal before."""
    semantics: tl.constexpr = "release" if RELEASE else "relaxed"
    tl.inline_asm_elementwise(
        """
        {
        .reg .pred mine, again;
        .reg .b32 thread, old;
        .reg .b64 address;
        mov.u32 thread, %tid.x;
        setp.lt.u32 mine, thread, $3;
        @!mine bra sent;
        mad.wide.u32 address, thread, 8, $1;
        ld.global.b64 address, [address];
        mad.wide.u32 address, $2, 4, address;
        send:
        atom.global."""
        + semantics
        + """.sys.cas.b32 old, [address], 0, 1;
        setp.ne.u32 again, old, 0;
        @again bra send;
        sent:
        mov.b32 $0, 0;
        }
        """,
        "=r,l,r,r",
        [pads_ptr.to(tl.uint64), slot, WORLD_SIZE],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit
def wait_for_peers(pads_ptr, first_slot, RANK: tl.constexpr, WORLD_SIZE: tl.constexpr, ACQUIRE: tl.constexpr):
    """Thread t waits until rank t has signalled slot `first_slot` + t of this rank's pad, and resets it."""
    semantics: tl.constexpr = "acquire" if ACQUIRE else "relaxed"
    tl.inline_asm_elementwise(
        """
        {
        .reg .pred mine, again;
        .reg .b32 thread, old, slot;
        .reg .b64 address;
        mov.u32 thread, %tid.x;
        setp.lt.u32 mine, thread, $3;
        @!mine bra taken;
        ld.global.b64 address, [$1];
        add.u32 slot, thread, $2;
        mad.wide.u32 address, slot, 4, address;
        take:
        atom.global."""
        + semantics
        + """.sys.cas.b32 old, [address], 1, 0;
        setp.ne.u32 again, old, 1;
        @again bra take;
        taken:
        mov.b32 $0, 0;
        }
        """,
        "=r,l,r,r",
        [(pads_ptr + RANK).to(tl.uint64), first_slot, WORLD_SIZE],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit
def meet(pads_ptr, RANK: tl.constexpr, WORLD_SIZE: tl.constexpr, RELEASE: tl.constexpr, ACQUIRE: tl.constexpr):
    """The programs of this id on all ranks wait for each other."""
    first_slot = tl.program_id(0) * WORLD_SIZE
    tl.debug_barrier()
    signal_peers(pads_ptr, first_slot + RANK, WORLD_SIZE, RELEASE)
    wait_for_peers(pads_ptr, first_slot, RANK, WORLD_SIZE, ACQUIRE)
    if ACQUIRE:
        tl.debug_barrier()


@triton.jit
def gemm_one_shot_all_reduce_kernel(
    a_ptr,
    b_ptr,
    out_ptr,
    buffers,
    pads_ptr,
    m,
    n,
    k,
    stride_am,
    stride_bk,
    RANK: tl.constexpr,
    WORLD_SIZE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
    EVEN_K: tl.constexpr,
    PRECISION: tl.constexpr,
    FIRST_RELEASES: tl.constexpr,
    LAST_RELEASES: tl.constexpr,
):
    """out = sum over ranks of a @ b; row-major with unit inner strides; `buffers`: a float32 [m, n] of each rank."""
    pid = tl.program_id(0)
    blocks_m = tl.cdiv(m, BLOCK_M)
    blocks_n = tl.cdiv(n, BLOCK_N)
    group = pid // (GROUP * blocks_n)
    first = group * GROUP
    rows = min(blocks_m - first, GROUP)
    pid_m = first + (pid % (GROUP * blocks_n)) % rows
    pid_n = (pid % (GROUP * blocks_n)) // rows

    index_m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    index_n = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    index_k = tl.arange(0, BLOCK_K)
    # Rows and columns past the end wrap around: they are computed, never stored, and need no mask in the loop.
    a_block = a_ptr + (index_m % m)[:, None] * stride_am + index_k[None, :]
    b_block = b_ptr + index_k[:, None] * stride_bk + (index_n % n)[None, :]
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, k, BLOCK_K):
        if EVEN_K:
            a_tile = tl.load(a_block)
            b_tile = tl.load(b_block)
        else:
            a_tile = tl.load(a_block, mask=index_k[None, :] < k - start, other=0.0)
            b_tile = tl.load(b_block, mask=index_k[:, None] < k - start, other=0.0)
        acc = tl.dot(a_tile, b_tile, acc, input_precision=PRECISION)
        a_block += BLOCK_K
        b_block += BLOCK_K * stride_bk

    offsets = index_m[:, None] * n + index_n[None, :]
    mask = (index_m < m)[:, None] & (index_n < n)[None, :]
    tl.store(buffers[RANK] + offsets, acc, mask=mask)
    meet(pads_ptr, RANK, WORLD_SIZE, FIRST_RELEASES, True)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for peer in tl.static_range(WORLD_SIZE):
        total += tl.load(buffers[peer] + offsets, mask=mask, other=0.0)
    tl.store(out_ptr + offsets, total.to(out_ptr.dtype.element_ty), mask=mask)
    meet(pads_ptr, RANK, WORLD_SIZE, LAST_RELEASES, False)


def gemm_one_shot_all_reduce(
    a: torch.Tensor,
    b: torch.Tensor,
    buffers: tuple[torch.Tensor, ...],
    pads: torch.Tensor,
    rank: int,
    world_size: int,
    *,
    blocks: tuple[int, int, int] = (64, 64, 64),
    group: int = 8,
    num_warps: int = 4,
    num_stages: int = 3,
    precision: str = "tf32",
    first_releases: bool = False,
    last_releases: bool = True,
) -> torch.Tensor:
    """The sum over ranks of a [m, k] @ b [k, n], both contiguous, in the operands' dtype.

    Args:
        buffers: a contiguous float32 [m, n] of each rank, in symmetric memory.
        pads: the address of each rank's signal pad: 32-bit zeros, a slot per program and rank.
        blocks: of m, n and k.
        first_releases: the signal after the tile's stores releases them; else it is relaxed, as published.
        last_releases: the signal after the tiles were read is a release, as published; else it is relaxed.
    """
    m, k = a.shape
    n = b.shape[1]
    block_m, block_n, block_k = blocks
    out = torch.empty((m, n), dtype=a.dtype, device=a.device)
    grid = (triton.cdiv(m, block_m) * triton.cdiv(n, block_n),)
    gemm_one_shot_all_reduce_kernel[grid](
        a, b, out, buffers, pads, m, n, k, a.stride(0), b.stride(0), RANK=rank, WORLD_SIZE=world_size,
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k, GROUP=group, EVEN_K=k % block_k == 0, PRECISION=precision,
        FIRST_RELEASES=first_releases, LAST_RELEASES=last_releases, num_warps=num_warps, num_stages=num_stages,
    )  # fmt: skip
    return out
