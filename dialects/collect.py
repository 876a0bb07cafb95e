"""The ops of a dialect, found in the modules that define them: an op is registered by being defined."""

from __future__ import annotations

from types import ModuleType

from xdsl.ir import Operation
from xdsl.irdl import IRDLOperation


def ops_of(*modules: ModuleType) -> list[type[Operation]]:
    """The op classes that the modules define, in the order of their definitions; bases of ops have no name."""
    return [
        cls
        for module in modules
        for cls in vars(module).values()
        if isinstance(cls, type)
        and issubclass(cls, IRDLOperation)
        and cls.__module__ == module.__name__
        and "name" in vars(cls)
    ]
