"""Matrix product split over the contracted dimension: parts are stored, and added after a barrier of all programs."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def split_k_matmul(a: Tensor, b: Tensor, split_k: hl.constexpr) -> Tensor:
    """a [m, k] @ b [k, n], in the dtype of a; deterministic, unlike a sum by atomics."""
    m, k = a.shape
    _, n = b.shape
    block_k = helion.next_power_of_2(helion.cdiv(k, split_k))
    parts = torch.empty([helion.cdiv(k, block_k), m, n], dtype=torch.float32, device=a.device)
    out = torch.empty([m, n], dtype=a.dtype, device=a.device)
    for tile_m, tile_n, outer_k in hl.tile([m, n, k], block_size=[None, None, block_k]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for inner_k in hl.tile(outer_k.begin, outer_k.end):
            acc = torch.addmm(acc, a[tile_m, inner_k], b[inner_k, tile_n])
        parts[outer_k.id, tile_m, tile_n] = acc
    hl.barrier()
    for tile_m, tile_n in hl.tile([m, n]):
        out[tile_m, tile_n] = parts[:, tile_m, tile_n].sum(0)
    return out


def reference(a: Tensor, b: Tensor, split_k: int) -> Tensor:
    """The product."""
    return a @ b


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """A wide and a tall matrix, the number of parts."""
    m, k, n, parts = (64, 32768, 64, 32) if device == "cuda" else (33, 300, 45, 4)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    return torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype), parts


EXAMPLES = [Example("matmul split_k by a barrier", split_k_matmul, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
