"""Residual addition, RMS normalization and quantization to float8 with a scale per row, in one kernel."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

FP8_MAX = torch.finfo(torch.float8_e4m3fn).max


@helion.kernel()
def add_rms_norm_quant(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """With h = x + residual, of [m, n]: rms_norm(h) * weight in float8, its scales [m, 1] in float32, and h."""
    m, _n = x.size()
    out = torch.empty_like(x, dtype=torch.float8_e4m3fn)
    scales = torch.empty([m, 1], dtype=torch.float32, device=x.device)
    added = torch.empty_like(residual)
    for tile_m in hl.tile(m):
        hidden = x[tile_m, :].to(torch.float32) + residual[tile_m, :].to(torch.float32)
        added[tile_m, :] = hidden.to(residual.dtype)
        rms = torch.rsqrt(hidden.pow(2).mean(dim=-1, keepdim=True) + eps)
        normalized = hidden * rms * weight[:].to(torch.float32)
        scale = torch.clamp(normalized.abs().amax(dim=-1, keepdim=True) / FP8_MAX, min=1e-10)
        scales[tile_m, :] = scale
        out[tile_m, :] = torch.clamp(normalized / scale, -FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
    return out, scales, added


def reference(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same in steps."""
    hidden = x + residual
    normalized = torch.nn.functional.rms_norm(hidden, weight.shape, weight, eps)
    scale = (normalized.abs().amax(-1, keepdim=True) / FP8_MAX).clamp(min=1e-10)
    return (normalized / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale, hidden


def example_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """x, residual, weight."""
    m, n, dtype = (4096, 4096, torch.bfloat16) if device == "cuda" else (13, 100, torch.float32)
    return tuple(torch.randn(size, device=device, dtype=dtype) for size in ([m, n], [m, n], [n]))


EXAMPLES = [Example("add_rms_norm_quant", add_rms_norm_quant, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
