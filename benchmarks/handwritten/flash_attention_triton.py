"""A plain flash-attention forward in Triton: pointers, online softmax in base 2, two walks over keys when causal.

The sequence must be a multiple of the blocks and the key block a divisor of the query block, so that nothing is masked
but the diagonal.
"""

import math

import torch
import triton
import triton.language as tl


@triton.jit
def absorb(q, keys, values, m_i, l_i, acc, scale, allowed, MASKED: tl.constexpr):
    """One block of keys: scores, the corrected maximum and sum, and the weighted values."""
    scores = tl.dot(q, keys)
    if MASKED:
        scores = tl.where(allowed, scores, float("-inf"))
    m_ij = tl.maximum(m_i, tl.max(scores, 1) * scale)
    p = tl.exp2(scores * scale - m_ij[:, None])
    alpha = tl.exp2(m_i - m_ij)
    l_i = l_i * alpha + tl.sum(p, 1)
    acc = tl.dot(p.to(values.dtype), values, acc * alpha[:, None])
    return m_ij, l_i, acc


@triton.jit
def attention_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    scale,
    length,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    D: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    """Programs: (query block, head). All tensors are contiguous [heads, length, D]."""
    pid_m = tl.program_id(0)
    base = tl.program_id(1).to(tl.int64) * length * D
    index_m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    index_n = tl.arange(0, BLOCK_N)
    index_d = tl.arange(0, D)
    rows = index_m[:, None] * D + index_d[None, :]
    keys_ptr = k_ptr + base + index_d[:, None] + index_n[None, :] * D
    values_ptr = v_ptr + base + index_n[:, None] * D + index_d[None, :]
    q = tl.load(q_ptr + base + rows)
    m_i = tl.full((BLOCK_M,), float("-inf"), dtype=tl.float32)
    l_i = tl.zeros((BLOCK_M,), dtype=tl.float32)
    acc = tl.zeros((BLOCK_M, D), dtype=tl.float32)

    end = pid_m * BLOCK_M if CAUSAL else length
    for start in range(0, end, BLOCK_N):
        keys = tl.load(keys_ptr + start * D)
        values = tl.load(values_ptr + start * D)
        m_i, l_i, acc = absorb(q, keys, values, m_i, l_i, acc, scale, True, MASKED=False)
    if CAUSAL:
        for start in range(pid_m * BLOCK_M, (pid_m + 1) * BLOCK_M, BLOCK_N):
            keys = tl.load(keys_ptr + start * D)
            values = tl.load(values_ptr + start * D)
            allowed = index_m[:, None] >= start + index_n[None, :]
            m_i, l_i, acc = absorb(q, keys, values, m_i, l_i, acc, scale, allowed, MASKED=True)
    tl.store(out_ptr + base + rows, (acc / l_i[:, None]).to(out_ptr.dtype.element_ty))


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool = False,
    blocks: tuple[int, int] = (128, 128),
    num_warps: int = 8,
    num_stages: int = 3,
) -> torch.Tensor:
    """softmax(q kᵀ / √d) v for contiguous q, k, v of [batch, heads, length, d]; `blocks` of queries and of keys."""
    batch, heads, length, d = q.shape
    block_m, block_n = blocks
    assert length % block_m == 0, "the length must be a multiple of the query block"
    assert block_m % block_n == 0, "the query block must be a multiple of the key block"
    assert q.shape == k.shape == v.shape, "queries and keys must be as many"
    out = torch.empty_like(q)
    attention_kernel[(length // block_m, batch * heads)](
        q, k, v, out, math.log2(math.e) / math.sqrt(d), length,
        BLOCK_M=block_m, BLOCK_N=block_n, D=d, CAUSAL=causal, num_warps=num_warps, num_stages=num_stages,
    )  # fmt: skip
    return out
