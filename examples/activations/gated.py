"""Gated activations: GEGLU and SwiGLU, each with its backward pass, over tensors of any rank."""

import math

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


@helion.kernel()
def geglu(a: Tensor, b: Tensor) -> Tensor:
    """gelu(a) * b, with gelu by tanh."""
    assert a.shape == b.shape, f"{a.shape} and {b.shape}"
    out = torch.empty_like(a, dtype=torch.promote_types(a.dtype, b.dtype))
    total_elements = a.numel()
    a_flat, b_flat, out_flat = a.view(-1), b.view(-1), out.view(-1)
    for tile_idx in hl.tile(total_elements):
        a_vals = a_flat[tile_idx].to(torch.float32)
        tanh_arg = SQRT_2_OVER_PI * (a_vals + 0.044715 * a_vals * a_vals * a_vals)
        gelu_a = 0.5 * a_vals * (1.0 + torch.tanh(tanh_arg))
        out_flat[tile_idx] = gelu_a.to(b.dtype) * b_flat[tile_idx]
    return out


@helion.kernel()
def geglu_bwd(grad_out: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of a and b."""
    grad_a, grad_b = torch.empty_like(a), torch.empty_like(b)
    flat = [each.view(-1) for each in (grad_out, a, b, grad_a, grad_b)]
    for tile in hl.tile(a.numel()):
        grad, x, gate = (each[tile].to(torch.float32) for each in flat[:3])
        inner = SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)
        t = torch.tanh(inner)
        slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SQRT_2_OVER_PI * (1.0 + 3 * 0.044715 * x * x)
        flat[3][tile] = grad * gate * slope
        flat[4][tile] = grad * 0.5 * x * (1.0 + t)
    return grad_a, grad_b


@helion.kernel()
def swiglu_fwd(a: Tensor, b: Tensor) -> Tensor:
    """silu(a) * b."""
    out = torch.empty_like(a, dtype=torch.promote_types(a.dtype, b.dtype))
    a_flat, b_flat, out_flat = a.view(-1), b.view(-1), out.view(-1)
    for tile_idx in hl.tile(a.numel()):
        a_vals = a_flat[tile_idx].to(torch.float32)
        out_flat[tile_idx] = (a_vals * torch.sigmoid(a_vals)).to(b.dtype) * b_flat[tile_idx]
    return out


@helion.kernel()
def swiglu_bwd(grad_out: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of a and b."""
    grad_a, grad_b = torch.empty_like(a), torch.empty_like(b)
    flat = [each.view(-1) for each in (grad_out, a, b, grad_a, grad_b)]
    for tile in hl.tile(a.numel()):
        grad, x, gate = (each[tile].to(torch.float32) for each in flat[:3])
        sigmoid = torch.sigmoid(x)
        flat[3][tile] = (grad * gate * sigmoid * (1.0 + x * (1.0 - sigmoid))).to(a.dtype)
        flat[4][tile] = (grad * x * sigmoid).to(b.dtype)
    return grad_a, grad_b


def geglu_reference(a: Tensor, b: Tensor) -> Tensor:
    """By PyTorch."""
    return torch.nn.functional.gelu(a, approximate="tanh") * b


def swiglu_reference(a: Tensor, b: Tensor) -> Tensor:
    """By PyTorch."""
    return torch.nn.functional.silu(a) * b


def gradients_of(function):
    """The gradients of a function of two tensors, by autograd."""

    def gradients(grad_out: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        return torch.autograd.grad(function(a, b), (a, b), grad_out)

    return gradients


def example_args(device: str = "cpu", count: int = 2) -> tuple[Tensor, ...]:
    """Tensors of one shape."""
    shape, dtype = ((8, 2048, 4096), torch.bfloat16) if device == "cuda" else ((3, 7, 33), torch.float32)
    return tuple(torch.randn(shape, device=device, dtype=dtype) for _ in range(count))


def backward_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """The gradient of the result first."""
    return example_args(device, 3)


EXAMPLES = [
    Example("geglu", geglu, example_args, geglu_reference),
    Example("geglu backward", geglu_bwd, backward_args, gradients_of(geglu_reference)),
    Example("swiglu", swiglu_fwd, example_args, swiglu_reference),
    Example("swiglu backward", swiglu_bwd, backward_args, gradients_of(swiglu_reference)),
]

if __name__ == "__main__":
    main(EXAMPLES)
