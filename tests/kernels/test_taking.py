"""Values put side by side, taken apart, shifted and indexed along an axis: at both levels, at sizes of all kinds.

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
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..frontend.test_values import run as run_tile


def rows(out: Tensor, x: Tensor, y: Tensor, f: Any) -> None:
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t], y[t])


def shared(out: Tensor, x: Tensor, y: Tensor, f: Any) -> None:
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t], y[...])


def tiles(out: Tensor, x: Tensor, y: Tensor, f: Any) -> None:
    for t in hl.tile(x.size()):
        out[t] = f(x[t], y[t])


def made(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return (torch.randn(shape, generator=generator) * 4).to(dtype)


X5, X6, X7, X8, Y7, CUBE = made(5, 5), made(5, 6), made(5, 7), made(5, 8), made(5, 7, seed=1), made(5, 3, 7)
HALF, INTS, BOOLS = made(5, 6, dtype=torch.float16), made(5, 7, dtype=torch.int32), made(5, 7) > 0
INDEX = made(5, 7, dtype=torch.int64) % 7
PICKS = torch.tensor([3, 0, -2, 2, 1])
THREE = torch.tensor([3, 0, 1])

ROWS: dict[str, tuple[Callable[..., Any], Tensor, Tensor]] = {
    "cat": (lambda v, w: torch.cat([v, w], -1), X7, Y7),
    "cat_uneven": (lambda v, w: torch.cat([v, w, v], 1), X5, Y7),
    "cat_of_ints": (lambda v, w: torch.cat([v, w, v], 1), INTS, INTS * 2),
    "cat_of_bools": (lambda v, w: torch.cat([v, ~w], 1), BOOLS, BOOLS),
    "cat_promotes": (lambda v, w: torch.cat([v, w], 1), INTS, Y7),
    "cat_of_a_sum": (lambda v, w: torch.cat([v, w.sum(1, keepdim=True), w[:, :1]], 1), X7, Y7),
    "cat_then_softmax": (lambda v, w: torch.cat([v, w], 1).softmax(1), X5, Y7),
    "cat_in_the_middle": (lambda v, w: torch.cat([v, w, v], 1), CUBE, CUBE * 2),
    "rotate_half": (lambda v, w: torch.cat([-v[:, 4:], v[:, :4]], -1) * w, X8, X8),
    "rotate_half_of_6": (lambda v, w: torch.cat([-v[:, 3:], w[:, :3]], -1), HALF, HALF),
    "stack_3": (lambda v, w: torch.stack([v, w, v + 2], 1), X7, Y7),
    "stack_3_last": (lambda v, w: torch.stack([v, w, v + 2], -1), X7, Y7),
    "stack_then_sum": (lambda v, w: torch.stack([v, w, v, w, v], 0).sum(0), X7, Y7),
    "stack_of_sums": (lambda v, w: torch.stack([v.sum(1), v.amax(1), w.amin(1)], 1), X7, Y7),
    "chunk_2_of_6": (lambda v, w: v.chunk(2, 1)[1] * w.chunk(2, 1)[0], HALF, HALF),
    "chunk_3_of_7": (lambda v, w: torch.chunk(v, 3, -1)[2] + w[:, :1], X7, Y7),
    "unbind_3": (lambda v, w: v.unbind(1)[2] - w.unbind(1)[0], CUBE, CUBE),
    "tensor_split": (lambda v, w: v.tensor_split(3, 1)[1] + w.narrow(1, 2, 2), X7, Y7),
    "roll": (lambda v, w: torch.roll(v, 2, 1) - w.roll(-3, -1), X7, Y7),
    "roll_two_axes": (lambda v, w: v.roll((1, 9), (1, 2)) - w, CUBE, CUBE),
    "rot90": (lambda v, w: torch.rot90(v, 1, (1, 2)), CUBE, CUBE),
    "gather_fewer": (lambda v, i: torch.gather(v, 1, i[:, :3]), X7, INDEX),
    "take_along_dim": (lambda v, i: torch.take_along_dim(v, i, 1), X7, INDEX),
    "pad": (lambda v, w: F.pad(v, (1, 2)) + F.pad(w, (3, 0), value=3.0), X7, Y7),
    "pad_two_axes": (lambda v, w: F.pad(v, (2, 0, 1, 1)), CUBE, CUBE),
    "pad_less": (lambda v, w: F.pad(v, (-1, 2)) + F.pad(w, (3, -2)), X7, Y7),
    "pad_modes": (lambda v, w: F.pad(v, (2, 3), mode="reflect") + F.pad(w, (2, 3), mode="replicate"), CUBE, CUBE),
    "repeat": (lambda v, w: v.repeat(1, 3) * w.tile(3), X5, X5),
    "repeat_interleave": (lambda v, w: v.repeat_interleave(3, 1) + w.repeat(1, 3), X5, X5),
    "unfold": (lambda v, w: v.unfold(1, 3, 2) * w[:, :3, None], X7, Y7),
    "diff": (lambda v, w: torch.diff(v, n=2, dim=1) + w[:, 2:], X7, Y7),
    "diagonal": (lambda v, w: torch.diagonal(v, 0, 1, 2) + w.diagonal(-1, 2, 1), CUBE, CUBE),
    "diag_embed": (lambda v, w: torch.diag_embed(v) + w[:, None], X5, X5),
    "trapezoid": (lambda v, w: torch.trapezoid(v, dim=1), X7, Y7),
    "glu": (lambda v, w: F.glu(v, -1) + w[:, :3], X6, X6),
    "cross": (lambda v, w: torch.linalg.cross(v, w), made(5, 3), made(5, 3, seed=3)),
    "element": (lambda v, w: v[:, 2] + w[..., -1] + v[:, w.size(1) - 3], X7, Y7),
    "element_on_the_device": (lambda v, i: v[:, i[0, 1] % 7] + v.select(1, 2), X7, INDEX[:, :2].expand(5, 2)),
    "slices": (lambda v, w: v[:, ::2] + w[:, 1:5] - v[:, -5:-1], X7, Y7),
    "neighbours": (lambda v, w: v[:, :-1] - w[:, 1:], X7, Y7),
    "mixed_subscript": (lambda v, w: v[:, 1, None, 2:5] * w[:, :, 3][..., None], CUBE, CUBE),
    "constants": (lambda v, w: v[:, [3, 1, 1]] + w[:, [0, 6, -1]], X7, Y7),
    "scatter": (lambda v, i: v.scatter(1, i[:, :1], -v).scatter(1, i[:, 1:2] * 0 + 3, 9.0), X7, INDEX),
    "scatter_add": (lambda v, i: v.scatter_add(1, i, v * 2), X7, INDEX),
    "scatter_add_in_half": (lambda v, i: (v * 0).scatter_add(1, i[:, :3], v), HALF, INDEX[:, :4] % 6),
    "scatter_of_parts": (lambda v, w: v.select_scatter(w[:, 0], 1, 2).slice_scatter(w[:, :2], 1, 4, 6), X7, Y7),
    "windows": (lambda v, w: (v.unfold(1, 3, 1) * w[:, None, :3]).sum(-1), X7, Y7),
}  # fmt: skip
SHARED: dict[str, tuple[Callable[..., Any], Tensor, Tensor]] = {
    "index_select": (lambda v, i: torch.index_select(v, 1, i % 7), X7, PICKS),
    "index_tensor": (lambda v, i: v[:, i], X7, PICKS),
    "index_tensor_in_3d": (lambda v, i: v[:, :, i] * 2, CUBE, PICKS),
    "index_matrix": (lambda v, i: v[:, i], X7, PICKS[:4].reshape(2, 2)),
    "index_add": (lambda v, i: v.index_add(1, i, v[:, :3], alpha=2).index_copy(1, i, v[:, 4:]), X7, THREE),
    "table_look_up": (lambda v, w: w[v.long() % 6] + 1, X7, made(6)),
    "embedding": (lambda v, w: F.embedding(v.long() % 6, w), INTS, made(6, 3)),
}  # fmt: skip
CASES = {**dict.fromkeys(ROWS, rows), **dict.fromkeys(SHARED, shared)}
COMPILED = ("cat_uneven", "cat_of_bools", "rotate_half_of_6", "stack_3", "roll", "pad_two_axes", "unfold", "embedding")


def check(name: str, *, level: str = "tl", binary: bool = False) -> None:
    kernel = CASES[name]
    f, x, y = (ROWS | SHARED)[name]
    wide = [v.double() if v.dtype == torch.float32 else v for v in (x, y)]
    expected, out = f(*wide), torch.zeros_like(f(x, y)).contiguous()
    if level == "tile":
        run_tile(kernel, out, x, y, f, blocks={"b0": 4})
    else:
        compiled = helion.compile(helion.kernel(kernel), helion.Config(block_sizes=[4]), (out, x, y, f))
        compiled(out, x, y, f)
        if binary:
            compiled.binary("sm_90")
    torch.testing.assert_close(out.double(), expected.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_at_both_levels(name: str) -> None:
    check(name, level="tile")
    check(name, binary=name in COMPILED)


def check_compiled() -> None:
    for name in (*COMPILED, *SHARED):
        check(name)


def test_emitted() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    root, environment = Path(__file__).parents[2], {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", "from tests.kernels.test_taking import check_compiled; check_compiled()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("block", [1, 2, 4, 16])
@pytest.mark.parametrize(
    "f",
    [
        lambda v: v.roll(1, 0),
        lambda v: F.pad(v[1:], (0, 1)),
        lambda v: torch.cat([v[-1:], v[:-1]]),
        lambda v: v - v[-1],
        lambda v: v.sum() - F.pad(v, (1, 2)).sum() + v[:-1].sum() + v,
    ],
)
def test_lanes_of_a_tile(f: Any, block: int) -> None:
    """The last tile is partly filled: the last lane is the last valid one."""

    def blocks(x: Tensor, f: Any) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = f(x[t])
        return out

    x = made(11)
    args = (x, f)
    compiled = helion.compile(helion.kernel(blocks), helion.Config(block_sizes=[block]), args)
    torch.testing.assert_close(compiled(*args), torch.cat([f(part) for part in x.split(block)]))


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda v, w: v.chunk(2, 0)[0], exc.UnsupportedSplitOperation),
        (lambda v, w: v.split(2, 1)[0], exc.UnsupportedSplitOperation),
        (lambda v, w: v[:, w > 0], exc.DataDependentOutputShapeNotSupported),
        (lambda v, w: v[:, w], exc.InvalidIndexingType),
        (lambda v, w: v[:, 9], exc.InvalidIndexingType),
        (lambda v, w: v[:, ::-1], exc.InvalidSliceStep),
        (lambda v, w: v[:, 0, 0], exc.RankMismatch),
        (lambda v, w: torch.cat([v, w[:3, None]], 1), exc.ShapeMismatch),
    ],
)  # fmt: skip
def test_refused(f: Any, error: type[exc.Base]) -> None:
    args = (made(5, 7), made(5, 7), made(7), f)
    with pytest.raises(error) as caught:
        helion.compile(helion.kernel(shared), helion.Config(block_sizes=[4]), args)
    assert "test_taking.py" in str(caught.value)
