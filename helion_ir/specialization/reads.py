"""What the code of a function reads beside its arguments: names of its module and closure, found without running it."""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType

_LIBRARIES = frozenset(("torch", "triton", "numpy", "helion_ir", *sys.stdlib_module_names)) - {"__main__"}
_GLOBALS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_CELLS = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))


def top_level(module: str | None) -> str:
    """The package that a module belongs to."""
    return (module or "").partition(".")[0]


@cache
def _installed(package: str) -> bool:
    """Whether a package lies where packages are installed, so that its code does not change while it is used."""
    folders = [path for key in ("purelib", "platlib") if (path := sysconfig.get_path(key))]
    found = sys.modules.get(package)
    places = [getattr(found, "__file__", None) or "", *(getattr(found, "__path__", None) or ())]
    return any(place.startswith(folder) for place in places for folder in folders)


def is_library(module: str | None, home: str = "") -> bool:
    """Whether a module's functions and constants are taken to be the same at every call: Python's, PyTorch's, ours, and
    those of installed packages but `home`, the package of whoever asks."""
    package = top_level(module)
    return package in _LIBRARIES or (package != home and _installed(package))


@dataclass(frozen=True)
class Read:
    """One name that code reads, with the attributes that it asks for from there on: `options.tile.rows`."""

    name: str
    attributes: tuple[str, ...]
    free: bool
    """Whether it is a variable of an enclosing function, else of the module."""


_READS: dict[int, tuple[CodeType, tuple[Read, ...], frozenset[str]]] = {}
"""By id: code objects that look alike compare equal, and hashing one takes microseconds. They are kept alive."""


def reads_of(code: CodeType) -> tuple[Read, ...]:
    """Every name that `code`, and the functions written in it, may read beside its own variables; each once."""
    return _known(code)[1]


def names_in(code: CodeType) -> frozenset[str]:
    """Every name that `code` may ask of anything: names in it, and strings that `getattr` may get."""
    return _known(code)[2]


def _known(code: CodeType) -> tuple[CodeType, tuple[Read, ...], frozenset[str]]:
    known = _READS.get(id(code))
    if known is None:
        reads = tuple(dict.fromkeys(_reads(code, frozenset(code.co_freevars))))
        known = _READS[id(code)] = code, reads, frozenset(_names(code))
    return known


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str) and constant.isidentifier():
            yield constant
        elif isinstance(constant, CodeType):
            yield from _names(constant)


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


__all__ = ["Read", "is_library", "names_in", "reads_of", "top_level"]
