"""Functions and lambdas that device code calls: which of them are walked like the kernel, and what of them is walked.

A function whose outcome may hang on run-time values (an `if`, a loop, a call of another function) is walked; one
that is a chain of operators is called. Functions of libraries are always called, and so are those with statements
that device code does not have (`try`, `with`, `yield`, `break`, a return from within a loop): Python runs them.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ... import exc
from ..rewriting import NUMBER_ATTRIBUTES
from ..source import CodeKey, function_source
from .matching import with_rest

LIBRARIES = frozenset(("torch", "triton", "numpy", "helion_ir", *sys.stdlib_module_names))
_DECIDING = (
    ast.If,
    ast.Match,
    ast.IfExp,
    ast.While,
    ast.For,
    ast.BoolOp,
    ast.Compare,
    ast.UnaryOp,
    ast.Pow,
    ast.FloorDiv,
    ast.Call,
)
"""What may ask for a truth value, loop over the device, compute what PyTorch's numbers cannot, or call what does."""
_LOOPS = (ast.For, ast.While)
_SCOPES = (ast.FunctionDef, ast.Lambda)
_PYTHONS = (
    ast.Try, ast.With, ast.Break, ast.Continue, ast.Global, ast.Nonlocal, ast.ClassDef, ast.Import, ast.ImportFrom,
    ast.Yield, ast.YieldFrom, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith,
)  # fmt: skip
"""What only Python itself can run."""


@dataclass(frozen=True)
class Helper:
    """A function to be walked: on every path its body ends in the one `return` of that path."""

    name: str
    file: str
    body: tuple[ast.stmt, ...]


@dataclass(frozen=True)
class HelperCall:
    """A call of a user's function: its code, and its arguments by parameter."""

    callee: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def names(self) -> dict[str, Any]:
        """What the function's own code sees: its module, its closure, its parameters."""
        bound = inspect.signature(self.callee).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        cells = zip(self.callee.__code__.co_freevars, self.callee.__closure__ or (), strict=True)
        captured = {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}
        return {**self.callee.__globals__, **captured, **bound.arguments}

    @property
    def parameters(self) -> dict[str, None]:
        """The names of the parameters."""
        return dict.fromkeys(inspect.signature(self.callee).parameters)


def function_of_kernel(function: Any) -> Any:
    """What a call of a kernel in device code runs: its function; None for what is no kernel."""
    return getattr(function, "__device_function__", None)


@contextmanager
def part_of_kernel(function: types.FunctionType, place: exc.SourceLocation | None) -> Iterator[None]:
    """A call at `place` of a kernel's function: what is wrong in one with loops of its own is that it is called."""
    try:
        yield
    except exc.Base as error:
        helper, name = helper_of(function), function.__name__
        if helper is None or not any(isinstance(node, ast.For) for part in helper.body for node in ast.walk(part)):
            raise
        raise exc.NestedKernelCallsNotSupported(
            f"kernel {name} is called in another kernel, of which it cannot be a part: {error.message}",
            hint="in device code a kernel is called for what it computes of tiles: one that allocates its result is "
            "called after the other",
            location=place,
        ) from error


def helper_call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> HelperCall | None:
    """The user's own function that a call reaches; None if it is a library's, or no Python function."""
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    if not isinstance(function, types.FunctionType | types.MethodType | types.BuiltinFunctionType | type):
        method = type(function).__dict__.get("__call__")
        function = types.MethodType(method, function) if isinstance(method, types.FunctionType) else function
    if isinstance(function, types.MethodType):
        args, function = (function.__self__, *args), function.__func__
    if not isinstance(function, types.FunctionType):
        return None
    library = (function.__module__ or "").partition(".")[0] in LIBRARIES
    return None if library else HelperCall(function, args, kwargs)


@functools.cache
def rebinds(function: types.FunctionType) -> tuple[str, ...]:
    """The names of its module or closure that a function, or one inside of it, binds anew."""
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    found = dict.fromkeys(
        each.argval
        for code in codes
        for each in dis.get_instructions(code)
        if each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")
        or (each.opname in ("STORE_DEREF", "DELETE_DEREF") and each.argval in function.__code__.co_freevars)
    )
    return tuple(found)


