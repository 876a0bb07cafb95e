"""Cross entropy of logits, forward and backward, and of a linear layer's output that is never in memory as a whole."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(ignore_warnings=[helion.exc.TensorOperationInWrapper])
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of logits [n, v] and labels [n]."""
    n, v = logits.shape
    losses = torch.zeros([n], dtype=torch.float32, device=logits.device)
    logits_flat = logits.view(-1)
    for tile_n in hl.tile(n):
        labels_tile = labels[tile_n]
        flat_indices = tile_n.index * v + labels_tile
        logits_at_target = hl.load(logits_flat, [flat_indices]).to(torch.float32)
        logits_rows = logits[tile_n, :].to(torch.float32)
        max_logits = torch.amax(logits_rows, dim=-1, keepdim=True)
        sum_exp = torch.sum(torch.exp(logits_rows - max_logits), dim=-1, keepdim=True)
        log_sum_exp = max_logits.squeeze(-1) + torch.log(sum_exp.squeeze(-1))
        losses[tile_n] = log_sum_exp - logits_at_target
    return losses.mean()


@helion.kernel()
def cross_entropy_bwd(grad: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the logits for `grad`, that of the mean loss, of rank 0."""
    n, _ = logits.shape
    out = torch.empty_like(logits)
    for tile_n in hl.tile(n):
        probabilities = torch.softmax(logits[tile_n, :].to(torch.float32), dim=-1)
        columns = hl.arange(logits.size(1))
        hot = columns[None, :] == labels[tile_n][:, None]
        out[tile_n, :] = torch.where(hot, probabilities - 1.0, probabilities) * (grad[()] / n)
    return out


@helion.kernel(ignore_warnings=[helion.exc.TensorOperationInWrapper])
def linear_cross_entropy(hidden: Tensor, weight: Tensor, labels: Tensor, parts: hl.constexpr) -> Tensor:
    """The mean cross entropy of hidden [n, d] @ weight [v, d]ᵀ, whose columns are shared out to `parts` programs."""
    n, d = hidden.size()
    v = weight.size(0)
    part = helion.cdiv(v, parts)
    lse = torch.empty([n, parts], dtype=torch.float32, device=hidden.device)
    at_labels = torch.zeros([n], dtype=torch.float32, device=hidden.device)
    for tile_n, tile_p in hl.tile([n, parts], block_size=[None, 1]):
        row_max = hl.full([tile_n], float("-inf"), dtype=torch.float32)
        row_sum = hl.zeros([tile_n], dtype=torch.float32)
        at_label = hl.zeros([tile_n], dtype=torch.float32)
        label = labels[tile_n]
        begin = tile_p.begin * part
        for tile_v in hl.tile(begin, min(begin + part, v)):
            logits = hl.zeros([tile_n, tile_v], dtype=torch.float32)
            for tile_d in hl.tile(d):
                logits = torch.addmm(logits, hidden[tile_n, tile_d], weight[tile_v, tile_d].T)
            new_max = torch.maximum(row_max, logits.amax(-1))
            row_sum = row_sum * torch.exp(row_max - new_max) + torch.exp(logits - new_max[:, None]).sum(-1)
            row_max = new_max
            at_label += torch.where(tile_v.index[None, :] == label[:, None], logits, 0.0).sum(-1)
        lse[tile_n, tile_p.begin] = row_max + torch.log(row_sum)
        hl.atomic_add(at_labels, [tile_n], at_label)
    return (torch.logsumexp(lse, -1) - at_labels).mean()


def gradient(grad: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """By autograd."""
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), logits, grad.to(logits.dtype))[0]


def linear_reference(hidden: Tensor, weight: Tensor, labels: Tensor, parts: int) -> Tensor:
    """In two steps."""
    return torch.nn.functional.cross_entropy(
        (hidden @ weight.T).to(torch.promote_types(hidden.dtype, torch.float32)), labels
    )


def example_args(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Logits and labels."""
    n, v = (4096, 32768) if device == "cuda" else (13, 100)
    return torch.randn(n, v, device=device), torch.randint(v, (n,), device=device)


def backward_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """The gradient of the loss before them."""
    return torch.randn((), device=device), *example_args(device)


def linear_args(device: str = "cpu") -> tuple[object, ...]:
    """Inputs of the layer, its weight, labels, and how many programs share the columns."""
    (n, d, v), dtype = ((4096, 1024, 32768), torch.bfloat16) if device == "cuda" else ((13, 30, 100), torch.float32)
    hidden, weight = (torch.randn(size, device=device, dtype=dtype) for size in ([n, d], [v, d]))
    return hidden, weight / d**0.5, torch.randint(v, (n,), device=device), 8 if device == "cuda" else 3


EXAMPLES = [
    Example("cross_entropy", cross_entropy, example_args, torch.nn.functional.cross_entropy),
    Example("cross_entropy backward", cross_entropy_bwd, backward_args, gradient),
    Example("linear + cross_entropy", linear_cross_entropy, linear_args, linear_reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
