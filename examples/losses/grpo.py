"""The loss of group relative policy optimization, with the tokens' probabilities in the same kernel."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=True)
def grpo_loss_forward(
    logits: Tensor,
    selected: Tensor,
    old_logp: Tensor | None,
    ref_logp: Tensor | None,
    advantages: Tensor,
    temperature: float,
    beta: float,
    eps_low: float,
    eps_high: float,
) -> tuple[Tensor, Tensor]:
    """logits: [b, l + 1, v], without the last position; selected tokens, old and reference logarithms: [b, l];
    advantages: [b]. Gives the loss of each token and the logarithm of its row's sum, float32 of [b, l]."""
    batch, length_1, vocab = logits.size()
    length = length_1 - 1
    loss = torch.zeros([batch, length], dtype=torch.float32, device=logits.device)
    lse_out = torch.empty_like(loss)
    for tile_b, tile_l in hl.tile([batch, length]):
        max_logits = hl.full([tile_b, tile_l], float("-inf"), dtype=torch.float32)
        sum_exp = hl.zeros([tile_b, tile_l], dtype=torch.float32)
        picked = hl.zeros([tile_b, tile_l], dtype=torch.float32)
        tokens = selected[tile_b, tile_l]
        for tile_v in hl.tile(vocab):
            values = logits[tile_b, tile_l, tile_v].to(torch.float32) / temperature
            new_max = torch.maximum(max_logits, torch.amax(values, dim=-1))
            sum_exp = sum_exp * torch.exp(max_logits - new_max) + torch.exp(values - new_max[:, :, None]).sum(-1)
            max_logits = new_max
            hit = tile_v.index[None, None, :] == tokens[:, :, None]
            picked += torch.where(hit, values, 0.0).sum(-1)
        lse = max_logits + torch.log(sum_exp)
        logp = picked - lse
        if old_logp is None:
            ratio = torch.exp(logp - logp)
        else:
            ratio = torch.exp(logp - old_logp[tile_b, tile_l].to(torch.float32))
        advantage = advantages[tile_b].to(torch.float32)[:, None]
        clipped = torch.clamp(ratio, 1.0 - eps_low, 1.0 + eps_high)
        token_loss = -torch.minimum(ratio * advantage, clipped * advantage)
        if ref_logp is not None:
            diff = ref_logp[tile_b, tile_l].to(torch.float32) - logp
            token_loss = token_loss + beta * (torch.exp(diff) - diff - 1.0)
        loss[tile_b, tile_l] = token_loss
        lse_out[tile_b, tile_l] = lse
    return loss, lse_out


def reference(
    logits: Tensor, selected: Tensor, old_logp: Tensor | None, ref_logp: Tensor | None, advantages: Tensor,
    temperature: float, beta: float, eps_low: float, eps_high: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """In steps."""
    scaled = logits[:, :-1] / temperature
    lse = torch.logsumexp(scaled, -1)
    logp = scaled.gather(-1, selected[..., None])[..., 0] - lse
    ratio = torch.exp(logp - (logp if old_logp is None else old_logp))
    clipped = ratio.clamp(1 - eps_low, 1 + eps_high)
    loss = -torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
    if ref_logp is not None:
        loss = loss + beta * (torch.exp(ref_logp - logp) - (ref_logp - logp) - 1)
    return loss, lse


def example_args(device: str = "cpu", with_old: bool = True) -> tuple[object, ...]:
    """Logits, tokens, logarithms of two other policies, advantages, and the loss' parameters."""
    (b, n, v), dtype = ((8, 512, 32768), torch.bfloat16) if device == "cuda" else ((2, 7, 50), torch.float32)
    logits = torch.randn(b, n + 1, v, device=device, dtype=dtype)
    selected = torch.randint(v, (b, n), device=device)
    logp = logits[:, :-1].float().log_softmax(-1).gather(-1, selected[..., None])[..., 0]
    old, ref = (logp + 0.3 * torch.randn(b, n, device=device) for _ in range(2))
    old_or_none, ref_or_none = (old, ref) if with_old else (None, None)
    return logits, selected, old_or_none, ref_or_none, torch.randn(b, device=device), 0.9, 0.04, 0.2, 0.4


EXAMPLES = [
    Example("grpo_loss", grpo_loss_forward, example_args, reference),
    Example("grpo_loss, no other policies", grpo_loss_forward, lambda device: example_args(device, False), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
