"""Softmax in four forms: by one operator, decomposed, in two passes, and backward; and over batches."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def softmax(x: torch.Tensor) -> torch.Tensor:
    """Rows at once, by PyTorch's operator."""
    n, _m = x.size()
    out = torch.empty_like(x)
    for tile_n in hl.tile(n):
        out[tile_n, :] = torch.nn.functional.softmax(x[tile_n, :], dim=1)
    return out


@helion.kernel()
def softmax_decomposed(x: torch.Tensor) -> torch.Tensor:
    """Rows at once, step by step."""
    n, _m = x.size()
    out = torch.empty_like(x)
    for tile_n in hl.tile(n):
        values = x[tile_n, :]
        amax = torch.amax(values, dim=1, keepdim=True)
        exp = torch.exp(values - amax)
        sum_exp = torch.sum(exp, dim=1, keepdim=True)
        out[tile_n, :] = exp / sum_exp
    return out


@helion.kernel()
def softmax_two_pass(x: torch.Tensor) -> torch.Tensor:
    """Any row length: the first pass finds maximum and sum online, the second divides; both share a block size."""
    m, n = x.size()
    out = torch.empty_like(x)
    block_size_m = hl.register_block_size(m)
    block_size_n = hl.register_block_size(n)
    for tile_m in hl.tile(m, block_size=block_size_m):
        mi = hl.full([tile_m], float("-inf"), dtype=torch.float32)
        di = hl.zeros([tile_m], dtype=torch.float32)
        for tile_n in hl.tile(n, block_size=block_size_n):
            values = x[tile_m, tile_n]
            local_amax = torch.amax(values, dim=1)
            mi_next = torch.maximum(mi, local_amax)
            di = di * torch.exp(mi - mi_next) + torch.exp(values - mi_next[:, None]).sum(dim=1)
            mi = mi_next
        for tile_n in hl.tile(n, block_size=block_size_n):
            values = x[tile_m, tile_n]
            out[tile_m, tile_n] = torch.exp(values - mi[:, None]) / di[:, None]
    return out


@helion.kernel()
def softmax_bwd(grad_output: torch.Tensor, softmax_output: torch.Tensor) -> torch.Tensor:
    """The gradient of the input, for a softmax over rows: y (dy - Σ dy y)."""
    m, n = grad_output.size()
    grad_input = torch.empty_like(grad_output)
    for tile_m in hl.tile(m):
        dot = hl.zeros([tile_m], dtype=torch.float32)
        for tile_n in hl.tile(n):
            dot += torch.sum(softmax_output[tile_m, tile_n] * grad_output[tile_m, tile_n], dim=1)
        for tile_n in hl.tile(n):
            y = softmax_output[tile_m, tile_n]
            grad_input[tile_m, tile_n] = y * (grad_output[tile_m, tile_n] - dot[:, None])
    return grad_input


@helion.kernel()
def batch_softmax(x: torch.Tensor) -> torch.Tensor:
    """Over the last dimension of x [b, m, n]."""
    b, m, _n = x.size()
    out = torch.empty_like(x)
    for tile_b, tile_m in hl.tile([b, m]):
        values = x[tile_b, tile_m, :]
        amax = torch.amax(values, dim=2, keepdim=True)
        exp = torch.exp(values - amax)
        out[tile_b, tile_m, :] = exp / torch.sum(exp, dim=2, keepdim=True)
    return out


def reference(x: torch.Tensor) -> torch.Tensor:
    """Over the last dimension."""
    return torch.softmax(x, -1)


def reference_bwd(grad_output: torch.Tensor, softmax_output: torch.Tensor) -> torch.Tensor:
    """PyTorch's own backward operator."""
    return torch.ops.aten._softmax_backward_data(grad_output, softmax_output, 1, grad_output.dtype)


def example_args(device: str = "cpu") -> tuple[torch.Tensor]:
    """A matrix."""
    size, dtype = ((4096, 2560), torch.bfloat16) if device == "cuda" else ((13, 100), torch.float32)
    return (torch.randn(size, device=device, dtype=dtype),)


def backward_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient of a softmax' result, and that result."""
    (x,) = example_args(device)
    return torch.randn_like(x), torch.softmax(x, 1)


def batch_args(device: str = "cpu") -> tuple[torch.Tensor]:
    """A batch of matrices."""
    size, dtype = ((16, 512, 1024), torch.bfloat16) if device == "cuda" else ((3, 5, 37), torch.float32)
    return (torch.randn(size, device=device, dtype=dtype),)


EXAMPLES = [
    *(Example(kernel.fn.__name__, kernel, example_args, reference)
      for kernel in (softmax, softmax_decomposed, softmax_two_pass)),
    Example("softmax backward", softmax_bwd, backward_args, reference_bwd),
    Example("batch_softmax", batch_softmax, batch_args, reference),
]  # fmt: skip

if __name__ == "__main__":
    main(EXAMPLES)
