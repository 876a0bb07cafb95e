"""Layer normalization forward and backward, the latter once for x's gradient and once for those of weight and bias."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def layer_norm_fwd(
    x: torch.Tensor, nsize: list[int], weight: torch.Tensor, bias: torch.Tensor | None, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of x [m, n] normalized, scaled and shifted; their mean and reciprocal deviation, float32 of [m]."""
    m, n = x.size()
    assert weight.size(0) == n, f"weight has {weight.size(0)} elements for {n} columns"
    assert len(nsize) == 1, "one dimension is normalized"
    assert nsize[0] == n, f"normalizes {nsize[0]} of {n} columns"
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    mean = torch.empty([m], dtype=torch.float32, device=x.device)
    rstd = torch.empty([m], dtype=torch.float32, device=x.device)
    for tile_m in hl.tile(m):
        acc = x[tile_m, :].to(torch.float32)
        mean_val = torch.sum(acc, dim=-1) / n
        centered = acc - mean_val[:, None]
        var_val = torch.sum(centered * centered, dim=-1) / n
        rstd_val = torch.rsqrt(var_val + eps)
        normalized = centered * rstd_val[:, None]
        if bias is not None:
            acc = normalized * weight[:].to(torch.float32) + bias[:].to(torch.float32)
        else:
            acc = normalized * weight[:].to(torch.float32)
        out[tile_m, :] = acc.to(x.dtype)
        mean[tile_m] = mean_val
        rstd[tile_m] = rstd_val
    return out, mean, rstd


@helion.kernel()
def layer_norm_bwd(
    grad_out: torch.Tensor,
    x: torch.Tensor,
    mean: torch.Tensor,
    rstd: torch.Tensor,
    weight: torch.Tensor,
    compute_bias_grad: hl.constexpr = True,  # pyright: ignore[reportArgumentType]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The gradients of x, weight and bias, in one pass over the rows: blocks of rows add to sums of their own."""
    m_block = hl.register_block_size(x.size(0))
    n = hl.specialize(x.size(1))
    grad_x = torch.empty_like(x)
    num_blocks = (x.size(0) + m_block - 1) // m_block
    grad_weight_blocks = x.new_empty([num_blocks, n], dtype=torch.float32)
    grad_bias_blocks = x.new_empty([num_blocks, n], dtype=torch.float32) if compute_bias_grad else None
    for mb_cta in hl.tile(x.size(0), block_size=m_block):
        grad_w_acc = weight.new_zeros(n, dtype=torch.float32)
        if compute_bias_grad:
            grad_b_acc = weight.new_zeros(n, dtype=torch.float32)
        weight_cta = weight[None, :].to(torch.float32)
        for mb in hl.tile(mb_cta.begin, mb_cta.end):
            x_mb = x[mb, :].to(torch.float32)
            dy_mb = grad_out[mb, :].to(torch.float32)
            rstd_mb = rstd[mb].to(torch.float32)
            x_hat = (x_mb - mean[mb].to(torch.float32)[:, None]) * rstd_mb[:, None]
            grad_w_acc += torch.sum(dy_mb * x_hat, dim=0)
            if compute_bias_grad:
                grad_b_acc += torch.sum(dy_mb, dim=0)
            wdy = weight_cta * dy_mb
            c1 = torch.sum(x_hat * wdy, dim=-1) / n
            c2 = torch.sum(wdy, dim=-1) / n
            grad_x[mb, :] = ((wdy - (x_hat * c1[:, None] + c2[:, None])) * rstd_mb[:, None]).to(x.dtype)
        grad_weight_blocks[mb_cta.id, :] = grad_w_acc
        if compute_bias_grad:
            grad_bias_blocks[mb_cta.id, :] = grad_b_acc
    grad_weight = grad_weight_blocks.sum(0).to(weight.dtype)
    if compute_bias_grad:
        return grad_x, grad_weight, grad_bias_blocks.sum(0).to(weight.dtype)
    return grad_x, grad_weight, None


class LayerNormFunction(torch.autograd.Function):
    """Both kernels as one differentiable function."""

    @staticmethod
    def forward(ctx, x, nsize, weight, bias, eps):
        out, mean, rstd = layer_norm_fwd(x, nsize, weight, bias, eps)
        ctx.save_for_backward(x, mean, rstd, weight)
        return out

    @staticmethod
    def backward(ctx, grad_out):
        x, mean, rstd, weight = ctx.saved_tensors
        grad_x, grad_weight, grad_bias = layer_norm_bwd(grad_out.contiguous(), x, mean, rstd, weight)
        return grad_x, None, grad_weight, grad_bias, None


def gradients(layer_norm, grad_out, x, nsize, weight, bias, eps):
    """The result of a layer norm, and the gradients of its three tensors."""
    inputs = [each.detach().requires_grad_() for each in (x, weight, bias)]
    out = layer_norm(inputs[0], nsize, *inputs[1:], eps)
    return out.detach(), *torch.autograd.grad(out, inputs, grad_out)


def layer_norm(*args: object) -> tuple[torch.Tensor, ...]:
    """Forward and backward by the kernels."""
    return gradients(LayerNormFunction.apply, *args)


def reference(*args: object) -> tuple[torch.Tensor, ...]:
    """The same by PyTorch."""
    return gradients(torch.nn.functional.layer_norm, *args)


def forward_reference(x, nsize, weight, bias, eps=1e-5):
    """The forward pass alone."""
    return torch.native_layer_norm(x, nsize, weight, bias, eps)[0], None


def example_args(device: str = "cpu", bias: bool = True) -> tuple[object, ...]:
    """x, normalized sizes, weight and bias, eps."""
    m, n, dtype = (4096, 5120, torch.bfloat16) if device == "cuda" else (13, 100, torch.float32)
    x = (torch.randn(m, n, device=device) * 2 + 0.5).to(dtype)
    weight, shift = torch.randn(2, n, device=device, dtype=dtype).unbind()
    return x, [n], weight, shift if bias else None, 1e-5


def backward_args(device: str = "cpu") -> tuple[object, ...]:
    """The gradient of the result before the forward pass' arguments."""
    args = example_args(device)
    return torch.randn_like(args[0]), *args


EXAMPLES = [
    Example("layer_norm", lambda *args: layer_norm_fwd(*args)[0], example_args, forward_reference),
    Example("layer_norm without bias", lambda *args: layer_norm_fwd(*args)[0],
            lambda device: example_args(device, bias=False), forward_reference),
    Example("layer_norm forward and backward", layer_norm, backward_args, reference),
]  # fmt: skip

if __name__ == "__main__":
    main(EXAMPLES)
