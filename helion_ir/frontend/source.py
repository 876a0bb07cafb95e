"""The user's source: its syntax tree with true lines and columns, compiled expressions, and where we are in it."""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

from .. import exc

LAZY_AND, LAZY_OR, NOT, CHOOSE = "__tile_and__", "__tile_or__", "__tile_not__", "__tile_choose__"
CALL = "__tile_call__"


@dataclass(frozen=True)
class FunctionSource:
    """A function's file and its definition's syntax tree, whose positions are those of the file."""

    file: str
    tree: ast.FunctionDef


_PARSED: dict[CodeType, FunctionSource] = {}


def function_source(fn: Callable[..., Any]) -> FunctionSource:
    """Find and parse the source of `fn`, once."""
    code = fn.__code__
    if code not in _PARSED:
        _PARSED[code] = _parse(fn)
    return _PARSED[code]


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


class _RunTimeLogic(ast.NodeTransformer):
    """`and`, `or`, `not`, conditional expressions and chained comparisons as calls, so that they can be run-time.

    Calls become calls of `CALL`, so that functions with such logic are looked into.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.args.insert(0, node.func)
        node.func = ast.copy_location(ast.Name(CALL, ast.Load()), node.func)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        name = LAZY_AND if isinstance(node.op, ast.And) else LAZY_OR
        return self._call(node, name, [self._thunk(value) for value in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._call(node, NOT, [node.operand]) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return self._call(node, CHOOSE, [node.test, self._thunk(node.body), self._thunk(node.orelse)])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) == 1:
            return node
        operands = [node.left, *node.comparators]
        parts = [
            self._thunk(ast.copy_location(ast.Compare(left, [op], [right]), node))
            for left, op, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return self._call(node, LAZY_AND, parts)

    @staticmethod
    def _thunk(node: ast.expr) -> ast.expr:
        arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return ast.copy_location(ast.Lambda(arguments, node), node)

    @staticmethod
    def _call(node: ast.expr, name: str, args: list[ast.expr]) -> ast.expr:
        function = ast.copy_location(ast.Name(name, ast.Load()), node)
        return ast.copy_location(ast.Call(function, args, []), node)


_LOGIC = (ast.BoolOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.Call)


def expression_code(node: ast.expr, file: str, *, device: bool) -> CodeType:
    """The compiled expression, kept on the node; on the device its logic may be run-time."""
    key = "_device_code" if device else "_host_code"
    code = getattr(node, key, None)
    if code is None:
        tree = node
        if device and any(isinstance(n, _LOGIC) for n in ast.walk(node)):
            tree = _RunTimeLogic().visit(copy.deepcopy(node))
        if isinstance(getattr(tree, "ctx", None), ast.Store):
            tree = copy.deepcopy(tree)
            tree.ctx = ast.Load()  # type: ignore[attr-defined]
        code = compile(ast.Expression(tree), file, "eval")
        setattr(node, key, code)
    return code


def statement_code(node: ast.stmt, file: str) -> CodeType:
    """The compiled statement, kept on the node."""
    code = getattr(node, "_statement_code", None)
    if code is None:
        code = compile(ast.Module([node], []), file, "exec")
        node._statement_code = code  # type: ignore[attr-defined]
    return code


def node_location(node: ast.AST, file: str) -> exc.SourceLocation:
    """Where a node of the tree begins; to its end where that is on the same line."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    same_line = getattr(node, "end_lineno", None) == line
    end = getattr(node, "end_col_offset", None) if same_line else None
    return exc.SourceLocation(file, line, column + 1, None if end is None else end + 1)


_WALKERS = {
    "trace": str(Path(__file__).with_name("__init__.py")),
    "_walk_helper": str(Path(__file__).with_name("device_walker.py")),
}
"""The functions, with their files, that walk user's code: expressions in frames above theirs are their callers'."""


@lru_cache(maxsize=1024)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def _place(code: CodeType, lasti: int) -> exc.SourceLocation | None:
    line, end_line, column, end_column = _positions(code)[lasti // 2]
    if line is None:
        return None
    end = end_column + 1 if end_column is not None and end_line == line else None
    return exc.SourceLocation(code.co_filename, line, (column or 0) + 1, end)


@lru_cache(maxsize=4096)
def _cached_place(code: CodeType, lasti: int) -> exc.SourceLocation | None:
    return _place(code, lasti)


def current_location(files: Collection[str]) -> exc.SourceLocation | None:
    """The innermost expression of the user's files that is being evaluated.

    None outside any: the place is that of the statement which is walked.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename in files:
            return _cached_place(code, frame.f_lasti)
        if _WALKERS.get(code.co_name) == code.co_filename:
            return None
        frame = frame.f_back
    return None


def error_location(files: Collection[str], trace: TracebackType | None) -> exc.SourceLocation | None:
    """Where in the user's files an exception came from."""
    found = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in files:
            found = _place(code, trace.tb_lasti) or found
        trace = trace.tb_next
    return found


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
