"""`Settings`: how a kernel is compiled, run and tuned, apart from its config.

A keyword of the decorator wins over the environment variable `HELION_<NAME>`, which wins over the default. The
environment is read when a `Settings` is made, that is when a kernel is decorated.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

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


def _parse_dtype(text: str) -> torch.dtype | None:
    """A torch dtype; `auto` and nothing at all leave the choice to the compiler."""
    if text.strip().lower() in ("", "auto", "none"):
        return None
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


def _read(parse: Callable[[str], object], variable: str | None = None, least: float | None = None) -> dict[str, Any]:
    """How the environment gives a setting: by `HELION_<NAME>`, or `variable`. Settings without it have no variable.

    `least`: the smallest number that the setting may be.
    """
    return {"parse": parse, "variable": variable, "least": least}


PRECISIONS: Mapping[str, str] = {"default": "tf32", "high": "tf32x3", "highest": "ieee"}
"""Other names of values of `dot_precision`."""
_FALLBACKS: Mapping[str, str] = {"dot_precision": "TRITON_F32_DEFAULT"}
"""Variables of the environment that others define, which give a setting where ours do not."""
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "index_dtype": (None, torch.int32, torch.int64),
    "dot_precision": ("tf32", "tf32x3", "ieee"),
    "autotune_effort": ("none", "quick", "full"),
    "autotune_executor": ("local",),
}
"""The legal values of settings that have few."""

_NOT_BUILT: Mapping[tuple[str, object], str] = {
    (
        "autotune_executor",
        "ray",
    ): "not built yet: candidates are compiled by processes of this machine",
}
"""Values that the language has and this build has not: they are refused, not ignored."""


@dataclass(kw_only=True, init=False)
class Settings:
    """The settings of one kernel.

    An unknown name is `UnknownSetting`, a value of another type or that is not legal `InvalidAPIUsage`; both are
    raised when the kernel is decorated, and name the environment variable that the value comes from, if any.

    - `backend`: by name, which one prints and runs the kernel (`backends.names()`).
    - `static_shapes`: sizes and strides of tensors are constants of a specialization.
    - `index_dtype`: `torch.int32` or `torch.int64`, the type of positions and offsets; by default positions have 32
      bits and offsets 64 where 32 cannot hold them, and positions, too, where a size needs it.
    - `dot_precision`: `tf32`, `tf32x3` or `ieee`, for float32 operands; `default`, `high` and `highest` are other names
      of these. Where nothing says, the environment's `TRITON_F32_DEFAULT` does.
    - `triton_do_not_specialize`: Triton compiles one kernel for all values of an integer argument, not another for 1
      and for multiples of 16.
    - `fast_math`: float32 square roots and hyperbolic tangents are approximate, and what is divided by a value of
      fewer dims is multiplied by its reciprocal: a few units in the last place, more for denormal numbers.
    - `debug_dtype_asserts`: the emitted kernel asserts, at compile time, the dtype of every tensor that it computes.
    - `output_origin_lines`: the emitted kernel says in comments which line of the user's a statement comes from.
    - `allow_warp_specialize`: if False, no search proposes `range_warp_specializes`, and no loop honours it.
    - `auto_barrier`: grid-wide barriers may be added between top-level loops; if False, those that need one and have
      none raise `LoopDependencyError`.
    - `persistent_reserved_sms`: multiprocessors that a persistent grid leaves to others.
    - `print_output_code`, `print_repro`, `print_ir` (`all`, or passes by name), `dump_dir`: what a compilation shows.
    - `verify_each`: verify the IR after every pass.
    - `ref_mode`: `RefMode.EAGER` runs the user's Python (environment: `HELION_INTERPRET=1`).
    - `autotune_baseline_accuracy_check_fn(actual, expected)` decides whether what a candidate returned, and then the
      list of the argument tensors that it changed, are right: it raises, or returns False, if not.
    - `autotune_config_filter(config)`: candidates for which it returns False or None are not tried; a config that it
      returns is tried instead.
    - `autotune_*`: how a kernel without config is tuned.
    """

    backend: str = field(default="triton", metadata=_read(str))
    static_shapes: bool = field(default=True, metadata=_read(_parse_bool))
    index_dtype: torch.dtype | None = field(default=None, metadata=_read(_parse_dtype))
    dot_precision: str = field(default="tf32", metadata=_read(str))
    triton_do_not_specialize: bool = field(default=False, metadata=_read(_parse_bool))
    fast_math: bool = field(default=False, metadata=_read(_parse_bool))
    print_output_code: bool = field(default=False, metadata=_read(_parse_bool))
    print_repro: bool = field(default=False, metadata=_read(_parse_bool))
    output_origin_lines: bool = field(default=True, metadata=_read(_parse_bool))
    print_ir: tuple[str, ...] = field(default=(), metadata=_read(_parse_names))
    dump_dir: str | os.PathLike[str] | None = field(default=None, metadata=_read(str))
    verify_each: bool = field(default=False, metadata=_read(_parse_bool))
    ref_mode: RefMode = field(default=RefMode.OFF, metadata=_read(_parse_ref_mode, "HELION_INTERPRET"))
    allow_warp_specialize: bool = field(default=True, metadata=_read(_parse_bool))
    debug_dtype_asserts: bool = field(default=False, metadata=_read(_parse_bool))
    ignore_warnings: Sequence[type[exc.BaseWarning]] = field(default=(), metadata=_read(_parse_warnings))
    auto_barrier: bool = field(default=True, metadata=_read(_parse_bool))
    persistent_reserved_sms: int = field(default=0, metadata=_read(int, least=0))
    autotune_effort: str = field(default="full", metadata=_read(str))
    force_autotune: bool = field(default=False, metadata=_read(_parse_bool))
    autotune_log_level: str | int = field(default="info", metadata=_read(str))
    autotune_log: str | None = field(default=None, metadata=_read(str))
    autotune_compile_timeout: int = field(default=60, metadata=_read(int, least=1))
    autotune_precompile_jobs: int | None = field(default=None, metadata=_read(int, least=1))
    autotune_random_seed: int = field(default=0, metadata=_read(int))
    autotune_max_generations: int | None = field(default=None, metadata=_read(int, least=0))
    autotune_budget_seconds: float | None = field(default=None, metadata=_read(float, least=0))
    autotune_accuracy_check: bool = field(default=True, metadata=_read(_parse_bool))
    autotune_baseline_fn: Callable[..., object] | None = None
    autotune_baseline_atol: float | None = field(default=None, metadata=_read(float, least=0))
    autotune_baseline_rtol: float | None = field(default=None, metadata=_read(float, least=0))
    autotune_baseline_accuracy_check_fn: Callable[[Any, Any], object] | None = None
    autotune_config_filter: Callable[[Any], object] | None = None
    autotune_ignore_errors: bool = field(default=False, metadata=_read(_parse_bool))
    autotune_progress_bar: bool = field(default=True, metadata=_read(_parse_bool))
    autotune_config_overrides: Mapping[str, object] | None = None
    autotune_seed_configs: Sequence[object] = ()
    autotune_benchmark_fn: Callable[..., object] | None = None
    autotuner: str | None = field(default=None, metadata=_read(str))
    autotune_executor: str = field(default="local", metadata=_read(str))

    def __init__(self, **settings: object) -> None:
        known = {each.name: each for each in fields(self)}
        if unknown := [name for name in settings if name not in known]:
            raise exc.UnknownSetting(f"unknown setting {unknown[0]!r}; the settings are {', '.join(known)}")
        for name, each in known.items():
            if name in settings:
                setattr(self, name, settings[name])
            else:
                self._read_environment(name, each.metadata, each.default)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in type(self).__dataclass_fields__:
            raise AttributeError(f"there is no setting {name!r}")
        if name == "print_ir" and isinstance(value, str | bool):
            value = ("all",) if value is True else _parse_names(value or "")
        if name == "dot_precision" and isinstance(value, str):
            value = PRECISIONS.get(value, value)
        if reason := _refusal(name, value):
            raise InvalidAPIUsage(f"setting {name}={value!r}: {reason}")
        super().__setattr__(name, value)

    def to_dict(self) -> dict[str, object]:
        """The settings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def _read_environment(self, name: str, metadata: Mapping[str, Any], default: object) -> None:
        """Set what the environment says of a setting, else its default."""
        variable = metadata.get("variable") or f"HELION_{name.upper()}"
        text = os.environ.get(variable) if "parse" in metadata else None
        if text is None and (other := _FALLBACKS.get(name)) is not None:
            variable, text = other, os.environ.get(other)
        try:
            value = default if text is None else metadata["parse"](text)
            if name == "dot_precision" and isinstance(value, str):
                value = PRECISIONS.get(value, value)
            if text is not None and (reason := _refusal(name, value)):
                raise ValueError(reason)
        except ValueError as error:
            raise InvalidAPIUsage(f"environment variable {variable}={text!r}: {error}") from None
        setattr(self, name, value)


