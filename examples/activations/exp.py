"""The exponential as a differentiable function: the backward pass takes the result."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def exp_fwd(x: Tensor) -> Tensor:
    """exp(x), of any rank."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = torch.exp(x[tile])
    return out


@helion.kernel()
def exp_bwd(dy: Tensor, exp_x: Tensor) -> Tensor:
    """The gradient of x."""
    dx = torch.empty_like(exp_x)
    for tile in hl.tile(exp_x.size()):
        dx[tile] = dy[tile] * exp_x[tile]
    return dx


class ExpFunction(torch.autograd.Function):
    """Both kernels as one differentiable function."""

    @staticmethod
    def forward(ctx, x):
        y = exp_fwd(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return exp_bwd(grad_output, y)


def value_and_gradient(function, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The result of a function and the gradient of its argument."""
    x = x.detach().requires_grad_()
    y = function(x)
    return y.detach(), torch.autograd.grad(y, x, grad)[0]


def exp(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """By the kernels."""
    return value_and_gradient(ExpFunction.apply, x, grad)


def reference(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """By PyTorch."""
    return value_and_gradient(torch.exp, x, grad)


def example_args(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """x and the gradient of the result."""
    shape = (4096, 4096) if device == "cuda" else (13, 37)
    return torch.randn(shape, device=device), torch.randn(shape, device=device)


EXAMPLES = [Example("exp, forward and backward", exp, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