_OF_PYTHONS = frozenset(("isinstance", "issubclass", "type", "__class__", "round"))
"""What gives another answer for a number of a trace."""


@functools.cache
def needs_values(function: types.FunctionType) -> bool:
    """Whether Python cannot run a function on the numbers of a trace in place of their values: it asks for the types
    of what it is given, or handles the errors that the numbers make."""
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    operations = (each.opname for code in codes for each in dis.get_instructions(code))
    asks = any(_OF_PYTHONS.intersection(code.co_names) or code.co_exceptiontable for code in codes)
    return asks or any(name.startswith("MATCH_") for name in operations)


_HELPERS: dict[CodeKey, Helper | None] = {}


def helper_of(function: types.FunctionType) -> Helper | None:
    """What to walk for a function; None where Python just calls it."""
    key = CodeKey(function.__code__)
    if key not in _HELPERS:
        _HELPERS[key] = _helper(function)
    return _HELPERS[key]


def _helper(function: types.FunctionType) -> Helper | None:
    if function.__name__ == "<lambda>":
        found = _lambda(function.__code__)
        statements = None if found is None else [ast.copy_location(ast.Return(found.body), found.body)]
        file = function.__code__.co_filename
    else:
        try:
            source = function_source(function)
        except exc.InvalidAPIUsage:
            return None
        statements, file = source.tree.body, source.file
    if statements is None or not _walkable(statements):
        return None
    return Helper(function.__name__, file, tuple(_single_exit(statements, statements[-1])))


def _walkable(statements: Sequence[ast.stmt]) -> bool:
    every = [node for statement in statements for node in _own_nodes(statement)]
    if any(isinstance(node, _PYTHONS) for node in every):
        return False
    inside = [part for node in every if isinstance(node, _LOOPS) for part in _own_nodes(node)]
    decides = any(isinstance(n, _DECIDING) or getattr(n, "attr", None) in NUMBER_ATTRIBUTES for n in every)
    return decides and not any(isinstance(n, ast.Return) for n in inside)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is in it, without the bodies of functions in it."""
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _own_nodes(child)


def _single_exit(statements: Sequence[ast.stmt], last: ast.stmt) -> list[ast.stmt]:
    """The statements with what follows an `if` that returns moved into its arms; each path ends in a `return`."""
    result: list[ast.stmt] = []
    for i, statement in enumerate(statements):
        if isinstance(statement, ast.If) and any(isinstance(node, ast.Return) for node in _own_nodes(statement)):
            rest = list(statements[i + 1 :])
            arms = (_single_exit([*arm, *rest], last) for arm in (statement.body, statement.orelse))
            return [*result, ast.copy_location(ast.If(statement.test, *arms), statement)]
        if isinstance(statement, ast.Match) and any(isinstance(node, ast.Return) for node in _own_nodes(statement)):
            rest = list(statements[i + 1 :])
            return [*result, with_rest(statement, lambda body, rest=rest: _single_exit([*body, *rest], last))]
        result.append(statement)
        if isinstance(statement, ast.Return):
            return result
    return [*result, ast.copy_location(ast.Return(None), last)]


@functools.lru_cache(maxsize=16)
def _lambdas(text: str) -> list[ast.Lambda]:
    """All lambdas of a file's text."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]


def _lambda(code: types.CodeType) -> ast.Lambda | None:
    """The expression that a lambda's code was compiled from: the innermost that all of its code lies in."""
    places = [(line, column, last, end) for line, last, column, end in code.co_positions() if column != end]
    begin = min(((line, column) for line, column, *_ in places), default=None)
    end = max(((last, column) for *_, last, column in places), default=None)
    linecache.checkcache(code.co_filename)
    found = None
    for node in _lambdas("".join(linecache.getlines(code.co_filename))):
        body = node.body
        if begin is None or end is None or begin < (body.lineno, body.col_offset):
            continue
        within = end <= (body.end_lineno, body.end_col_offset)
        if within and (found is None or found.col_offset <= node.col_offset or found.lineno < node.lineno):
            found = node
    return found
