"""Sums, means, softmax and layer normalization over rows of jagged tensors: values one after another, with offsets."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def jagged_sum(x_data: Tensor, x_offsets: Tensor) -> Tensor:
    """The sum of the rows of each item: x_data [rows, m], x_offsets [items + 1]. Gives [items, m]."""
    m = x_data.shape[1]
    num_rows = x_offsets.size(0) - 1
    out = torch.zeros([num_rows, m], dtype=x_data.dtype, device=x_data.device)
    x_flat = x_data.view(-1)
    for tile_b in hl.tile(num_rows):
        starts = x_offsets[tile_b]
        ends = x_offsets[tile_b.index + 1]
        nnz = ends - starts
        max_nnz = nnz.amax()
        for tile_m in hl.tile(m):
            row_sums = hl.zeros([tile_b, tile_m], dtype=x_data.dtype)
            for tile_k in hl.tile(0, max_nnz):
                base_indices = starts[:, None] + tile_k.index[None, :]
                flat_indices = base_indices[:, :, None] * m + tile_m.index[None, None, :]
                row_mask = tile_k.index[None, :] < nnz[:, None]
                combined_mask = row_mask[:, :, None] & (tile_m.index < m)[None, None, :]
                x_slice = hl.load(x_flat, [flat_indices], extra_mask=combined_mask)
                row_sums = row_sums + x_slice.sum(dim=1)
            out[tile_b, tile_m] = row_sums
    return out


@helion.kernel()
def jagged_sum_by_tiles(x_data: Tensor, x_offsets: Tensor) -> Tensor:
    """The same with a loop over each item's own rows: `jagged_tile` masks what is past an item's end."""
    m, count = x_data.size(1), x_offsets.size(0) - 1
    out = torch.zeros([count, m], dtype=x_data.dtype, device=x_data.device)
    for tile_b, tile_m in hl.tile([count, m]):
        starts = x_offsets[tile_b]
        acc = hl.zeros([tile_b, tile_m], dtype=torch.float32)
        for tile_k in hl.jagged_tile(x_offsets[tile_b.index + 1] - starts):
            acc = acc + x_data[starts[:, None] + tile_k.index[None, :], tile_m].sum(1)
        out[tile_b, tile_m] = acc
    return out


@helion.kernel()
def jagged_mean(x_data: Tensor, x_offsets: Tensor, x_feature_counts: Tensor, max_m: int) -> Tensor:
    """The mean of the rows of each item, of which the first `x_feature_counts` [items] columns count; else zeros."""
    num_rows = x_offsets.size(0) - 1
    out = torch.zeros([num_rows, max_m], dtype=x_data.dtype, device=x_data.device)
    x_flat = x_data.view(-1)
    for tile_b in hl.tile(num_rows):
        starts = x_offsets[tile_b]
        nnz = x_offsets[tile_b.index + 1] - starts
        max_nnz = nnz.amax()
        feature_counts = x_feature_counts[tile_b]
        for tile_m in hl.tile(max_m):
            feature_valid = tile_m.index < feature_counts[:, None]
            row_sums = hl.zeros([tile_b, tile_m], dtype=x_data.dtype)
            for tile_k in hl.tile(0, max_nnz):
                flat_indices = (starts[:, None] + tile_k.index[None, :])[:, :, None] * max_m + tile_m.index[
                    None, None, :
                ]
                row_mask = tile_k.index[None, :] < nnz[:, None]
                x_slice = hl.load(x_flat, [flat_indices], extra_mask=row_mask[:, :, None] & feature_valid[:, None, :])
                row_sums = row_sums + x_slice.sum(dim=1)
            nnz_expanded = nnz.to(x_data.dtype)[:, None]
            result = torch.where(nnz_expanded > 0, row_sums / nnz_expanded, 0.0)
            out[tile_b, tile_m] = torch.where(feature_valid, result, 0.0)
    return out


@helion.kernel()
def jagged_softmax(x_data: Tensor, x_offsets: Tensor) -> Tensor:
    """Softmax down the rows of each item, for each column."""
    num_rows, m = x_offsets.size(0) - 1, x_data.size(1)
    out = torch.zeros(x_data.numel(), dtype=x_data.dtype, device=x_data.device)
    x_flat = x_data.view(-1)
    for tile_b in hl.tile(num_rows):
        starts = x_offsets[tile_b]
        seqlens = x_offsets[tile_b.index + 1] - starts
        max_seqlen = seqlens.amax()
        for tile_m in hl.tile(m):
            block_max = hl.full([tile_b, tile_m], float("-inf"), dtype=torch.float32)
            block_sum = hl.zeros([tile_b, tile_m], dtype=torch.float32)
            for tile_k in hl.tile(max_seqlen):
                flat = (starts[:, None] + tile_k.index[None, :])[:, :, None] * m + tile_m.index[None, None, :]
                mask = (tile_k.index[None, :] < seqlens[:, None])[:, :, None] & (tile_m.index < m)[None, None, :]
                rows = hl.load(x_flat, [flat], extra_mask=mask).to(torch.float32)
                rows = torch.where(mask, rows, float("-inf"))
                new_max = torch.maximum(block_max, rows.amax(dim=1))
                safe_max = torch.where(new_max == float("-inf"), 0.0, new_max)
                block_sum = block_sum * torch.exp(block_max - safe_max)
                block_sum = block_sum + torch.exp(rows - safe_max[:, None, :]).sum(dim=1)
                block_max = new_max
            for tile_k in hl.tile(max_seqlen):
                flat = (starts[:, None] + tile_k.index[None, :])[:, :, None] * m + tile_m.index[None, None, :]
                mask = (tile_k.index[None, :] < seqlens[:, None])[:, :, None] & (tile_m.index < m)[None, None, :]
                rows = hl.load(x_flat, [flat], extra_mask=mask).to(torch.float32)
                values = torch.exp(rows - block_max[:, None, :]) / block_sum[:, None, :]
                hl.store(out, [flat], values, extra_mask=mask)
    return out.view(x_data.size())


@helion.kernel()
def jagged_layer_norm(x_values: Tensor, x_offsets: Tensor, eps: float = 1e-6) -> Tensor:
    """Each item's rows and columns normalized together."""
    num_rows, m = x_offsets.size(0) - 1, x_values.size(1)
    out = torch.zeros(x_values.numel(), dtype=x_values.dtype, device=x_values.device)
    x_flat = x_values.view(-1)
    for tile_b in hl.tile(num_rows):
        begin = x_offsets[tile_b] * m
        count = x_offsets[tile_b.index + 1] * m - begin
        longest = count.amax()
        total = hl.zeros([tile_b], dtype=torch.float32)
        for tile_k in hl.tile(longest):
            mask = tile_k.index[None, :] < count[:, None]
            values = hl.load(x_flat, [begin[:, None] + tile_k.index[None, :]], extra_mask=mask).to(torch.float32)
            total += values.sum(-1)
        mean = total / count.to(torch.float32)
        squares = hl.zeros([tile_b], dtype=torch.float32)
        for tile_k in hl.tile(longest):
            mask = tile_k.index[None, :] < count[:, None]
            values = hl.load(x_flat, [begin[:, None] + tile_k.index[None, :]], extra_mask=mask).to(torch.float32)
            centered = torch.where(mask, values - mean[:, None], 0.0)
            squares += (centered * centered).sum(-1)
        rstd = torch.rsqrt(squares / count.to(torch.float32) + eps)
        for tile_k in hl.tile(longest):
            mask = tile_k.index[None, :] < count[:, None]
            positions = begin[:, None] + tile_k.index[None, :]
            values = hl.load(x_flat, [positions], extra_mask=mask).to(torch.float32)
            hl.store(out, [positions], (values - mean[:, None]) * rstd[:, None], extra_mask=mask)
    return out.view(x_values.size())


