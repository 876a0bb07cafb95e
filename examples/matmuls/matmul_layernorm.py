"""A matrix product and the layer normalization of its rows in one kernel: a program has whole rows of the product."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def matmul_layernorm(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """layer_norm(x @ y) over the columns, scaled and shifted by weight and bias [n]."""
    m, k = x.size()
    k2 = y.size(0)
    n = hl.specialize(y.size(1))
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    assert weight.size(0) == n, f"weight has {weight.size(0)} elements for {n} columns"
    out = torch.empty([m, n], dtype=torch.promote_types(x.dtype, y.dtype), device=x.device)
    for tile_m in hl.tile(m):
        acc = hl.zeros([tile_m, n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, :])
        eps = 1e-5
        var, mean = torch.var_mean(acc, dim=-1, keepdim=True, correction=0)
        normalized = (acc - mean) * torch.rsqrt(var + eps)
        out[tile_m, :] = normalized * weight[:].to(torch.float32) + bias[:].to(torch.float32)
    return out


def reference(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """In two steps."""
    return torch.nn.functional.layer_norm(x @ y, weight.shape, weight, bias)


def example_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """Operands, weight, bias."""
    m, k, n = (8192, 1024, 256) if device == "cuda" else (33, 70, 45)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    return tuple(torch.randn(size, device=device, dtype=dtype) for size in ([m, k], [k, n], [n], [n]))


EXAMPLES = [Example("matmul + layer_norm", matmul_layernorm, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
