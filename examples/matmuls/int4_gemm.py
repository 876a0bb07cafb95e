"""A product with a matrix of 4-bit integers, two of them packed into a byte along the contracted dimension."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def matmul_bf16_int4(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [m, k] in bfloat16 times k × n 4-bit integers, packed as int8 b [k / 2, n]: low nibbles are even rows."""
    m, k = a.shape
    _, n = b.shape
    c = torch.empty(m, n, dtype=torch.bfloat16, device=a.device)
    block_size_k_packed = hl.register_block_size(k // 2)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros((tile_m, tile_n), dtype=torch.float32)
        for tile_k_packed in hl.tile(k // 2, block_size=block_size_k_packed):
            a_tile_begin = tile_k_packed.begin * 2
            a_tile_len = block_size_k_packed * 2
            a_tile = a[tile_m, a_tile_begin : (a_tile_begin + a_tile_len)]
            b_tile = b[tile_k_packed, tile_n]
            # An arithmetic shift keeps the sign; bfloat16 holds all 16 values.
            b_lo = ((b_tile << 4) >> 4).to(torch.bfloat16)
            b_hi = (b_tile >> 4).to(torch.bfloat16)
            b_unpacked = torch.stack([b_lo, b_hi], dim=1).reshape(tile_k_packed.block_size * 2, tile_n.block_size)
            acc = hl.dot(a_tile, b_unpacked, acc=acc)
        c[tile_m, tile_n] = acc.to(torch.bfloat16)
    return c


def reference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The product with b unpacked."""
    unpacked = torch.stack([(b << 4) >> 4, b >> 4], dim=1).reshape(-1, b.size(1))
    return a @ unpacked.to(a.dtype)


def example_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Floats and packed integers."""
    m, k, n = (2048, 4096, 4096) if device == "cuda" else (33, 64, 45)
    packed = torch.randint(-128, 128, (k // 2, n), device=device, dtype=torch.int8)
    return torch.randn(m, k, device=device, dtype=torch.bfloat16), packed


EXAMPLES = [Example("bf16 × int4", matmul_bf16_int4, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
