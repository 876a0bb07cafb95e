"""Keys of what is baked into a kernel: what its function captures, and the functions and objects that it is given."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType
from typing import Any

from .contents import Contents, Same
from .lookups import is_given
from .reads import reads_of, top_level
from .trail import Trail

_KEPT = 64
"""How many functions and objects are remembered with their keys."""


def content_of(
    read: Callable[[Contents], Hashable], module: str | None, trail: Callable[[], Trail] | None = None
) -> tuple[Hashable, Trail | None]:
    """What `read` makes of a `Contents`, read until the code that is met names nothing new; with its trail if asked."""
    names: set[str] = set()
    while True:
        count, path = len(names), None if trail is None else trail()
        contents = Contents(names, top_level(module), path)
        found = read(contents)
        if len(names) == count or not contents.chose:
            return found, path


class Captures:
    """What a kernel's function holds and reads beside its arguments, as a key that is quick to make again."""

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._trail: Trail | None = None
        self._known: dict[Hashable, Hashable] = {}
        self._key: Hashable = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing: only names of Python and of libraries."""
        return all(not read.free and is_given(self._function, read) for read in reads_of(self._function.__code__))

    def key(self) -> Hashable:
        """A key of all of it as it is now; equal keys are the same object."""
        if self._trail is None or not self._trail.holds():
            found, self._trail = content_of(self._everything, self._function.__module__, Trail)
            self._key = self._known.setdefault(found, Same(found))
        return self._key

    def _everything(self, contents: Contents) -> Hashable:
        return contents.reads(self._function), contents.closure_reads(self._function)


class Baked:
    """Makes keys of functions and objects that a kernel, whose function it is, is given."""

    def __init__(self, function: FunctionType | None = None) -> None:
        self._function = function
        self._known: dict[int, tuple[object, Trail, Hashable]] = {}

    def key(self, value: Any, held: Callable[[object], Hashable]) -> Hashable:
        """The content of `value`; `held` makes the keys of what closures hold, which become run-time values."""
        if isinstance(value, FunctionType) and value.__closure__:
            return content_of(lambda contents: contents.function(value, held), value.__module__)[0]
        if isinstance(value, MethodType):  # made whenever it is asked for
            return (MethodType, self.key(value.__func__, held), self.key(value.__self__, held))
        known = self._known.get(id(value))
        if known is not None and known[0] is value and known[1].holds():
            return known[2]
        module = value.__module__ if isinstance(value, FunctionType) else type(value).__module__
        found, trail = content_of(functools.partial(self._content, value), module, Trail)
        if len(self._known) >= _KEPT:
            self._known.clear()
        if trail is not None:
            self._known[id(value)] = value, trail, found
        return found

    def _content(self, value: object, contents: Contents) -> Hashable:
        """The content of a value, as far as it or the kernel can name what is in it."""
        if self._function is not None and not isinstance(value, FunctionType):
            contents.reads(self._function)
            contents.closure_reads(self._function)
        return contents.of(value)


def baked(value: Any) -> Hashable:
    """The content of a value."""
    return content_of(lambda contents: contents.of(value), type(value).__module__)[0]


__all__ = ["Baked", "Captures", "baked"]
