"""The sum of a jagged matrix, whose rows have different lengths, and a dense one."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def jagged_dense_add(x_data: Tensor, x_offsets: Tensor, y: Tensor) -> Tensor:
    """x_data: the rows' elements one after another; x_offsets: [rows + 1]; y: [rows, n]. Gives [rows, n]."""
    num_rows = y.size(0)
    assert x_offsets.size() == (num_rows + 1,), f"{x_offsets.size()} offsets for {num_rows} rows"
    out = torch.zeros_like(y)
    for tile0 in hl.tile(num_rows):
        starts = x_offsets[tile0]
        ends = x_offsets[tile0.index + 1]
        nnz = ends - starts
        max_nnz = nnz.amax()
        for tile1 in hl.tile(0, max_nnz):
            x_slice = hl.load(
                x_data, [starts[:, None] + tile1.index[None, :]], extra_mask=tile1.index[None, :] < nnz[:, None]
            )
            out[tile0, tile1] = y[tile0, tile1] + x_slice
        for tile1 in hl.tile(max_nnz, out.size(1)):
            out[tile0, tile1] = y[tile0, tile1]
    return out


def reference(x_data: Tensor, x_offsets: Tensor, y: Tensor) -> Tensor:
    """Row by row."""
    out = y.clone()
    for row, part in zip(out, x_data.tensor_split(x_offsets[1:-1].cpu()), strict=True):
        row[: len(part)] += part
    return out


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """Elements, offsets, a dense matrix."""
    rows, columns = (1024, 5120) if device == "cuda" else (13, 37)
    lengths = torch.randint(0, columns + 1, (rows,), device=device)
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    return torch.randn(int(offsets[-1]), device=device), offsets, torch.randn(rows, columns, device=device)


EXAMPLES = [Example("jagged_dense_add", jagged_dense_add, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
