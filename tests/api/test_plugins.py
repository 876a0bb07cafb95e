"""Plugins: registered in a session, refused where they cannot work, verified, tuned, replayed, forgotten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
import torch
from helion_ir.dialects.op_rules import Interpreted, Lowered, Printed
from helion_ir.dialects.tile import KernelOp, LoadOp, StoreOp
from helion_ir.passes.schedule import Key, SchedulePass
from xdsl.context import Context
from xdsl.dialects import arith, builtin, math
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Dialect
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, result_def, traits_def
from xdsl.passes import ModulePass, PassPipeline
from xdsl.rewriter import Rewriter
from xdsl.traits import Pure

import helion_ir
import helion_ir.language as hl
from helion_ir import Session, exc
from helion_ir import session as session_module
from helion_ir.autotuner import IntegerFragment
from helion_ir.autotuner.strategies import FiniteSearch
from helion_ir.pipeline import pass_table, pipeline_string
from helion_ir.session import current

X = torch.randn(7, 19, generator=torch.Generator().manual_seed(1))


@helion_ir.kernel(autotune_effort="none")
def rows(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.size(0))
    for t in hl.tile(x.size(0)):
        out[t] = x[t, :].sum(-1) - 1
    return out


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@dataclass(frozen=True)
class Twice(ModulePass):
    """Doubles what is stored."""

    name = "twice"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for store in [each for each in op.walk() if isinstance(each, StoreOp)]:
            double = arith.AddfOp(store.value, store.value)
            Rewriter.insert_op(double, builtin_before(store))
            store.operands[list(store.operands).index(store.value)] = double.result


def builtin_before(op: Any) -> Any:
    from xdsl.rewriter import InsertPoint  # noqa: PLC0415

    return InsertPoint.before(op)


@dataclass(frozen=True)
class SignKernels(ModulePass):
    """A plugin with plain options."""

    name: ClassVar[str] = "sign-kernels"

    loud: bool = False
    times: int = field(default=1, metadata={"fragment": IntegerFragment(1, 4)})

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel_op in op.walk():
            if isinstance(kernel_op, KernelOp):
                kernel_op.attributes["signed"] = StringAttr(("ME" if self.loud else "me") * self.times)


# When a plugin counts --------------------------------------------------------------------------------------------


def test_calls_see_the_plugins_of_now_and_what_is_compiled_keeps_those_it_was_made_with(session: Session) -> None:
    plain, bound = helion_ir.compile(rows, {"block_sizes": [4]}, (X,)), rows.bind((X,))
    expected = rows(X)
    session.register_pass(Twice, at="tile-late")
    torch.testing.assert_close(rows(X), 2 * expected)
    assert rows.bind((X,)) is not bound
    twice = helion_ir.compile(rows, {"block_sizes": [4]}, (X,))
    session.unregister_pass(Twice)
    torch.testing.assert_close(rows(X), expected)
    assert rows.bind((X,)) is bound
    for each, factor in ((plain, 1), (bound, 1), (twice, 2)):
        torch.testing.assert_close(each(X), factor * expected)
        torch.testing.assert_close(
            each(X[:5].contiguous()) if each is twice else expected[:5] * factor, factor * expected[:5]
        )
    assert "twice" in twice.pipeline
    assert "twice" not in plain.pipeline


def test_sessions_nest_and_leave_nothing_behind() -> None:
    outer, expected = current(), rows(X)
    with Session() as one:
        one.register_pass(Twice, at="tile-early")
        torch.testing.assert_close(rows(X), 2 * expected)
        with Session():
            torch.testing.assert_close(rows(X), expected)
        torch.testing.assert_close(rows(X), 2 * expected)
    assert current() is outer
    torch.testing.assert_close(rows(X), expected)


def test_the_functions_of_the_package_are_those_of_the_current_session(session: Session) -> None:
    assert helion_ir.register_pass(Twice, at="tl-late") is Twice
    assert session.plugins.passes("tl-late") == [Twice]
    helion_ir.unregister_pass(Twice)
    assert session.plugins == Session().plugins


# What is refused -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nop(ModulePass):
    name = "nop"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pass


@dataclass(frozen=True)
class Typo(ModulePass):
    name = "typo"

    def aply(self, ctx: Context, op: ModuleOp) -> None:
        pass


@dataclass(frozen=True)
class Required(Nop):
    name = "required"
    factor: int  # pyright: ignore[reportGeneralTypeIssues]


@dataclass(frozen=True)
class Unspellable(Nop):
    name = "unspellable"
    table: NoSuchName = 1  # noqa: F821 - the point of it


@dataclass(frozen=True)
class TakesAKey(SchedulePass):
    name = "takes-a-key"
    keys: ClassVar[tuple[Key, ...]] = (Key("num_warps", scalar=True),)

    @classmethod
    def search_space(cls, module: ModuleOp) -> Any:
        return {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pass


REFUSED = (
    (Nop(), "tile-late", "is no pass class"),
    (int, "tile-late", "is no pass class"),
    (Nop, "early", "unknown stage 'early'"),
    (Typo, "tile-late", "does not define apply"),
    (Required, "tile-late", "no default for option factor"),
    (Unspellable, "tile-late", "no spelling in a pipeline"),
    (type("NoName", (Nop,), {"name": "No Name"}), "tile-late", "its name is 'No Name'"),
    (type("Taken", (Nop,), {"name": "roll-reductions"}), "tile-late", "a pass named 'roll-reductions' already"),
    (TakesAKey, "tile-late", "config key num_warps belongs to pass set-launch-options"),
    (SignKernels, "tile-early", "no config yet to choose sign-kernels.loud, sign-kernels.times"),
)


@pytest.mark.parametrize(("pass_", "at", "message"), REFUSED, ids=lambda each: getattr(each, "__name__", None))
def test_what_cannot_work_is_refused_when_it_is_registered(session: Session, pass_: Any, at: Any, message: str) -> None:
    with pytest.raises(exc.PluginError, match=message) as info:
        session.register_pass(pass_, at)
    assert isinstance(info.value, ValueError)
    assert not session.plugins.entries


# What a plugin leaves --------------------------------------------------------------------------------------------


class UseEarly(Nop):
    name = "use-early"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        late = next(each for each in op.walk() if isinstance(each, arith.SubfOp))
        block = late.parent
        assert block is not None
        assert block.first_op is not None
        late.detach()
        block.insert_op_before(late, block.first_op)


class BadType(Nop):
    name = "bad-type"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        found = next(each for each in op.walk() if isinstance(each, arith.SubfOp))
        Rewriter.replace_value_with_new_type(found.result, builtin.f32)


class AddsARef(Nop):
    name = "adds-a-ref"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        store = next(each for each in op.walk() if each.name.endswith(".store"))
        assert store.parent is not None
        twice = arith.AddfOp(store.operands[0], store.operands[0])
        store.parent.insert_op_before(twice, store)
        store.operands[0] = twice.result


class Raises(Nop):
    name = "raises"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        raise KeyError("mine")


@pytest.mark.parametrize("at", ["tile-early", "tile-late", "tl-late"])
@pytest.mark.parametrize("pass_", [UseEarly, BadType, AddsARef, Raises])
def test_a_plugin_that_fails_or_leaves_wrong_ir_is_named(session: Session, pass_: Any, at: Any) -> None:
    session.register_pass(pass_, at)
    with pytest.raises(exc.PluginError, match=rf"plugin pass {pass_.name} on kernel rows"):
        helion_ir.compile(rows, {"block_sizes": [4]}, (X,))


# Ops, operators, strategies --------------------------------------------------------------------------------------


@irdl_op_definition
class OpaqueAbsOp(IRDLOperation):
    """Declares nothing of its axes; the same op in `tl`."""

    name = "mine.opaque_abs"
    input = operand_def()
    result = result_def()
    traits = traits_def(Lowered(lambda low, op: low.emit.op(math.AbsFOp, (low.value(op.input),)).results))


@irdl_op_definition
class AbsOp(IRDLOperation):
    name = "mine.abs"
    input = operand_def()
    result = result_def()
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"
    traits = traits_def(
        Pure(),
        Interpreted(lambda op, args: (args[0].abs(),)),
        Printed("triton", lambda context, op: _call(context.expr(op.input))),
    )


@irdl_op_definition
class BareOp(IRDLOperation):
    """Says nothing of itself."""

    name = "mine.bare"
    input = operand_def()
    result = result_def()


def _call(value: Any) -> Any:
    from helion_ir.backends.triton.expressions import call  # noqa: PLC0415

    return call("tl.abs", value)


def inserting(op: Any, title: str) -> type[ModulePass]:
    class Insert(Nop):
        name = title

        def apply(self, ctx: Context, module: ModuleOp) -> None:
            for load in [each for each in module.walk() if isinstance(each, LoadOp)]:
                value = load.results[0]
                uses = list(value.uses)
                made = op(operands=[value], result_types=[value.type])
                load.parent.insert_op_after(made, load)
                for use in uses:
                    use.operation.operands[use.index] = made.results[0]

    return Insert


@pytest.mark.parametrize("at", ["tile-early", "tile-late"])
@pytest.mark.parametrize("op", [AbsOp, OpaqueAbsOp])
def test_an_op_of_a_plugin_brings_its_rules_and_its_space_is_that_of_what_is_scheduled(
    session: Session, op: Any, at: Any
) -> None:
    session.register_pass(inserting(op, "insert-abs"), at)
    expected = X.abs().sum(1) - 1
    spec = rows.bind((X,)).config_spec
    for config in (spec.default_config(), *(spec.random(Random(seed)) for seed in range(6))):
        compiled = helion_ir.compile(rows, config, (X,))
        torch.testing.assert_close(compiled(X), expected)
        compile(compiled.source, "source", "exec")
        assert "tl.abs" in compiled.source
    if at == "tile-early":  # nothing may be rolled along axes of which an op says nothing
        assert not spec.reduction_loops


def test_an_op_without_rules_is_refused_by_name(session: Session) -> None:
    session.register_pass(inserting(BareOp, "insert-bare"), "tile-late")
    with pytest.raises(exc.BackendUnsupported, match=r"it has no mine\.bare"):
        helion_ir.compile(rows, {"block_sizes": [4]}, (X,))


def test_an_operator_of_the_users_has_a_lowering(session: Session) -> None:
    @session.register_operator(torch.special.erfcx, torch.ops.aten.special_erfcx.default)
    def _(tracer: Any, x: Any) -> Any:
        return x + x

    @helion_ir.kernel(autotune_effort="none")
    def doubled(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t, :] = torch.special.erfcx(x[t, :])
        return out

    torch.testing.assert_close(doubled(X), 2 * X)
    with Session():
        torch.testing.assert_close(doubled(X), torch.special.erfcx(X))


def test_a_strategy_is_found_by_name(session: Session) -> None:
    asked: list[int] = []

    def make(spec: Any, seeds: Any, copies: int) -> Any:
        asked.append(copies)
        return FiniteSearch([*seeds[:1], spec.normalize({"block_sizes": [2]})])

    session.register_strategy("mine", make)
    tuned = helion_ir.kernel(rows.fn, autotuner="mine", autotune_benchmark_fn=lambda run, args: 1.0)
    assert tuned.autotune((X,)) is not None
    assert asked


# Tuning and replaying --------------------------------------------------------------------------------------------


def test_a_plugin_with_plain_options_joins_the_search_space(session: Session) -> None:
    session.register_pass(SignKernels, at="tile-late")
    bound = rows.bind((X,))
    found = bound.config_spec
    assert found.default_config()["sign-kernels.times"] == 1
    drawn = {(c["sign-kernels.loud"], c["sign-kernels.times"]) for c in (found.random(Random(i)) for i in range(40))}
    assert len(drawn) == 8
    config = found.normalize({"block_sizes": [16], "sign-kernels.loud": True, "sign-kernels.times": 3})
    passes = bound.pipeline.scheduled(config, found.module, to_tl=False)
    assert passes[-1] == SignKernels(loud=True, times=3)
    table = {**pass_table(), SignKernels.name: lambda: SignKernels}
    assert list(PassPipeline.parse_spec(table, pipeline_string(passes)).passes) == passes
    with pytest.raises(exc.InvalidConfig, match=r"sign-kernels\.times: 9 is not legal"):
        found.normalize({"block_sizes": [16], "sign-kernels.times": 9})
    session.unregister_pass(SignKernels)
    assert "sign-kernels.times" not in rows.bind((X,)).config_spec.default_config()


FILE = """
import torch, helion_ir, helion_ir.language as hl
from dataclasses import dataclass
from xdsl.passes import ModulePass

