"""Embedding lookup, forward and backward: the gradient of the table is added up with atomics."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def embedding(x: Tensor, weight: Tensor) -> Tensor:
    """weight[x] for ids x of any shape."""
    x_flat = x.reshape(-1)
    _, embedding_dim = weight.size()
    out = torch.empty([x_flat.size(0), embedding_dim], dtype=weight.dtype, device=weight.device)
    for tile_b, tile_e in hl.tile([x_flat.size(0), embedding_dim]):
        out[tile_b, tile_e] = weight[x_flat[tile_b], tile_e]
    return out.view(*x.size(), embedding_dim)


@helion.kernel()
def embedding_bwd(grad: Tensor, x: Tensor, rows: int) -> Tensor:
    """The gradient of the table, float32 of [rows, columns], for grad [..., columns]."""
    x_flat, grad_flat = x.reshape(-1), grad.reshape(-1, grad.size(-1))
    out = torch.zeros([rows, grad.size(-1)], dtype=torch.float32, device=grad.device)
    for tile_b, tile_e in hl.tile(grad_flat.size()):
        hl.atomic_add(out, [x_flat[tile_b], tile_e], grad_flat[tile_b, tile_e].to(torch.float32))
    return out


def backward_reference(grad: Tensor, x: Tensor, rows: int) -> Tensor:
    """PyTorch's own."""
    return torch.ops.aten.embedding_dense_backward(grad, x, rows, -1, False)


def example_args(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Ids and a table."""
    rows, columns, shape = (32000, 4096, (8, 512)) if device == "cuda" else (50, 33, (3, 7))
    return torch.randint(rows, shape, device=device), torch.randn(rows, columns, device=device)


def backward_args(device: str = "cpu") -> tuple[object, ...]:
    """The gradient of the result, ids, rows of the table."""
    x, weight = example_args(device)
    return torch.randn(*x.shape, weight.size(1), device=device), x, weight.size(0)


EXAMPLES = [
    Example("embedding", embedding, example_args, torch.nn.functional.embedding),
    Example("embedding backward", embedding_bwd, backward_args, backward_reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
