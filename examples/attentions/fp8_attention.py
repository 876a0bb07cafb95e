"""Attention forward on float8 queries, keys and values; scores, sums and results are float32."""

import math

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def fp8_attention_kernel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q: [b · h, m, d]; k: [b · h, n, d]; v: [b · h, d, n], keys last, as the second product wants them. All float8."""
    batch = q.size(0)
    seq_q, seq_k = q.size(1), k.size(1)
    head_dim = hl.specialize(q.size(2))
    out = torch.empty([batch, seq_q, head_dim], dtype=torch.float32, device=q.device)
    scale = 1.0 / math.sqrt(head_dim) * 1.44269504
    for tile_b in hl.grid(batch):
        for tile_m in hl.tile(seq_q):
            m_i = hl.full([tile_m], float("-inf"), dtype=torch.float32)
            l_i = hl.zeros([tile_m], dtype=torch.float32)
            acc = hl.zeros([tile_m, head_dim], dtype=torch.float32)
            q_tile = q[tile_b, tile_m, :]
            for tile_n in hl.tile(seq_k):
                qk = hl.dot(q_tile, k[tile_b, tile_n, :].T) * scale
                m_ij = torch.maximum(m_i, torch.amax(qk, dim=-1))
                p = torch.exp2(qk - m_ij[:, None])
                alpha = torch.exp2(m_i - m_ij)
                l_i = l_i * alpha + torch.sum(p, dim=-1)
                acc = hl.dot(p.to(v.dtype), v[tile_b, :, tile_n].t(), acc=acc * alpha[:, None])
                m_i = m_ij
            out[tile_b, tile_m, :] = acc / l_i[:, None]
    return out


def reference(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """In half precision, which eager PyTorch has attention for."""
    return torch.nn.functional.scaled_dot_product_attention(q.half(), k.half(), v.half().mT)


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """Queries, keys, values."""
    b, n, d = (4 * 16, 2048, 64) if device == "cuda" else (2, 37, 32)
    shapes = ((b, n, d), (b, n, d), (b, d, n))
    return tuple(torch.randn(shape, device=device).to(torch.float8_e4m3fn) for shape in shapes)


EXAMPLES = [
    # Probabilities are rounded to float8 before the second product.
    Example("fp8 attention", fp8_attention_kernel, example_args, reference, tolerance=0.25),
]

if __name__ == "__main__":
    main(EXAMPLES)
