"""`Settings`: how a kernel is compiled, run and tuned, apart from its config.

A keyword of the decorator wins over the environment variable `HELION_<NAME>`, which wins over the default. The
environment is read when a `Settings` is made, that is when a kernel is decorated.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from . import exc
from .exc import InvalidAPIUsage


class RefMode(enum.Enum):
    """Whether calls run the user's Python eagerly, without compiling."""

    OFF = "off"
    EAGER = "eager"


def _parse_bool(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[text.strip().lower() or "0"]
    except KeyError:
        raise ValueError("expected 0 or 1") from None


def _parse_ref_mode(text: str) -> RefMode:
    return RefMode.EAGER if _parse_bool(text) else RefMode.OFF


def _parse_dtype(text: str) -> torch.dtype:
    dtype = getattr(torch, text.strip().removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError("expected a torch dtype")
    return dtype


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip() and name.strip() != "0")


def _parse_warnings(text: str) -> tuple[type[exc.BaseWarning], ...]:
    """Classes of `helion_ir.exc` by name; `1` means all."""
    if text.strip() == "1":
        return (exc.BaseWarning,)
    classes = [getattr(exc, name, None) for name in _parse_names(text)]
    if not all(isinstance(each, type) and issubclass(each, exc.BaseWarning) for each in classes):
        raise ValueError("expected names of warnings of helion_ir.exc")
    return tuple(classes)  # pyright: ignore[reportReturnType]


def _read(parse: Callable[[str], object], variable: str | None = None) -> dict[str, Any]:
    """How the environment gives a setting: by `HELION_<NAME>`, or `variable`. Settings without it have no variable."""
    return {"parse": parse, "variable": variable}


_CHOICES: Mapping[str, tuple[object, ...]] = {
    "index_dtype": (torch.int32, torch.int64),
    "dot_precision": ("tf32", "tf32x3", "ieee"),
    "autotune_effort": ("none", "quick", "full"),
    "autotune_executor": ("local", "ray"),
}
"""The legal values of settings that have few."""


@dataclass(kw_only=True, init=False)
class Settings:
    """The settings of one kernel; an unknown name is a TypeError, an illegal value `InvalidAPIUsage`.

    - `static_shapes`: sizes and strides of tensors are constants of a specialization.
    - `index_dtype`: `torch.int32` or `torch.int64`, the type of positions and offsets.
    - `dot_precision`: `tf32`, `tf32x3` or `ieee`, for float32 operands. `fast_math`: approximate math functions.
    - `auto_barrier`: the barrier-insertion pass may add grid barriers.
    - `print_output_code`, `print_repro`, `print_ir` (`all`, or passes by name), `dump_dir`: what a compilation shows.
    - `verify_each`: verify the IR after every pass.
    - `ref_mode`: `RefMode.EAGER` runs the user's Python (environment: `HELION_INTERPRET=1`).
    - `autotune_*`: how a kernel without config is tuned.
    """

    backend: str = "triton"
    static_shapes: bool = field(default=True, metadata=_read(_parse_bool))
    index_dtype: torch.dtype = field(default=torch.int32, metadata=_read(_parse_dtype))
    dot_precision: str = field(default="tf32", metadata=_read(str))
    fast_math: bool = field(default=False, metadata=_read(_parse_bool))
    print_output_code: bool = field(default=False, metadata=_read(_parse_bool))
    print_repro: bool = field(default=False, metadata=_read(_parse_bool))
    output_origin_lines: bool = field(default=True, metadata=_read(_parse_bool))
    print_ir: tuple[str, ...] = field(default=(), metadata=_read(_parse_names))
    dump_dir: str | None = field(default=None, metadata=_read(str))
    verify_each: bool = field(default=False, metadata=_read(_parse_bool))
    ref_mode: RefMode = field(default=RefMode.OFF, metadata=_read(_parse_ref_mode, "HELION_INTERPRET"))
    allow_warp_specialize: bool = field(default=True, metadata=_read(_parse_bool))
    debug_dtype_asserts: bool = field(default=False, metadata=_read(_parse_bool))
    ignore_warnings: Sequence[type[exc.BaseWarning]] = field(default=(), metadata=_read(_parse_warnings))
    auto_barrier: bool = field(default=True, metadata=_read(_parse_bool))
    persistent_reserved_sms: int = field(default=0, metadata=_read(int))
    autotune_effort: str = field(default="full", metadata=_read(str))
    force_autotune: bool = field(default=False, metadata=_read(_parse_bool))
    autotune_log_level: str | int = field(default="info", metadata=_read(str))
    autotune_log: str | None = field(default=None, metadata=_read(str))
    autotune_compile_timeout: int = field(default=60, metadata=_read(int))
    autotune_precompile_jobs: int | None = field(default=None, metadata=_read(int))
    autotune_random_seed: int = field(default=0, metadata=_read(int))
    autotune_max_generations: int | None = field(default=None, metadata=_read(int))
    autotune_budget_seconds: float | None = field(default=None, metadata=_read(float))
    autotune_accuracy_check: bool = field(default=True, metadata=_read(_parse_bool))
    autotune_baseline_fn: Callable[..., object] | None = None
    autotune_baseline_atol: float | None = field(default=None, metadata=_read(float))
    autotune_baseline_rtol: float | None = field(default=None, metadata=_read(float))
    autotune_ignore_errors: bool = field(default=False, metadata=_read(_parse_bool))
    autotune_progress_bar: bool = field(default=True, metadata=_read(_parse_bool))
    autotune_config_overrides: Mapping[str, object] | None = None
    autotune_seed_configs: Sequence[object] = ()
    autotune_benchmark_fn: Callable[..., object] | None = None
    autotuner: str | None = field(default=None, metadata=_read(str))
    autotune_executor: str = field(default="local", metadata=_read(str))

    def __init__(self, **settings: object) -> None:
        known = {each.name: each for each in fields(self)}
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise TypeError(f"unknown setting {unknown[0]!r}; the settings are {', '.join(known)}")
        for name, each in known.items():
            setattr(
                self, name, settings[name] if name in settings else _from_environment(name, each.metadata, each.default)
            )

    def __setattr__(self, name: str, value: object) -> None:
        if name not in type(self).__dataclass_fields__:
            raise AttributeError(f"there is no setting {name!r}")
        if name in _CHOICES and value not in _CHOICES[name]:
            legal = ", ".join(str(choice) for choice in _CHOICES[name])
            raise InvalidAPIUsage(f"setting {name}={value!r}: the legal values are {legal}")
        if name == "print_ir" and isinstance(value, str | bool):
            value = ("all",) if value is True else _parse_names(value or "")
        super().__setattr__(name, value)

    def to_dict(self) -> dict[str, object]:
        """The settings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def _from_environment(name: str, metadata: Mapping[str, Any], default: object) -> object:
    """What the environment says of a setting, else its default."""
    if "parse" not in metadata:
        return default
    variable = metadata["variable"] or f"HELION_{name.upper()}"
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return metadata["parse"](text)
    except ValueError as error:
        raise InvalidAPIUsage(f"environment variable {variable}={text!r}: {error}") from None


__all__ = ["RefMode", "Settings"]
