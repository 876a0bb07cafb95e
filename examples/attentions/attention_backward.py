"""Attention with its backward pass: one kernel for queries' gradients, one for those of keys and values.

Both recompute probabilities from the logarithm of each row's sum, which the forward pass leaves.
"""

import math

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

LOG2E = math.log2(math.e)


@helion.kernel()
def attention_fwd(q: Tensor, k: Tensor, v: Tensor, causal: hl.constexpr) -> tuple[Tensor, Tensor]:
    """q, k, v: [b · h, n, d]. Gives the result and, to base 2, the logarithm of each row's sum [b · h, n]."""
    heads, n, _ = q.size()
    d = hl.specialize(q.size(2))
    out = torch.empty_like(q)
    lse = torch.empty([heads, n], dtype=torch.float32, device=q.device)
    scale = LOG2E / math.sqrt(d)
    for tile_h, tile_m in hl.tile([heads, n], block_size=[1, None]):
        h = tile_h.begin
        m_i = hl.full([tile_m], float("-inf"), dtype=torch.float32)
        l_i = hl.zeros([tile_m], dtype=torch.float32)
        acc = hl.zeros([tile_m, d], dtype=torch.float32)
        for tile_n in hl.tile(0, tile_m.end if causal else n):
            scores = hl.dot(q[h, tile_m, :], k[h, tile_n, :].T) * scale
            if causal:
                scores = torch.where(tile_m.index[:, None] >= tile_n.index[None, :], scores, float("-inf"))
            m_ij = torch.maximum(m_i, scores.amax(-1))
            p = torch.exp2(scores - m_ij[:, None])
            alpha = torch.exp2(m_i - m_ij)
            l_i = l_i * alpha + p.sum(-1)
            acc = hl.dot(p.to(v.dtype), v[h, tile_n, :], acc=acc * alpha[:, None])
            m_i = m_ij
        out[h, tile_m, :] = acc / l_i[:, None]
        lse[h, tile_m] = m_i + torch.log2(l_i)
    return out, lse


@helion.kernel()
def attention_bwd_dq(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, grad: Tensor, lse: Tensor, causal: hl.constexpr
) -> tuple[Tensor, Tensor]:
    """The gradient of q, and Σ grad · out of each row, which the other kernel takes."""
    heads, n, _ = q.size()
    d = hl.specialize(q.size(2))
    grad_q = torch.empty_like(q)
    delta = torch.empty_like(lse)
    for tile_h, tile_m in hl.tile([heads, n], block_size=[1, None]):
        h = tile_h.begin
        do = grad[h, tile_m, :]
        row = torch.sum(out[h, tile_m, :].to(torch.float32) * do.to(torch.float32), -1)
        delta[h, tile_m] = row
        acc = hl.zeros([tile_m, d], dtype=torch.float32)
        for tile_n in hl.tile(0, tile_m.end if causal else n):
            keys = k[h, tile_n, :]
            p = torch.exp2(hl.dot(q[h, tile_m, :], keys.T) * (LOG2E / math.sqrt(d)) - lse[h, tile_m][:, None])
            if causal:
                p = torch.where(tile_m.index[:, None] >= tile_n.index[None, :], p, 0.0)
            ds = p * (hl.dot(do, v[h, tile_n, :].T) - row[:, None])
            acc = hl.dot(ds.to(keys.dtype), keys, acc=acc)
        grad_q[h, tile_m, :] = acc * (1.0 / math.sqrt(d))
    return grad_q, delta


@helion.kernel()
def attention_bwd_dkv(
    q: Tensor, k: Tensor, v: Tensor, grad: Tensor, lse: Tensor, delta: Tensor, causal: hl.constexpr
) -> tuple[Tensor, Tensor]:
    """The gradients of k and v: a program has a block of keys and walks over the queries that see it."""
    heads, n, _ = q.size()
    d = hl.specialize(q.size(2))
    grad_k, grad_v = torch.empty_like(k), torch.empty_like(v)
    for tile_h, tile_n in hl.tile([heads, n], block_size=[1, None]):
        h = tile_h.begin
        acc_k = hl.zeros([tile_n, d], dtype=torch.float32)
        acc_v = hl.zeros([tile_n, d], dtype=torch.float32)
        keys, values = k[h, tile_n, :], v[h, tile_n, :]
        for tile_m in hl.tile(tile_n.begin if causal else 0, n):
            queries, do = q[h, tile_m, :], grad[h, tile_m, :]
            p = torch.exp2(hl.dot(keys, queries.T) * (LOG2E / math.sqrt(d)) - lse[h, tile_m][None, :])
            if causal:
                p = torch.where(tile_m.index[None, :] >= tile_n.index[:, None], p, 0.0)
            acc_v = hl.dot(p.to(do.dtype), do, acc=acc_v)
            ds = p * (hl.dot(values, do.T) - delta[h, tile_m][None, :])
            acc_k = hl.dot(ds.to(queries.dtype), queries, acc=acc_k)
        grad_k[h, tile_n, :] = acc_k * (1.0 / math.sqrt(d))
        grad_v[h, tile_n, :] = acc_v
    return grad_k, grad_v


def attention(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> tuple[Tensor, ...]:
    """The result, and the gradients of q, k and v."""
    out, lse = attention_fwd(q, k, v, causal)
    grad_q, delta = attention_bwd_dq(q, k, v, out, grad, lse, causal)
    return out, grad_q, *attention_bwd_dkv(q, k, v, grad, lse, delta, causal)


def reference(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> tuple[Tensor, ...]:
    """PyTorch's attention and autograd."""
    inputs = [each.detach()[None].requires_grad_() for each in (q, k, v)]
    out = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=causal)
    return out[0].detach(), *(each[0] for each in torch.autograd.grad(out, inputs, grad[None]))


def example_args(device: str = "cpu", causal: bool = False) -> tuple[object, ...]:
    """The gradient of the result, q, k, v."""
    shape, dtype = ((32, 2048, 64), torch.bfloat16) if device == "cuda" else ((2, 37, 16), torch.float32)
    return *(torch.randn(shape, device=device, dtype=dtype) for _ in range(4)), causal


EXAMPLES = [
    Example("attention, forward and backward", attention, example_args, reference),
    Example("causal, forward and backward", attention, lambda device: example_args(device, True), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
