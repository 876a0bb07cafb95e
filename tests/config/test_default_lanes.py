"""Default blocks of nested loops share a program's lanes, whatever their extents."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel()
def one_loop_of_two(x: torch.Tensor, parts: int) -> torch.Tensor:
    views = x.view(x.size(0), parts, -1)
    out = torch.empty([x.size(0)], device=x.device)
    for i in hl.tile(x.size(0), block_size=1):
        total = hl.zeros([i])
        for j, k in hl.tile([views.size(1), views.size(2)]):
            total = total + views[i, j, k].sum(-1).sum(-1)
        out[i] = total
    return out


@helion_ir.kernel()
def loop_in_loop(x: torch.Tensor, parts: int) -> torch.Tensor:
    views = x.view(x.size(0), parts, -1)
    out = torch.empty([x.size(0)], device=x.device)
    for i in hl.tile(x.size(0), block_size=1):
        total = hl.zeros([i])
        for j in hl.tile(views.size(1)):
            for k in hl.tile(views.size(2)):
                total = total + views[i, j, k].sum(-1).sum(-1)
        out[i] = total
    return out


@helion_ir.kernel()
def loop_by_loop(x: torch.Tensor, parts: int) -> torch.Tensor:
    views = x.view(x.size(0), parts, -1)
    out = torch.empty([x.size(0)], device=x.device)
    for i in hl.tile(x.size(0), block_size=1):
        total = hl.zeros([i])
        for j in hl.tile(views.size(1)):
            total = total + views[i, j, 0].sum(-1)
        for k in hl.tile(views.size(2)):
            total = total + views[i, 0, k].sum(-1)
        out[i] = total
    return out


@pytest.mark.parametrize(("kernel", "together"), [(one_loop_of_two, True), (loop_in_loop, True), (loop_by_loop, False)])
@pytest.mark.parametrize("static_shapes", [True, False])
def test_lanes_of_a_program(kernel: Any, together: bool, static_shapes: bool) -> None:
    """Extents that the arguments decide are not known; blocks of one value multiply, those of others do not."""
    x = torch.randn(5, 12 * 4096)
    bound = helion_ir.kernel(kernel.fn, static_shapes=static_shapes).bind((x, 12))
    blocks = list(bound.config_spec.default_config()["block_sizes"])
    assert (math.prod(blocks) if together else max(blocks)) == 1024


@helion_ir.kernel()
def shares_of_rows(x: torch.Tensor) -> torch.Tensor:
    block = hl.register_block_size(x.size(0))
    out = torch.empty([helion_ir.cdiv(x.size(0), block), x.size(1)], device=x.device)
    for share in hl.tile(x.size(0), block_size=block):
        total = hl.zeros([x.size(1)])
        for row in hl.tile(share.begin, share.end):
            total = total + x[row, :].sum(0)
        out[share.id, :] = total
    return out


@pytest.mark.parametrize(("rows", "share"), [(37, 1), (4096, 8), (5000, 8), (100_000, 128)])
def test_programs_that_walk_over_shares(rows: int, share: int) -> None:
    """A block that is no value's leaves as many programs as a device is busy with, and takes no lanes of the others."""
    bound = shares_of_rows.bind((helion_ir.TensorSpec([rows, 64]),))
    assert list(bound.config_spec.default_config()["block_sizes"]) == [share, 16]


@pytest.mark.parametrize("parts", [4, 12, 84])
def test_sizes_that_divide_by_an_argument(parts: int) -> None:
    """A size that is a quotient of an argument: PyTorch's check that it divides holds for this call, and is guarded."""
    x = torch.randn(5, 168)
    torch.testing.assert_close(one_loop_of_two(x, parts), x.sum(1))
