"""Settings: keyword over environment over default; names and values that are not there."""

from __future__ import annotations

import pytest
import torch

import helion_ir
from helion_ir import RefMode, Settings, exc

NAMES = {
    "static_shapes",
    "index_dtype",
    "dot_precision",
    "fast_math",
    "print_output_code",
    "print_repro",
    "output_origin_lines",
    "print_ir",
    "dump_dir",
    "verify_each",
    "ref_mode",
    "allow_warp_specialize",
    "debug_dtype_asserts",
    "ignore_warnings",
    "auto_barrier",
    "persistent_reserved_sms",
    "autotune_effort",
    "force_autotune",
    "autotune_log_level",
    "autotune_log",
    "autotune_compile_timeout",
    "autotune_precompile_jobs",
    "autotune_random_seed",
    "autotune_max_generations",
    "autotune_budget_seconds",
    "autotune_accuracy_check",
    "autotune_baseline_fn",
    "autotune_baseline_atol",
    "autotune_baseline_rtol",
    "autotune_ignore_errors",
    "autotune_progress_bar",
    "autotune_config_overrides",
    "autotune_seed_configs",
    "autotuner",
    "autotune_executor",
}


def test_every_name_of_the_language_is_there() -> None:
    assert set(Settings().to_dict()) >= NAMES


def test_keyword_wins_over_environment_wins_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().static_shapes is True
    monkeypatch.setenv("HELION_STATIC_SHAPES", "0")
    monkeypatch.setenv("HELION_INDEX_DTYPE", "int64")
    monkeypatch.setenv("HELION_AUTOTUNE_BUDGET_SECONDS", "2.5")
    monkeypatch.setenv("HELION_PRINT_IR", "cse,drop-unit-dims")
    monkeypatch.setenv("HELION_INTERPRET", "1")
    settings = Settings()
    assert settings.static_shapes is False
    assert settings.index_dtype is torch.int64
    assert settings.autotune_budget_seconds == 2.5
    assert settings.print_ir == ("cse", "drop-unit-dims")
    assert settings.ref_mode is RefMode.EAGER
    assert Settings(static_shapes=True, index_dtype=torch.int32).static_shapes is True


def test_unknown_names_and_illegal_values() -> None:
    with pytest.raises(TypeError, match="no_such_setting") as raised:
        helion_ir.kernel(no_such_setting=1)
    assert isinstance(raised.value, exc.Base)
    with pytest.raises(exc.InvalidAPIUsage, match="tf32x3"):
        Settings(dot_precision="fp4")
    settings = Settings()
    with pytest.raises(exc.InvalidAPIUsage, match="index_dtype"):
        settings.index_dtype = torch.int8
    with pytest.raises(AttributeError, match="static_shape"):
        settings.static_shape = False  # type: ignore[attr-defined]


def test_an_environment_that_does_not_parse_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_VERIFY_EACH", "maybe")
    with pytest.raises(exc.InvalidAPIUsage, match="HELION_VERIFY_EACH='maybe'"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("static_shapes", "yes", "expected bool, got str"),
        ("fast_math", None, "expected bool"),
        ("persistent_reserved_sms", -1, "at least 0"),
        ("persistent_reserved_sms", True, "expected int, got bool"),
        ("autotune_compile_timeout", 0, "at least 1"),
        ("autotune_budget_seconds", float("nan"), "at least 0"),
        ("autotune_baseline_fn", 3, "a function or None"),
        ("ignore_warnings", [ValueError], "expected Sequence"),
        ("autotune_executor", "ray", "not built yet"),
        ("autotune_executor", "slurm", "local"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_at_decoration(name: str, value: object, message: str) -> None:
    with pytest.raises(exc.InvalidAPIUsage, match=f"{name}.*{message}"):
        helion_ir.kernel(**{name: value})


@pytest.mark.parametrize(
    ("variable", "text"),
    [("DOT_PRECISION", "fp4"), ("PERSISTENT_RESERVED_SMS", "-3"), ("AUTOTUNE_EXECUTOR", "ray"), ("INDEX_DTYPE", "f8")],
)
def test_an_illegal_value_of_the_environment_names_the_variable(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HELION_{variable}", text)
    with pytest.raises(exc.InvalidAPIUsage, match=f"HELION_{variable}='{text}'"):
        Settings()