@dataclass(frozen=True)
class Shout(ModulePass):
    name = "shout"
    loud: bool = True
    def apply(self, ctx, op): pass

helion_ir.register_pass(Shout, at="tile-late")

@helion_ir.kernel()
def inc(x):
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + 1
    return out

def example_args(device="cpu"):
    return (torch.ones(9, device=device),)

if __name__ == "__main__":
    found = helion_ir.compile(inc, {"block_sizes": [4]}, example_args())
    print(found.pipeline)
    print(found.source, end="")
"""


def test_a_pass_of_the_kernels_own_file_is_known_on_the_command_line(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from helion_ir.cli.opt import main  # noqa: PLC0415

    file = tmp_path / "withplug.py"
    file.write_text(FILE)
    run = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True)
    pipeline, source = run.stdout.split("\n", 1)
    assert "shout" in pipeline
    assert main([str(file), "--kernel", "inc", "-p", pipeline, "-t", "triton"]) == 0
    assert capsys.readouterr().out == source


def test_ops_of_a_registered_dialect_are_read(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from helion_ir.cli.opt import main  # noqa: PLC0415

    file = tmp_path / "mine.mlir"
    file.write_text('%0 = "test.op"() : () -> f32\n%1 = mine.abs %0 : f32 -> f32\n')
    assert main([str(file)]) == 1
    session.register_dialect(Dialect("mine", [AbsOp]))
    capsys.readouterr()
    assert main([str(file)]) == 0
    assert "mine.abs" in capsys.readouterr().out


def test_installed_passes_are_those_of_the_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed(Nop):
        name = "installed"
        at = "tl-late"

    class Point:
        def __init__(self, pass_: Any) -> None:
            self.load = lambda: pass_

    monkeypatch.setattr(session_module, "entry_points", lambda group: [Point(Installed), Point(Nop)])
    default = session_module._DefaultSession()
    assert default.plugins.passes("tl-late") == [Installed]
    assert default.plugins.passes("tile-late") == [Nop]
    assert Session().plugins.passes() == []
