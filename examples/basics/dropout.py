"""Dropout with a seed: the backward pass draws the same numbers again instead of keeping a mask."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def low_mem_dropout(p: float, x: Tensor, seed: int) -> Tensor:
    """x with elements zeroed by probability p, the others scaled by 1 / (1 - p); of its gradient likewise."""
    scale = 1.0 / (1.0 - p)
    flat = x.view(-1)
    out = torch.empty_like(flat)
    for tidx in hl.tile(flat.size(0)):
        values = flat[tidx].to(torch.float32)
        kept = hl.rand([tidx], seed=seed) > p
        out[tidx] = torch.where(kept, values * scale, 0.0).to(x.dtype)
    return out.view(x.size())


@helion.kernel()
def dropout_residual(x: Tensor, residual: Tensor, p: float) -> Tensor:
    """residual + dropout(x), by PyTorch's operator and generator."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = residual[tile] + torch.nn.functional.dropout(x[tile], p, training=True)
    return out


def dropped(p: float, x: Tensor, seed: int) -> tuple[Tensor, ...]:
    """Facts of a result and of a gradient that hold for every seed."""
    first, again, other = (low_mem_dropout(p, x, each) for each in (seed, seed, seed + 1))
    gradient = low_mem_dropout(p, torch.ones_like(x), seed)
    share = (first == 0).double().mean()
    facts = first == again, (first == 0) == (gradient == 0), torch.any(first != other), (share - p).abs() < 0.02
    return *(torch.all(fact) for fact in facts), torch.where(first == 0, x, first * (1 - p))


def residual_dropped(x: Tensor, residual: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """The sums, with elements that were dropped put back; and whether their share is p."""
    difference = dropout_residual(x, residual, p) - residual
    share = (difference == 0).double().mean()
    return torch.where(difference == 0, x, difference * (1 - p)), (share - p).abs() < 0.02


def reference(p: float, x: Tensor, seed: int) -> tuple[Tensor, ...]:
    """All facts hold, and what was kept is x."""
    return *(torch.ones((), dtype=torch.bool, device=x.device) for _ in range(4)), x


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Probability, values, seed."""
    return 0.25, torch.randn((8192, 8192) if device == "cuda" else (127, 65), device=device), 123


def residual_args(device: str = "cpu") -> tuple[object, ...]:
    """Values, a residual, a probability."""
    _, x, _ = example_args(device)
    return x, torch.zeros_like(x), 0.5


EXAMPLES = [
    Example("low_mem_dropout", dropped, example_args, reference),
    Example("dropout + residual", residual_dropped, residual_args,
            lambda x, residual, p: (x, torch.ones((), dtype=torch.bool, device=x.device))),
]  # fmt: skip

if __name__ == "__main__":
    main(EXAMPLES)
