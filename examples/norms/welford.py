"""Layer normalization by Welford's algorithm: mean and variance of rows of any length in one pass, a second writes."""

import torch

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def welford(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, eps: float = 1e-05) -> torch.Tensor:
    """Rows of x [m, n] normalized, scaled by weight and shifted by bias [n]."""
    m, n = x.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m in hl.tile(m):
        acc_cnt = torch.zeros_like(x[tile_m, 0], dtype=torch.float32)
        acc_mean = torch.zeros_like(acc_cnt)
        acc_m2 = torch.zeros_like(acc_cnt)
        for tile_n in hl.tile(n):
            chunk = x[tile_m, tile_n].to(torch.float32)
            # Of the last tile only as many columns count as there are.
            chunk_cnt = tile_n.end - tile_n.begin
            sum_x = torch.sum(chunk, dim=-1)
            mean_c = sum_x / chunk_cnt
            m2_c = torch.sum((chunk - mean_c[:, None]) ** 2, dim=-1)
            delta = mean_c - acc_mean
            new_cnt = acc_cnt + chunk_cnt
            acc_mean = acc_mean + delta * (chunk_cnt / new_cnt)
            acc_m2 = acc_m2 + m2_c + delta * delta * (acc_cnt * (chunk_cnt / new_cnt))
            acc_cnt = new_cnt
        rstd = torch.rsqrt(acc_m2 / acc_cnt + eps)
        for tile_n in hl.tile(n):
            normalized = (x[tile_m, tile_n].to(torch.float32) - acc_mean[:, None]) * rstd[:, None]
            out[tile_m, tile_n] = (normalized * weight[tile_n][None, :] + bias[tile_n][None, :]).to(x.dtype)
    return out


def reference(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, eps: float = 1e-05) -> torch.Tensor:
    """Layer normalization by PyTorch."""
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, eps)


def example_args(device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """weight, bias, x."""
    m, n = (65536, 1536) if device == "cuda" else (13, 300)
    return tuple(torch.randn(size, device=device) for size in ([n], [n], [m, n]))


EXAMPLES = [Example("welford", welford, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
