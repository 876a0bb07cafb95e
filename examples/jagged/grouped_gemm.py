"""Grouped matrix product: groups of rows, of any number, times one matrix; with a program per group, or persistent."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel(static_shapes=False)
def grouped_gemm_jagged(A_packed: Tensor, B: Tensor, group_offsets: Tensor) -> Tensor:
    """A_packed: [rows, k], groups one after another; B: [k, n]; group_offsets: int32 [groups + 1]. Gives [rows, n]."""
    total_m, k = A_packed.shape
    k2, n = B.shape
    assert k == k2, f"inner sizes differ: {k} and {k2}"
    out = torch.empty(total_m, n, dtype=torch.promote_types(A_packed.dtype, B.dtype), device=A_packed.device)
    groups = group_offsets.size(0) - 1
    for g in hl.grid(groups):
        start = group_offsets[g]
        end = group_offsets[g + 1]
        m = end - start
        if m != 0:
            for tile_m, tile_n in hl.tile([m, n]):
                acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
                for tile_k in hl.tile(k):
                    a_blk = A_packed[tile_m.index + start, tile_k]
                    acc = torch.addmm(acc, a_blk, B[tile_k, tile_n])
                out[tile_m.index + start, tile_n] = acc.to(out.dtype)
    return out


@helion.kernel(static_shapes=False)
def grouped_gemm_jagged_persistent(A_packed: Tensor, B: Tensor, group_offsets: Tensor) -> Tensor:
    """The same by as many programs as there are cores, which take tiles of all groups in turn."""
    total_m, k = A_packed.shape
    _, n = B.shape
    num_workers = helion.runtime.get_num_sm(A_packed.device)
    block_m = hl.register_block_size(16, 128)
    block_n = hl.register_block_size(16, 256)
    out = torch.empty(total_m, n, dtype=torch.promote_types(A_packed.dtype, B.dtype), device=A_packed.device)
    groups = group_offsets.size(0) - 1
    for worker_id in hl.grid(num_workers):
        tiles_before = 0
        for g in hl.grid(groups):
            group_start = group_offsets[g].to(torch.int64)
            group_end = group_offsets[g + 1].to(torch.int64)
            m_size = group_end - group_start
            if m_size > 0:
                num_m_tiles = (m_size + block_m - 1) // block_m
                num_n_tiles = helion.cdiv(n, block_n)
                num_group_tiles = num_m_tiles * num_n_tiles
                # The first tile of this group that is this worker's.
                first = (worker_id - tiles_before) % num_workers
                for t in range(first, num_group_tiles, num_workers):
                    m_base = (t % num_m_tiles) * block_m
                    n_base = (t // num_m_tiles) * block_n
                    rows = m_base + hl.arange(block_m)
                    columns = n_base + hl.arange(block_n)
                    row_mask, column_mask = rows < m_size, columns < n
                    acc = hl.zeros([block_m, block_n], dtype=torch.float32)
                    for tile_k in hl.tile(k):
                        a_blk = hl.load(A_packed, [group_start + rows, tile_k], extra_mask=row_mask[:, None])
                        b_blk = hl.load(B, [tile_k, columns], extra_mask=column_mask[None, :])
                        acc = torch.addmm(acc, a_blk, b_blk)
                    hl.store(
                        out,
                        [group_start + rows, columns],
                        acc.to(out.dtype),
                        extra_mask=row_mask[:, None] & column_mask,
                    )
                tiles_before = tiles_before + num_group_tiles
    return out


def reference(A_packed: Tensor, B: Tensor, group_offsets: Tensor) -> Tensor:
    """Group by group."""
    return torch.cat([part @ B for part in A_packed.tensor_split(group_offsets[1:-1].long().cpu())])


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """Rows, the shared matrix, offsets; one group is empty."""
    (groups, longest, k, n), dtype = (
        ((16, 1024, 1024, 2048), torch.bfloat16) if device == "cuda" else ((4, 40, 33, 45), torch.float32)
    )
    lengths = torch.randint(1, longest, (groups,), device=device)
    lengths[groups // 2] = 0
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
    rows = torch.randn(int(offsets[-1]), k, device=device, dtype=dtype)
    return rows, torch.randn(k, n, device=device, dtype=dtype), offsets


EXAMPLES = [
    Example("grouped_gemm_jagged", grouped_gemm_jagged, example_args, reference),
    Example("grouped_gemm_jagged_persistent", grouped_gemm_jagged_persistent, example_args, reference),
]

if __name__ == "__main__":
    main(EXAMPLES)
