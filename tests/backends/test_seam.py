"""Another backend is a folder, or an object that is registered: found by name everywhere, and nothing else changes."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from helion_ir.dialects import tl
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Dialect
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, result_def
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

import helion_ir
import helion_ir.language as hl
from helion_ir import backends, exc

from ..support import lit
from .numpy_backend import NumPyBackend

X = torch.arange(12.0)


@helion_ir.kernel(autotune_effort="none")
def doubled(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * 2
    return out


def squared(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile] * x[tile]
    return out


@pytest.fixture
def numpy() -> Iterator[backends.Backend]:
    with backends.registered(NumPyBackend()) as backend:
        yield backend


@pytest.mark.usefixtures("numpy")
def test_compile_takes_a_backend_by_name() -> None:
    compiled = helion_ir.compile(doubled, {"block_sizes": [4], "asynchronous": True}, (X,), backend="numpy")
    assert "np.tl_load_async(" in compiled.source
    assert "_BLOCK_SIZE_0=4, num_warps=" in compiled.source
    assert "asynchronous=1" in compiled.source  # an option of the launch that a pass of the backend sets
    ast.parse(compiled.source)
    assert compiled(X) == compiled.source.count("np.")
    assert doubled.bind((X,)).backend.name == "triton"
    assert "tl.load" in helion_ir.compile(doubled, {"block_sizes": [4]}, (X,)).source


@pytest.mark.usefixtures("numpy")
def test_a_kernel_has_a_backend_as_a_setting() -> None:
    kernel = helion_ir.kernel(doubled.fn, backend="numpy", autotune_effort="none")
    source = kernel.to_triton_code((X,), {"spelling": "x", "block_sizes": [8]})
    assert "x1 = " in source or "x2 = " in source
    assert isinstance(kernel(X), int)


@pytest.mark.usefixtures("numpy")
def test_its_passes_own_config_keys_and_triton_ones_are_gone() -> None:
    spec = helion_ir.compile(doubled, {}, (X,), backend="numpy").bound.config_spec
    assert spec.default_config()["spelling"] == "v"
    assert "spelling" not in doubled.bind((X,)).config_spec.default_config()
    with pytest.raises(exc.InvalidConfig, match="range_warp_specializes"):
        spec.normalize({"range_warp_specializes": [None]})


@pytest.mark.usefixtures("numpy")
def test_configs_that_differ_in_launch_options_share_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = helion_ir.compile(doubled, {}, (X,), backend="numpy").bound
    few, many = (bound.lower({"block_sizes": [8], "num_warps": warps}) for warps in (1, 8))
    assert few.structure is not many.structure  # its passes may read both
    bound.forget_lowered()
    monkeypatch.setattr(NumPyBackend, "notes_questions", True)
    few, many = (bound.lower({"block_sizes": [8], "num_warps": warps}) for warps in (1, 8))
    assert few.structure is many.structure
    assert "num_warps=1" in few.source
    assert "num_warps=8" in many.source


@pytest.mark.usefixtures("numpy")
def test_what_a_backend_does_not_take_is_said_at_the_users_line() -> None:
    with pytest.raises(exc.BackendUnsupported, match="'numpy' cannot print this: it has no values of f64") as caught:
        helion_ir.compile(helion_ir.kernel(squared), {"block_sizes": [4]}, (X.double(),), backend="numpy")
    assert caught.value.location is not None
    assert caught.value.location.line == squared.__code__.co_firstlineno + 3


@pytest.mark.usefixtures("numpy")
def test_what_a_backend_does_not_do_is_a_typed_error() -> None:
    compiled = helion_ir.compile(doubled, {"block_sizes": [4]}, (X,), backend="numpy")
    with pytest.raises(exc.BackendUnsupported, match="'numpy' does not compile ahead of time"):
        compiled.binary("sm_90")
    with pytest.raises(exc.BackendUnsupported, match="'numpy' does not launch kernels"):
        compiled.bound.backend.launcher(compiled.source, "doubled")


@pytest.mark.usefixtures("numpy")
def test_compiled_kernels_are_pickled_with_their_backend() -> None:
    compiled = helion_ir.compile(doubled, {"block_sizes": [4]}, (X,), backend="numpy")
    again = pickle.loads(pickle.dumps(compiled))
    assert again.source == compiled.source
    assert again.bound.backend.name == "numpy"


@pytest.mark.usefixtures("numpy")
def test_helion_opt_has_it_as_a_target_and_its_passes(tmp_path: Path) -> None:
    compiled = helion_ir.compile(doubled, {"block_sizes": [4], "asynchronous": True}, (X,), backend="numpy")
    path = tmp_path / "doubled.mlir"
    path.write_text(compiled.ir("tile"))
    done = lit.run_command(["helion-opt", str(path), "-p", compiled.pipeline, "-t", "numpy"])
    assert (done.code, done.err) == (0, "")
    assert done.out.rstrip("\n") == compiled.source.rstrip("\n")


@irdl_op_definition
class AsyncLoadOp(IRDLOperation):
    """A load of a level below `tl`."""

    name = "below.load"
    address = operand_def()
    value = result_def()


@dataclass(frozen=True)
class LowerPass(ModulePass):
    name = "tl-to-below"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for load in [inner for inner in op.walk() if isinstance(inner, tl.LoadOp)]:
            below = AsyncLoadOp(operands=[load.operands[0]], result_types=[load.result.type])
            below.location = load.location
            Rewriter.replace_op(load, below)


class Below(NumPyBackend):
    """Has a level of its own below `tl`, and no use for one of the common passes."""

    name = "below"
    dialects: ClassVar = {"below": lambda: Dialect("below", [AsyncLoadOp])}
    tl_passes: ClassVar = {"tl-to-below": lambda: LowerPass, **NumPyBackend.tl_passes}
    leaves_tl = False

    def schedule(self, passes: Sequence[type[ModulePass]]) -> Sequence[type[ModulePass]]:
        return [each for each in super().schedule(passes) if each.name != "annotate-ranges"]

    def interpreted(self) -> str | None:
        return None


def test_a_backend_may_have_a_level_of_its_own(tmp_path: Path) -> None:
    with backends.registered(Below()):
        compiled = helion_ir.compile(doubled, {"block_sizes": [4]}, (X,), backend="below")
        assert "np.below_load(" in compiled.source
        assert "range_num_stages" not in compiled.config
        torch.testing.assert_close(compiled(X), X * 2)  # by the interpreter, which knows `tl`
        path = tmp_path / "below.mlir"
        path.write_text(compiled.ir("tl"))
        done = lit.run_command(["helion-opt", str(path), "-t", "below"])
        assert done.out.rstrip("\n") == compiled.source.rstrip("\n"), done.err


def test_a_backend_that_is_dropped_is_not_there() -> None:
    with backends.registered(NumPyBackend()):
        with pytest.raises(ValueError, match="there is a backend 'numpy' already"):
            backends.register("numpy", NumPyBackend)
        assert backends.names() == ["numpy", "triton"]
    for name in ("numpy", "cute", "../triton"):
        with pytest.raises(exc.BackendUnsupported, match="the backends are triton"):
            helion_ir.compile(helion_ir.kernel(doubled.fn), {"block_sizes": [4]}, (X,), backend=name)
    assert lit.run_command(["helion-opt", "-t", "numpy"]).code == 1
