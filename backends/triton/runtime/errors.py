"""What Triton says of an emitted kernel that it cannot compile or launch, at the user's line."""

from __future__ import annotations

import linecache
import os
import re
from types import FunctionType

from ....exc import SourceLocation, TritonError

_ORIGIN = re.compile(r"#\s*src\[(?P<file>.+?):(?P<line>\d+)\]")
_SHOWN = 400
"""Characters of Triton's message; the exception itself is the cause."""


def triton_error(error: Exception, fn: FunctionType, doing: str) -> TritonError:
    """The error to raise from `error`, which Triton raised for the kernel that was made of `fn`.

    `doing` says what failed (`"compile for sm_90"`). The place is that of the statement that Triton names, else the
    kernel's definition.
    """
    message = getattr(error, "error_message", None) or str(error) or "no message"
    text = " ".join(str(message).split())
    place, hint = _origin(error, fn), "the exception below it is Triton's own; .source is what it was given"
    if place is None:
        place = SourceLocation.of_definition(fn)
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return TritonError(
        f"{fn.__name__}: Triton cannot {doing}: {type(error).__name__}: {shown}", hint=hint, location=place
    )


def _origin(error: BaseException | None, fn: FunctionType) -> SourceLocation | None:
    """The user's statement that a compilation error is about: the nearest comment above the line that it names."""
    while error is not None:
        source, line = getattr(error, "src", None), getattr(getattr(error, "node", None), "lineno", None)
        if isinstance(source, str) and isinstance(line, int):
            for text in reversed(source.split("\n")[:line]):
                if found := _ORIGIN.search(text):
                    return _place(found["file"], int(found["line"]), fn)
        error = error.__cause__
    return None


def _place(name: str, line: int, fn: FunctionType) -> SourceLocation:
    """A line of the file of that name: the kernel's file, else a file that was read during the trace."""
    files = [fn.__code__.co_filename, *list(linecache.cache)]
    file = next((file for file in files if os.path.basename(file) == name), name)
    text = linecache.getline(file, line).rstrip()
    return SourceLocation(file, line, len(text) - len(text.lstrip()) + 1, len(text) + 1)
