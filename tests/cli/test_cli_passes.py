"""`helion-opt` around passes: `--check`, verification after each, errors of passes; examples replayed from Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helion_ir.dialects import tile
from helion_ir.passes.number_sites import NumberSitesPass
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

import helion_ir

from ..support import lit

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "tests" / "support" / "kernels_ir"
CONFIG_FREE = "number-sites,canonicalize,tile-canonicalize,drop-unit-dims,cse-sites,elide-precision-casts,dce"


@dataclass(frozen=True)
class SwapSubtraction(ModulePass):
    """Wrong: swaps the operands of subtractions."""

    name = "swap-subtraction"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for each in op.walk():
            if isinstance(each, arith.SubfOp):
                each.operands = (each.rhs, each.lhs)


@dataclass(frozen=True)
class ForgetTile(ModulePass):
    """Wrong: what the reductions are over is longer than the tile that they name."""

    name = "reduce-garbage"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for each in op.walk():
            if isinstance(each, tile.ReduceOp):
                each.properties["kind"] = type(each.kind)("prod")


@dataclass(frozen=True)
class BreakType(ModulePass):
    """Wrong: leaves a load without its indices."""

    name = "break-load"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        load = next(each for each in op.walk() if isinstance(each, tile.LoadOp))
        load.properties["indexing"] = tile.BlockAttr()


@dataclass(frozen=True)
class UseTooEarly(ModulePass):
    """Wrong: moves a definition behind its uses."""

    name = "use-too-early"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        load = next(each for each in op.walk() if isinstance(each, tile.LoadOp))
        block = load.parent_block()
        assert block is not None
        assert block.last_op is not None
        load.detach()
        block.insert_op_before(load, block.last_op)


@dataclass(frozen=True)
class Refuse(ModulePass):
    """Fails as a pass should."""

    name = "refuse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        raise PassFailedException("refuse: no")


@dataclass(frozen=True)
class Crash(ModulePass):
    """Fails as no pass should."""

    name = "crash"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        raise KeyError("b7")


@pytest.fixture
def faulty_passes() -> Iterator[None]:
    """The driver knows the passes of this file, too."""
    with helion_ir.Session() as session:
        for each in (SwapSubtraction, ForgetTile, BreakType, UseTooEarly, Refuse, Crash):
            session.register_pass(each, at="tile-late")
        yield


def helion_opt(*argv: str) -> lit.Finished:
    done = lit.run_command(["helion-opt", *argv])
    assert "Traceback" not in done.err
    return done


@pytest.mark.parametrize("name", ["add", "branch", "bytes", "embedding", "layer_norm", "matmul", "softmax"])
def test_check_accepts_the_config_free_passes(name: str) -> None:
    done = helion_opt(str(KERNELS / f"{name}.mlir"), "-p", CONFIG_FREE, "--check", "-o", "/dev/null")
    assert (done.code, done.err) == (0, "")


@pytest.mark.usefixtures("faulty_passes")
def test_check_names_the_pass_that_changes_results() -> None:
    kernel = str(KERNELS / "softmax.mlir")
    done = helion_opt(kernel, "-p", "canonicalize,cse-sites,swap-subtraction,dce", "--check")
    assert done.code == 1
    assert "--check: pass swap-subtraction changes results: argument out:" in done.err
    done = helion_opt(kernel, "-p", "canonicalize,reduce-garbage,dce", "--check")
    assert "--check: pass reduce-garbage changes results: argument out:" in done.err
    assert helion_opt(kernel, "-p", "canonicalize,reduce-garbage,dce").code == 0


def test_check_needs_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "empty.mlir").write_text("builtin.module {}")
    done = helion_opt(str(tmp_path / "empty.mlir"), "--check")
    assert done.code == 1
    assert "--check needs an input with one tile.kernel, found 0" in done.err


@pytest.mark.usefixtures("faulty_passes")
def test_what_a_pass_breaks_is_found_right_after_it() -> None:
    kernel = str(KERNELS / "softmax.mlir")
    done = helion_opt(kernel, "-p", "canonicalize,break-load,refuse")
    assert done.code == 1
    assert "'tile.load'" in done.err
    assert "softmax.mlir:" in done.err
    done = helion_opt(kernel, "-p", "use-too-early,refuse")
    assert done.code == 1
    assert "is used before its definition" in done.err


@pytest.mark.usefixtures("faulty_passes")
def test_a_pass_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = str(KERNELS / "softmax.mlir")
    done = helion_opt(kernel, "-p", "canonicalize,refuse")
    assert (done.code, done.err) == (1, "helion-opt: error: plugin pass refuse: refuse: no\n")
    done = helion_opt(kernel, "-p", "canonicalize,crash")
    assert (done.code, done.err) == (1, "helion-opt: error: plugin pass crash: KeyError: 'b7'\n")
    monkeypatch.setattr(NumberSitesPass, "apply", Crash.apply)
    done = helion_opt(kernel, "-p", "canonicalize,number-sites")
    assert done.code == 1
    assert done.err.startswith("helion-opt: internal error: pass number-sites: KeyError: 'b7'\n")
    assert "please report" in done.err
    monkeypatch.setenv("HELION_TRACEBACK", "1")
    with pytest.raises(KeyError):
        lit.run_command(["helion-opt", kernel, "-p", "canonicalize,crash"])


EXAMPLES = {"add": False, "matmul": True, "attention": True, "softmax": False, "layer_norm": False, "embedding": False}
"""Whether to check every stage, too: where it takes a few seconds only."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_pipeline_of_a_compiled_example_replays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compile(...).pipeline` on `helion-opt FILE.py` gives the same source, and every stage computes the same."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    module = importlib.import_module(name)
    kernel = getattr(module, name)
    config = kernel.bind(module.example_args("cpu")).config_spec.default_config()
    compiled = helion_ir.compile(kernel, config, module.example_args("cpu"))
    argv = (str(ROOT / "examples" / f"{name}.py"), "--kernel", name, "-p", compiled.pipeline, "-t", "triton")
    done = helion_opt(*argv, *(["--check"] if EXAMPLES[name] else []))
    assert (done.code, done.err) == (0, "")
    assert done.out.strip() == compiled.source.strip()
    sys.modules.pop(name, None)


HOST_ONLY = """\
import torch
import helion_ir
import helion_ir.language as hl


@helion_ir.kernel(static_shapes=False)
def kernel(x: torch.Tensor, n: int, y: torch.Tensor):
    out = torch.zeros([n * 2 + y.size(0)], device=x.device)
    for t in hl.tile(out.size(0) // 2):
        out[t] = x[t] * 2 + y.size(0)
    return out


def example_args():
    return torch.randn(40), 9, torch.randn(7)
"""


def test_sizes_of_what_the_host_alone_uses_are_checked_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "host_only.py"
    path.write_text(HOST_ONLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("host_only")
    compiled = helion_ir.compile(module.kernel, {"block_sizes": [8]}, module.example_args())
    done = helion_opt(str(path), "--check", "-p", compiled.pipeline, "-t", "triton")
    assert (done.code, done.err) == (0, "")
    assert done.out == compiled.source
