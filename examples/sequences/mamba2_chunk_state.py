"""Mamba 2: the state that each chunk of a sequence adds, a product of inputs and their decayed projections."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def mamba2_chunk_state(B: Tensor, x: Tensor, dt: Tensor, dA_cumsum: Tensor) -> Tensor:
    """B: [b, n, groups, state]; x: [b, n, heads, d]; dt, dA_cumsum: [b, heads, chunks, chunk]. Gives [b, chunks, heads,
    d, state]: Σ over the chunk of x · B · exp(dA_cumsum's last - dA_cumsum) · dt."""
    batch, seqlen, nheads, headdim = x.shape
    _, _, ngroups, dstate = B.shape
    _, _, nchunks, chunk_size = dt.shape
    assert seqlen == nchunks * chunk_size, f"{seqlen} positions, {nchunks} chunks of {chunk_size}"
    block_n = hl.register_block_size(dstate)
    block_m = hl.register_block_size(headdim)
    block_k = hl.register_block_size(chunk_size)
    out = torch.empty((batch, nchunks, nheads, headdim, dstate), dtype=x.dtype, device=x.device)
    for tile_h, tile_m, tile_n, tile_b, tile_c in hl.tile(
        [nheads, headdim, dstate, batch, nchunks], block_size=[1, block_m, block_n, 1, 1]
    ):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        last = dA_cumsum[tile_b.begin, tile_h.begin, tile_c.begin, chunk_size - 1].to(torch.float32)
        for tile_k in hl.tile(chunk_size, block_size=block_k):
            positions = tile_k.index + tile_c.begin * chunk_size
            x_local = x[tile_b.begin, positions, tile_h.begin, tile_m].T
            b_local = B[tile_b.begin, positions, tile_h.begin // (nheads // ngroups), tile_n].to(torch.float32)
            decay = dA_cumsum[tile_b.begin, tile_h.begin, tile_c.begin, tile_k].to(torch.float32)
            scale = torch.exp(last - decay) * dt[tile_b.begin, tile_h.begin, tile_c.begin, tile_k].to(torch.float32)
            acc = hl.dot(x_local, (b_local * scale[:, None]).to(x.dtype), acc=acc)
        out[tile_b.begin, tile_c.begin, tile_h.begin, tile_m, tile_n] = acc.to(out.dtype)
    return out


def reference(B: Tensor, x: Tensor, dt: Tensor, dA_cumsum: Tensor) -> Tensor:
    """By einsum over chunks."""
    chunks, size = dt.shape[2:]
    B = B.repeat_interleave(x.size(2) // B.size(2), dim=2)
    B, x = (each.unflatten(1, (chunks, size)) for each in (B, x))
    decay = torch.exp(dA_cumsum[..., -1:] - dA_cumsum)
    return torch.einsum("bclhn,bhcl,bhcl,bclhp->bchpn", B, decay.to(B.dtype), dt.to(B.dtype), x)


def example_args(device: str = "cpu") -> tuple[Tensor, ...]:
    """B, x, dt and the running sums of dA."""
    b, n, h, d, groups, state, chunk, dtype = (
        (2, 4096, 32, 64, 1, 128, 256, torch.bfloat16) if device == "cuda" else (2, 36, 2, 16, 1, 20, 12, torch.float32)
    )
    dt = torch.rand(b, h, n // chunk, chunk, device=device)
    decays = (-0.1 * torch.rand(b, h, n // chunk, chunk, device=device)).cumsum(-1)
    B = torch.randn(b, n, groups, state, device=device, dtype=dtype)
    return B, torch.randn(b, n, h, d, device=device, dtype=dtype), dt, decays


EXAMPLES = [Example("mamba2 chunk state", mamba2_chunk_state, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
