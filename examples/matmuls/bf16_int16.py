"""Products of bfloat16 and int16 matrices, either way round: the integers are converted tile by tile."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def bf16_int16_gemm(x: torch.Tensor, w: torch.Tensor, transpose: hl.constexpr = False) -> torch.Tensor:  # pyright: ignore[reportArgumentType]
    """x @ w for x in bfloat16 and w in int16; with `transpose` x in int16 and w in bfloat16. Gives bfloat16."""
    m, k = x.shape
    k2, n = w.shape
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.empty([m, n], dtype=torch.bfloat16, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            if transpose:
                acc = hl.dot(x[tile_m, tile_k].to(torch.bfloat16), w[tile_k, tile_n], acc=acc)
            else:
                acc = hl.dot(x[tile_m, tile_k], w[tile_k, tile_n].to(torch.bfloat16), acc=acc)
        out[tile_m, tile_n] = acc.to(torch.bfloat16)
    return out


def reference(x: torch.Tensor, w: torch.Tensor, transpose: bool = False) -> torch.Tensor:
    """The product in the wider dtype of the two."""
    dtype = w.dtype if transpose else x.dtype
    return x.to(dtype) @ w.to(dtype)


def example_args(device: str = "cpu", transpose: bool = False) -> tuple[object, ...]:
    """A matrix of floats and one of integers."""
    m, k, n = (4096, 4096, 4096) if device == "cuda" else (33, 70, 45)
    first = torch.randn(m, k, device=device, dtype=torch.bfloat16)
    second = torch.randint(-128, 128, (k, n), device=device, dtype=torch.int16)
    return (second.T.contiguous(), first.T.contiguous(), True) if transpose else (first, second, False)


EXAMPLES = [
    Example("bf16 × int16", bf16_int16_gemm, example_args, reference),
    Example("int16 × bf16", bf16_int16_gemm, lambda device: example_args(device, True), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
