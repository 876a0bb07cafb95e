"""`compile` and `CompiledKernel`: sources, IR at every stage, replays, what compilation prints and saves."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helion_ir.backends.triton import emit
from xdsl.parser import Parser
from xdsl.passes import PassPipeline
from xdsl.utils.arg_spec import parse_pipeline

import helion_ir
import helion_ir.language as hl
from helion_ir import Config, TensorSpec, exc
from helion_ir.pipeline import pass_table
from helion_ir.runtime.stages import context, ir_text

CONFIG = Config(block_sizes=[16, 32], num_warps=2)


@helion_ir.kernel()
def matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc
    return out


MATMUL = Config(block_sizes=[16, 32, 16], num_warps=2, l2_groupings=[2])


def operands() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(37, 20), torch.randn(20, 45)


def expected(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x.double() @ y.double()).to(x.dtype)


@pytest.mark.parametrize("level", ["tl", "tile"])
def test_both_levels_of_the_interpreter_agree(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    x, y = operands()
    compiled = helion_ir.compile(matmul, MATMUL, (x, y))
    torch.testing.assert_close(compiled(x, y), expected(x, y))
    torch.testing.assert_close(compiled(x, y=y), expected(x, y))


def test_tritons_interpreter_runs_the_emitted_module() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    call = "import torch; from tests.api.test_compile import *; x, y = operands()"
    check = "torch.testing.assert_close(helion_ir.compile(matmul, MATMUL)(x, y), expected(x, y))"
    root, environment = Path(__file__).parents[2], {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", f"{call}; {check}"], check=True, env=environment, cwd=root)


def test_an_unknown_interpreter_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", "ptx")
    with pytest.raises(exc.InvalidAPIUsage, match="HELION_INTERPRET_LEVEL"):
        helion_ir.compile(matmul, MATMUL, operands())(*operands())


def test_the_pipeline_replays_to_the_same_source() -> None:
    compiled = helion_ir.compile(matmul, MATMUL, operands())
    module = Parser(context(), compiled.ir("tile")).parse_module()
    passes = [pass_table()[spec.name]().from_pass_spec(spec) for spec in parse_pipeline(compiled.pipeline)]
    PassPipeline(tuple(passes)).apply(context(), module)
    assert emit(module) == compiled.source
    assert ir_text(module) == compiled.ir("tl")


def test_ir_at_every_stage() -> None:
    compiled = helion_ir.compile(matmul, MATMUL, operands())
    assert "tile.kernel @matmul" in compiled.ir()
    assert compiled.ir() == compiled.ir("tile")
    assert "block_sizes = {" not in compiled.ir("tile")
    assert "block_sizes = {b0 = #builtin.int<16>" in compiled.ir("scheduled")
    assert "block_sizes = {b0 = #builtin.int<16>" in compiled.ir("assign-block-sizes")
    assert "tl.func @" in compiled.ir("convert-tile-to-tl")
    assert compiled.ir("prepare-for-print") == compiled.ir("tl")
    with pytest.raises(ValueError, match="assign-block-sizes"):
        compiled.ir("no-such-pass")


def test_without_arguments_the_first_call_specializes() -> None:
    compiled = helion_ir.compile(matmul, MATMUL)
    assert compiled.config == MATMUL
    with pytest.raises(RuntimeError, match="not specialized"):
        _ = compiled.source
    x, y = operands()
    torch.testing.assert_close(compiled(x, y), expected(x, y))
    assert "@triton.jit" in compiled.source
    assert compiled.config["num_stages"] is not None
    wider = torch.randn(20, 70)
    torch.testing.assert_close(compiled(x, wider), expected(x, wider))


def test_specs_compile_for_a_gpu_that_is_not_here() -> None:
    specs = (TensorSpec((256, 128), torch.bfloat16), TensorSpec((128, 512), torch.bfloat16))
    compiled = helion_ir.compile(matmul, Config(block_sizes=[64, 128, 64], num_warps=4, num_stages=3), specs)
    assert "ptx" in compiled.binary("sm_90").asm
    resources = compiled.resources("sm_90")
    assert resources.shared_bytes > 0
    assert resources.registers > 0
    assert resources.spills == 0


@helion_ir.kernel(static_shapes=False)
def row_sums(x: torch.Tensor, transform: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for tile in hl.tile(x.size(0)):
        out[tile] = transform(x[tile, :]).sum(-1)
    return out


def test_a_kernel_whose_host_code_reads_data_compiles_without_a_gpu() -> None:
    @helion_ir.kernel()
    def first_columns(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        columns = int(counts.max().item())
        out = torch.empty([x.size(0), columns], dtype=x.dtype, device=x.device)
        for rows, column in hl.tile([x.size(0), columns]):
            out[rows, column] = x[rows, column] * 2
        return out

    args = (torch.randn(5, 20), torch.tensor([3, 13]))
    compiled = helion_ir.compile(first_columns, Config(block_sizes=[1, 16]), args)
    assert "ptx" in compiled.binary("sm_90").asm
    torch.testing.assert_close(compiled(*args), args[0][:, :13] * 2)


def test_values_that_the_host_computes_are_known_without_a_gpu() -> None:
    """A dynamic row is padded to a constexpr that depends on the arguments; a closure holds a spec, too."""
    bias = TensorSpec((100,), torch.float32)
    args = (TensorSpec((64, 100), torch.float32), lambda row: row + bias[:])
    compiled = helion_ir.compile(row_sums, Config(block_sizes=[4]), args)
    assert "next_power_of_2" in compiled.source
    assert "ptx" in compiled.binary("sm_90").asm


def test_the_emitted_module_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = operands()
    bound = matmul.bind((x, y))
    script = tmp_path / "repro.py"
    script.write_text(bound.to_triton_code(MATMUL, emit_repro_caller=True))
    assert "import helion_ir" not in script.read_text()
    module = runpy.run_path(str(script))
    assert callable(module["matmul"])
    assert callable(module["main"])


def test_what_a_compilation_shows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HELION_PRINT_OUTPUT_CODE", "1")
    monkeypatch.setenv("HELION_PRINT_IR", "assign-block-sizes")
    monkeypatch.setenv("HELION_DUMP_DIR", str(tmp_path))
    monkeypatch.setenv("HELION_VERIFY_EACH", "1")
    kernel = helion_ir.kernel(matmul.fn, config=MATMUL)
    x, y = operands()
    kernel(x, y)
    kernel(x, y)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("@triton.jit") == 1
    assert shown.err.count("after assign-block-sizes") == 1
    assert "after convert-tile-to-tl" not in shown.err
    names = sorted(os.listdir(tmp_path / "matmul"))
    assert names[0] == "00-trace.mlir"
    assert any(name.endswith("-source.py") for name in names)
    assert any("prepare-for-print" in name for name in names)


def test_only_kernels_compile() -> None:
    with pytest.raises(TypeError, match="function"):
        helion_ir.compile(matmul.fn, MATMUL)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_contractions_below_triton_s_least_do_not_take_the_next_block_s_lanes(dtype: torch.dtype) -> None:
    """Blocks of 8 take 16 lanes in a dot; what descriptors read of the next block does not count."""
    x, y = torch.randn(32, 64).to(dtype), torch.randn(64, 32).to(dtype)
    exact = x.double() @ y.double()
    for indexing in ("tensor_descriptor", "pointer"):
        compiled = helion_ir.compile(matmul, Config(block_sizes=[16, 16, 8], indexing=indexing), (x, y))
        error = (compiled(x, y).double() - exact).norm() / exact.norm()
        assert error < 1e-2, indexing
