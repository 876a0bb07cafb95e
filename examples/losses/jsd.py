"""The generalized Jensen-Shannon divergence of distributions given by logarithms, with its gradient in one pass."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(ignore_warnings=[helion.exc.TensorOperationInWrapper])
def jsd_forward(
    _input: Tensor,
    target: Tensor,
    shift_labels: Tensor | None = None,
    beta: float = 0.5,
    ignore_index: int = -100,
) -> tuple[Tensor, Tensor]:
    """_input (student) and target (teacher): [bt, v], logarithms. Rows whose label is `ignore_index` do not count.

    With m = beta · teacher + (1 - beta) · student, the loss is beta · KL(teacher, m) + (1 - beta) · KL(student, m);
    beta of 0 and 1 are the two plain divergences. Gives the loss and the gradient of _input.
    """
    bt, v = target.shape
    assert target.shape == _input.shape, f"{target.shape} and {_input.shape}"
    n_rows = bt if shift_labels is None else (shift_labels != ignore_index).sum()
    loss = torch.zeros([bt], dtype=torch.float32, device=_input.device)
    dx = torch.empty_like(_input)
    one_minus_beta = 1 - beta
    for tile_bt in hl.tile(bt):
        row_loss = hl.zeros([tile_bt], dtype=torch.float32)
        for tile_x in hl.tile(v):
            x = _input[tile_bt, tile_x].to(torch.float32)
            y = target[tile_bt, tile_x].to(torch.float32)
            if beta == 0.0:
                prob_y = torch.exp(y)
                value, grad = prob_y * (y - x), -prob_y
            elif beta == 1.0:
                prob_x = torch.exp(x)
                value = prob_x * (x - y)
                grad = value + prob_x
            else:
                q, p = torch.exp(x), torch.exp(y)
                beta_p, one_minus_beta_q = beta * p, one_minus_beta * q
                log_m = torch.log(beta_p + one_minus_beta_q)
                value = beta_p * y + one_minus_beta_q * x - (beta_p + one_minus_beta_q) * log_m
                grad = one_minus_beta_q * (x - log_m)
            if shift_labels is not None:
                counts = shift_labels[tile_bt][:, None] != ignore_index
                value, grad = torch.where(counts, value, 0.0), torch.where(counts, grad, 0.0)
            row_loss += value.sum(dim=1)
            dx[tile_bt, tile_x] = grad
        loss[tile_bt] = row_loss
    return loss.sum() / n_rows, dx / n_rows


def reference(
    student: Tensor, teacher: Tensor, labels: Tensor | None = None, beta: float = 0.5, ignore_index: int = -100
) -> tuple[Tensor, Tensor]:
    """By PyTorch and autograd."""
    student = student.detach().requires_grad_()
    kl_div = torch.nn.functional.kl_div
    if beta in (0.0, 1.0):
        pair = (student, teacher) if beta == 0.0 else (teacher, student)
        value = kl_div(*pair, reduction="none", log_target=True)
    else:
        log_m = torch.log(beta * teacher.exp() + (1 - beta) * student.exp())
        value = beta * kl_div(log_m, teacher, reduction="none", log_target=True)
        value = value + (1 - beta) * kl_div(log_m, student, reduction="none", log_target=True)
    counts = torch.ones_like(value[:, 0]) if labels is None else (labels != ignore_index).to(value.dtype)
    loss = (value.sum(1) * counts).sum() / counts.sum()
    return loss.detach(), torch.autograd.grad(loss, student)[0]


def example_args(device: str = "cpu", beta: float = 0.5, ignored: bool = False) -> tuple[object, ...]:
    """Student, teacher, labels, beta."""
    bt, v = (4096, 16384) if device == "cuda" else (13, 100)
    student, teacher = (torch.randn(bt, v, device=device).log_softmax(-1) for _ in range(2))
    labels = torch.randint(v, (bt,), device=device)
    return student, teacher, torch.where(labels < v // 4, -100, labels) if ignored else None, beta


# Logarithms that are nearly equal cancel.
EXAMPLES = [
    Example("jsd", jsd_forward, example_args, reference, tolerance=1e-3),
    Example(
        "jsd, ignored rows", jsd_forward, lambda device: example_args(device, 0.1, True), reference, tolerance=1e-3
    ),
    Example("jsd, beta = 1", jsd_forward, lambda device: example_args(device, 1.0), reference, tolerance=1e-3),
]

if __name__ == "__main__":
    main(EXAMPLES)
