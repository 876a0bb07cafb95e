"""Attention forward by online softmax, causal or not.

A program owns a block of queries of one head and walks over blocks of keys. It keeps, per query, the largest score so
far, the sum of exponentials relative to it, and the weighted sum of values; both sums are corrected when the maximum
grows. Exponentials are taken to base 2, with log2(e) folded into the scale. In the causal form the walk ends at run
time: key blocks wholly before the query block need no mask, and those on its diagonal get one.
"""

import math

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100: blocks of queries and keys; the causal form has a second loop over keys, with its own block.
# Its program ids come from a grid of two dimensions, because ptxas (of CUDA 12.8) serializes the causal form's wgmma
# instructions where they are computed by division (its note C7515).
CONFIGS = {
    "attention": helion_ir.Config(block_sizes=[128, 128], num_warps=8, num_stages=2),
    "attention causal": helion_ir.Config(block_sizes=[128, 64, 64], num_warps=8, num_stages=3, pid_type="xyz"),
}

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def absorb(scores: torch.Tensor, values: torch.Tensor, scale: float, state: State) -> State:
    """Take one more block of keys into the running maximum, sum and weighted values.

    scores: [b, m, n] float32, not yet scaled; values: [b, n, d]; state: [b, m], [b, m] and [b, m, d], float32.
    """
    m_i, l_i, acc = state
    m_ij = torch.maximum(m_i, torch.amax(scores, -1) * scale)
    p = torch.exp2(scores * scale - m_ij[:, :, None])
    alpha = torch.exp2(m_i - m_ij)
    l_i = l_i * alpha + torch.sum(p, -1)
    acc = torch.baddbmm(acc * alpha[:, :, None], p.to(values.dtype), values)
    return m_ij, l_i, acc


@helion_ir.kernel()
def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: hl.constexpr = False) -> torch.Tensor:  # pyright: ignore[reportArgumentType]
    """softmax(q kᵀ / √d) v for q of [batch, heads, m, d] and k, v of [batch, heads, n, d]; causal asks for m == n."""
    m, n = q.size(-2), k.size(-2)
    d = hl.specialize(q.size(-1))
    assert k.size() == v.size()
    assert not causal or m == n, "causal attention takes as many keys as queries"
    queries, keys, values = q.flatten(0, -3), k.flatten(0, -3), v.flatten(0, -3)
    out = torch.empty_like(queries)
    scale = math.log2(math.e) / math.sqrt(d)
    for tile_b, tile_m in hl.tile([queries.size(0), m], block_size=[1, None]):
        m_i = hl.full([tile_b, tile_m], float("-inf"), dtype=torch.float32)
        l_i = hl.zeros([tile_b, tile_m], dtype=torch.float32)
        acc = hl.zeros([tile_b, tile_m, d], dtype=torch.float32)
        q_block = queries[tile_b, tile_m, :]
        for tile_n in hl.tile(0, tile_m.begin if causal else n):
            zeros = hl.zeros([tile_b, tile_m, tile_n], dtype=torch.float32)
            scores = torch.baddbmm(zeros, q_block, keys[tile_b, tile_n, :].transpose(1, 2))
            m_i, l_i, acc = absorb(scores, values[tile_b, tile_n, :], scale, (m_i, l_i, acc))
        if causal:
            for tile_n in hl.tile(tile_m.begin, tile_m.end):
                zeros = hl.zeros([tile_b, tile_m, tile_n], dtype=torch.float32)
                scores = torch.baddbmm(zeros, q_block, keys[tile_b, tile_n, :].transpose(1, 2))
                allowed = tile_m.index[:, None] >= tile_n.index[None, :]
                scores = torch.where(allowed[None, :, :], scores, float("-inf"))
                m_i, l_i, acc = absorb(scores, values[tile_b, tile_n, :], scale, (m_i, l_i, acc))
        out[tile_b, tile_m, :] = acc / l_i[:, :, None]
    return out.view(q.size())


def reference(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """Attention in float64, one head at a time so that large sizes fit."""
    results = [torch.empty(0, *q.shape[-2:], dtype=torch.float64, device=q.device)]
    for head_q, head_k, head_v in zip(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), strict=True):
        scores = head_q.double() @ head_k.double().T / math.sqrt(q.size(-1))
        if causal:
            scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), float("-inf"))
        results.append((torch.softmax(scores, dim=-1) @ head_v.double())[None])
    return torch.cat(results).view(q.shape)


def example_args(
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    sizes: tuple[int, int, int, int] | None = None,
    causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, bool]:
    """q, k, v of `sizes` (batch, heads, sequence, head size)."""
    shape = sizes or ((2, 32, 4096, 128) if device == "cuda" else (1, 2, 127, 64))
    dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)
    q, k, v = (torch.randn(shape, device=device, dtype=dtype) for _ in range(3))
    return q, k, v, causal


def causal_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, bool]:
    """The same, with the causal mask."""
    return example_args(device, causal=True)


EXAMPLES = [
    Example("attention", attention, example_args, reference),
    Example("attention, hand-picked config", attention, example_args, reference, config=CONFIGS["attention"]),
    Example("attention, causal", attention, causal_args, reference, config=CONFIGS["attention causal"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
