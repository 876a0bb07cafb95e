"""Attention forward whose scores pass through functions of the caller's: biases, masks, windows, soft caps.

`score_mod(score, b, h, q_idx, kv_idx)` changes scores and `mask_mod(b, h, q_idx, kv_idx)` says which count; both are
traced into the kernel with what they capture. Groups of query heads may share a head of keys and values.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

ScoreMod = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
MaskMod = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@helion.kernel()
def attention(
    query: Tensor, key: Tensor, value: Tensor, score_mod: ScoreMod | None = None, mask_mod: MaskMod | None = None
) -> Tensor:
    """query: [b, heads, m, d]; key and value: [b, heads / group, n, d]. Gives query's shape."""
    batch, heads, m, head_dim = query.size()
    n, group = key.size(2), heads // key.size(1)
    head_dim = hl.specialize(head_dim)
    out = torch.empty_like(query)
    scale = 1.0 / math.sqrt(head_dim)
    log2e = 1.44269504
    for tile_b, tile_h, tile_m in hl.tile([batch, heads, m], block_size=[1, 1, None]):
        m_i = hl.full([tile_m], float("-inf"), dtype=torch.float32)
        l_i = torch.full_like(m_i, 0.0)
        acc = hl.zeros([tile_m, head_dim], dtype=torch.float32)
        q = query[tile_b.begin, tile_h.begin, tile_m, :]
        kv_head = tile_h.begin // group
        for tile_n in hl.tile(n):
            k = key[tile_b.begin, kv_head, tile_n, :]
            scores = hl.dot(q, k.T) * scale
            q_idx, kv_idx = tile_m.index[:, None], tile_n.index[None, :]
            if score_mod is not None:
                scores = score_mod(scores, tile_b.begin, tile_h.begin, q_idx, kv_idx)
            if mask_mod is not None:
                scores = torch.where(mask_mod(tile_b.begin, tile_h.begin, q_idx, kv_idx), scores, float("-inf"))
            m_ij = torch.maximum(m_i, torch.amax(scores, -1))
            # A row that has seen no key yet: exp2(-inf - 0) is 0, and not NaN.
            m_safe = torch.where(m_ij == float("-inf"), 0.0, m_ij)
            p = torch.exp2((scores - m_safe[:, None]) * log2e)
            alpha = torch.exp2((m_i - m_safe) * log2e)
            l_i = l_i * alpha + torch.sum(p, -1)
            v = value[tile_b.begin, kv_head, tile_n, :]
            acc = hl.dot(p.to(v.dtype), v, acc=acc * alpha[:, None])
            m_i = m_ij
        out[tile_b.begin, tile_h.begin, tile_m, :] = (acc / l_i[:, None]).to(out.dtype)
    return out


def causal(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
    """Keys up to the query's position."""
    return q_idx >= kv_idx


def sliding_window(window: int) -> MaskMod:
    """The last `window` keys up to the query's position."""
    return lambda b, h, q_idx, kv_idx: (q_idx >= kv_idx) & (q_idx - kv_idx < window)


def bias_of(bias: Tensor) -> ScoreMod:
    """A bias [heads, m, n] added to scores."""
    return lambda score, b, h, q_idx, kv_idx: score + bias[h, q_idx, kv_idx]


def alibi(slopes: Tensor) -> ScoreMod:
    """A penalty per distance, of a slope per head."""
    return lambda score, b, h, q_idx, kv_idx: score - slopes[h] * torch.abs(q_idx - kv_idx)


def soft_cap(cap: float) -> ScoreMod:
    """Scores bounded by ±cap."""
    return lambda score, b, h, q_idx, kv_idx: cap * torch.tanh(score / cap)


def eager(
    query: Tensor, key: Tensor, value: Tensor, score_mod: ScoreMod | None = None, mask_mod: MaskMod | None = None
) -> Tensor:
    """The same with all scores in memory; functions see all heads and positions at once."""
    scores = query @ key.repeat_interleave(query.size(1) // key.size(1), 1).mT / math.sqrt(query.size(-1))
    b, h, q_idx, kv_idx = (
        torch.arange(size, device=query.device).view([-1 if i == j else 1 for j in range(4)])
        for i, size in enumerate(scores.shape)
    )
    if score_mod is not None:
        scores = score_mod(scores, b, h, q_idx, kv_idx)
    if mask_mod is not None:
        scores = scores.masked_fill(~mask_mod(b, h, q_idx, kv_idx), float("-inf"))
    return torch.softmax(scores, -1).to(value.dtype) @ value.repeat_interleave(query.size(1) // value.size(1), 1)


def sdpa(query: Tensor, key: Tensor, value: Tensor, score_mod: None = None, mask_mod: MaskMod | None = None) -> Tensor:
    """PyTorch's own, for no mask and the causal one."""
    grouped = query.size(1) != key.size(1)
    return scaled_dot_product_attention(query, key, value, is_causal=mask_mod is not None, enable_gqa=grouped)


def example_args(
    device: str = "cpu", mask_mod: MaskMod | None = None, kind: str | None = None, group: int = 1
) -> tuple[object, ...]:
    """Queries, keys and values, and the functions."""
    (b, h, n, d), dtype = ((2, 32, 2048, 64), torch.bfloat16) if device == "cuda" else ((2, 4, 37, 16), torch.float32)
    query = torch.randn(b, h, n, d, device=device, dtype=dtype)
    key, value = (torch.randn(b, h // group, n, d, device=device, dtype=dtype) for _ in range(2))
    score_mod = None
    if kind == "bias":
        score_mod = bias_of(torch.randn(h, n, n, device=device, dtype=dtype))
    elif kind == "alibi":
        score_mod = alibi(torch.rand(h, device=device))
    elif kind == "cap":
        score_mod = soft_cap(2.0)
    return query, key, value, score_mod, mask_mod


def window_args(device: str) -> tuple[object, ...]:
    """A window of an eighth of the keys."""
    return example_args(device, sliding_window(256 if device == "cuda" else 5))


EXAMPLES = [
    Example("attention", attention, example_args, sdpa),
    Example("attention causal", attention, lambda device: example_args(device, causal), sdpa),
    Example("attention GQA", attention, lambda device: example_args(device, causal, group=4), sdpa),
    Example("attention sliding window", attention, window_args, eager),
    Example("attention bias", attention, lambda device: example_args(device, kind="bias"), eager),
    Example("attention alibi", attention, lambda device: example_args(device, causal, "alibi"), eager),
    Example("attention soft cap", attention, lambda device: example_args(device, kind="cap"), eager),
]

if __name__ == "__main__":
    main(EXAMPLES)
