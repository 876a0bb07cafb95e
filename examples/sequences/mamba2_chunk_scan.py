"""Mamba 2: the outputs of each chunk, from the state before it and from the inputs up to each position in it."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def mamba2_chunk_scan(
    cb: Tensor, x: Tensor, dt: Tensor, dA_cumsum: Tensor, C: Tensor, prev_states: Tensor, D: Tensor
) -> Tensor:
    """cb: [b, chunks, groups, chunk, chunk]; x: [b, n, heads, d]; dt, dA_cumsum: [b, heads, chunks, chunk];
    C: [b, n, groups, state]; prev_states: [b, chunks, heads, d, state]; D: [heads]. Gives x's shape."""
    batch, nchunks, ngroups, chunk_size, _ = cb.shape
    _, seqlen, nheads, headdim = x.shape
    _, _, _, dstate = C.shape
    assert seqlen == nchunks * chunk_size, f"{seqlen} positions, {nchunks} chunks of {chunk_size}"
    block_m = hl.register_block_size(chunk_size)
    block_n = hl.register_block_size(headdim)
    block_k = hl.register_block_size(min(64, chunk_size))
    dstate = hl.specialize(dstate)
    dtype, accum_dtype = cb.dtype, torch.float32
    out = torch.empty_like(x)
    p = 1.44269504
    for tile_h, tile_m, tile_n, tile_b, tile_c in hl.tile(
        [nheads, chunk_size, headdim, batch, nchunks], block_size=[1, block_m, block_n, 1, 1]
    ):
        group = tile_h.begin // (nheads // ngroups)
        decay_m = dA_cumsum[tile_b.begin, tile_h.begin, tile_c.begin, tile_m].to(torch.float32)
        scale_m = torch.exp2(decay_m * p)
        positions = tile_m.index + tile_c.begin * chunk_size
        c_local = C[tile_b.begin, positions, group, :]
        state = prev_states[tile_b.begin, tile_c.begin, tile_h.begin, tile_n, :]
        acc_o = hl.dot(c_local, state.T, out_dtype=accum_dtype) * scale_m[:, None]
        for tile_k in hl.tile((tile_m.id + 1) * block_m, block_size=block_k):
            within = tile_k.index < chunk_size
            cb_local = hl.load(
                cb, [tile_b.begin, tile_c.begin, group, tile_m, tile_k.index], extra_mask=within[None, :]
            ).to(torch.float32)
            where_k = [tile_b.begin, tile_h.begin, tile_c.begin, tile_k.index]
            decay_k = hl.load(dA_cumsum, where_k, extra_mask=within).to(torch.float32)
            dt_k = hl.load(dt, where_k, extra_mask=within).to(torch.float32)
            cb_local = cb_local * torch.exp2((decay_m[:, None] - decay_k[None, :]) * p) * dt_k[None, :]
            cb_local = torch.where(tile_m.index[:, None] >= tile_k.index[None, :], cb_local, 0.0).to(dtype)
            rows = tile_c.begin * chunk_size + tile_k.index
            x_local = hl.load(x, [tile_b.begin, rows, tile_h.begin, tile_n], extra_mask=within[:, None])
            acc_o = hl.dot(cb_local, x_local, acc=acc_o)
        x_residual = x[tile_b.begin, positions, tile_h.begin, tile_n].to(torch.float32)
        acc_o = acc_o + x_residual * D[tile_h.begin].to(torch.float32)
        out[tile_b.begin, positions, tile_h.begin, tile_n] = acc_o.to(dtype)
    return out


def reference(
    cb: Tensor, x: Tensor, dt: Tensor, dA_cumsum: Tensor, C: Tensor, prev_states: Tensor, D: Tensor
) -> Tensor:
    """By einsum over chunks."""
    chunks, size = dt.shape[2:]
    repeats = x.size(2) // cb.size(2)
    cb, C = cb.repeat_interleave(repeats, dim=2), C.repeat_interleave(repeats, dim=2)
    difference = dA_cumsum[..., :, None] - dA_cumsum[..., None, :]
    decay = torch.exp(difference.masked_fill(~torch.ones_like(difference, dtype=torch.bool).tril(), float("-inf")))
    scores = cb.transpose(1, 2) * decay.to(cb.dtype) * dt[..., None, :].to(cb.dtype)
    inside = torch.einsum("bhcls,bcshp->bclhp", scores, x.unflatten(1, (chunks, size)))
    before = torch.einsum("bclhn,bchpn->bclhp", C.unflatten(1, (chunks, size)), prev_states)
    scale = torch.exp(dA_cumsum).permute(0, 2, 3, 1)[..., None].to(x.dtype)
    return (inside + before * scale).flatten(1, 2) + x * D[:, None]


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """C Bᵀ of each chunk, x, dt, running sums of dA, C, states, D."""
    b, n, h, d, groups, state, chunk, dtype = (
        (2, 4096, 32, 64, 1, 128, 256, torch.bfloat16) if device == "cuda" else (2, 36, 2, 16, 1, 20, 12, torch.float32)
    )
    chunks = n // chunk
    dt = torch.rand(b, h, chunks, chunk, device=device)
    decays = (-0.1 * torch.rand(b, h, chunks, chunk, device=device)).cumsum(-1)
    cb, x, C, states, D = (
        torch.randn(size, device=device, dtype=dtype)
        for size in (
            [b, chunks, groups, chunk, chunk],
            [b, n, h, d],
            [b, n, groups, state],
            [b, chunks, h, d, state],
            [h],
        )
    )
    return cb, x, dt, decays, C, states, D


EXAMPLES = [Example("mamba2 chunk scan", mamba2_chunk_scan, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
