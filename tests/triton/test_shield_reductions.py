"""Reductions that a loop carries: what Triton's thread locality makes of them, and that values are right."""

from __future__ import annotations

import pytest
import torch

import helion_ir
import helion_ir.language as hl

X = torch.linspace(-1, 2, 5 * 96).reshape(5, 96)


def carried(step):
    """The loop `acc = step(acc, x[rows, columns])`."""

    @helion_ir.kernel(autotune_effort="none")
    def kernel(x):
        out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
        for rows in hl.tile(x.size(0)):
            acc = hl.zeros([rows], dtype=torch.float32)
            for columns in hl.tile(x.size(1)):
                acc = step(acc, x[rows, columns])
            out[rows] = acc
        return out

    return kernel


STEPS = {
    "total": (lambda acc, v: v.sum(-1) + acc, 1),
    "largest": (lambda acc, v: torch.maximum(acc, v.amax(-1)), 1),
    "largest sum": (lambda acc, v: torch.maximum(acc, v.sum(-1)), 0),
    "difference": (lambda acc, v: acc - v.sum(-1), 0),
    "decayed": (lambda acc, v: acc * 0.5 + v.sum(-1), 0),
    "product of sums": (lambda acc, v: (acc + 1) * v.sum(-1), 0),
}


@pytest.mark.parametrize("name", STEPS)
def test_only_totals_are_reduced_after_the_loop(name):
    step, after = STEPS[name]
    kernel = carried(step)
    config = {"block_sizes": [4, 32], "num_warps": 1}
    want = torch.zeros(5, dtype=torch.double)
    for first in range(0, 96, 32):
        want = step(want, X.double()[:, first : first + 32])
    torch.testing.assert_close(helion_ir.compile(kernel, config, (X,))(X).double(), want, atol=1e-4, rtol=1e-4)
    wide = (helion_ir.TensorSpec([64, 4096]),)
    text = helion_ir.compile(kernel, {"block_sizes": [16, 512]}, wide).binary("sm_90").asm["ttgir"]
    assert text[text.index("scf.yield") :].count('"tt.reduce"') == after


@pytest.mark.parametrize("target", ["sm_80", "sm_90"])
def test_an_unrolled_total_compiles(target):
    config = {"block_sizes": [16, 64], "range_unroll_factors": [0, 2]}
    wide = (helion_ir.TensorSpec([64, 512]),)
    helion_ir.compile(carried(STEPS["total"][0]), config, wide).binary(target)


@helion_ir.kernel(autotune_effort="none")
def kept_and_used(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    largest = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    out = torch.empty_like(y)
    for rows in hl.tile(x.size(0)):
        acc = hl.full([rows], float("-inf"), dtype=torch.float32)
        for columns in hl.tile(x.size(1)):
            acc = torch.maximum(acc, x[rows, columns].amax(-1))
        largest[rows] = acc
        for columns in hl.tile(y.size(1)):
            out[rows, columns] = y[rows, columns] - acc[:, None]
    return largest, out


@pytest.mark.parametrize("unrolled", [0, 4])
def test_totals_of_several_uses(unrolled: int) -> None:
    """Triton asserts that what it takes apart has one use; an unrolled loop uses it once a copy."""
    x, y = torch.randn(5, 96), torch.randn(5, 33)
    config = {"block_sizes": [8, 32, 8], "range_unroll_factors": [0, 0, unrolled], "num_warps": 4}
    compiled = helion_ir.compile(kept_and_used, config, (x, y))
    largest, out = compiled(x, y)
    torch.testing.assert_close(largest, x.amax(-1))
    torch.testing.assert_close(out, y - x.amax(-1)[:, None])
    compiled.binary("sm_90")


@helion_ir.kernel(autotune_effort="none")
def normalized(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for rows in hl.tile(x.size(0)):
        largest = hl.full([rows], float("-inf"))
        for columns in hl.tile(x.size(1)):
            largest = torch.maximum(largest, x[rows, columns].amax(-1))
        for columns in hl.tile(x.size(1)):
            out[rows, columns] = x[rows, columns] - largest[:, None]
    return out


def test_a_total_whose_view_an_unrolled_loop_uses() -> None:
    x = torch.randn(5, 96)
    for factors in ([0, 0, 0], [0, 0, 4]):
        config = {"block_sizes": [8, 32, 8], "range_unroll_factors": factors, "num_warps": 4}
        compiled = helion_ir.compile(normalized, config, (x,))
        torch.testing.assert_close(compiled(x), x - x.amax(-1, keepdim=True))
        compiled.binary("sm_90")
