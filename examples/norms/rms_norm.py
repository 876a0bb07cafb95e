"""RMS normalization over rows, forward and backward.

The backward pass has one program per block of rows, which walks over its rows and keeps the sum of their contributions
to the weight's gradient; host code adds up the blocks' sums.
"""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float = 1e-5) -> tuple[torch.Tensor, torch.Tensor]:
    """x / rms(x) * weight for x of [m, n], and 1 / rms(x) of [m, 1] in float32, which the backward pass takes."""
    m, n = x.size()
    assert weight.size(0) == n, f"weight has {weight.size(0)} elements for {n} columns"
    out = torch.empty_like(x)
    inv_rms = torch.empty([m], dtype=torch.float32, device=x.device)
    for tile_m in hl.tile(m):
        row = x[tile_m, :].to(torch.float32)
        scale = torch.rsqrt(torch.mean(row * row, dim=-1) + eps)
        out[tile_m, :] = (row * scale[:, None] * weight[:].to(torch.float32)).to(out.dtype)
        inv_rms[tile_m] = scale
    return out, inv_rms.reshape(-1, 1)


@helion.kernel()
def rms_norm_bwd(
    grad_out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, inv_rms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of x [m, n] and of weight [n]."""
    m_block = hl.register_block_size(x.size(0))
    n = hl.specialize(x.size(1))
    grad_x = torch.empty_like(x)
    grad_weight = x.new_empty([(x.size(0) + m_block - 1) // m_block, n], dtype=torch.float32)
    for mb_cta in hl.tile(x.size(0), block_size=m_block):
        grad_w_acc = weight.new_zeros(n, dtype=torch.float32)
        for mb in hl.tile(mb_cta.begin, mb_cta.end):
            row = x[mb, :].to(torch.float32)
            do = grad_out[mb, :].to(torch.float32)
            scale = inv_rms[mb, :].to(torch.float32)
            normalized = row * scale
            weighted = do * weight[:].to(torch.float32)[None, :]
            grad_w_acc += (do * normalized).sum(0)
            projection = torch.mean(weighted * normalized, dim=-1, keepdim=True)
            grad_x[mb, :] = ((weighted - normalized * projection) * scale).to(x.dtype)
        grad_weight[mb_cta.id, :] = grad_w_acc
    return grad_x, grad_weight.sum(0).to(weight.dtype)


def reference(x: torch.Tensor, weight: torch.Tensor, eps: float = 1e-5) -> tuple[torch.Tensor, torch.Tensor]:
    """Both results of the forward pass."""
    inv_rms = torch.rsqrt(x.double().square().mean(-1, keepdim=True) + eps)
    return torch.nn.functional.rms_norm(x, weight.shape, weight, eps), inv_rms


def reference_bwd(
    grad_out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, inv_rms: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """The gradients, by autograd."""
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    return torch.autograd.grad(torch.nn.functional.rms_norm(x, weight.shape, weight, 1e-5), (x, weight), grad_out)


def example_args(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """x and weight."""
    m, n, dtype = (4096, 4096, torch.bfloat16) if device == "cuda" else (13, 100, torch.float32)
    return torch.randn(m, n, device=device, dtype=dtype), torch.randn(n, device=device, dtype=dtype)


def backward_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """The gradient of the result, and what the forward pass took and left."""
    x, weight = example_args(device)
    return torch.randn_like(x), x, weight, torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-5)


EXAMPLES = [
    Example("rms_norm", rms_norm, example_args, reference),
    Example("rms_norm backward", rms_norm_bwd, backward_args, reference_bwd),
]

if __name__ == "__main__":
    main(EXAMPLES)
