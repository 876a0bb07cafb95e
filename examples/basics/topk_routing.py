"""Routing to experts: a softmax over a token's logits, its k best experts, and their weights, which add up to one."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def topk_routing(logits: Tensor, k: hl.constexpr) -> tuple[Tensor, Tensor, Tensor]:
    """logits: [tokens, experts]. Gives weights and ids [tokens, k], and int32 counts of tokens of each expert."""
    tokens, experts = logits.size()
    weights = torch.empty([tokens, k], dtype=torch.float32, device=logits.device)
    ids = torch.empty([tokens, k], dtype=torch.int64, device=logits.device)
    counts = torch.zeros([experts], dtype=torch.int32, device=logits.device)
    for tile in hl.tile(tokens):
        probabilities = torch.softmax(logits[tile, :].to(torch.float32), dim=-1)
        best, which = torch.topk(probabilities, k, dim=-1)
        weights[tile, :] = best / best.sum(-1, keepdim=True)
        ids[tile, :] = which
        for j in hl.static_range(k):
            hl.atomic_add(counts, [which[:, j]], 1)
    return weights, ids, counts


def reference(logits: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """In steps."""
    best, which = torch.topk(torch.softmax(logits, -1), k, -1)
    return best / best.sum(-1, keepdim=True), which, torch.bincount(which.flatten(), minlength=logits.size(1))


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Logits and how many experts a token goes to."""
    tokens, experts, k = (16384, 128, 4) if device == "cuda" else (13, 10, 3)
    # No two are equal: which comes first is nobody's promise.
    return torch.rand(tokens, experts, device=device).argsort(-1).argsort(-1) / (experts / 8), k


EXAMPLES = [Example("topk_routing", topk_routing, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
