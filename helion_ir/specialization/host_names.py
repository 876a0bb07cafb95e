"""What variables of a kernel's host function are called in the emitted module."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType

from ..dialects.names import MODULES, host_name, kernel_name
from .reads import reads_of


def host_names(fn: FunctionType) -> dict[str, str]:
    """The user's name → the one in the emitted module, for those that would mean something else there: variables of
    the function, and what it reads of its module and closure."""
    code = fn.__code__
    named = [*code.co_varnames, *code.co_cellvars, *code.co_freevars, *_of_module(fn)]
    new = {name: host_name(name, kernel_name(fn.__name__)) for name in named}
    return {name: other for name, other in new.items() if other != name}


def _of_module(fn: FunctionType) -> Iterator[str]:
    """The names of its module that a function reads; `torch` for torch is what it is in every module."""
    for read in reads_of(fn.__code__):
        value = fn.__globals__.get(read.name)
        if read.name not in fn.__globals__ or value is getattr(builtins, read.name, fn):
            continue
        known = sys.modules.get(MODULES.get(read.name, ""))
        if not (isinstance(value, ModuleType) and value is known):
            yield read.name


__all__ = ["host_names"]
