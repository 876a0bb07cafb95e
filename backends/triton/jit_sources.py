"""The source of `@triton.jit` functions with all that they use, so that it stands alone in an emitted module."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
import types
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import ConstexprFunction, JITCallable, JITFunction

from ... import exc
from ..base import Source

_PROVIDED = {"torch": "torch", "triton": "triton", "tl": "triton.language"}
"""What every emitted module has: names, and the modules that they stand for."""
_CONSTANTS = (bool, int, float, str, type(None), tuple)


_FUNCTIONS = (JITFunction, InterpretedFunction)
"""What `@triton.jit` makes; the second where TRITON_INTERPRET is set."""
_DTYPES = {torch.float8_e4m3fn: "float8e4nv", torch.float8_e5m2: "float8e5", torch.bool: "int1"}
"""Those that Triton names otherwise."""
_USABLE = (JITCallable, InterpretedFunction)


class JitSources:
    """The jit functions that one kernel calls; each name of their modules is defined in one way."""

    def __init__(self, kernel: str) -> None:
        self._definitions = {kernel: "", f"_{kernel}": ""}  # the emitted module's own
        self._called: set[str] = set()

    def of_function(self, function: Any) -> Source | None:
        """The source of a jit function; None for anything else."""
        if not isinstance(function, _FUNCTIONS):
            return None
        used: dict[str, str] = {}
        self._function(function, used)
        definition = _parsed(_text_of(function))[-1]
        assert isinstance(definition, ast.FunctionDef)
        self._called.add(definition.name)
        return Source(definition.name, definition, "\n\n".join(used.values()))

    def of_text(self, text: str, scope: Mapping[str, Any]) -> Source:
        """The source of the last function that a text defines; names that the text does not define are of `scope`."""
        text = textwrap.dedent(text).strip("\n")
        body = _parsed(text)
        functions = [node for node in body if isinstance(node, ast.FunctionDef)]
        if not functions:
            raise exc.InvalidAPIUsage("the source of a Triton function defines no function")
        used: dict[str, str] = {}
        own = {name for node in body for name in _bound(node)}
        for name in sorted({name for node in body for name in _free_names(node)} - own):
            self._use(name, scope, functions[-1].name, used)
        for node in body:
            if _is_provided(node):
                continue
            undecorated = isinstance(node, ast.FunctionDef) and not node.decorator_list
            part = _segment(text, node)
            for name in _bound(node) or (ast.unparse(node),):
                self._define(name, f"@triton.jit\n{part}" if undecorated else part, used)
        self._called.add(functions[-1].name)
        return Source(functions[-1].name, functions[-1], "\n\n".join(dict.fromkeys(used.values())))

    def constant(self, value: Any) -> str | None:
        """A constant as text; None for what is known at run time only."""
        if isinstance(value, tl.constexpr):
            return literal(value.value) if isinstance(value.value, tuple) else self.constant(value.value)
        if isinstance(value, torch.dtype):
            return f"tl.{_DTYPES.get(value) or str(value).removeprefix('torch.')}"
        if isinstance(value, tl.dtype):
            return triton_dtype(value)
        return literal(value) if isinstance(value, bool | int | float | str | None) else None

    def check_parameters(self, names: Iterable[str]) -> None:
        """Parameters of the kernel would hide functions of equal names."""
        for name in names:
            if name in self._called:
                raise exc.NamingConflict(f"{name!r} is a Triton function that is called, and an argument of the kernel")

    def _define(self, name: str, text: str, used: dict[str, str]) -> None:
        if name in _PROVIDED:
            raise exc.NamingConflict(f"{name!r} names something else in the emitted module")
        if self._definitions.setdefault(name, text) != text:
            raise exc.NamingConflict(
                f"two different things that Triton functions use are named {name!r}", hint="rename one of them"
            )
        used[name] = text

    def _function(self, function: Any, used: dict[str, str]) -> None:
        """Define a function after what it uses."""
        text = _text_of(function)
        (definition,) = _parsed(text)
        assert isinstance(definition, ast.FunctionDef)
        if definition.name in used:
            self._define(definition.name, text, used)
            return
        used[definition.name] = text  # for a function that calls itself
        nonlocals = inspect.getclosurevars(function.fn).nonlocals
        for name in sorted(_free_names(definition) - {definition.name}):
            self._use(name, {**function.fn.__globals__, **nonlocals}, definition.name, used)
        del used[definition.name]
        self._define(definition.name, text, used)

    def _use(self, name: str, scope: Mapping[str, Any], user: str, used: dict[str, str]) -> None:
        """Define what `name` is in `scope`, where the function `user` reads it."""
        if name not in scope:
            if name in _PROVIDED or hasattr(builtins, name):
                return
            raise exc.InvalidAPIUsage(f"Triton function {user!r} uses {name!r}, which is not defined")
        value = scope[name]
        if isinstance(value, types.ModuleType):
            if _PROVIDED.get(name) != value.__name__:
                self._define(name, _import_of(value, name, user), used)
        elif _of_triton(value):
            origin = value.fn if isinstance(value, _USABLE) else value
            self._define(name, f"from {origin.__module__} import {origin.__name__} as {name}", used)
        elif isinstance(value, _USABLE):
            self._function(value, used)
            if value.fn.__name__ != name:
                self._define(name, f"{name} = {value.fn.__name__}", used)
        else:
            self._define(name, f"{name} = {_constant(value, name, user)}", used)


def _of_triton(value: Any) -> bool:
    """Whether a function or class comes with Triton."""
    origin = value.fn if isinstance(value, _USABLE) else value
    module, name = getattr(origin, "__module__", None) or "", getattr(origin, "__name__", "")
    return module.partition(".")[0] == "triton" and hasattr(sys.modules.get(module), name)


def _import_of(module: types.ModuleType, name: str, user: str) -> str:
    top = module.__name__.partition(".")[0]
    if top not in ("torch", "triton") and top not in sys.stdlib_module_names:
        raise exc.InvalidAPIUsage(
            f"Triton function {user!r} uses the module {module.__name__!r}, which the emitted module cannot import",
            hint="import what the function uses by name: from … import …",
        )
    return f"import {module.__name__} as {name}"


def _constant(value: Any, name: str, user: str) -> str:
    if isinstance(value, tl.dtype):
        return triton_dtype(value)
    inner = value.value if isinstance(value, tl.constexpr) else value
    if isinstance(inner, tl.dtype):
        return f"tl.constexpr({triton_dtype(inner)})"
    if not isinstance(inner, _CONSTANTS):
        raise exc.InvalidAPIUsage(
            f"Triton function {user!r} uses {name!r}, a {type(inner).__name__}, which cannot be put into a module",
            hint="it can use jit functions, constants, and what torch and triton have",
        )
    return f"tl.constexpr({literal(inner)})"


def literal(value: Any) -> str:
    """A constant of Python's as text."""
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return f"float({str(value)!r})"
    if isinstance(value, tuple):
        return f"({''.join(literal(part) + ', ' for part in value)})"
    return repr(value)


