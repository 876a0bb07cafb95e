"""Causal convolution along sequences, each channel for itself: unrolled over the few weights."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor, silu: bool = True) -> Tensor:
    """x: [b, d, n]; weight: [d, width]; bias: [d]. A position sees itself and those before it; before all lie zeros."""
    batch, dim, n = x.size()
    width = hl.specialize(weight.size(1))
    out = torch.empty_like(x)
    for tile_b, tile_d, tile_n in hl.tile([batch, dim, n], block_size=[1, None, None]):
        acc = hl.zeros([tile_d, tile_n], dtype=torch.float32)
        for j in hl.static_range(width):
            position = tile_n.index - (width - 1 - j)
            seen = hl.load(x, [tile_b.begin, tile_d, position], extra_mask=(position >= 0)[None, :])
            acc = acc + seen.to(torch.float32) * weight[tile_d, j].to(torch.float32)[:, None]
        acc = acc + bias[tile_d].to(torch.float32)[:, None]
        if silu:
            acc = acc * torch.sigmoid(acc)
        out[tile_b.begin, tile_d, tile_n] = acc.to(out.dtype)
    return out


def reference(x: Tensor, weight: Tensor, bias: Tensor, silu: bool = True) -> Tensor:
    """A grouped convolution with padding."""
    n, width = x.size(2), weight.size(1)
    out = torch.nn.functional.conv1d(x, weight[:, None], bias, padding=width - 1, groups=x.size(1))[..., :n]
    return torch.nn.functional.silu(out) if silu else out


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """x, weight, bias."""
    b, d, n = (4, 2048, 4096) if device == "cuda" else (2, 7, 37)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    return tuple(torch.randn(size, device=device, dtype=dtype) for size in ([b, d, n], [d, 4], [d]))


EXAMPLES = [Example("causal_conv1d", causal_conv1d, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
