"""Decoding: one query a sequence against a long cache, whose keys are split over programs; then they are combined."""

import math

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def decode_splits(q: Tensor, k: Tensor, v: Tensor, lengths: Tensor, splits: hl.constexpr) -> tuple[Tensor, Tensor]:
    """q: [b, heads, d]; k, v: [b, kv heads, n, d], of which `lengths` [b] keys count.

    Gives each split's result [b, heads, splits, d] and, to base 2, the logarithm of its sum [b, heads, splits].
    """
    batch, heads, _ = q.size()
    _, kv_heads, n, _ = k.size()
    d = hl.specialize(q.size(2))
    group = hl.specialize(heads // kv_heads)
    queries = q.view(batch, kv_heads, group, d)
    partial = torch.empty([batch, kv_heads, group, splits, d], dtype=torch.float32, device=q.device)
    lse = torch.empty([batch, kv_heads, group, splits], dtype=torch.float32, device=q.device)
    per_split = helion.cdiv(n, splits)
    for b, h, s in hl.grid([batch, kv_heads, splits]):
        query = queries[b, h, :, :]
        m_i = hl.full([group], float("-inf"), dtype=torch.float32)
        l_i = hl.zeros([group], dtype=torch.float32)
        acc = hl.zeros([group, d], dtype=torch.float32)
        length = lengths[b]
        begin = torch.minimum(length, torch.full_like(length, 0) + s * per_split)
        end = torch.minimum(length, begin + per_split)
        for tile_n in hl.tile(begin, end):
            scores = hl.dot(query, k[b, h, tile_n, :].T) * (math.log2(math.e) / math.sqrt(d))
            m_ij = torch.maximum(m_i, scores.amax(-1))
            p = torch.exp2(scores - m_ij[:, None])
            alpha = torch.exp2(m_i - m_ij)
            l_i = l_i * alpha + p.sum(-1)
            acc = hl.dot(p.to(v.dtype), v[b, h, tile_n, :], acc=acc * alpha[:, None])
            m_i = m_ij
        partial[b, h, :, s, :] = acc / l_i[:, None]
        lse[b, h, :, s] = m_i + torch.log2(l_i)
    return partial.view(batch, heads, splits, d), lse.view(batch, heads, splits)


@helion.kernel()
def combine(partial: Tensor, lse: Tensor, dtype: torch.dtype) -> Tensor:
    """The splits' results weighted by their sums; a split without keys has the logarithm -inf and counts nothing."""
    batch, heads, splits, d = partial.size()
    rows, logs = partial.view(batch * heads, splits, d), lse.view(batch * heads, splits)
    out = torch.empty([batch * heads, d], dtype=dtype, device=partial.device)
    for tile in hl.tile(batch * heads):
        weights = torch.exp2(logs[tile, :] - logs[tile, :].amax(-1, keepdim=True))
        parts = torch.where(weights[:, :, None] > 0, rows[tile, :, :] * weights[:, :, None], 0.0)
        out[tile, :] = parts.sum(1) / weights.sum(-1)[:, None]
    return out.view(batch, heads, d)


def decode(q: Tensor, k: Tensor, v: Tensor, lengths: Tensor, splits: int) -> Tensor:
    """Both kernels."""
    return combine(*decode_splits(q, k, v, lengths, splits), q.dtype)


def reference(q: Tensor, k: Tensor, v: Tensor, lengths: Tensor, splits: int) -> Tensor:
    """With a mask over all keys."""
    mask = torch.arange(k.size(2), device=q.device) < lengths[:, None, None, None]
    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(q[:, :, None, :], k, v, attn_mask=mask, enable_gqa=True)[:, :, 0, :]


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Queries, a cache, lengths, and how many splits."""
    (b, h, kv, n, d), splits = ((8, 32, 8, 16384, 128), 16) if device == "cuda" else ((3, 4, 2, 100, 16), 3)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    k, v = (torch.randn(b, kv, n, d, device=device, dtype=dtype) for _ in range(2))
    lengths = torch.randint(1, n + 1, (b,), device=device, dtype=torch.int32)
    return torch.randn(b, h, d, device=device, dtype=dtype), k, v, lengths, splits


EXAMPLES = [Example("decoding, split over keys", decode, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
