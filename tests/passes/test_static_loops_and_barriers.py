"""unroll-static-range and insert-barriers keep what a kernel computes; no example needs a barrier."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from helion_ir.backends.triton.passes.prepare_for_print import PrepareForPrintPass
from helion_ir.dialects.tile import ForOp, KernelOp
from helion_ir.dialects.tl import DebugBarrierOp
from helion_ir.passes.assign_block_sizes import AssignBlockSizesPass
from helion_ir.passes.convert_tile_to_tl import ConvertTileToTlPass
from helion_ir.passes.insert_barriers import InsertBarriersPass
from helion_ir.passes.number_sites import NumberSitesPass
from helion_ir.passes.resolve_padding import ResolvePaddingPass
from helion_ir.passes.unroll_static_range import UnrollStaticRangePass
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

import helion_ir
from helion_ir.interpreter.run_tile import Argument
from helion_ir.runtime.stages import context

from ..support.differential import check_pass_agrees
from ..support.executions import case_args, example_kernel
from ..support.ir_text import parse
from ..support.matrix import MATRIX, REPRESENTATIVE, Case

FOLDER = Path(__file__).parent / "filecheck" / "tile"


def after(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    """A copy of a module that went through passes."""
    result = module.clone()
    for pass_ in passes:
        pass_.apply(context(), result)
    return result


def to_tl(module: ModuleOp) -> ModuleOp:
    return after(module, ResolvePaddingPass(), ConvertTileToTlPass(), PrepareForPrintPass())


def kernels_of(file: str) -> list[ModuleOp]:
    """Each kernel of a FileCheck case in a module of its own, with its sites numbered."""
    module = parse((FOLDER / file).read_text())
    found = [ModuleOp([op.clone()]) for op in module.ops if isinstance(op, KernelOp)]
    return [after(one, NumberSitesPass()) for one in found]


@pytest.mark.parametrize("options", list(itertools.product([False, True], repeat=3)))
def test_unrolling(options: tuple[bool, ...]) -> None:
    (before,) = kernels_of("unroll-static-range.mlir")
    unrolled = after(before, UnrollStaticRangePass(static_ranges=options))
    loops = [sum(isinstance(op, ForOp) for op in module.walk()) for module in (before, unrolled)]
    # The loop of the third entry is in that of the second, which makes two of it.
    outer, inner = (not options[1]), 0 if options[2] else 2 if options[1] else 1
    assert loops == [6, 3 + (not options[0]) + outer + inner]
    buffers = tuple(torch.randn(64) for _ in range(2))

    def args() -> list[Argument]:
        return [buffers, torch.full((64,), float("nan")), 5]

    for module in (unrolled, to_tl(unrolled)):
        _, out, _ = check_pass_agrees(before, module, args, 1e-5)
    expected = (0 + buffers[1].double()) * buffers[0].double() + 3
    torch.testing.assert_close(out, expected.float())


RUNNABLE = ("read_after_write", "in_place", "persistent", "branches")
"""The kernels of the case for insert-barriers that need no peers, and write nothing twice in different programs."""


@pytest.mark.parametrize("name", RUNNABLE)
def test_barriers_change_nothing_here(name: str) -> None:
    (before,) = [m for m in kernels_of("insert-barriers.mlir") if next(iter(m.ops)).sym_name.data == name]  # pyright: ignore[reportAttributeAccessIssue]
    guarded = after(before, AssignBlockSizesPass(block_sizes=(16,)), InsertBarriersPass())
    tensors = [torch.randn(64) for _ in range(2)]

    def args() -> list[Argument]:
        return [*(x.clone() for x in tensors), *([True] if name == "branches" else [])]

    for module in (guarded, to_tl(guarded)):
        check_pass_agrees(before, module, args, 0.0, block_sizes={"b0": 16})
        assert any(isinstance(op, DebugBarrierOp) for op in module.walk()) == (name != "persistent")


@pytest.mark.parametrize("name", MATRIX)
def test_no_example_needs_a_barrier(name: str) -> None:
    arguments = REPRESENTATIVE[name]
    for number, config in enumerate(MATRIX[name].configs(arguments)):
        for mapping in ({}, {"pid_type": "persistent_interleaved"}):
            case = Case(name, arguments, "float32", number % 2 == 0, {**config, **mapping})
            kernel = example_kernel(name, case.static_shapes)
            source = helion_ir.compile(kernel, helion_ir.Config(**case.config), case_args(case, "cpu")).source
            assert "debug_barrier" not in source, case.id
