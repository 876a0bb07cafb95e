"""What the code of a function reads beside its arguments: names of its module and closure, found without running it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_LIBRARIES = frozenset(("torch", "triton", "numpy", "helion_ir", *sys.stdlib_module_names)) - {"__main__"}
_GLOBALS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_CELLS = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))


def is_library(module: str | None) -> bool:
    """Whether a module's functions and constants are taken to be the same at every call: Python's, PyTorch's, ours."""
    return (module or "").partition(".")[0] in _LIBRARIES


@dataclass(frozen=True)
class Read:
    """One name that code reads, with the attributes that it asks for from there on: `options.tile.rows`."""

    name: str
    attributes: tuple[str, ...]
    free: bool
    """Whether it is a variable of an enclosing function, else of the module."""


_READS: dict[int, tuple[CodeType, tuple[Read, ...]]] = {}
"""By id: code objects that look alike compare equal, and hashing one takes microseconds. They are kept alive."""


def reads_of(code: CodeType) -> tuple[Read, ...]:
    """Every name that `code`, and the functions written in it, may read beside its own variables; each once."""
    known = _READS.get(id(code))
    if known is None:
        known = _READS[id(code)] = code, tuple(dict.fromkeys(_reads(code, frozenset(code.co_freevars))))
    return known[1]


def _reads(code: CodeType, free: frozenset[str]) -> Iterator[Read]:
    """The reads of `code` within a function whose closure has the names `free`."""
    own = free.intersection(code.co_freevars)
    head: tuple[str, bool] | None = None
    attributes: list[str] = []
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name == "EXTENDED_ARG":
            continue
        if head is not None and name in _ATTRIBUTES:
            attributes.append(instruction.argval)
            continue
        if head is not None:
            yield Read(head[0], tuple(attributes), head[1])
        head, attributes = None, []
        if name in _GLOBALS:
            head = instruction.argval, False
        elif name in _CELLS and instruction.argval in own:
            head = instruction.argval, True
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _reads(constant, own)


__all__ = ["Read", "is_library", "reads_of"]
