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


def is_dropout(result: Tensor, x: Tensor, p: float) -> None:
    """About a share p is 0, and the rest are x / (1 - p)."""
    zeros = result == 0
    assert (zeros.double().mean() - p).abs() < 0.02, "another share than p is dropped"
    torch.testing.assert_close(result, torch.where(zeros, 0.0, x / (1 - p)))


def verify(result: Tensor, p: float, x: Tensor, seed: int) -> None:
    """The same elements for the same seed, for the gradient too; others for another."""
    is_dropout(result, x, p)
    gradient, other = low_mem_dropout(p, torch.ones_like(x), seed), low_mem_dropout(p, x, seed + 1)
    kept = x != 0
    torch.testing.assert_close((gradient == 0)[kept], (result == 0)[kept])
    assert torch.any((other == 0) != (result == 0)), "seeds do not matter"


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Probability, values, seed."""
    return 0.25, torch.randn((8192, 8192) if device == "cuda" else (127, 65), device=device), 123


def residual_args(device: str = "cpu") -> tuple[object, ...]:
    """Values, a residual, a probability."""
    _, x, _ = example_args(device)
    return x, torch.zeros_like(x), 0.5


EXAMPLES = [
    Example(
        "low_mem_dropout",
        low_mem_dropout,
        example_args,
        lambda p, x, seed: torch.nn.functional.dropout(x, p),
        verify=verify,
    ),
    Example(
        "dropout + residual",
        dropout_residual,
        residual_args,
        lambda x, residual, p: residual + torch.nn.functional.dropout(x, p),
        verify=lambda result, x, residual, p: is_dropout(result, x, p),
    ),
]

if __name__ == "__main__":
    main(EXAMPLES)
