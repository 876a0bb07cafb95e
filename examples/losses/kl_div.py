"""The Kullback-Leibler divergence of distributions, of which the first is given by logarithms."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(ignore_warnings=[helion.exc.TensorOperationInWrapper])
def kl_div_forward(
    y_pred: Tensor, y_true: Tensor, log_target: bool = False, reduction: hl.constexpr = "batchmean", eps: float = 1e-10
) -> Tensor:
    """y_pred [bt, v] holds logarithms; y_true [bt, v] too if `log_target`. `reduction`: none, sum, mean, batchmean."""
    bt, v = y_pred.shape
    if reduction == "none":
        loss = torch.zeros_like(y_pred)
    else:
        loss = torch.zeros((bt,), dtype=torch.float32, device=y_pred.device)
    for tile_bt in hl.tile(bt):
        loss_sum = hl.zeros([tile_bt], dtype=torch.float32)
        for tile_v in hl.tile(v):
            y_pred_val = y_pred[tile_bt, tile_v]
            y_true_val = y_true[tile_bt, tile_v]
            if log_target:
                prob_true = torch.exp(y_true_val)
                kl_loss_val = prob_true * (y_true_val - y_pred_val)
            else:
                log_true = torch.log(torch.clamp(y_true_val, min=eps))
                kl_loss_val = y_true_val * (log_true - y_pred_val)
            if reduction == "none":
                loss[tile_bt, tile_v] = kl_loss_val
            else:
                loss_sum += kl_loss_val.sum(dim=-1)
        if reduction != "none":
            loss[tile_bt] = loss_sum
    if reduction == "batchmean":
        return torch.sum(loss) / bt
    if reduction == "sum":
        return torch.sum(loss)
    if reduction == "mean":
        return torch.sum(loss) / (bt * v)
    return loss


def reference(y_pred: Tensor, y_true: Tensor, log_target: bool, reduction: str) -> Tensor:
    """PyTorch's own."""
    return torch.nn.functional.kl_div(y_pred, y_true, log_target=log_target, reduction=reduction)


def example_args(device: str = "cpu", log_target: bool = False, reduction: str = "batchmean") -> tuple[object, ...]:
    """Logarithms of predictions, targets, and how."""
    bt, v = (4096, 16384) if device == "cuda" else (13, 100)
    y_pred, y_true = (torch.randn(bt, v, device=device).log_softmax(-1) for _ in range(2))
    return y_pred, y_true if log_target else y_true.exp(), log_target, reduction


# Logarithms that are nearly equal cancel.
EXAMPLES = [
    Example("kl_div", kl_div_forward, example_args, reference, tolerance=1e-3),
    Example(
        "kl_div, logarithms, none",
        kl_div_forward,
        lambda device: example_args(device, True, "none"),
        reference,
        tolerance=1e-3,
    ),
]

if __name__ == "__main__":
    main(EXAMPLES)
