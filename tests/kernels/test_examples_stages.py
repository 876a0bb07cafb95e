"""Every example at every stage, under configs that differ in all that the schedule decides.

What each pass leaves verifies (dominance and scoping included), prints the same after parsing, and computes what the
config-free module computes; the pipeline's text replays through helion-opt to the same Triton source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helion_ir.dialects.verify import verify_module
from xdsl.dialects.builtin import ModuleOp

import helion_ir
from helion_ir.cli import opt
from helion_ir.pipeline import Pipeline
from helion_ir.runtime.execute import Run, interpret_tile, interpret_tl
from helion_ir.runtime.stages import context, ir_text
from helion_ir.runtime.structure import Structures

from ..support import ir_text as ir
from ..support.executions import case_args, example_kernel, expect_close, poisoned_allocations
from ..support.matrix import MATRIX, REPRESENTATIVE, Case

CASES = [
    Case(name, REPRESENTATIVE[name], ("float32", "bfloat16")[number % 2], number % 3 != 2, config)
    for name, example in MATRIX.items()
    for number, config in enumerate(example.configs(REPRESENTATIVE[name]))
]
CONFIGS = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def compiled(case: Case) -> helion_ir.CompiledKernel:
    """The case's kernel under its config."""
    kernel = example_kernel(case.example, case.static_shapes)
    return helion_ir.compile(kernel, helion_ir.Config(**case.config), case_args(case, "cpu"))


def stages(case: Case) -> Iterator[tuple[str, ModuleOp]]:
    """The config-free module, then what each pass leaves; one module, changed in place."""
    kernel = compiled(case)
    module = kernel.bound.tile_module.clone()
    yield "tile", module
    for pass_ in Pipeline().scheduled(kernel.config, module):
        pass_.apply(context(), module)
        yield pass_.name, module


def test_enough_configs() -> None:
    for name, example in MATRIX.items():
        assert len(example.configs(REPRESENTATIVE[name])) >= 8


@CONFIGS
def test_verifies_and_prints_what_it_parses(case: Case) -> None:
    for stage, module in stages(case):
        verify_module(module)
        text = ir_text(module)
        parsed = ir.parse(text, f"{case.example} after {stage}")
        verify_module(parsed)
        assert ir_text(parsed) == text, f"after {stage}"


@CONFIGS
def test_every_pass_keeps_the_results(case: Case) -> None:
    args = case_args(case, "cpu")
    kernel = compiled(case)
    blocks = Structures(kernel.bound.tile_module).sizes(kernel.config)
    first: tuple[torch.Tensor, ...] | None = None
    before = ""
    for stage, module in stages(case):
        if (text := ir_text(module)) == before:
            continue
        before = text
        is_tile = any(op.name == "tile.kernel" for op in module.ops)
        run: Run = interpret_tile(module, blocks) if is_tile else interpret_tl(module)
        with poisoned_allocations():
            results = run(*args)
        results = results if isinstance(results, tuple) else (results,)
        if first is None:
            expect_close(case, results, args)
            first = results
        for ours, theirs in zip(results, first, strict=True):
            torch.testing.assert_close(ours, theirs, msg=lambda text, stage=stage: f"after {stage}: {text}")


@CONFIGS
def test_the_pipeline_replays(case: Case, tmp_path: Path) -> None:
    kernel = compiled(case)
    module, source = tmp_path / "kernel.mlir", tmp_path / "kernel.py"
    module.write_text(kernel.ir("tile"))
    code = opt.main([str(module), "-p", kernel.pipeline, "-t", "triton", "-o", str(source)])
    assert code == 0
    assert source.read_text() == kernel.source
