"""Two matrices side by side, written in one pass over the result."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def concat2d_dim1(x: Tensor, y: Tensor) -> Tensor:
    """x [m, n] and y [m, k] as [m, n + k]."""
    assert x.size(0) == y.size(0), f"{x.size(0)} and {y.size(0)} rows"
    out = torch.empty([x.size(0), x.size(1) + y.size(1)], dtype=x.dtype, device=x.device)
    for tile0, tile1 in hl.tile(out.size()):
        # Loads outside of either matrix are masked off.
        x_part = hl.load(x, [tile0, tile1], extra_mask=(tile1.index < x.size(1))[None, :])
        y_part = hl.load(y, [tile0, tile1.index - x.size(1)], extra_mask=(tile1.index >= x.size(1))[None, :])
        out[tile0, tile1] = torch.where((tile1.index < x.size(1))[None, :], x_part, y_part)
    return out


def reference(x: Tensor, y: Tensor) -> Tensor:
    """PyTorch's own."""
    return torch.cat([x, y], dim=1)


def example_args(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Matrices of equally many rows."""
    m, n, k = (4096, 1500, 2400) if device == "cuda" else (13, 37, 21)
    return torch.randn(m, n, device=device), torch.randn(m, k, device=device)


EXAMPLES = [Example("concatenate", concat2d_dim1, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
