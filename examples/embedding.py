"""Embedding lookup: gather rows of a table by the ids in a tensor of any shape."""

import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.testing import Example, main

# By hand, for an H100: blocks of ids and of columns.
CONFIGS = {"embedding": helion_ir.Config(block_sizes=[4, 1024], num_warps=4)}


@helion_ir.kernel()
def embedding(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """`table[ids]` for integer ids of any shape and a table of [rows, columns]."""
    flat = ids.reshape(-1)
    columns = table.size(1)
    out = torch.empty([flat.size(0), columns], dtype=table.dtype, device=table.device)
    for tile_i, tile_c in hl.tile([flat.size(0), columns]):
        out[tile_i, tile_c] = table[flat[tile_i], tile_c]
    return out.view([*ids.size(), columns])


def reference(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The lookup by PyTorch; nothing is computed, so it is exact in any dtype."""
    return table.double()[ids]


def example_args(
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    ids_shape: tuple[int, ...] | None = None,
    table_shape: tuple[int, int] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of `ids_shape` into a table of `table_shape`."""
    rows, columns = table_shape or ((32000, 4096) if device == "cuda" else (1000, 129))
    shape = ids_shape or ((8, 1024) if device == "cuda" else (3, 127))
    return torch.randint(rows, shape, device=device), torch.randn(rows, columns, device=device, dtype=dtype)


EXAMPLES = [
    Example("embedding", embedding, example_args, reference),
    Example("embedding, hand-picked config", embedding, example_args, reference, config=CONFIGS["embedding"]),
]

if __name__ == "__main__":
    main(EXAMPLES)
