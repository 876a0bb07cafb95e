"""Every op points into the kernel that it comes from."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest
import torch
from xdsl.dialects.builtin import FileLineColLoc

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace


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


TWIN = """
import torch
import helion_ir
import helion_ir.language as hl


def helper(value, k):
    if k > 0:
        return value.view(3, -1)
    return value


def twin(x: torch.Tensor, k: hl.constexpr) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = helper(x[t], k)
    return out
"""


@pytest.mark.parametrize("k", [0, 1])
def test_twins_in_two_files_have_places_of_their_own(tmp_path: Path, k: int) -> None:
    for name in ("first_twin", "second_twin"):
        path = tmp_path / f"{name}_{k}.py"
        path.write_text(TWIN)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        args = (torch.zeros(5), k)
        if k:
            with pytest.raises(exc.ShapeMismatch) as caught:
                trace(module.twin, args)
            assert caught.value.location is not None
            assert caught.value.location.file == str(path)
        else:
            traced = trace(module.twin, args)
            assert f"# src[{path.name}:" in next(iter(traced.module.ops)).host.data
            files = {op.location.filename.data for op in traced.module.walk() if op.parent is not None}
            assert files == {str(path)}
