"""Matrix products of any ranks, dtypes and sizes, and what PyTorch makes of them: at both levels.

Each row is the body of a kernel that takes tiles of rows, and of its second operand all or the same rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, einsum

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..frontend.test_values import run as run_tile
from .test_taking import made, rows, shared

A, W, VECTOR = made(5, 16), made(16, 8, seed=1), made(16)
BATCH, RIGHT, X4, Y4 = made(5, 3, 16), made(5, 16, 8), made(5, 2, 3, 16), made(5, 2, 16, 7)
HALF, HALF_W = made(5, 16, dtype=torch.float16), made(16, 8, dtype=torch.float16)
INTS, INTS_W = made(5, 20, dtype=torch.int32), made(20, 8, dtype=torch.int32)
F64 = torch.float64

ROWS: dict[str, tuple[Callable[..., Any], Tensor, Tensor]] = {
    "batched": (lambda x, y: x @ y, BATCH, RIGHT),
    "four_dims": (lambda x, y: x @ y, X4, Y4),
    "batch_dims_broadcast": (lambda x, y: x[:, :, None] @ y[:, None], made(5, 2, 3, 16), made(5, 4, 16, 7)),
    "odd_sizes": (lambda x, y: x @ y, made(5, 3, 5), made(5, 5, 7)),
    "matrices_by_vectors": (lambda x, y: torch.matmul(x, y[:, 0, :, None]).squeeze(-1), BATCH, BATCH),
    "baddbmm": (lambda x, y: torch.baddbmm(x[:, :, :8], x, y, beta=2), BATCH, RIGHT),
    "attention": (lambda q, k: torch.softmax(q @ k.transpose(-1, -2) * 0.1, -1) @ k, X4, made(5, 2, 4, 16)),
    "sdpa": (lambda q, k: F.scaled_dot_product_attention(q, k, k), X4, made(5, 2, 4, 16)),
    "sdpa_causal": (lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True, scale=0.5), X4, X4 * 0.5),
    "sdpa_bias": (lambda q, k: F.scaled_dot_product_attention(q, k, k, attn_mask=q[..., :3]), X4, X4 * 0.5),
    "sdpa_grouped": (
        lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True), made(5, 4, 3, 16), made(5, 2, 6, 16)
    ),
    "einsum_batch": (lambda x, y: einsum("bik,bkj->bij", x, y), BATCH, RIGHT),
    "einsum_heads": (lambda x, y: einsum("bhqd,bhdk->bhqk", x, y), X4, Y4),
    "einsum_products": (lambda x, y: einsum("bi,bi->b", x, y), A, A * 2),
    "distances": (lambda x, y: torch.cdist(x, y) + torch.cdist(x, y, p=1.0), BATCH, made(5, 4, 16)),
    "group_norm": (lambda x, y: F.group_norm(x, 2) + y, made(5, 6, 7), made(5, 6, 7)),
    "group_norm_in_half": (lambda x, y: F.group_norm(x, 3) * y, HALF[:, :15].contiguous(), HALF[:, :15].contiguous()),
    "einsum_sums": (lambda x, y: einsum("bqd,bdk->bq", x, y), BATCH, RIGHT),
}  # fmt: skip
SHARED: dict[str, tuple[Callable[..., Any], Tensor, Tensor]] = {
    "matrix": (lambda x, y: x @ y, HALF, HALF_W),
    "vector": (lambda x, y: x @ y + torch.mv(x, y), A, VECTOR),
    "one_matrix_for_a_batch": (lambda x, y: x @ y, BATCH, W),
    "one_matrix_for_two_batches": (lambda x, y: torch.matmul(x, y), X4, W),
    "batch_on_the_right": (lambda x, y: (y.transpose(-1, -2) @ x.T).permute(2, 0, 1), A, RIGHT),
    "linear": (lambda x, y: F.linear(x, y.T, y[1]), BATCH, W),
    "linear_in_4d": (lambda x, y: F.linear(x, y.T), X4, W),
    "addmm": (lambda x, y: torch.addmm(y[0], x, y, beta=2, alpha=3), A, W),
    "ints": (lambda x, y: x @ y, INTS, INTS_W),
    "longs": (lambda x, y: x.long() @ y.long() + torch.addmm(x[:, :8], x, y), INTS, INTS_W),
    "one_lane": (lambda x, y: x @ y, made(5, 3, 1), made(1, 7)),
    "few_lanes": (lambda x, y: x @ y, made(5, 4, 3), made(3, 7)),
    "one_column": (lambda x, y: x @ y, BATCH, made(16, 1)),
    "einsum": (lambda x, y: einsum("ik,kj", x, y), A, W),
    "einsum_outer": (lambda x, y: einsum("bi,j->bij", x, y), A, VECTOR),
    "einsum_three": (lambda x, y: einsum("bi,ij,kj->bk", x, y, y), A, W),
    "inner": (lambda x, y: torch.inner(x, y.T) + torch.tensordot(x, y, dims=1), A, W),
    "dots": (lambda x, y: x * torch.dot(y, y) + torch.outer(x[:, 0], y) + torch.vdot(y, y), A, VECTOR),
    "group_norm_with_weights": (lambda x, y: F.group_norm(x, 2, y, y + 1), made(5, 6, 7), made(6)),
    "kron": (lambda x, y: torch.kron(x, y[None, :3]), A, VECTOR),
    "chain": (lambda x, y: torch.linalg.multi_dot([x, y, y.T]), A, W),
    "addmv": (lambda x, y: torch.addmv(x[:, 0], x, y)[:, None] + torch.addr(x, x[:, 1], y), A, VECTOR),
}  # fmt: skip
CASES = {**dict.fromkeys(ROWS, rows), **dict.fromkeys(SHARED, shared)}
COMPILED = ("four_dims", "odd_sizes", "one_matrix_for_two_batches", "longs", "few_lanes", "sdpa_grouped")


def check(name: str, *, level: str = "tl", binary: bool = False) -> None:
    kernel = CASES[name]
    f, x, y = (ROWS | SHARED)[name]
    wide = [v.to(F64) if v.is_floating_point() else v for v in (x, y)]
    expected, out = f(*wide), torch.zeros_like(f(x, y)).contiguous()
    if level == "tile":
        run_tile(kernel, out, x, y, f, blocks={"b0": 4})
    else:
        whole = helion.kernel(kernel, dot_precision="ieee")
        compiled = helion.compile(whole, helion.Config(block_sizes=[4]), (out, x, y, f))
        compiled(out, x, y, f)
        if binary:
            compiled.binary("sm_90")
    tolerance = 5e-3 if out.dtype == torch.float16 else 1e-4
    torch.testing.assert_close(out.to(F64), expected.to(F64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_at_both_levels(name: str) -> None:
    check(name, level="tile")
    check(name, binary=name in COMPILED)


def check_compiled() -> None:
    for name in COMPILED:
        check(name)


def test_emitted() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    root, environment = Path(__file__).parents[2], {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", "from tests.kernels.test_products import check_compiled; check_compiled()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def tiled(x: Tensor, y: Tensor, bias: Tensor) -> Tensor:
    b, s, k = x.size()
    out = torch.empty([b, s, y.size(1)], device=x.device)
    for t_b, t_s, t_n in hl.tile([b, s, y.size(1)]):
        acc = hl.zeros([t_b, t_s, t_n])
        for t_k in hl.tile(k):
            acc = acc + x[t_b, t_s, t_k] @ y[t_k, t_n]
        out[t_b, t_s, t_n] = acc + bias[t_n]
    return out


@pytest.mark.parametrize("blocks", [[2, 4, 16, 16], [1, 8, 8, 4], [4, 1, 32, 32]])
def test_tiles_of_a_batch_by_one_matrix(blocks: list[int]) -> None:
    x, y, bias = made(3, 7, 37), made(37, 21), made(21)
    kernel = helion.kernel(tiled, dot_precision="ieee")
    compiled = helion.compile(kernel, helion.Config(block_sizes=blocks), (x, y, bias))
    torch.testing.assert_close(compiled(x, y, bias), (x.double() @ y.double() + bias).float(), rtol=1e-4, atol=1e-4)


def test_out_dtype() -> None:
    """Of what is accumulated: the product is not rounded to the operands' dtype before."""

    def wide(x: Tensor, y: Tensor) -> Tensor:
        out = torch.empty([x.size(0), y.size(1)], device=x.device)
        for t in hl.tile(x.size(0)):
            out[t, :] = torch.mm(x[t, :], y[:, :], out_dtype=torch.float32)
        return out

    compiled = helion.compile(helion.kernel(wide), helion.Config(block_sizes=[16]), (HALF, HALF_W))
    torch.testing.assert_close(compiled(HALF, HALF_W), HALF.float() @ HALF_W.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x, y: x @ y[:3], exc.ShapeMismatch),
        (lambda x, y: x[:, None].expand(-1, 2, -1)[:, :, None] @ y.expand(3, 16, 8), exc.DotBatchDimensionMismatch),
        (lambda x, y: (x > 0) @ (y > 0), exc.InductorLoweringError),
        (lambda x, y: torch.mm(x, y[0]), exc.RankMismatch),
    ],
)
def test_refused(f: Any, error: type[exc.Base]) -> None:
    args = (made(5, 8), A, W, f)
    with pytest.raises(error) as caught:
        helion.compile(helion.kernel(shared), helion.Config(block_sizes=[4]), args)
    assert "test_products.py" in str(caught.value)
