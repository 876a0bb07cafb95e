"""Causal linear attention by chunks: what a chunk sees of itself, and a state of all before it."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def linear_attention(q: Tensor, k: Tensor, v: Tensor, chunk: hl.constexpr) -> Tensor:
    """q, k: [b · heads, n, dk]; v: [b · heads, n, dv]. Gives Σ over j ≤ i of (qᵢ · kⱼ) vⱼ."""
    heads, n, _ = q.size()
    dk, dv = hl.specialize((q.size(2), v.size(2)))
    out = torch.empty_like(v)
    for tile_h, tile_v in hl.tile([heads, dv], block_size=[1, None]):
        h = tile_h.begin
        state = hl.zeros([dk, tile_v], dtype=torch.float32)
        for tile_n in hl.tile(n, block_size=chunk):
            queries, keys, values = q[h, tile_n, :], k[h, tile_n, :], v[h, tile_n, tile_v]
            scores = hl.dot(queries, keys.T, out_dtype=torch.float32)
            scores = torch.where(tile_n.index[:, None] >= tile_n.index[None, :], scores, 0.0)
            result = hl.dot(queries, state.to(q.dtype), out_dtype=torch.float32)
            out[h, tile_n, tile_v] = hl.dot(scores.to(v.dtype), values, acc=result)
            state = hl.dot(keys.T, values, acc=state)
    return out


def reference(q: Tensor, k: Tensor, v: Tensor, chunk: int) -> Tensor:
    """With all scores in memory."""
    return (q @ k.mT).tril() @ v


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Queries, keys, values, the size of a chunk."""
    (h, n, dk, dv), chunk = ((64, 2048, 64, 128), 64) if device == "cuda" else ((2, 37, 16, 20), 16)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    q, k, v = (torch.randn(h, n, d, device=device, dtype=dtype) for d in (dk, dk, dv))
    return q / dk**0.5, k / dk**0.5, v, chunk


EXAMPLES = [Example("linear_attention", linear_attention, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
