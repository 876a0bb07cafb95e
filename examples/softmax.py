"""Softmax over the rows of a matrix.

`softmax` takes the whole row: by default it is held on chip; under a config with `reduction_loops=[1024]` the compiler
turns the same kernel into loops over pieces of 1024 columns. `softmax_online` writes such loops out by hand: one pass
finds each row's maximum and its sum of exponentials together, correcting the sum whenever the maximum grows; a second
one divides.
"""

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100.
CONFIGS = {
    "softmax": helion_ir.Config(block_sizes=[1], num_warps=4),
    "softmax looped": helion_ir.Config(block_sizes=[1], reduction_loops=[1024], num_warps=4),
    "softmax_online": helion_ir.Config(block_sizes=[1, 2048, 2048], num_warps=8),
}


@helion_ir.kernel()
def softmax(x: torch.Tensor) -> torch.Tensor:
    """Softmax over the last dimension of a matrix, computed in float32."""
    m, _ = x.size()
    out = torch.empty_like(x)
    for tile_m in hl.tile(m):
        out[tile_m, :] = torch.softmax(x[tile_m, :], dim=1)
    return out


@helion_ir.kernel()
def softmax_online(x: torch.Tensor) -> torch.Tensor:
    """The same in two explicit passes over each row, of which the first is the online form."""
    m, n = x.size()
    out = torch.empty_like(x)
    for tile_m in hl.tile(m):
        # The lowest finite number rather than -inf: a first piece that is all -inf must not give inf - inf.
        row_max = hl.full([tile_m], torch.finfo(torch.float32).min, dtype=torch.float32)
        row_sum = hl.zeros([tile_m], dtype=torch.float32)
        for tile_n in hl.tile(n):
            values = x[tile_m, tile_n].to(torch.float32)
            new_max = torch.maximum(row_max, torch.amax(values, dim=1))
            piece_sum = torch.sum(torch.exp(values - new_max[:, None]), dim=1)
            row_sum = row_sum * torch.exp(row_max - new_max) + piece_sum
            row_max = new_max
        for tile_n in hl.tile(n):
            values = x[tile_m, tile_n].to(torch.float32)
            out[tile_m, tile_n] = torch.exp(values - row_max[:, None]) / row_sum[:, None]
    return out


def reference(x: torch.Tensor) -> torch.Tensor:
    """Softmax in float64."""
    return torch.softmax(x.double(), dim=1)


def example_args(
    device: str = "cpu", dtype: torch.dtype = torch.float32, sizes: tuple[int, int] | None = None
) -> tuple[torch.Tensor]:
    """One matrix of `sizes` (rows, columns)."""
    rows, columns = sizes or ((4096, 4096) if device == "cuda" else (127, 1000))
    return (torch.randn(rows, columns, device=device, dtype=dtype),)


EXAMPLES = [
    Example("softmax", softmax, example_args, reference),
    Example("softmax, hand-picked config", softmax, example_args, reference, config=CONFIGS["softmax"]),
    Example("softmax, looped by config", softmax, example_args, reference, config=CONFIGS["softmax looped"]),
    Example("softmax, online by hand", softmax_online, example_args, reference, config=CONFIGS["softmax_online"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
