"""Elementwise addition of tensors of any rank, with PyTorch's broadcasting.

The host code broadcasts (strides of zero, nothing is copied); the kernel walks tiles of the result and uses them whole:
`x[tile]` is as many subscripts as the result has dimensions.
"""

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100; one entry of block_sizes per dimension of the result.
CONFIGS = {"add": helion_ir.Config(block_sizes=[4, 1024], num_warps=4)}


@helion_ir.kernel()
def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`x + y`, of any shapes that broadcast, in the dtype that PyTorch would promote to."""
    x, y = torch.broadcast_tensors(x, y)
    out = torch.empty(x.shape, dtype=torch.promote_types(x.dtype, y.dtype), device=x.device)
    for tile in hl.tile(out.size()):
        out[tile] = x[tile] + y[tile]
    return out


def reference(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The sum in float64."""
    return x.double() + y.double()


def example_args(
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors of `shapes` (by default a matrix and a row that broadcasts over it)."""
    left, right = shapes or (((4097, 4097), (4097,)) if device == "cuda" else ((127, 1000), (1000,)))
    return torch.randn(left, device=device, dtype=dtype), torch.randn(right, device=device, dtype=dtype)


def both_sides(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors of ranks 3 and 2, each of which the other makes larger."""
    return example_args(device, shapes=((3, 1, 127), (129, 1)))


EXAMPLES = [
    Example("add", add, example_args, reference),
    Example("add, hand-picked config", add, example_args, reference, config=CONFIGS["add"]),
    Example("add, both sides broadcast", add, both_sides, reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
