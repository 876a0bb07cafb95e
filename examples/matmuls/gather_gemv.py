"""Matrix-vector products with matrices chosen by indices: w[idx[i]] @ x for each i, as for a few active experts."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def gather_gemv(w: Tensor, idx: Tensor, x: Tensor) -> Tensor:
    """w: [b, s, s]; idx: [n], in range(b); x: [s]. Gives [n, s]."""
    b, s, s2 = w.size()
    assert s == s2, f"{s} rows and {s2} columns"
    n = idx.size(0)
    flat = w.contiguous().view(b * s, s)
    out = torch.empty([n, s], dtype=x.dtype, device=x.device)
    for tile_i, row_tile in hl.tile([n, s], block_size=[1, None]):
        base = idx[tile_i.begin] * s
        acc = hl.zeros([row_tile], dtype=torch.float32)
        for col_tile in hl.tile(s):
            gathered = flat[base + row_tile.index, col_tile].to(torch.float32)
            acc += (gathered * x[col_tile].to(torch.float32)[None, :]).sum(1)
        out[tile_i.begin, row_tile] = acc.to(x.dtype)
    return out


def reference(w: Tensor, idx: Tensor, x: Tensor) -> Tensor:
    """The chosen matrices copied together, then the products."""
    return w[idx] @ x


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """Matrices, indices, a vector."""
    b, s, n = (8, 2048, 2) if device == "cuda" else (5, 37, 3)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    idx = torch.randint(b, (n,), device=device, dtype=torch.int32)
    return torch.randn(b, s, s, device=device, dtype=dtype), idx, torch.randn(s, device=device, dtype=dtype)


EXAMPLES = [Example("gather_gemv", gather_gemv, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
