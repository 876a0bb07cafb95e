"""Matrix product with a templated epilogue.

The epilogue is any function of the accumulator and the tile's indices: it is traced into the kernel, and tensors that
its closure captures (a bias here) become kernel arguments.
"""

from collections.abc import Callable
from typing import Any

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100: blocks of m, n, k.
CONFIGS = {
    "matmul": helion_ir.Config(block_sizes=[128, 256, 64], num_warps=8, num_stages=3, l2_groupings=[8]),
    "matmul tma": helion_ir.Config(
        block_sizes=[128, 256, 64], num_warps=8, num_stages=3, l2_groupings=[8], indexing="tensor_descriptor"
    ),
}


@helion_ir.kernel()
def matmul(
    x: torch.Tensor, y: torch.Tensor, epilogue: Callable[[torch.Tensor, Any], torch.Tensor] = lambda acc, tile: acc
) -> torch.Tensor:
    """`epilogue(x @ y)` for x of [m, k] and y of [k, n], accumulated in float32, stored in the operands' dtype."""
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


def bias_relu(bias: torch.Tensor) -> Callable[[torch.Tensor, Any], torch.Tensor]:
    """An epilogue that adds a bias per column and clamps at zero."""
    return lambda acc, tile: torch.relu(acc + bias[tile[1]])


def reference(x: torch.Tensor, y: torch.Tensor, epilogue: Callable[..., torch.Tensor] | None = None) -> torch.Tensor:
    """The product in float64; an epilogue sees the whole result at once, its tiles as full slices."""
    product = x.double() @ y.double()
    return product if epilogue is None else epilogue(product, (slice(None), slice(None)))


def example_args(
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    sizes: tuple[int, int, int] | None = None,
    bias: bool = False,
) -> tuple[Any, ...]:
    """x of [m, k] and y of [k, n] for `sizes` (m, n, k), of results of the order of one; `bias` adds the epilogue."""
    m, n, k = sizes or ((4096, 4096, 4096) if device == "cuda" else (127, 129, 100))
    dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)
    x = torch.randn(m, k, device=device) / max(k, 1) ** 0.5
    args = x.to(dtype), torch.randn(k, n, device=device, dtype=dtype)
    return (*args, bias_relu(torch.randn(n, device=device, dtype=dtype))) if bias else args


def epilogue_args(device: str = "cpu") -> tuple[Any, ...]:
    """The same, with an epilogue."""
    return example_args(device, bias=True)


EXAMPLES = [
    Example("matmul", matmul, example_args, reference),
    Example("matmul, hand-picked config", matmul, example_args, reference, config=CONFIGS["matmul"]),
    Example("matmul + bias + relu", matmul, epilogue_args, reference, config=CONFIGS["matmul"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
