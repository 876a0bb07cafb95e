"""A batched matrix product of which one side is jagged: each item has a number of rows of its own."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def jagged_dense_bmm(seq_offsets: Tensor, jagged: Tensor, dense: Tensor, bias: Tensor | None = None) -> Tensor:
    """seq_offsets: [b + 1]; jagged: [rows, d]; dense: [b, d, k]; bias: [b, k]. Gives [rows, k]."""
    rows, d = jagged.shape
    batch, d, k = dense.shape
    output = torch.empty((rows, k), dtype=torch.promote_types(jagged.dtype, dense.dtype), device=jagged.device)
    for tile_b in hl.tile(batch, block_size=1):
        start = seq_offsets[tile_b.begin]
        end = seq_offsets[tile_b.begin + 1]
        for tile_len in hl.tile(start, end):
            for tile_k in hl.tile(k):
                acc = hl.zeros([tile_len, tile_k], dtype=torch.float32)
                for tile_d in hl.tile(d):
                    acc = torch.addmm(acc, jagged[tile_len, tile_d], dense[tile_b.begin, tile_d, tile_k])
                if bias is not None:
                    acc = acc + bias[tile_b.begin, tile_k].to(torch.float32)[None, :]
                output[tile_len, tile_k] = acc.to(output.dtype)
    return output


def reference(seq_offsets: Tensor, jagged: Tensor, dense: Tensor, bias: Tensor | None = None) -> Tensor:
    """Item by item."""
    parts = jagged.tensor_split(seq_offsets[1:-1].cpu())
    biases = [0] * len(parts) if bias is None else bias
    return torch.cat([part @ matrix + shift for part, matrix, shift in zip(parts, dense, biases, strict=True)])


def example_args(device: str = "cpu", bias: bool = True) -> tuple[Tensor | None, ...]:
    """Offsets, rows, matrices, biases."""
    (b, d, k, longest), dtype = (
        ((256, 256, 256, 512), torch.bfloat16) if device == "cuda" else ((4, 19, 21, 9), torch.float32)
    )
    lengths = torch.randint(0, longest + 1, (b,), device=device)
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    rows, dense, biases = (
        torch.randn(size, device=device, dtype=dtype) for size in ([int(offsets[-1]), d], [b, d, k], [b, k])
    )
    return offsets, rows, dense, biases if bias else None


EXAMPLES = [
    Example("jagged_dense_bmm", jagged_dense_bmm, example_args, reference),
    Example("jagged_dense_bmm without bias", jagged_dense_bmm, lambda device: example_args(device, False), reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
