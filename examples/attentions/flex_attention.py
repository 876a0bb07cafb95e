"""Attention over the blocks of keys that a block mask names for each block of queries."""

import math

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    kv_num_blocks: Tensor,
    kv_indices: Tensor,
    block_size: hl.constexpr,
    mask_mod: object,
) -> Tensor:
    """query, key, value: [b, heads, n, d]; kv_num_blocks [b, heads, q blocks], kv_indices [b, heads, q blocks, …]."""
    batch, heads, m, head_dim = query.size()
    n = key.size(2)
    head_dim = hl.specialize(head_dim)
    out = torch.empty_like(query)
    scale = 1.44269504 / math.sqrt(head_dim)
    for tile_b, tile_h, tile_m in hl.tile([batch, heads, m], block_size=[1, 1, block_size]):
        m_i = hl.full([tile_m], float("-inf"), dtype=torch.float32)
        l_i = hl.zeros([tile_m], dtype=torch.float32)
        acc = hl.zeros([tile_m, head_dim], dtype=torch.float32)
        q = query[tile_b.begin, tile_h.begin, tile_m, :]
        count = kv_num_blocks[tile_b.begin, tile_h.begin, tile_m.id]
        for which in range(count):
            start = kv_indices[tile_b.begin, tile_h.begin, tile_m.id, which] * block_size
            for tile_n in hl.tile(start, torch.minimum(start + block_size, torch.full_like(start, n))):
                scores = hl.dot(q, key[tile_b.begin, tile_h.begin, tile_n, :].T) * scale
                seen = mask_mod(tile_b.begin, tile_h.begin, tile_m.index[:, None], tile_n.index[None, :])
                scores = torch.where(seen, scores, float("-inf"))
                m_ij = torch.maximum(m_i, torch.amax(scores, -1))
                m_safe = torch.where(m_ij == float("-inf"), 0.0, m_ij)
                p = torch.exp2(scores - m_safe[:, None])
                alpha = torch.exp2(m_i - m_safe)
                l_i = l_i * alpha + torch.sum(p, -1)
                v = value[tile_b.begin, tile_h.begin, tile_n, :]
                acc = hl.dot(p.to(v.dtype), v, acc=acc * alpha[:, None])
                m_i = m_ij
        out[tile_b.begin, tile_h.begin, tile_m, :] = acc / l_i[:, None]
    return out


def documents(ids: Tensor):
    """A mask: keys of the query's document, up to its position."""
    return lambda b, h, q_idx, kv_idx: (ids[q_idx] == ids[kv_idx]) & (q_idx >= kv_idx)


def reference(
    query: Tensor, key: Tensor, value: Tensor, num_blocks: Tensor, indices: Tensor, block_size: int, mask_mod: object
) -> Tensor:
    """With the whole mask in memory."""
    positions = torch.arange(query.size(2), device=query.device)
    mask = mask_mod(0, 0, positions[:, None], positions[None, :])
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Queries, keys, values, a block mask of documents, and its mask function."""
    (b, h, n, d), block = ((1, 16, 4096, 64), 128) if device == "cuda" else ((1, 2, 100, 16), 16)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    query, key, value = (torch.randn(b, h, n, d, device=device, dtype=dtype) for _ in range(3))
    mask_mod = documents(torch.arange(n, device=device) // (n // 3))
    mask = create_block_mask(mask_mod, b, h, n, n, device=device, BLOCK_SIZE=block)
    full = mask.full_kv_num_blocks
    assert full is not None
    assert mask.full_kv_indices is not None
    # Blocks that are seen in part, then those that are seen as a whole, in one list.
    count = mask.kv_num_blocks + full
    columns = torch.arange(mask.kv_indices.size(-1), device=device)
    later = (columns - mask.kv_num_blocks[..., None]).clamp(min=0)
    indices = torch.where(
        columns < mask.kv_num_blocks[..., None], mask.kv_indices, mask.full_kv_indices.gather(-1, later)
    )
    return query, key, value, count, indices, block, mask_mod


EXAMPLES = [Example("flex_attention, documents", flex_attention, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
