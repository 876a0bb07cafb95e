"""Group normalization: channels of an image in groups, each normalized over its channels and pixels together."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def group_norm(
    x: torch.Tensor, num_groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5
) -> torch.Tensor:
    """x of [batch, channels, pixels …]; weight and bias of [channels]."""
    batch, channels = x.size(0), x.size(1)
    assert channels % num_groups == 0, "channels do not divide into groups"
    per_group = channels // num_groups
    groups = x.reshape(batch * num_groups, per_group, -1)
    _, _, pixels = groups.size()
    weights, biases = weight.view(num_groups, per_group), bias.view(num_groups, per_group)
    out = torch.empty_like(groups)
    for tile_g in hl.tile(batch * num_groups, block_size=1):
        total = hl.zeros([tile_g], dtype=torch.float32)
        squares = hl.zeros([tile_g], dtype=torch.float32)
        for tile_c, tile_p in hl.tile([per_group, pixels]):
            values = groups[tile_g, tile_c, tile_p].to(torch.float32)
            total = total + values.sum(-1).sum(-1)
            squares = squares + (values * values).sum(-1).sum(-1)
        mean = total / (per_group * pixels)
        rstd = torch.rsqrt(squares / (per_group * pixels) - mean * mean + eps)
        which = tile_g.index % num_groups
        for tile_c, tile_p in hl.tile([per_group, pixels]):
            values = groups[tile_g, tile_c, tile_p].to(torch.float32)
            normalized = (values - mean[:, None, None]) * rstd[:, None, None]
            scale = weights[which, tile_c].to(torch.float32)[:, :, None]
            shift = biases[which, tile_c].to(torch.float32)[:, :, None]
            out[tile_g, tile_c, tile_p] = (normalized * scale + shift).to(x.dtype)
    return out.view(x.size())


def reference(
    x: torch.Tensor, num_groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5
) -> torch.Tensor:
    """PyTorch's own."""
    return torch.nn.functional.group_norm(x, num_groups, weight, bias, eps)


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """x, the number of groups, weight and bias."""
    (b, c, h, w), groups = ((16, 512, 32, 32), 32) if device == "cuda" else ((2, 12, 5, 7), 4)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    x = torch.randn(b, c, h, w, device=device, dtype=dtype)
    return x, groups, torch.randn(c, device=device, dtype=dtype), torch.randn(c, device=device, dtype=dtype)


EXAMPLES = [Example("group_norm", group_norm, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
