"""Kernels across ranks: what `symm_mem.sync` and tuples of buffers become, and that they compile."""

from __future__ import annotations

import re

import pytest
from helion_ir.backends.triton import emit
from helion_ir.backends.triton.passes.prepare_for_print import PrepareForPrintPass
from helion_ir.backends.triton.runtime.aot import compile_for
from helion_ir.passes.assign_block_sizes import AssignBlockSizesPass
from helion_ir.passes.assign_indexing import AssignIndexingPass
from helion_ir.passes.convert_tile_to_tl import ConvertTileToTlPass
from helion_ir.passes.insert_barriers import InsertBarriersPass
from helion_ir.passes.number_sites import NumberSitesPass
from helion_ir.passes.unroll_static_range import UnrollStaticRangePass
from xdsl.dialects.builtin import ModuleOp

from helion_ir import exc
from helion_ir.runtime.stages import context

from ..support.ir_text import KERNELS, parse


def lowered(text: str, *, unrolled: bool = False, indexing: str = "pointer") -> ModuleOp:
    """A kernel of `kernels_ir/` as a prepared `tl` module."""
    module = parse(text)
    for pass_ in (
        NumberSitesPass(), AssignBlockSizesPass(block_sizes=(64,)), UnrollStaticRangePass(static_ranges=(unrolled,)),
        InsertBarriersPass(), AssignIndexingPass(indexing=(indexing,) * 4),
        ConvertTileToTlPass(), PrepareForPrintPass(),
    ):  # fmt: skip
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
    assert source.count("def _symm_mem_sync(") == source.count("def _symm_mem_slots(") == 1
    assert source.count("theirs, ours = _symm_mem_slots(") == 1


def test_unrolled_elements_are_constants(all_reduce: str) -> None:
    source = emit(lowered(all_reduce, unrolled=True), comments=False)
    assert "static_range" not in source
    assert "own = bufs[1]\n" in source
    assert "buf = bufs[0]\n" in source


def test_only_what_no_peer_touches_goes_through_descriptors(all_reduce: str) -> None:
    source = emit(lowered(all_reduce, indexing="tensor_descriptor"), comments=False)
    assert re.findall(r"make_tensor_descriptor\((\w+),", source) == ["x"]


@pytest.mark.parametrize("unrolled", [False, True])
def test_the_protocol_in_ptx(all_reduce: str, unrolled: bool) -> None:
    """Barriers order the stores before the release, the loads after the acquire, and the last ones before the end."""
    module = lowered(all_reduce, unrolled=unrolled)
    ptx = compile_for(emit(module), module, "sm_90").asm["ptx"]
    steps = re.findall(r"st\.global|bar\.sync|(?:red|atom)\.\w+\.sys\.global\.\w+|ld\.global\.b32", ptx)
    names = [step.replace(".sys.global", "") for step in steps]
    meet = ["bar.sync", "red.release.add", "atom.acquire.cas", "bar.sync"]
    leave = ["bar.sync", "red.release.add", "atom.relaxed.cas"]
    loads, store = ["ld.global.b32"], ["st.global"]
    assert names == [*loads, *store, *meet, *loads * 2, *store, *leave]


def test_other_gpus_are_refused(all_reduce: str) -> None:
    module = lowered(all_reduce)
    with pytest.raises(exc.BackendUnsupported, match=r"symm_mem\.slots requires the platform cuda"):
        compile_for(emit(module), module, "gfx942")
