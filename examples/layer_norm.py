"""Layer normalization over rows, with weight and bias; mean and reciprocal deviation are kept for a backward pass."""

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100.
CONFIGS = {
    "layer_norm": helion_ir.Config(block_sizes=[1], num_warps=4),
    "layer_norm looped": helion_ir.Config(block_sizes=[1], reduction_loops=[1024], num_warps=4),
}


@helion_ir.kernel()
def layer_norm(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalize each row of x [m, n] to mean 0 and variance 1, then scale and shift by weight and bias [n].

    Returns the result in x's dtype, and the rows' mean and 1/√(variance + eps), both float32 of [m].
    """
    m, _ = x.size()
    out = torch.empty_like(x)
    mean = torch.empty([m], dtype=torch.float32, device=x.device)
    rstd = torch.empty([m], dtype=torch.float32, device=x.device)
    for tile_m in hl.tile(m):
        row = x[tile_m, :].to(torch.float32)
        variance, mu = torch.var_mean(row, dim=1, correction=0)
        scale = torch.rsqrt(variance + eps)
        normalized = (row - mu[:, None]) * scale[:, None]
        out[tile_m, :] = normalized * weight[:].to(torch.float32) + bias[:].to(torch.float32)
        mean[tile_m] = mu
        rstd[tile_m] = scale
    return out, mean, rstd


def reference(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All three results in float64."""
    row = x.double()
    variance, mu = torch.var_mean(row, dim=1, correction=0)
    scale = torch.rsqrt(variance + eps)
    return (row - mu[:, None]) * scale[:, None] * weight.double() + bias.double(), mu, scale


def example_args(
    device: str = "cpu", dtype: torch.dtype = torch.float32, sizes: tuple[int, int] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x of `sizes` (rows, columns), whose rows are not centred, with a weight and a bias."""
    rows, columns = sizes or ((4096, 5120) if device == "cuda" else (127, 1000))
    x = (torch.randn(rows, columns, device=device) * 2 + 0.5).to(dtype)
    weight, bias = (torch.randn(columns, device=device, dtype=dtype) for _ in range(2))
    return x, weight, bias


EXAMPLES = [
    Example("layer_norm", layer_norm, example_args, reference),
    Example("layer_norm, hand-picked config", layer_norm, example_args, reference, config=CONFIGS["layer_norm"]),
    Example("layer_norm, looped", layer_norm, example_args, reference, config=CONFIGS["layer_norm looped"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
