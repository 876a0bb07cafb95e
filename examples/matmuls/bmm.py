"""Batched matrix product, and a product with a batch on one side only."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def bmm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [b, m, k] times b [b, k, n]."""
    batch, m, k = a.size()
    batch, k, n = b.size()
    out = torch.empty([batch, m, n], device=a.device, dtype=torch.promote_types(a.dtype, b.dtype))
    for tile_b, tile_m, tile_n in hl.tile([batch, m, n]):
        acc = hl.zeros([tile_b, tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.baddbmm(acc, a[tile_b, tile_m, tile_k], b[tile_b, tile_k, tile_n])
        out[tile_b, tile_m, tile_n] = acc
    return out


@helion.kernel(static_shapes=True)
def broadcast_matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """x [b, m, k] times y [k, n], the same for the whole batch: rows of all matrices are rows of one."""
    batch, m, k = x.size()
    k2, n = y.size()
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    rows = x.reshape(-1, k)
    out = torch.empty([batch * m, n], dtype=torch.promote_types(x.dtype, y.dtype), device=x.device)
    for tile_m, tile_n in hl.tile([batch * m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, rows[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc
    return out.view(batch, m, n)


def example_args(device: str = "cpu", shared: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of matrices, and another or one matrix."""
    b, m, k, n = (16, 512, 768, 1024) if device == "cuda" else (3, 17, 70, 45)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    second = (k, n) if shared else (b, k, n)
    return torch.randn(b, m, k, device=device, dtype=dtype), torch.randn(second, device=device, dtype=dtype)


EXAMPLES = [
    Example("bmm", bmm, example_args, torch.bmm),
    Example("broadcast matmul", broadcast_matmul, lambda device: example_args(device, True), torch.matmul),
]

if __name__ == "__main__":
    main(EXAMPLES)
