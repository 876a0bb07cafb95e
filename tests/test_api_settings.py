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
    with pytest.raises(TypeError, match="no_such_setting"):
        helion_ir.kernel(no_such_setting=1)
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
