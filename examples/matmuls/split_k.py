"""Matrix product whose contracted dimension is split over programs, which add their parts with atomics."""

from collections.abc import Callable
from typing import Any

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.autotuner import PowerOfTwoFragment
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def matmul_split_k(
    x: torch.Tensor,
    y: torch.Tensor,
    epilogue: Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor] = lambda acc, tile: acc,
) -> torch.Tensor:
    """x @ y in float32; `epilogue` is applied to the first part of each tile, and must be linear."""
    m, k = x.size()
    k2, n = y.size()
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.zeros([m, n], dtype=torch.float32, device=x.device)
    split_k = hl.register_tunable("split_k", PowerOfTwoFragment(1, 256, 64))
    k_block = helion.next_power_of_2(helion.cdiv(k, split_k))
    for tile_m, tile_n, outer_k in hl.tile([m, n, k], block_size=[None, None, k_block]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for inner_k in hl.tile(outer_k.begin, outer_k.end):
            acc = torch.addmm(acc, x[tile_m, inner_k], y[inner_k, tile_n])
        if outer_k.begin == 0:
            acc = epilogue(acc, (tile_m, tile_n))
        hl.atomic_add(out, [tile_m, tile_n], acc)
    return out


def addmm(bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """bias + x @ y."""
    return matmul_split_k(x, y, lambda acc, tile: acc + bias[tile[1]])


def example_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """A wide and a tall matrix."""
    m, k, n = (64, 32768, 64) if device == "cuda" else (33, 300, 45)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    return torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)


def addmm_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """A bias before them."""
    x, y = example_args(device)
    return torch.randn(y.size(1), device=device, dtype=x.dtype), x, y


EXAMPLES = [
    Example("matmul split_k", matmul_split_k, example_args, torch.matmul),
    Example("addmm split_k", addmm, addmm_args, torch.addmm),
]

if __name__ == "__main__":
    main(EXAMPLES)
