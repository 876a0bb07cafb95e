"""Rotary position embedding of queries and keys in one kernel, forward; and backward, which turns the other way."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def rope(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, backward: hl.constexpr = False) -> tuple[Tensor, Tensor]:
    """q: [b, heads, n, d]; k: [b, kv heads, n, d]; cos, sin: [n, d], whose halves are equal. Gives both turned."""
    batch, _, n, d = q.size()
    heads, kv_heads = hl.specialize((q.size(1), k.size(1)))
    half = hl.specialize(d // 2)
    sign = -1.0 if backward else 1.0
    q_out, k_out = torch.empty_like(q), torch.empty_like(k)
    for tile_b, tile_n in hl.tile([batch, n], block_size=[1, None]):
        c = cos[tile_n, :half].to(torch.float32)
        s = sin[tile_n, :half].to(torch.float32) * sign
        for source, target, count in ((q, q_out, heads), (k, k_out, kv_heads)):
            for h in hl.grid(count):
                left = source[tile_b, h, tile_n, :half].to(torch.float32)
                right = source[tile_b, h, tile_n, half:].to(torch.float32)
                target[tile_b, h, tile_n, :half] = left * c - right * s
                target[tile_b, h, tile_n, half:] = right * c + left * s
    return q_out, k_out


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x cos + rotated x sin, as in models."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


def reference(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, backward: bool = False) -> tuple[Tensor, Tensor]:
    """Both tensors."""
    sin = -sin if backward else sin
    return turned(q, cos, sin), turned(k, cos, sin)


def example_args(device: str = "cpu", backward: bool = False) -> tuple[object, ...]:
    """Queries, keys, cosines, sines."""
    b, heads, kv_heads, n, d = (2, 32, 8, 4096, 128) if device == "cuda" else (2, 3, 1, 13, 16)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    angles = torch.outer(torch.arange(n), 10000.0 ** (-torch.arange(0, d, 2) / d)).to(device)
    cos, sin = (function(torch.cat([angles, angles], -1)).to(dtype) for function in (torch.cos, torch.sin))
    q, k = (torch.randn(b, h, n, d, device=device, dtype=dtype) for h in (heads, kv_heads))
    return q, k, cos, sin, backward


EXAMPLES = [
    Example("rope", rope, example_args, reference),
    Example("rope backward", rope, lambda device: example_args(device, True), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
