"""Sums of segments: rows with equal, sorted ids are added by a scan over pairs, and segments' ends are stored."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


def combine_fn(left_values: Tensor, left_indices: Tensor, right_values: Tensor, right_indices: Tensor):
    """Sums within runs of equal ids."""
    combined = torch.where(left_indices == right_indices, left_values + right_values, right_values)
    return combined, right_indices


@helion.kernel()
def segmented_reduction(indices: Tensor, input_data: Tensor, num_nodes: int) -> Tensor:
    """indices: [n], sorted; input_data: [n, m]. Gives [num_nodes, m], the sum of the rows of each index."""
    num_elements, num_features = input_data.shape
    output = torch.zeros((num_nodes, num_features), dtype=input_data.dtype, device=input_data.device)
    for tile_e, tile_f in hl.tile([num_elements, num_features]):
        vals = input_data[tile_e, tile_f]
        idxs = indices[tile_e]
        idxs_next = hl.load(indices, [tile_e.index + 1], extra_mask=tile_e.index < num_elements - 1)
        tuple_in = (vals, idxs.float().unsqueeze(1).expand_as(vals))
        out_vals, _ = hl.associative_scan(combine_fn, tuple_in, dim=0)
        # A run ends where the next id differs, and where the tile or the input ends.
        ends = (idxs != idxs_next) | (tile_e.index % tile_e.block_size == tile_e.block_size - 1)
        ends = ends | (tile_e.index == num_elements - 1)
        hl.atomic_add(output, [idxs, tile_f], torch.where(ends.unsqueeze(1), out_vals, 0.0))
    return output


def reference(indices: Tensor, input_data: Tensor, num_nodes: int) -> Tensor:
    """PyTorch's own, unsorted."""
    return input_data.new_zeros(num_nodes, input_data.size(1)).index_add_(0, indices, input_data)


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Sorted ids, rows, the number of ids."""
    n, nodes, features = (65536, 1000, 128) if device == "cuda" else (45, 7, 11)
    indices = torch.randint(0, nodes, (n,), device=device).sort().values
    return indices, torch.randn(n, features, device=device), nodes


EXAMPLES = [Example("segmented_reduction", segmented_reduction, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
