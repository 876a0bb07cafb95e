"""Every op points into the kernel that it comes from."""

from __future__ import annotations

import inspect

import torch
from xdsl.dialects.builtin import FileLineColLoc

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel()
def shift_and_store(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        total = x[tile, :].sum(-1)
        out[tile, :] = x[tile, :] - total[:, None]
    return out


def test_ops_of_a_kernel_called_from_its_own_file_point_into_the_kernel() -> None:
    lines, first = inspect.getsourcelines(shift_and_store.fn)
    module = shift_and_store.bind((torch.zeros(3, 5),)).tile_module
    places = [op.location for op in module.walk() if op.parent is not None]
    assert all(isinstance(place, FileLineColLoc) for place in places)
    outside = {place.line.data for place in places if isinstance(place, FileLineColLoc)} - {
        *range(first, first + len(lines))
    }
    assert not outside
