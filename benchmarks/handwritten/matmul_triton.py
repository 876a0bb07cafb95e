"""A plain matrix product in Triton: pointers, one block of the result per program, grouped for the L2 cache.

Sizes must be multiples of the blocks, so that nothing is masked.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(
    x_ptr,
    y_ptr,
    out_ptr,
    m,
    n,
    k,
    stride_xm,
    stride_yk,
    stride_om,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
):
    """out = x @ y, row-major with unit inner strides; GROUP rows of blocks are walked column by column."""
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
    x_block = x_ptr + index_m[:, None] * stride_xm + index_k[None, :]
    y_block = y_ptr + index_k[:, None] * stride_yk + index_n[None, :]
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for _ in range(0, k, BLOCK_K):
        acc = tl.dot(tl.load(x_block), tl.load(y_block), acc)
        x_block += BLOCK_K
        y_block += BLOCK_K * stride_yk
    tl.store(out_ptr + index_m[:, None] * stride_om + index_n[None, :], acc.to(out_ptr.dtype.element_ty))


def matmul(
    x: torch.Tensor,
    y: torch.Tensor,
    blocks: tuple[int, int, int] = (128, 256, 64),
    group: int = 8,
    num_warps: int = 8,
    num_stages: int = 3,
) -> torch.Tensor:
    """x @ y for contiguous x [m, k] and y [k, n] whose sizes are multiples of `blocks` (m, n, k)."""
    m, k = x.shape
    n = y.shape[1]
    block_m, block_n, block_k = blocks
    assert m % block_m == 0, "m must be a multiple of its block"
    assert n % block_n == 0, "n must be a multiple of its block"
    assert k % block_k == 0, "k must be a multiple of its block"
    out = torch.empty((m, n), dtype=x.dtype, device=x.device)
    grid = ((m // block_m) * (n // block_n),)
    matmul_kernel[grid](
        x, y, out, m, n, k, x.stride(0), y.stride(0), out.stride(0),
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k, GROUP=group, num_warps=num_warps, num_stages=num_stages,
    )  # fmt: skip
    return out
