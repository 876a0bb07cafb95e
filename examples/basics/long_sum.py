"""Sums of long rows: by one operator, by a loop, and by a loop over lanes that are added up at the end."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def longsum(x: Tensor) -> Tensor:
    """Whole rows; the compiler loops where they are too long."""
    m, _ = x.size()
    out = torch.empty([m], dtype=x.dtype, device=x.device)
    for tile_m in hl.tile(m):
        out[tile_m] = x[tile_m, :].sum(-1)
    return out


@helion.kernel()
def longsum_w_red_loop(x: Tensor) -> Tensor:
    """A sum per tile, added up."""
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype, device=x.device)
    for tile_m in hl.tile(m):
        acc = hl.zeros([tile_m], dtype=torch.float32)
        for tile_n in hl.tile(n):
            acc += x[tile_m, tile_n].sum(-1)
        out[tile_m] = acc
    return out


@helion.kernel()
def longsum_manual(x: Tensor) -> Tensor:
    """Tiles added lane by lane, and the lanes at the end."""
    m, n = x.size()
    out = torch.empty([m], dtype=x.dtype, device=x.device)
    block_size_n = hl.register_block_size(n)
    for tile_m in hl.tile(m):
        acc = hl.zeros([tile_m, block_size_n], dtype=torch.float32)
        for tile_n in hl.tile(n, block_size=block_size_n):
            acc += x[tile_m, tile_n]
        out[tile_m] = acc.sum(-1)
    return out


def reference(x: Tensor) -> Tensor:
    """PyTorch's own."""
    return x.sum(-1)


def example_args(device: str = "cpu") -> tuple[Tensor]:
    """Long rows."""
    return (torch.randn((1024, 130000) if device == "cuda" else (5, 1003), device=device),)


EXAMPLES = [
    Example(kernel.fn.__name__, kernel, example_args, reference, tolerance=1e-4)
    for kernel in (longsum, longsum_w_red_loop, longsum_manual)
]

if __name__ == "__main__":
    main(EXAMPLES)