def _refusal(name: str, value: object) -> str | None:
    """Why a setting cannot have a value; None if it can."""
    if (reason := _NOT_BUILT.get((name, value) if isinstance(value, str) else (name, None))) is not None:
        return reason
    if name in _CHOICES and value not in _CHOICES[name]:
        return f"the legal values are {', '.join(str(choice) for choice in _CHOICES[name])}"
    if not _is_a(value, _hints()[name]):
        return f"expected {_described(_hints()[name])}, got {type(value).__name__}"
    least = Settings.__dataclass_fields__[name].metadata.get("least")
    if least is not None and value is not None and not least <= value:  # pyright: ignore[reportOperatorIssue]
        return f"expected at least {least}"
    return None


@cache
def _hints() -> dict[str, Any]:
    """The types of the settings."""
    return get_type_hints(Settings)


def _is_a(value: object, hint: Any) -> bool:
    """Whether a value is of a setting's type; a bool is no number, an int is a float."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_a(value, part) for part in parts)
    if origin is type:
        return isinstance(value, type) and issubclass(value, parts[0])
    if origin in (tuple, Sequence):
        return isinstance(value, list | tuple) and all(_is_a(item, parts[0]) for item in value)  # pyright: ignore[reportUnknownVariableType]
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    plain = origin or hint
    return plain is Any or plain is object or isinstance(value, plain)


def _described(hint: Any) -> str:
    """A setting's type in words."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_described(part) for part in get_args(hint))
    name = str(getattr(hint, "__name__", hint))
    return {"NoneType": "None", "Callable": "a function"}.get(name, name)


__all__ = ["RefMode", "Settings"]
