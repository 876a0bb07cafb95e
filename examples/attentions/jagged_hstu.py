"""Attention of HSTU over jagged sequences: silu(q kᵀ) / length instead of a softmax, causal, no padding anywhere."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def jagged_hstu_attention(
    max_seq_len: int, alpha: float, q: Tensor, k: Tensor, v: Tensor, seq_offsets: Tensor
) -> Tensor:
    """q, k, v: [all positions, heads, d]; seq_offsets: [sequences + 1], where each begins."""
    scale = 1.0 / max_seq_len
    num_heads = hl.specialize(q.size(1))
    num_batches = hl.specialize(seq_offsets.size(0) - 1)
    dimension = hl.specialize(q.size(2))
    out = torch.zeros_like(v)
    for tile_b, tile_h, tile_q in hl.tile([num_batches, num_heads, max_seq_len], block_size=[1, 1, None]):
        starts = seq_offsets[tile_b.begin]
        ends = seq_offsets[tile_b.begin + 1]
        seq_len = ends - starts
        if tile_q.begin < seq_len:
            mask_q = tile_q.index < seq_len
            q_blk = hl.load(q, [tile_q.index + starts, tile_h.begin, slice(None)], extra_mask=mask_q[:, None])
            acc = hl.zeros([tile_q, dimension], dtype=torch.float32)
            # Causal: no key after the last query of the block.
            end = torch.minimum(seq_len, torch.full_like(seq_len, 0) + tile_q.end)
            for tile_kv in hl.tile(0, end):
                mask_kv = tile_kv.index < seq_len
                k_blk = hl.load(k, [tile_kv.index + starts, tile_h.begin, slice(None)], extra_mask=mask_kv[:, None])
                v_blk = hl.load(v, [tile_kv.index + starts, tile_h.begin, slice(None)], extra_mask=mask_kv[:, None])
                scores = torch.nn.functional.silu(hl.dot(q_blk, k_blk.T) * alpha) * scale
                scores = torch.where(
                    (tile_q.index[:, None] >= tile_kv.index[None, :]) & mask_q[:, None] & mask_kv[None, :], scores, 0.0
                )
                acc = hl.dot(scores.to(v.dtype), v_blk, acc=acc)
            hl.store(
                out, [tile_q.index + starts, tile_h.begin, slice(None)], acc.to(out.dtype), extra_mask=mask_q[:, None]
            )
    return out


def reference(max_seq_len: int, alpha: float, q: Tensor, k: Tensor, v: Tensor, seq_offsets: Tensor) -> Tensor:
    """One sequence after the other."""
    out = torch.zeros_like(v)
    for begin, end in zip(seq_offsets.tolist(), seq_offsets[1:].tolist(), strict=False):
        queries, keys, values = (each[begin:end].transpose(0, 1) for each in (q, k, v))
        scores = torch.nn.functional.silu(queries @ keys.mT * alpha) / max_seq_len
        out[begin:end] = (scores.tril() @ values).transpose(0, 1)
    return out


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """The longest length, the scores' factor, q, k, v, offsets."""
    (b, h, n, d), dtype = ((128, 4, 512, 128), torch.bfloat16) if device == "cuda" else ((3, 2, 20, 16), torch.float32)
    lengths = torch.randint(0, n + 1, (b,), device=device)
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    q, k, v = (torch.randn(int(offsets[-1]), h, d, device=device, dtype=dtype) for _ in range(3))
    return n, 1.0 / d, q, k, v, offsets


EXAMPLES = [Example("jagged HSTU attention", jagged_hstu_attention, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
