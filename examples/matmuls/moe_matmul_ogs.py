"""Mixture of experts: rows go to the matrix of their expert, gathered and scattered within the product."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=False)
def moe_matmul_ogs(
    A: Tensor, W: Tensor, expert_token_counts: Tensor, expert_token_offsets: Tensor, sorted_to_orig: Tensor,
    T_max_tensor: Tensor,
) -> Tensor:  # fmt: skip
    """A: [t, k]; W: [experts, k, n]; int32 counts [experts] and offsets [experts + 1] of the tokens sorted by expert;
    sorted_to_orig: [t], which row of A is where; T_max_tensor: as long as the largest count. Gives [t, n]."""
    t, k = A.shape
    experts, _, n = W.shape
    t_max = T_max_tensor.numel()
    out = torch.zeros(t, n, dtype=torch.promote_types(A.dtype, W.dtype), device=A.device)
    for tile_e, tile_t, tile_n in hl.tile([experts, t_max, n], block_size=[1, None, None]):
        e_idx = tile_e.begin
        start = expert_token_offsets[e_idx]
        num_tokens = expert_token_counts[e_idx]
        if tile_t.begin < num_tokens:
            token_valid = tile_t.index < num_tokens
            # Lanes past the expert's tokens read its first, and store nothing.
            local = torch.where(token_valid, tile_t.index, 0)
            orig_token_indices = sorted_to_orig[start + local]
            acc = hl.zeros([tile_t, tile_n], dtype=torch.float32)
            for tile_k in hl.tile(k):
                acc = torch.addmm(acc, A[orig_token_indices, tile_k], W[e_idx, tile_k, tile_n])
            hl.store(out, [orig_token_indices, tile_n], acc.to(out.dtype), extra_mask=token_valid[:, None])
    return out


def moe(A: Tensor, W: Tensor, expert_of: Tensor) -> Tensor:
    """Sort the tokens by their experts, then multiply."""
    experts = W.size(0)
    order = torch.argsort(expert_of, stable=True).to(torch.int32)
    counts = torch.bincount(expert_of, minlength=experts).to(torch.int32)
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
    return moe_matmul_ogs(A, W, counts, offsets, order, A.new_empty(int(counts.max())))


def reference(A: Tensor, W: Tensor, expert_of: Tensor) -> Tensor:
    """Expert by expert."""
    out = A.new_empty(A.size(0), W.size(2))
    for expert, matrix in enumerate(W):
        chosen = (expert_of == expert).nonzero()[:, 0]
        out[chosen] = A[chosen] @ matrix
    return out


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """Tokens, matrices, and each token's expert."""
    (t, k, n, experts), dtype = (
        ((4096, 1024, 1024, 16), torch.bfloat16) if device == "cuda" else ((37, 19, 21, 5), torch.float32)
    )
    tokens, matrices = (
        torch.randn(t, k, device=device, dtype=dtype),
        torch.randn(experts, k, n, device=device, dtype=dtype),
    )
    return tokens, matrices, torch.randint(experts, (t,), device=device)


EXAMPLES = [Example("moe_matmul_ogs", moe, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
