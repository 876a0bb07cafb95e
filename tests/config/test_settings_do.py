"""Every setting and every config key does something: one row each, and none can be added without its row."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helion_ir.backends.triton.backend import TritonBackend

import helion_ir
import helion_ir.language as hl
from helion_ir import RefMode, Settings, exc
from helion_ir.autotuner.progress import level_number
from helion_ir.autotuner.search import Outcome
from helion_ir.autotuner.tuning import tune
from helion_ir.config import Config

X, Y = torch.randn(13, 40), torch.randn(40, 21)
HALF = helion_ir.TensorSpec([512, 512], torch.float16), helion_ir.TensorSpec([512, 512], torch.float16)


def matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=x.dtype, device=x.device)
    for m, n in hl.tile(out.size()):
        acc = hl.zeros([m, n], dtype=torch.float32)
        for k in hl.tile(x.size(1)):
            acc = torch.addmm(acc, x[m, k], y[k, n])
        out[m, n] = acc
    return out


def functions(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        row = x[t, :]
        out[t, :] = torch.tanh(row) + torch.sqrt(row * row) / row.abs().amax(-1, keepdim=True)
    return out


def two_phases(x: torch.Tensor) -> torch.Tensor:
    middle, out = torch.empty_like(x), torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        middle[t, :] = x[t, :] + 1
    for t in hl.tile(x.size(0)):
        out[t, :] = middle[x.size(0) - 1 - t.index, :]
    return out


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size()):
        out[tile] = x[tile] + y[tile]
    return out


def source(fn: Callable[..., Any], args: tuple[Any, ...], config: Any = None, **settings: Any) -> str:
    bound = helion_ir.kernel(fn, autotune_effort="none", **settings).bind(args)
    return bound.to_triton_code(config or bound.config_spec.default_config())


def cost(compiled: helion_ir.CompiledKernel, args: object) -> float:
    size, columns = compiled.config["block_sizes"]  # pyright: ignore[reportGeneralTypeIssues]
    return 1 + abs(size - 8) + abs(columns - 16)


def search(*, fn: Any = add, configs: Any = None, **settings: Any) -> Outcome:
    chosen = {
        "autotune_effort": "quick", "autotune_benchmark_fn": cost, "autotune_accuracy_check": False,
        "autotune_log_level": "off", "autotune_max_generations": 1, **settings,
    }  # fmt: skip
    args = torch.ones(13, 21), torch.ones(13, 21)
    return tune(helion_ir.kernel(fn, configs=configs, **chosen).bind(args), args)


# Settings ------------------------------------------------------------------------------------------------------------

ROWS: dict[str, Callable[..., None]] = {}


def row(function: Callable[..., None]) -> Callable[..., None]:
    ROWS[function.__name__] = function
    return function


@row
def backend() -> None:
    with pytest.raises(exc.BackendUnsupported):
        source(matmul, (X, Y), backend="cuda")


@row
def static_shapes() -> None:
    assert "x.size(1)" in source(matmul, (X, Y), static_shapes=False)
    assert "x.size(1)" not in source(matmul, (X, Y), output_origin_lines=False).split("def matmul", 1)[0]


@row
def index_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INDEX_DTYPE", "auto")
    assert Settings().index_dtype is None
    assert "tl.int64" in source(matmul, (X, Y), index_dtype=torch.int64)
    assert "tl.int64" not in source(matmul, (X, Y))


@row
def dot_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'input_precision="ieee"' in source(matmul, (X, Y), dot_precision="ieee")
    for name, precision in (("default", "tf32"), ("high", "tf32x3"), ("highest", "ieee")):
        assert Settings(dot_precision=name).dot_precision == precision
    monkeypatch.setenv("TRITON_F32_DEFAULT", "ieee")
    assert (Settings().dot_precision, Settings(dot_precision="tf32x3").dot_precision) == ("ieee", "tf32x3")
    assert 'input_precision="tf32"' in source(matmul, (X, Y), dot_precision="tf32")
    monkeypatch.setenv("HELION_DOT_PRECISION", "high")
    assert Settings().dot_precision == "tf32x3"
    monkeypatch.delenv("HELION_DOT_PRECISION")
    monkeypatch.setenv("TRITON_F32_DEFAULT", "bf16x9")
    with pytest.raises(exc.InvalidAPIUsage, match="environment variable TRITON_F32_DEFAULT='bf16x9': the legal values"):
        Settings()


@row
def triton_do_not_specialize() -> None:
    def shifted(x: torch.Tensor, by: int, scale: float) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * scale + by
        return out

    args = torch.ones(30), 1, 2.0
    assert "@triton.jit\ndef _shifted(" in source(shifted, args)
    assert "@triton.jit(do_not_specialize=['by'])" in source(shifted, args, triton_do_not_specialize=True)
    assert "do_not_specialize" not in source(add, (X, X), triton_do_not_specialize=True)
    kernel = helion_ir.kernel(shifted, triton_do_not_specialize=True)
    helion_ir.compile(kernel, {}, args).binary("sm_90")


@row
def fast_math() -> None:
    exact, fast = source(functions, (X,)), source(functions, (X,), fast_math=True)
    assert ("libdevice.tanh" in exact, "tl.sqrt_rn" in exact) == (True, True)
    assert ("libdevice.tanh" in fast, "tl.sqrt_rn" in fast, "tl.exp" in fast) == (False, False, True)
    kernel = helion_ir.kernel(functions, autotune_effort="none", fast_math=True)
    wide = torch.tensor([[-90.0, -1e-3, 0.5, 90.0], [float("nan"), 1, 2, 3]])
    want = wide.tanh() + wide.abs() / wide.abs().amax(-1, keepdim=True)
    torch.testing.assert_close(kernel(wide), want, rtol=1e-5, atol=1e-6, equal_nan=True)
    args = (helion_ir.TensorSpec([64, 512]),)
    ptx = helion_ir.compile(kernel, {"block_sizes": [1]}, args).binary("sm_90").asm["ptx"]
    assert ("sqrt.approx" in ptx, "sqrt.rn" in ptx) == (True, False)


@row
def print_output_code(capsys: pytest.CaptureFixture[str]) -> None:
    helion_ir.kernel(add, autotune_effort="none", print_output_code=True)(X, X)
    assert "@triton.jit" in capsys.readouterr().err


@row
def print_repro(capsys: pytest.CaptureFixture[str]) -> None:
    helion_ir.kernel(add, autotune_effort="none", print_repro=True)(X, X)
    shown = capsys.readouterr().err
    assert shown.count("def add(") == 1
    assert "torch.empty_strided" in shown or "torch.rand" in shown


@row
def output_origin_lines() -> None:
    assert "# src[" in source(matmul, (X, Y))
    bare = source(matmul, (X, Y), output_origin_lines=False)
    assert "# src[" not in bare
    lines = [line for line in source(matmul, (X, Y)).splitlines() if "# src[" not in line]
    assert bare.splitlines() == lines


@row
def print_ir(capsys: pytest.CaptureFixture[str]) -> None:
    source(matmul, (X, Y), print_ir="resolve-padding")
    shown = capsys.readouterr().err
    assert "after resolve-padding" in shown
    assert "after cse-sites" not in shown


@row
def dump_dir(tmp_path: Any) -> None:
    source(matmul, (X, Y), dump_dir=tmp_path)
    assert any(file.name.endswith("source.py") for file in (tmp_path / "matmul").iterdir())


@row
def verify_each(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("helion_ir.runtime.stages.verify_module", seen.append)
    source(matmul, (X, Y))
    assert not seen
    source(matmul, (X, Y), verify_each=True)
    assert len(seen) > 10


@row
def ref_mode() -> None:
    def body(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for tile in hl.tile(x.size()):
            assert type(x[tile]) is torch.Tensor
            out[tile] = x[tile] + 1
        return out

    torch.testing.assert_close(helion_ir.kernel(body, ref_mode=RefMode.EAGER)(X), X + 1)


SPECIALIZED = {
    "block_sizes": [128, 64, 64], "num_warps": 4, "num_stages": 2, "indexing": "tensor_descriptor",
    "range_warp_specializes": [None, True],
}  # fmt: skip


@row
def allow_warp_specialize() -> None:
    assert "warp_specialize=True" in source(matmul, HALF, SPECIALIZED)
    assert "warp_specialize" not in source(matmul, HALF, SPECIALIZED, allow_warp_specialize=False)


@row
def debug_dtype_asserts() -> None:
    assert "static_assert" not in source(matmul, (X, Y))
    kernel = helion_ir.kernel(matmul, autotune_effort="none", debug_dtype_asserts=True)
    compiled = helion_ir.compile(kernel, {"block_sizes": [64, 64, 32]}, HALF)
    assert 'tl.static_assert(acc.dtype == tl.float32, "acc")' in compiled.source
    assert "tl.float16" in compiled.source
    compiled.binary("sm_90")  # all of them hold


@row
def ignore_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    def products(x, y):
        out = torch.empty([x.size(0), y.size(1)], dtype=torch.float16, device=x.device)
        for m, n in hl.tile(out.size()):
            acc = hl.zeros([m, n], dtype=torch.float16)
            for k in hl.tile(x.size(1)):
                acc += x[m, k] @ y[k, n]
            out[m, n] = acc
        return out

    shown = []
    for ignored in ((), (exc.BaseWarning,)):
        source(products, HALF, ignore_warnings=ignored)
        shown.append("WARNING[" in capsys.readouterr().err)
    assert shown == [True, False]


@row
def auto_barrier() -> None:
    assert "_grid_barrier(barrier_state)" in source(two_phases, (X,))
    with pytest.raises(exc.LoopDependencyError, match="auto_barrier=False leaves"):
        source(two_phases, (X,), auto_barrier=False)


@row
def persistent_reserved_sms() -> None:
    config = {"block_sizes": [16, 16, 16], "pid_type": "persistent_blocked"}
    kernel = helion_ir.kernel(matmul, autotune_effort="none", persistent_reserved_sms=3)
    assert "- 3, 1)" in source(matmul, (X, Y), config, persistent_reserved_sms=3)
    assert "- 3, 1)" not in source(matmul, (X, Y), config)
    torch.testing.assert_close(helion_ir.compile(kernel, config, (X, Y))(X, Y), X @ Y, rtol=1e-4, atol=1e-4)


@row
def autotune_effort() -> None:
    with pytest.raises(exc.AutotuneError, match="'none'"):
        search(autotune_effort="none")


@row
def force_autotune() -> None:
    tried = []
    for force in (False, True):
        calls: list[object] = []

        def measured(compiled: Any, args: object, calls: list[object] = calls) -> float:
            calls.append(compiled.config)
            return 1.0

        kernel = helion_ir.kernel(
            add, config={"block_sizes": [16, 16]}, force_autotune=force, autotune_benchmark_fn=measured,
            autotune_effort="quick", autotune_max_generations=0, autotune_log_level="off",
        )  # fmt: skip
        kernel(torch.ones(4, 4), torch.ones(4, 4))
        tried.append(bool(calls))
    assert tried == [False, True]


@row
def autotune_log_level(capsys: pytest.CaptureFixture[str]) -> None:
    search(autotune_log_level="info")
    assert "tuned" in capsys.readouterr().err
    search()
    assert not capsys.readouterr().err
    assert level_number("debug") == logging.DEBUG


@row
def autotune_log(tmp_path: Any) -> None:
    search(autotune_log=str(tmp_path / "log"))
    assert any(file.stat().st_size for file in tmp_path.iterdir())


@row
def autotune_compile_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    _workers(monkeypatch, {"autotune_compile_timeout": 7}, (1, 7))


@row
def autotune_precompile_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    _workers(monkeypatch, {"autotune_precompile_jobs": 5}, (5, 60))


def _workers(monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], wanted: tuple[int, int]) -> None:
    """A search with a GPU starts workers as the settings say; none is here, so it ends there."""
    seen: list[tuple[int, int]] = []

    class Stop(Exception):
        pass

    def start(jobs: int, timeout: int, prepare: str) -> None:
        seen.append((jobs, timeout))
        raise Stop

    module = "helion_ir.autotuner.search"
    monkeypatch.setattr(TritonBackend, "device_gpu", lambda self, device: object())
    monkeypatch.setattr(f"{module}.default_jobs", lambda: 1)
    monkeypatch.setattr(f"{module}.Workers", start)
    with pytest.raises(Stop):
        search(**settings)
    assert seen == [wanted]


@row
def autotune_random_seed() -> None:
    first, other = ([t.config for t in search(autotune_random_seed=seed).history] for seed in (1, 2))
    assert first != other


@row
def autotune_max_generations() -> None:
    assert search(autotune_max_generations=0).tried < search(autotune_max_generations=2).tried


@row
def autotune_budget_seconds() -> None:
    def slow(compiled: Any, args: object) -> float:
        time.sleep(0.05)
        return 1.0

    assert search(autotune_budget_seconds=0.5, autotune_max_generations=5, autotune_benchmark_fn=slow).tried < 12


def wrong_under_some(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t, u in hl.tile(x.size()):
        out[t, u] = x[t, u] + y[t, u] + t.block_size * 1e-2
    return out


CONFIGS = [{"block_sizes": [1, 16]}, {"block_sizes": [8, 16]}]


@row
def autotune_accuracy_check() -> None:
    for check, wrong in ((False, 0), (True, 1)):
        outcome = search(
            fn=wrong_under_some, configs=CONFIGS, autotune_accuracy_check=check,
            autotune_baseline_fn=lambda x, y: x + y + 1e-2,
        )  # fmt: skip
        assert outcome.wrong == wrong


@row
def autotune_baseline_fn() -> None:
    outcome = search(
        fn=wrong_under_some, configs=CONFIGS, autotune_accuracy_check=True,
        autotune_baseline_fn=lambda x, y: x + y + 8e-2,
    )  # fmt: skip
    assert (outcome.wrong, outcome.config["block_sizes"]) == (1, [8, 16])


def _tolerant(**tolerance: float) -> None:
    outcome = search(
        fn=wrong_under_some, configs=CONFIGS, autotune_accuracy_check=True,
        autotune_baseline_fn=lambda x, y: x + y + 1e-2, **tolerance,
    )  # fmt: skip
    assert outcome.wrong == 0


@row
def autotune_baseline_accuracy_check_fn() -> None:
    seen: list[Any] = []

    def near(actual: torch.Tensor, expected: torch.Tensor) -> None:
        seen.append((actual - expected).abs().max().item())
        assert seen[-1] < 0.05

    for check, wrong in ((near, 1), (lambda *_: False, 2), (lambda *_: True, 0)):
        baseline = {"autotune_accuracy_check": True, "autotune_baseline_fn": lambda x, y: x + y + 1e-2}
        try:
            outcome = search(
                fn=wrong_under_some, configs=CONFIGS, autotune_baseline_accuracy_check_fn=check, **baseline
            )
        except exc.NoConfigFound:
            assert wrong == 2
        else:
            assert outcome.wrong == wrong
    assert len(seen) == 2


@row
def autotune_config_filter() -> None:
    kept = search(autotune_config_filter=lambda config: config["num_warps"] == 4)
    assert {trial.config["num_warps"] for trial in kept.history if trial.status == "ok"} == {4}
    changed = search(autotune_config_filter=lambda config: Config.from_dict({**config, "num_warps": 2}))
    assert changed.config["num_warps"] == 2


@row
def autotune_baseline_atol() -> None:
    _tolerant(autotune_baseline_atol=0.2)


@row
def autotune_baseline_rtol() -> None:
    _tolerant(autotune_baseline_rtol=0.2)


@row
def autotune_ignore_errors(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(compiled: Any, args: object) -> float:
        if compiled.config["block_sizes"] == [8, 16]:
            raise ValueError("no such block")
        return 1.0

    shown = []
    for ignore in (False, True):
        search(configs=CONFIGS, autotune_benchmark_fn=fails, autotune_ignore_errors=ignore, autotune_log_level="info")
        shown.append("no such block" in capsys.readouterr().err)
    assert shown == [True, False]


@row
def autotune_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    terminal = type("Terminal", (list,), {"isatty": lambda self: True, "write": list.append, "flush": list.clear})
    monkeypatch.setattr("helion_ir.autotuner.progress.Progress", lambda *args, **options: made.append(1))
    from helion_ir.autotuner.progress import Reporter  # noqa: PLC0415 - beside what is patched

    for shown in (False, True):
        try:
            Reporter("k", Settings(autotune_progress_bar=shown), terminal())
        except AttributeError:
            assert shown  # the stand-in for the bar is none
        assert bool(made) == shown


@row
def autotune_config_overrides() -> None:
    outcome = search(autotune_config_overrides={"num_warps": 2})
    assert outcome.config["num_warps"] == 2


@row
def autotune_seed_configs() -> None:
    seed = {"block_sizes": [8, 16], "num_warps": 32, "maxnreg": 40}
    outcome = search(autotune_seed_configs=[seed], autotune_max_generations=0)
    assert any(trial.config.config.get("maxnreg") == 40 for trial in outcome.history)


@row
def autotune_benchmark_fn() -> None:
    assert search().config["block_sizes"] == [8, 16]


@row
def autotuner() -> None:
    with pytest.raises(exc.InvalidAPIUsage, match="the strategies are"):
        search(autotuner="oracle")
    pattern, random = ([t.config for t in search(autotuner=name).history] for name in ("pattern", "random"))
    assert pattern != random


@row
def autotune_executor() -> None:
    Settings(autotune_executor="local")
    with pytest.raises(exc.InvalidAPIUsage, match=r"autotune_executor='ray'.*not built"):
        helion_ir.kernel(autotune_executor="ray")


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Settings)])
def test_every_setting_does_something(name: str, request: pytest.FixtureRequest) -> None:
    check = ROWS[name]
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    check(*(request.getfixturevalue(fixture) for fixture in names))


def test_specialized_warps_are_proposed_where_the_target_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def proposed(**settings: Any) -> list[list[object]]:
        spec = helion_ir.kernel(matmul, **settings).bind(HALF).config_spec
        return [list(fragment.candidates()) for fragment in spec.range_warp_specializes]

    assert proposed() == [[None], [None]]
    monkeypatch.setattr(TritonBackend, "device_target", lambda self, device: "sm_100")
    assert proposed() == [[None], [None, True, False]]
    assert proposed(allow_warp_specialize=False) == [[None], [None]]


@pytest.mark.parametrize(
    "change", [{"num_warps": 8}, {"num_stages": 3}, {"indexing": "pointer"}, {"block_sizes": [64, 64, 64]}]
)
def test_specialized_warps_that_are_not_proven_are_ignored(change: dict[str, object]) -> None:
    bound = helion_ir.kernel(matmul, autotune_effort="none").bind(HALF)
    assert "warp_specialize=True" in bound.to_triton_code(SPECIALIZED)
    assert "warp_specialize" not in bound.to_triton_code({**SPECIALIZED, **change})
    assert bound.config_spec.normalize({**SPECIALIZED, **change})["range_warp_specializes"] == [None, True]


# Config keys ---------------------------------------------------------------------------------------------------------


def everything(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=torch.float32, device=x.device)
    total = torch.zeros_like(out)
    for m, n in hl.tile(out.size()):
        acc = hl.zeros([m, n], dtype=torch.float32)
        for k in hl.tile(x.size(1)):
            acc = torch.addmm(acc, x[m, k], y[k, n])
        for a in range(3):
            acc = acc + a
        out[m, n] = acc + x[m, :].sum(-1)[:, None]
        hl.atomic_add(total, [m, n], acc)
    return out


KEYS: dict[str, tuple[dict[str, object], str]] = {
    "block_sizes": ({"block_sizes": [32, 16, 16]}, "_BLOCK_SIZE_0 = 32"),
    "loop_orders": ({"loop_orders": [[1, 0]]}, ""),
    "l2_groupings": ({"l2_groupings": [4]}, "first_row, 4)"),
    "pid_type": ({"pid_type": "persistent_blocked"}, "virtual_pid"),
    "num_sm_multiplier": ({"pid_type": "persistent_blocked", "num_sm_multiplier": 2}, "else 4) * 2"),
    "reduction_loops": ({"reduction_loops": [64]}, "_RBLOCK_SIZE_0 = 64"),
    "static_ranges": ({"static_ranges": [True]}, ""),
    "range_unroll_factors": ({"range_unroll_factors": [0, 2]}, "loop_unroll_factor=2"),
    "range_num_stages": ({"range_num_stages": [0, 2]}, "num_stages=2)"),
    "range_multi_buffers": ({"range_multi_buffers": [None, False]}, "disallow_acc_multi_buffer=True"),
    "range_flattens": ({"range_flattens": [None, True]}, "flatten=True"),
    "range_warp_specializes": ({**SPECIALIZED, "block_sizes": [128, 64, 64]}, "warp_specialize=True"),
    "indexing": ({"indexing": "tensor_descriptor"}, "make_tensor_descriptor"),
    "atomic_indexing": ({"atomic_indexing": "tensor_descriptor"}, "total_desc.atomic_add("),
    "load_eviction_policies": ({"load_eviction_policies": "first"}, 'eviction_policy="evict_first"'),
    "load_cache_modifiers": ({"load_cache_modifiers": ".cg"}, 'cache_modifier=".cg"'),
    "store_cache_modifiers": ({"store_cache_modifiers": ".cs"}, 'cache_modifier=".cs"'),
    "num_warps": ({"num_warps": 2}, "num_warps=2"),
    "num_stages": ({"num_stages": 2}, "num_stages=2"),
    "maxnreg": ({"maxnreg": 64}, "maxnreg=64"),
}
"""Key → a config that has it, and what of the emitted text it makes."""

NOT_BUILT = {"flatten_loops", "xcd_remap", "epilogue_subtile"}
"""Keys of the language that no pass owns yet: a config that has one is refused."""


@pytest.fixture(scope="module")
def bound() -> Any:
    args = helion_ir.TensorSpec([512, 256], torch.float16), helion_ir.TensorSpec([256, 512], torch.float16)
    return helion_ir.kernel(everything, autotune_effort="none").bind(args)


def test_every_key_has_a_row(bound: Any) -> None:
    assert set(KEYS) == set(bound.config_spec.keys)
    known = {name for name in Config.__init__.__kwdefaults__ if name != "others"}
    assert known == set(KEYS) | NOT_BUILT


@pytest.mark.parametrize("key", KEYS)
def test_every_key_changes_the_kernel(key: str, bound: Any) -> None:
    config, text = KEYS[key]
    usual = {name: value for name, value in config.items() if name != key}
    usual.setdefault("block_sizes", [16, 16, 16])
    without, with_it = bound.to_triton_code(usual), bound.to_triton_code({**usual, **config})
    assert without != with_it
    assert text in with_it
    assert not text or text not in without


@pytest.mark.parametrize("key", sorted(NOT_BUILT))
def test_keys_that_are_not_built_are_refused(key: str, bound: Any) -> None:
    with pytest.raises(exc.InvalidConfig, match=f"{key}: unknown config key"):
        bound.config_spec.normalize({key: [True]})
