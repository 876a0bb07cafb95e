"""Kernels across ranks: what `symm_mem.sync` and tuples of buffers become, and that they compile."""

from __future__ import annotations

import re

import pytest
from helion_ir.backends.aot import UnsupportedTargetError, compile_for
from helion_ir.backends.triton import emit
from helion_ir.passes.assign_block_sizes import AssignBlockSizesPass
from helion_ir.passes.convert_tile_to_tl import ConvertTileToTlPass
from helion_ir.passes.prepare_for_print import PrepareForPrintPass
from xdsl.dialects.builtin import ModuleOp

from helion_ir.runtime.stages import context

from .ir_text import KERNELS, parse


def lowered(text: str) -> ModuleOp:
    """A kernel of `kernels_ir/` as a prepared `tl` module."""
    module = parse(text)
    for pass_ in (AssignBlockSizesPass(block_sizes=(64,)), ConvertTileToTlPass(), PrepareForPrintPass()):
        pass_.apply(context(), module)
    return module


@pytest.fixture(scope="module")
def all_reduce() -> str:
    return (KERNELS / "all_reduce.mlir").read_text()


def test_the_tuple_is_one_argument(all_reduce: str) -> None:
    source = emit(lowered(all_reduce), comments=False)
    assert "def _all_reduce(x, bufs, pads, out, rank, x_size_0, _BLOCK_SIZE_0: tl.constexpr):" in source
    assert "for i in tl.static_range(0, 2):\n        buf = bufs[i]\n" in source
    assert "(x, bufs, pads, out, rank, (x.size(0)), _BLOCK_SIZE_0)" in source
    assert source.count("def _symm_mem_sync(") == 1


def test_the_protocol_in_ptx(all_reduce: str) -> None:
    module = lowered(all_reduce)
    ptx = compile_for(emit(module), module, "sm_90").asm["ptx"]
    swaps = re.findall(r"atom\.(\w+)\.sys\.global\.cas\.b32 old, \[address\], (\d, \d);", ptx)
    assert swaps == [("release", "0, 1"), ("acquire", "1, 0"), ("release", "0, 1"), ("relaxed", "1, 0")]
    assert ptx.count("%tid.x;") >= 2


def test_other_gpus_are_refused(all_reduce: str) -> None:
    module = lowered(all_reduce)
    with pytest.raises(UnsupportedTargetError, match="_symm_mem_sync requires the backend cuda"):
        compile_for(emit(module), module, "gfx942")
