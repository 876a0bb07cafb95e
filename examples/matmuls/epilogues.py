"""One matrix product, several epilogues: closures, whose captures become arguments of the kernel."""

from collections.abc import Callable
from typing import Any

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

Epilogue = Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor]


@helion.kernel()
def matmul(x: torch.Tensor, y: torch.Tensor, epilogue: Epilogue = lambda acc, tile: acc) -> torch.Tensor:
    """`epilogue(x @ y)`, which sees the float32 accumulator of a tile, and the tile."""
    m, k = x.size()
    k2, n = y.size()
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.empty([m, n], dtype=torch.promote_types(x.dtype, y.dtype), device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = epilogue(acc, (tile_m, tile_n))
    return out


def gelu_with_bias(x: torch.Tensor, y: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """gelu(x @ y + bias), with a bias per column."""

    def epilogue(acc: torch.Tensor, tile: tuple[Any, ...]) -> torch.Tensor:
        return torch.nn.functional.gelu(acc + bias[tile[1]], approximate="tanh")

    return matmul(x, y, epilogue)


def scaled_residual(x: torch.Tensor, y: torch.Tensor, residual: torch.Tensor, alpha: float) -> torch.Tensor:
    """alpha * (x @ y) + residual."""
    return matmul(x, y, lambda acc, tile: acc * alpha + residual[tile])


def lower_triangle(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The product, with zeros right of the diagonal."""
    return matmul(x, y, lambda acc, tile: torch.where(tile[0].index[:, None] >= tile[1].index[None, :], acc, 0.0))


def gelu_reference(x: torch.Tensor, y: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """In steps."""
    return torch.nn.functional.gelu(torch.addmm(bias, x, y), approximate="tanh")


def example_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """The two operands."""
    m, k, n = (4096, 4096, 4096) if device == "cuda" else (33, 70, 45)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    return torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype) / k**0.5


def bias_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """A bias after them."""
    x, y = example_args(device)
    return x, y, torch.randn(y.size(1), device=device, dtype=x.dtype)


def residual_args(device: str = "cpu") -> tuple[object, ...]:
    """A residual and a factor after them."""
    x, y = example_args(device)
    return x, y, torch.randn(x.size(0), y.size(1), device=device, dtype=x.dtype), 0.5


EXAMPLES = [
    Example("matmul", matmul, example_args, torch.matmul),
    Example("matmul + bias + gelu", gelu_with_bias, bias_args, gelu_reference),
    Example(
        "matmul × alpha + residual", scaled_residual, residual_args, lambda x, y, r, a: torch.addmm(r, x, y, alpha=a)
    ),
    Example("lower triangle of matmul", lower_triangle, example_args, lambda x, y: torch.tril(x @ y)),
]

if __name__ == "__main__":
    main(EXAMPLES)
