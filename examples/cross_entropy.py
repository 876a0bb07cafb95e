"""Cross entropy of logits with integer labels: each row's logsumexp less the logit at its label, gathered."""

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100.
CONFIGS = {
    "cross_entropy": helion_ir.Config(block_sizes=[1], num_warps=8),
    "cross_entropy looped": helion_ir.Config(block_sizes=[1], reduction_loops=[4096], num_warps=8),
}


@helion_ir.kernel()
def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Losses, float32 of [n], for logits of [n, classes] (contiguous) and labels of [n], computed in float32."""
    n, classes = logits.size()
    flat = logits.view(-1)
    losses = torch.empty([n], dtype=torch.float32, device=logits.device)
    for tile_n in hl.tile(n):
        # In int64: rows times classes can pass 2**31.
        position = tile_n.index.to(torch.int64) * classes + labels[tile_n]
        at_label = flat[position].to(torch.float32)
        losses[tile_n] = torch.logsumexp(logits[tile_n, :].to(torch.float32), dim=1) - at_label
    return losses


def reference(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The losses in float64."""
    return torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")


def example_args(
    device: str = "cpu", dtype: torch.dtype = torch.float32, sizes: tuple[int, int] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of `sizes` (rows, classes), with labels."""
    rows, classes = sizes or ((4096, 32000) if device == "cuda" else (127, 1000))
    return torch.randn(rows, classes, device=device, dtype=dtype), torch.randint(classes, (rows,), device=device)


EXAMPLES = [
    Example("cross_entropy", cross_entropy, example_args, reference),
    Example("cross_entropy, hand-picked", cross_entropy, example_args, reference, config=CONFIGS["cross_entropy"]),
    Example("cross_entropy, looped", cross_entropy, example_args, reference, config=CONFIGS["cross_entropy looped"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
