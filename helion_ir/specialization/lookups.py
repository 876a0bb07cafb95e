"""Looking names and attributes up where they plainly are, without running any code of the user's."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from types import CellType, FunctionType, MemberDescriptorType, ModuleType, NoneType
from typing import Any

import torch

from .reads import Read, is_library

MISSING: Any = object()
"""What a look that finds nothing gives."""

ATOMS = (int, bool, str, bytes, NoneType, torch.dtype, torch.device, torch.layout, torch.memory_format, range)
NUMBERS = (float, complex)

_PLAIN = (*ATOMS, *NUMBERS, slice, torch.Tensor, list, tuple, Mapping)
_TABLES = ("_parameters", "_buffers", "_modules")
"""Where a `torch.nn.Module` keeps attributes of those kinds."""


def entry(table: Mapping[str, Any], name: str) -> Any:
    """An item of a mapping."""
    return table.get(name, MISSING)


def content(cell: CellType) -> Any:
    """What a cell holds."""
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return MISSING


def is_given(function: FunctionType, read: Read) -> bool:
    """Whether a name is Python's, or a library that a module imported: these stay what they are."""
    value = function.__globals__.get(read.name, MISSING)
    if value is MISSING:
        return hasattr(builtins, read.name)
    return isinstance(value, ModuleType) and is_library(value.__name__)


def attribute(owner: Any, name: str) -> Any:
    """An attribute that is plainly there; `MISSING` where asking for it may run code, or it is bound to its owner."""
    if isinstance(owner, ModuleType | FunctionType):
        return vars(owner).get(name, MISSING)
    if isinstance(owner, type):
        return _bound(_of_class(owner, name), None)
    if isinstance(owner, _PLAIN):
        return MISSING
    own = getattr(owner, "__dict__", {})
    if name in own:
        return own[name]
    if isinstance(owner, torch.nn.Module):
        for table in _TABLES:
            if name in own.get(table, ()):
                return own[table][name]
    return _bound(_of_class(type(owner), name), owner)


def _of_class(kind: type, name: str) -> Any:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), MISSING)


def _bound(found: Any, owner: Any) -> Any:
    """What an entry of a class gives when it is asked of `owner` (None: of the class itself)."""
    if isinstance(found, FunctionType):
        return found if owner is None else MISSING
    if isinstance(found, staticmethod):
        return found.__func__
    if isinstance(found, MemberDescriptorType) and owner is not None:
        return getattr(owner, found.__name__, MISSING)
    return MISSING if hasattr(type(found), "__get__") else found


__all__ = ["ATOMS", "MISSING", "NUMBERS", "attribute", "content", "entry", "is_given"]
