"""Histograms: by atomics, one for each element; and by comparing with all bins, one for each bin of a program."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def histogram(x: Tensor, num_bins: int) -> Tensor:
    """How often each of range(num_bins) is in x [n]; int32 [num_bins]."""
    out = torch.zeros([num_bins], dtype=torch.int32, device=x.device)
    for tile in hl.tile(x.size(0)):
        hl.atomic_add(out, [x[tile]], 1)
    return out


@helion.kernel()
def histogram_by_share(x: Tensor, num_bins: hl.constexpr) -> Tensor:
    """The same."""
    out = torch.zeros([num_bins], dtype=torch.int32, device=x.device)
    block = hl.register_block_size(x.size(0))
    for share in hl.tile(x.size(0), block_size=block):
        bins = hl.arange(num_bins)
        counts = hl.zeros([num_bins], dtype=torch.int32)
        for tile in hl.tile(share.begin, share.end):
            counts += (x[tile][:, None] == bins[None, :]).to(torch.int32).sum(0)
        hl.atomic_add(out, [bins], counts)
    return out


def reference(x: Tensor, num_bins: int) -> Tensor:
    """PyTorch's own."""
    return torch.bincount(x, minlength=num_bins)


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Values, the number of bins."""
    n, bins = (1 << 22, 64) if device == "cuda" else (300, 13)
    return torch.randint(bins, (n,), device=device, dtype=torch.int32), bins


EXAMPLES = [
    Example("histogram", histogram, example_args, reference),
    Example("histogram by shares", histogram_by_share, example_args, reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
