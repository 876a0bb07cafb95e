"""silu(a) * b quantized to float8: with one scale that is given, with one per token, or one per group of a token."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

FP8 = torch.float8_e4m3fn
FP8_MAX = torch.finfo(FP8).max


@helion.kernel()
def silu_mul_fp8(x: Tensor, scale: Tensor) -> Tensor:
    """x: [tokens, 2 d], a before b; scale: one float32. Gives float8 [tokens, d]."""
    d = x.shape[-1] // 2
    flat = x.view(-1, x.shape[-1])
    out = torch.empty((*x.shape[:-1], d), device=x.device, dtype=FP8)
    out_flat = out.view(-1, d)
    for tile_m, tile_n in hl.tile([flat.shape[0], d]):
        a = flat[tile_m, tile_n].to(torch.float32)
        b = flat[tile_m, tile_n.index + d].to(torch.float32)
        result = (a * torch.sigmoid(a)) * b * (1.0 / hl.load(scale, [0]))
        out_flat[tile_m, tile_n] = result.clamp(-FP8_MAX, FP8_MAX).to(FP8)
    return out


@helion.kernel()
def silu_mul_fp8_per_token(x: Tensor) -> tuple[Tensor, Tensor]:
    """Gives float8 [tokens, d] and a scale per token, float32 [tokens, 1]."""
    tokens, d2 = x.size()
    d = d2 // 2
    left, right = x[:, :d], x[:, d:]
    out = torch.empty([tokens, d], device=x.device, dtype=FP8)
    scales = torch.empty([tokens, 1], device=x.device, dtype=torch.float32)
    for tile in hl.tile(tokens):
        a = left[tile, :].to(torch.float32)
        product = torch.nn.functional.silu(a) * right[tile, :].to(torch.float32)
        scale = torch.clamp(product.abs().amax(-1, keepdim=True), min=1e-10) / FP8_MAX
        scales[tile, :] = scale
        out[tile, :] = (product / scale).to(FP8)
    return out, scales


@helion.kernel()
def silu_mul_fp8_per_group(x: Tensor, group_size: hl.constexpr) -> tuple[Tensor, Tensor]:
    """Gives float8 [tokens, d] and a scale per group of `group_size` columns, float32 [tokens, d / group_size]."""
    tokens, d2 = x.size()
    d = d2 // 2
    assert d % group_size == 0, f"{d} columns do not divide by {group_size}"
    groups = d // group_size
    left, right = (half.unflatten(1, (groups, group_size)) for half in (x[:, :d], x[:, d:]))
    out = torch.empty([tokens, groups, group_size], device=x.device, dtype=FP8)
    scales = torch.empty([tokens, groups], device=x.device, dtype=torch.float32)
    for tile_t, tile_g in hl.tile([tokens, groups]):
        a = left[tile_t, tile_g, :].to(torch.float32)
        product = torch.nn.functional.silu(a) * right[tile_t, tile_g, :].to(torch.float32)
        scale = product.abs().amax(-1).clamp(min=1e-10) / FP8_MAX
        scales[tile_t, tile_g] = scale
        out[tile_t, tile_g, :] = (product / scale[:, :, None]).to(FP8)
    return out.view(tokens, d), scales


def reference(x: Tensor, scale: Tensor) -> Tensor:
    """In steps."""
    a, b = x.chunk(2, -1)
    return (torch.nn.functional.silu(a) * b / scale).clamp(-FP8_MAX, FP8_MAX).to(FP8)


def group_reference(x: Tensor, group_size: int | None = None) -> tuple[Tensor, Tensor]:
    """In steps; a token is one group by default."""
    a, b = x.chunk(2, -1)
    product = (torch.nn.functional.silu(a) * b).unflatten(1, (-1, group_size or a.size(1)))
    scales = product.abs().amax(-1).clamp(min=1e-10) / FP8_MAX
    return (product / scales[..., None]).flatten(1).to(FP8), scales


def example_args(device: str = "cpu") -> tuple[Tensor]:
    """Both halves of each token."""
    size, dtype = ((4096, 8192), torch.bfloat16) if device == "cuda" else ((13, 96), torch.float32)
    return (torch.randn(size, device=device, dtype=dtype),)


EXAMPLES = [
    Example("silu_mul_fp8", silu_mul_fp8, lambda device: (*example_args(device), torch.full((1,), 0.5, device=device)),
            reference),
    Example("silu_mul_fp8 per token", silu_mul_fp8_per_token, example_args, group_reference),
    Example("silu_mul_fp8 per group", silu_mul_fp8_per_group,
            lambda device: (*example_args(device), 128 if device == "cuda" else 16), group_reference),
]  # fmt: skip

if __name__ == "__main__":
    main(EXAMPLES)
