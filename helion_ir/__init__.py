"""helion_ir: kernels written in PyTorch with tiles, compiled through xDSL dialects to Triton."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .sizes import cdiv, next_power_of_2

if TYPE_CHECKING:
    from . import autotuner, exc, language, runtime
    from .config import Config
    from .kernels import BoundKernel, CompiledKernel, Kernel, TensorSpec, compile, from_cache, kernel
    from .kernels import kernel as jit
    from .session import Session, register_pass, unregister_pass
    from .settings import RefMode, Settings

_LAZY = {
    "BoundKernel": "kernels",
    "CompiledKernel": "kernels",
    "Config": "config",
    "Kernel": "kernels",
    "RefMode": "settings",
    "Settings": "settings",
    "TensorSpec": "kernels",
    "compile": "kernels",
    "from_cache": "kernels",
    "kernel": "kernels",
    "Session": "session",
    "register_pass": "session",
    "unregister_pass": "session",
}
"""Public name → module that defines it; loaded when first used, so that the import itself is cheap."""

_SUBMODULES = ("autotuner", "exc", "language", "runtime")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    if name == "jit":
        value = __getattr__("kernel")
    elif name in _LAZY:
        value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_SUBMODULES, "jit"})


__all__ = [
    "BoundKernel", "CompiledKernel", "Config", "Kernel", "RefMode", "Session", "Settings", "TensorSpec", "autotuner",
    "cdiv", "compile", "exc", "from_cache", "jit", "kernel", "language", "next_power_of_2", "register_pass", "runtime",
    "unregister_pass",
]  # fmt: skip
