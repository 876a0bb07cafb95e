"""Runs a lowered kernel: on a GPU the emitted module, elsewhere an interpreter.

Where the arguments are on the CPU, the backend may have an interpreter of its own for the emitted module; otherwise
`HELION_INTERPRET_LEVEL` says which module the reference interpreter runs: `tl` (the default) or `tile`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Literal

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntAttr, ModuleOp, StringAttr

from ..backends.base import Backend
from ..dialects.names import block_param
from ..exc import InvalidAPIUsage
from .host import host_function
from .structure import only_func, only_kernel

Run = Callable[..., Any]
Mode = Literal["device", "emitted", "tl", "tile", "meta"]


def mode_for(device_type: str, backend: Backend) -> Mode:
    """How to run a kernel whose arguments are on a device of this type, as the environment says now."""
    if device_type == "meta":
        return "meta"
    if device_type != "cpu":
        return "device"
    if backend.interpreted() is not None:
        return "emitted"
    level = os.environ.get("HELION_INTERPRET_LEVEL", "tl")
    if level not in ("tl", "tile"):
        raise InvalidAPIUsage(f"HELION_INTERPRET_LEVEL={level!r}: expected tl or tile")
    return "tile" if level == "tile" else "tl"


def shapes_alone(module: ModuleOp) -> FunctionType:
    """The host function of a `tl` module for tensors without data: what it allocates comes back, nothing runs."""
    return host_function(only_func(module).host.data, lambda *_: None, args=[])


def interpret_tl(module: ModuleOp) -> FunctionType:
    """The host function of a `tl` module, whose launches the reference interpreter runs."""
    from ..interpreter import run_func  # noqa: PLC0415 - where nothing is interpreted, nothing pays for it

    func = only_func(module)

    def launch(args: tuple[Any, ...], constexprs: dict[str, int]) -> None:
        run_func(module, args, constexprs)

    table = _values(func.constexprs)
    sizes = {name: value for name, value in table.items() if isinstance(value, int)}
    return host_function(func.host.data, launch, args=_strings(func.arg_exprs), tables=[table], names=sizes)


def interpret_tile(module: ModuleOp, block_sizes: Mapping[str, int]) -> FunctionType:
    """The host function of a `tile` module, whose launches the reference interpreter runs."""
    from ..interpreter import run_kernel  # noqa: PLC0415 - see `interpret_tl`

    kernel = only_kernel(module)

    def launch(args: tuple[Any, ...], symbols: dict[str, int]) -> None:
        run_kernel(module, args, symbols, block_sizes)

    table = _values(kernel.symbols)
    sizes = {block_param(symbol): size for symbol, size in block_sizes.items()}
    return host_function(kernel.host.data, launch, args=_strings(kernel.arg_exprs), tables=[table], names=sizes)


def _strings(values: ArrayAttr[StringAttr]) -> list[str]:
    return [value.data for value in values]


def _values(table: DictionaryAttr) -> dict[str, str | int]:
    """Ints and host expressions by name."""
    return {name: value.data for name, value in table.data.items() if isinstance(value, IntAttr | StringAttr)}
