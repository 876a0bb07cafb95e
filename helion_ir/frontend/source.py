"""The user's source: its syntax tree with true lines and columns, and where we are in it."""

from __future__ import annotations

import ast
import dis
import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, TypeVar

import torch

from .. import exc


@dataclass(frozen=True)
class FunctionSource:
    """A function's file and its definition's syntax tree, whose positions are those of the file."""

    file: str
    tree: ast.FunctionDef


class CodeKey:
    """A code object as a key, by identity: those of equal text at equal lines of two files compare equal."""

    __slots__ = ("code",)

    def __init__(self, code: CodeType):
        self.code = code

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CodeKey) and other.code is self.code

    def __hash__(self) -> int:
        return id(self.code)


_PARSED: dict[CodeKey, FunctionSource] = {}


def function_source(fn: Callable[..., Any]) -> FunctionSource:
    """Find and parse the source of `fn`, once."""
    key = CodeKey(fn.__code__)
    if key not in _PARSED:
        _PARSED[key] = _parse(fn)
    return _PARSED[key]


def _parse(fn: Callable[..., Any]) -> FunctionSource:
    name = inspect.unwrap(fn).__code__.co_name
    hint = "define the kernel in a file (or a notebook cell); text given to exec() or python -c has no source"
    try:
        lines, start = inspect.getsourcelines(fn)
        file = inspect.getsourcefile(fn) or fn.__code__.co_filename
    except (OSError, TypeError):
        raise _unreadable(fn, hint) from None
    # An `if` around the text keeps columns where they are, however far the definition is indented.
    indented = lines[0][:1].isspace()
    text = ("if True:\n" if indented else "") + "".join(lines)
    try:
        tree = ast.parse(text, file)
    except SyntaxError as error:
        raise exc.InvalidAPIUsage(
            f"the source of kernel {fn.__name__!r} cannot be parsed: {error}", hint=hint
        ) from None
    statement = tree.body[0]
    if indented and isinstance(statement, ast.If):
        statement = statement.body[0]
    # Text given to exec() may pass for that of `python -c`: both are called <string>, and Python 3.13 keeps the latter.
    if name != "<lambda>" and getattr(statement, "name", None) != name:
        raise _unreadable(fn, hint)
    if not isinstance(statement, ast.FunctionDef):
        raise exc.InvalidAPIUsage("a kernel must be a function made by a def statement", hint=hint)
    ast.increment_lineno(statement, start - (2 if indented else 1))
    return FunctionSource(file, statement)


def _unreadable(fn: Callable[..., Any], hint: str) -> exc.InvalidAPIUsage:
    return exc.InvalidAPIUsage(f"the source of kernel {fn.__name__!r} cannot be read", hint=hint)


def node_location(node: ast.AST, file: str) -> exc.SourceLocation:
    """Where a node of the tree begins; to its end where that is on the same line."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    same_line = getattr(node, "end_lineno", None) == line
    end = getattr(node, "end_col_offset", None) if same_line else None
    return exc.SourceLocation(file, line, column + 1, None if end is None else end + 1)


Span = tuple[int, int, int, int]
"""Where a node is in its file: first and last line, first and last column."""


def span_of(node: ast.expr) -> Span:
    """Where an expression is in its file."""
    return (node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0)


_Function = TypeVar("_Function", bound=FunctionType)

_WALKERS: dict[str, str] = {}
"""The functions, with their files, that walk user's code: expressions in frames above theirs are their callers'."""


def walks(function: _Function) -> _Function:
    """Mark a function that walks code of the user's: what is evaluated below it is not its caller's expression."""
    _WALKERS[function.__code__.co_name] = function.__code__.co_filename
    return function


@lru_cache(maxsize=1024)
def _positions(key: CodeKey) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(key.code.co_positions())


@lru_cache(maxsize=4096)
def _place(key: CodeKey, lasti: int) -> exc.SourceLocation | None:
    line, end_line, column, end_column = _positions(key)[lasti // 2]
    if line is None:
        return None
    end = end_column + 1 if end_column is not None and end_line == line else None
    return exc.SourceLocation(key.code.co_filename, line, (column or 0) + 1, end)


def current_location(files: Collection[str]) -> exc.SourceLocation | None:
    """The innermost expression of the user's files that is being evaluated.

    None outside any: the place is that of the statement which is walked.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename in files:
            return _place(CodeKey(code), frame.f_lasti)
        if _WALKERS.get(code.co_name) == code.co_filename:
            return None
        frame = frame.f_back
    return None


def current_span(file: str) -> Span | None:
    """The expression of `file` that is being evaluated; None where it is code of another file, or there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_PACKAGE, _TORCH)):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename != file:
        return None
    line, last, column, end = _positions(CodeKey(frame.f_code))[frame.f_lasti // 2]
    return (line or 0, last or 0, column or 0, end or 0)


def in_subscript(files: Collection[str]) -> bool:
    """Whether the user's innermost expression is a subscript of a Python object."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename not in files:
        if frame.f_code.co_name == "__torch_function__" and frame.f_locals.get("func") is torch.Tensor.__getitem__:
            return False
        if frame.f_code in _SUBSCRIBING:
            return True
        frame = frame.f_back
    return frame is not None and dis.opname[frame.f_code.co_code[frame.f_lasti]] in _SUBSCRIPTS


def subscribes(function: _Function) -> _Function:
    """Mark a function that implements a subscript of the user's."""
    _SUBSCRIBING.add(function.__code__)
    return function


def asked_by_user() -> bool:
    """Whether the user's code, not a message of the compiler, asks for the text of a number."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_SYMBOLS, _TORCH)):
        frame = frame.f_back
    if frame is None:
        return False
    return not frame.f_code.co_filename.startswith(_PACKAGE) or frame.f_code in _FOR_USER


def for_user(function: _Function) -> _Function:
    """Mark a function that calls what the user's code calls."""
    _FOR_USER.add(function.__code__)
    return function


def from_user(error: BaseException, files: Collection[str]) -> bool:
    """Whether an exception comes out of the user's code, or out of what that calls of Python's and PyTorch's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = None if trace is None else trace.tb_frame.f_code
    if code is None or code.co_filename in files or not code.co_filename.startswith(_PACKAGE):
        return True
    return is_for_user(code) or code.co_name == "__getattr__"


def is_for_user(code: CodeType) -> bool:
    """Whether code calls what the user's code calls: what fails there is not its own fault."""
    return code in _FOR_USER


_SUBSCRIBING: set[CodeType] = set()
_FOR_USER: set[CodeType] = set()
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_SYMBOLS, _TORCH = os.path.join(os.path.dirname(__file__), "symbols"), os.path.dirname(torch.__file__)
_SUBSCRIPTS = ("BINARY_SUBSCR", "BINARY_SLICE")


def error_location(files: Collection[str], trace: TracebackType | None) -> exc.SourceLocation | None:
    """Where in the user's files an exception came from."""
    found = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in files:
            found = _place(CodeKey(code), trace.tb_lasti) or found
        trace = trace.tb_next
    return found


WALKED = "_helion_ir_place"
"""The attribute of an exception that says where the statement is that was walked."""


@contextmanager
def located(node: ast.AST, file: str, files: Collection[str] = ()) -> Iterator[None]:
    """Errors from here on point at the user's expression that they came from, else at `node`."""
    try:
        yield
    except exc.Base as error:
        error.location = (
            error.location or error_location(files or (file,), error.__traceback__) or node_location(node, file)
        )
        raise
    except Exception as error:
        if not hasattr(error, WALKED):
            setattr(error, WALKED, node_location(node, file))
        raise