def triton_dtype(value: tl.dtype) -> str:
    """A dtype of Triton's as text."""
    return f"tl.{repr(value).removeprefix('triton.language.')}"


def _text_of(function: Any) -> str:
    """The definition of a jit function, with its decorator."""
    kind = "constexpr_function" if isinstance(function, ConstexprFunction) else "jit"
    option = "(noinline=True)" if getattr(function, "noinline", None) else ""
    text = function.src if isinstance(function, JITCallable) else textwrap.dedent(inspect.getsource(function.fn))
    text = text[text.index(f"def {function.fn.__name__}") :].strip("\n")
    return f"@triton.{kind}{option}\n{text}"


def _parsed(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except SyntaxError as error:
        raise exc.InvalidAPIUsage(f"the source of a Triton function is not Python: {error}") from None


def _segment(text: str, node: ast.stmt) -> str:
    """A top-level statement as it is written, with its decorators."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(text.split("\n")[first - 1 : node.end_lineno])


def _bound(node: ast.stmt) -> tuple[str, ...]:
    """The names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return tuple((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return tuple(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _is_provided(node: ast.stmt) -> bool:
    """Whether a statement imports only what every emitted module has."""
    if isinstance(node, ast.Import):
        return all(
            alias.name in _PROVIDED.values() if alias.asname is None else _PROVIDED.get(alias.asname) == alias.name
            for alias in node.names
        )
    return isinstance(node, ast.ImportFrom) and all(
        _PROVIDED.get(alias.asname or alias.name) == f"{node.module}.{alias.name}" for alias in node.names
    )


def _free_names(node: ast.stmt) -> set[str]:
    """Names that are read and not bound inside; a function's annotations and decorators are part of it."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)} | {
        n.arg for n in ast.walk(node) if isinstance(n, ast.arg)
    }
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - bound


__all__ = ["JitSources"]
