"""Products of float8 matrices, with a scale for each operand or for each of its rows and columns."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def fp8_gemm(x: torch.Tensor, y: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor) -> torch.Tensor:
    """x @ y * scale_a * scale_b in bfloat16; both scales are float32 tensors of one element."""
    m, k = x.size()
    k2, n = y.size()
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.empty([m, n], dtype=torch.bfloat16, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = hl.dot(x[tile_m, tile_k], y[tile_k, tile_n], acc=acc)
        acc = acc * scale_a[0] * scale_b[0]
        out[tile_m, tile_n] = acc.to(torch.bfloat16)
    return out


@helion.kernel(static_shapes=True)
def fp8_gemm_rowwise(x: torch.Tensor, y: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor) -> torch.Tensor:
    """The same with scales [m, 1] of x's rows and [1, n] of y's columns."""
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=torch.bfloat16, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = hl.dot(x[tile_m, tile_k], y[tile_k, tile_n], acc=acc)
        out[tile_m, tile_n] = acc * scale_a[tile_m, :] * scale_b[:, tile_n]
    return out


def reference(x: torch.Tensor, y: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor) -> torch.Tensor:
    """The product in the scales' dtype."""
    return (x.to(scale_a.dtype) @ y.to(scale_a.dtype)) * scale_a * scale_b


def example_args(device: str = "cpu", rowwise: bool = False) -> tuple[torch.Tensor, ...]:
    """Both operands, the second with columns that lie together, and their scales."""
    m, k, n = (4096, 4096, 4096) if device == "cuda" else (33, 70, 45)
    x = torch.randn(m, k, device=device).to(torch.float8_e4m3fn)
    y = torch.randn(n, k, device=device).to(torch.float8_e4m3fn).T
    sizes = ((m, 1), (1, n)) if rowwise else ((1,), (1,))
    return x, y, *(torch.rand(size, device=device) + 0.5 for size in sizes)


EXAMPLES = [
    Example("fp8 × fp8", fp8_gemm, example_args, reference),
    Example("fp8 × fp8, scales by row", fp8_gemm_rowwise, lambda device: example_args(device, True), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