def items(data: Tensor, offsets: Tensor) -> list[Tensor]:
    """The rows of each item."""
    return list(data.tensor_split(offsets[1:-1].cpu()))


def sum_reference(data: Tensor, offsets: Tensor) -> Tensor:
    """Item by item."""
    return torch.stack([item.sum(0) for item in items(data, offsets)])


def mean_reference(data: Tensor, offsets: Tensor, counts: Tensor, max_m: int) -> Tensor:
    """Item by item."""
    means = torch.stack([item.mean(0) if len(item) else item.new_zeros(max_m) for item in items(data, offsets)])
    return torch.where(torch.arange(max_m, device=data.device) < counts[:, None], means, 0.0)


def softmax_reference(data: Tensor, offsets: Tensor) -> Tensor:
    """Item by item."""
    return torch.cat([torch.softmax(item, 0) for item in items(data, offsets)])


def layer_norm_reference(data: Tensor, offsets: Tensor) -> Tensor:
    """Item by item."""
    norm = torch.nn.functional.layer_norm
    return torch.cat([norm(item, item.shape, eps=1e-6) if len(item) else item for item in items(data, offsets)])


def example_args(device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Values and offsets; one item is empty."""
    count, longest, m = (512, 256, 128) if device == "cuda" else (5, 9, 11)
    lengths = torch.randint(1, longest + 1, (count,), device=device)
    lengths[count // 2] = 0
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    return torch.randn(int(offsets[-1]), m, device=device), offsets


def mean_args(device: str = "cpu") -> tuple[object, ...]:
    """And how many columns count."""
    data, offsets = example_args(device)
    m = data.size(1)
    return data, offsets, torch.randint(1, m + 1, (offsets.size(0) - 1,), device=device, dtype=torch.int32), m


EXAMPLES = [
    Example("jagged_sum", jagged_sum, example_args, sum_reference),
    Example("jagged_sum by jagged_tile", jagged_sum_by_tiles, example_args, sum_reference),
    Example("jagged_mean", jagged_mean, mean_args, mean_reference),
    Example("jagged_softmax", jagged_softmax, example_args, softmax_reference),
    Example("jagged_layer_norm", jagged_layer_norm, example_args, layer_norm_reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
