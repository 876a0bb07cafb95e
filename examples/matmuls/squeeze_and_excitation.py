"""Squeeze and excitation: x * sigmoid(relu(x @ a) @ b), forward in one kernel, backward in three."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def squeeze_and_excitation_net_fwd(x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x: [m, n], a: [n, k], b: [k, n]. Gives the result [m, n], relu(x @ a) [m, k] and the sigmoid [m, n]."""
    m, n = x.size()
    k = a.size(1)
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    c = torch.empty([m, k], dtype=x.dtype, device=x.device)
    d = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m in hl.tile(m):
        for tile_k in hl.tile(k):
            partial_xa = x[tile_m, :] @ a[:, tile_k]
            c[tile_m, tile_k] = torch.relu(partial_xa)
        for tile_n in hl.tile(n):
            acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
            for tile_k in hl.tile(k):
                acc = torch.addmm(acc, c[tile_m, tile_k], b[tile_k, tile_n])
            d[tile_m, tile_n] = torch.sigmoid(acc)
            out[tile_m, tile_n] = x[tile_m, tile_n] * d[tile_m, tile_n]
    return out, c, d


@helion.kernel(static_shapes=True)
def squeeze_and_excitation_net_bwd_dc(grad_out: Tensor, x: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The gradient of x @ a: through the sigmoid, b and the relu."""
    n = x.size(1)
    grad_c = torch.empty_like(c)
    for tile_m, tile_k in hl.tile(c.size()):
        acc = hl.zeros([tile_m, tile_k], dtype=torch.float32)
        for tile_n in hl.tile(n):
            gate = d[tile_m, tile_n]
            grad_d = grad_out[tile_m, tile_n] * x[tile_m, tile_n] * gate * (1.0 - gate)
            acc = torch.addmm(acc, grad_d, b[tile_k, tile_n].T)
        grad_c[tile_m, tile_k] = torch.where(c[tile_m, tile_k] > 0, acc, 0.0)
    return grad_c


@helion.kernel(static_shapes=True)
def squeeze_and_excitation_net_bwd_dx(grad_out: Tensor, a: Tensor, d: Tensor, grad_c: Tensor) -> Tensor:
    """The gradient of x: of the factor, and of what goes through both products."""
    m, n = grad_out.size()
    grad_x = torch.empty_like(grad_out)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = grad_out[tile_m, tile_n].to(torch.float32) * d[tile_m, tile_n].to(torch.float32)
        for tile_k in hl.tile(a.size(1)):
            acc = torch.addmm(acc, grad_c[tile_m, tile_k], a[tile_n, tile_k].T)
        grad_x[tile_m, tile_n] = acc
    return grad_x


@helion.kernel(static_shapes=True)
def squeeze_and_excitation_net_bwd_db(grad_out: Tensor, x: Tensor, d: Tensor, c: Tensor) -> Tensor:
    """The gradient of b: cᵀ (dy x d (1 - d))."""
    m, n = grad_out.size()
    k = c.size(1)
    grad_b = torch.empty([k, n], dtype=grad_out.dtype, device=grad_out.device)
    for tile_k, tile_n in hl.tile([k, n]):
        acc = hl.zeros([tile_k, tile_n], dtype=torch.float32)
        for tile_m in hl.tile(m):
            gate = d[tile_m, tile_n]
            grad_d = grad_out[tile_m, tile_n] * x[tile_m, tile_n] * gate * (1.0 - gate)
            acc = torch.addmm(acc, c[tile_m, tile_k].T, grad_d)
        grad_b[tile_k, tile_n] = acc
    return grad_b


def reference(x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In steps."""
    c = torch.relu(x @ a)
    d = torch.sigmoid(c @ b)
    return x * d, c, d


def gradients(grad_out: Tensor, x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of x and b by autograd."""
    x, b = x.detach().requires_grad_(), b.detach().requires_grad_()
    return torch.autograd.grad(reference(x, a, b)[0], (x, b), grad_out)


def backward(grad_out: Tensor, x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of x and b by the kernels."""
    _, c, d = squeeze_and_excitation_net_fwd(x, a, b)
    grad_c = squeeze_and_excitation_net_bwd_dc(grad_out, x, b, c, d)
    grad_x = squeeze_and_excitation_net_bwd_dx(grad_out, a, d, grad_c)
    return grad_x, squeeze_and_excitation_net_bwd_db(grad_out, x, d, c)


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """x, a, b."""
    m, n, k = (8192, 1024, 1024) if device == "cuda" else (33, 45, 20)
    dtype = torch.float16 if device == "cuda" else torch.float32
    x, a, b = (torch.randn(size, device=device, dtype=dtype) for size in ([m, n], [n, k], [k, n]))
    return x, a / n**0.5, b / k**0.5


def backward_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """The gradient of the result before them."""
    args = example_args(device)
    return torch.randn_like(args[0]), *args


# In the backward pass a sum near 0 may fall on either side of the relu.
EXAMPLES = [
    Example("squeeze and excitation", squeeze_and_excitation_net_fwd, example_args, reference),
    Example("squeeze and excitation backward", backward, backward_args, gradients, tolerance=2e-2),
]

if __name__ == "__main__":
    main(EXAMPLES)
