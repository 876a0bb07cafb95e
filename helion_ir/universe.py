"""What xDSL's tools see of us, through the entry point `xdsl.universe`: dialects, passes, targets."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from xdsl.ir import Dialect
from xdsl.universe import Universe

from .backends import get, names
from .pipeline import pass_table


def _dialect(module: str, name: str) -> Callable[[], Dialect]:
    return lambda: cast("Dialect", getattr(import_module(module, __package__), name))


HELION_UNIVERSE = Universe(
    all_dialects={
        "tile": _dialect(".dialects.tile", "Tile"),
        "tl": _dialect(".dialects.tl", "Tl"),
        "value": _dialect(".dialects.value", "Value"),
        "inline_triton": _dialect(".dialects.inline_triton", "InlineTriton"),
        "symm_mem": _dialect(".dialects.symm_mem", "SymmMem"),
        **{name: dialect for each in names() for name, dialect in get(each).dialects.items()},
    },
    all_passes=dict(pass_table()),
    all_targets={name: get(name).target for name in names()},
)
