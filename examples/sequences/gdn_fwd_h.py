"""Gated delta rule: the states before each chunk of a sequence, one chunk after the other, and the corrected values."""

import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir.testing import Example, main


@helion.kernel()
def helion_gdn_fwd_h(k: Tensor, w: Tensor, u: Tensor, g: Tensor, chunk_size: hl.constexpr) -> tuple[Tensor, Tensor]:
    """k, w: [b, n, heads, dk]; u: [b, n, heads, dv]; g: [b, n, heads], float32, running sums of gates in each chunk.

    Gives the state before each chunk [b, chunks, heads, dk, dv], and v = u - w · state [b, n, heads, dv].
    """
    batch, seqlen, nheads, dhead = k.shape
    dhead = hl.specialize(dhead)
    dstate = u.shape[-1]
    nchunks = (seqlen + chunk_size - 1) // chunk_size
    h = torch.empty(batch, nchunks, nheads, dhead, dstate, dtype=k.dtype, device=k.device)
    v_new = torch.empty_like(u)
    block_v = hl.register_block_size(dstate)
    for tile_b, tile_h, tile_v in hl.tile([batch, nheads, dstate], block_size=[1, 1, block_v]):
        i_b, i_h = tile_b.begin, tile_h.begin
        state = hl.zeros([dhead, tile_v], dtype=torch.float32)
        for tile_t in hl.tile(seqlen, block_size=chunk_size):
            h[i_b, tile_t.id, i_h, :, tile_v] = state.to(k.dtype)
            corrected = u[i_b, tile_t, i_h, tile_v].to(torch.float32) - hl.dot(
                w[i_b, tile_t, i_h, :], state.to(k.dtype), out_dtype=torch.float32
            )
            v_new[i_b, tile_t, i_h, tile_v] = corrected.to(u.dtype)
            t_last = min(tile_t.begin + chunk_size, seqlen) - 1
            g_last = g[i_b, t_last, i_h]
            decay = torch.exp(g_last - g[i_b, tile_t, i_h])
            state = state * torch.exp(g_last)
            state = hl.dot(k[i_b, tile_t, i_h, :].T, (corrected * decay[:, None]).to(k.dtype), acc=state)
    return h, v_new


def reference(k: Tensor, w: Tensor, u: Tensor, g: Tensor, chunk_size: int) -> tuple[Tensor, Tensor]:
    """Chunk by chunk, all heads at once."""
    b, n, heads, dk = k.shape
    state = torch.zeros(b, heads, dk, u.size(-1), dtype=torch.promote_types(k.dtype, torch.float32), device=k.device)
    states, values = [], []
    for begin in range(0, n, chunk_size):
        k_c, w_c, u_c = (each[:, begin : begin + chunk_size].transpose(1, 2) for each in (k, w, u))
        g_c = g[:, begin : begin + chunk_size].transpose(1, 2)
        states.append(state.to(k.dtype))
        corrected = u_c - w_c @ states[-1]
        values.append(corrected.transpose(1, 2))
        last = g_c[..., -1:]
        gated = corrected * torch.exp(last - g_c)[..., None].to(u.dtype)
        state = state * torch.exp(last)[..., None] + (k_c.mT @ gated).to(state.dtype)
    return torch.stack(states, 1), torch.cat(values, 1)


def example_args(device: str = "cpu") -> tuple[object, ...]:
    """Keys, weights, values, gates, the size of a chunk."""
    b, n, heads, dk, dv, chunk, dtype = (
        (8, 4096, 16, 64, 128, 64, torch.bfloat16) if device == "cuda" else (2, 44, 2, 16, 20, 16, torch.float32)
    )
    k = torch.nn.functional.normalize(torch.randn(b, n, heads, dk, device=device), dim=-1).to(dtype)
    w = torch.nn.functional.normalize(torch.randn(b, n, heads, dk, device=device), dim=-1).to(dtype) * 0.5
    gates = torch.cat([each.cumsum(1) for each in (-0.1 * torch.rand(b, n, heads, device=device)).split(chunk, 1)], 1)
    return k, w, torch.randn(b, n, heads, dv, device=device, dtype=dtype), gates, chunk


# Each chunk takes the state before it in half precision, where that is the inputs' precision.
EXAMPLES = [Example("gated delta rule forward h", helion_gdn_fwd_h, example_args, reference, tolerance=5e-2)]

if __name__ == "__main__":
    main(EXAMPLES)
