"""What stands before the host function in its text: what it uses of the user's modules, each by a name of its own."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import types
from collections.abc import Mapping
from typing import Any

import torch

from ...dialects.names import NameScope
from .called_functions import LIBRARIES

_CONSTANTS = (int, float, bool, str, bytes, type(None), torch.dtype)
Captured = tuple[types.FunctionType | None, str]
"""What must be bound at each call: the function (None: the kernel's) whose module or closure has it, its name there."""


def free_names(module: ast.Module, scope: Mapping[str, Any]) -> set[str]:
    """Names that are read and never bound in a text; Python's own only where `scope` has another meaning for them."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    own = {name for name in read if scope.get(name) is getattr(builtins, name, module)}
    unknown = {name for name in read if name not in scope and hasattr(builtins, name)}
    return read - bound - own - unknown


class Prelude:
    """Imports, constants and functions, and what those need in turn.

    Two modules may have different things of one name: then the second gets another name.
    """

    def __init__(self, kernel: str) -> None:
        self.captures: dict[str, Captured] = {}
        self._imports: list[str] = []
        self._definitions: list[str] = []
        self._names = NameScope((kernel, f"_{kernel}"))
        self._known: dict[str, tuple[Any, Mapping[str, Any]]] = {}

    def text(self) -> str:
        """The lines, in an order in which each finds what it uses."""
        lines = "\n".join([*self._imports, *self._definitions])
        return lines + "\n\n\n" if lines else ""

    def define(self, name: str, scope: Mapping[str, Any], owner: types.FunctionType | None = None) -> str:
        """Make `name`, as `scope` knows it (that of `owner`, else of the kernel), mean the same in the text; the name
        that it has there."""
        value = scope.get(name, self)
        if name == "torch" and value is torch:  # every module has it
            return name
        known = self._known.get(name)
        if known is not None and known[0] is value and (value is not self or known[1] is scope):
            return name
        new = name if known is None and owner is None else self._names.fresh(name)
        while new in self._known:
            new = self._names.fresh(name)
        self._known[new] = value, scope
        self._write(new, name, value, scope, owner)
        return new

    def _write(
        self, new: str, name: str, value: Any, scope: Mapping[str, Any], owner: types.FunctionType | None
    ) -> None:
        if isinstance(value, types.ModuleType):
            self._imports.append(f"import {value.__name__} as {new}")
        elif isinstance(value, _CONSTANTS):
            self._definitions.append(f"{new} = {value!r}")
        elif isinstance(value, types.FunctionType) and (tree := _definition(value)) is not None:
            self._definitions.append(self._function(new, value, tree))
        elif isinstance(value, types.BuiltinFunctionType) or (isinstance(value, type) and _is_of_library(value)):
            self._imports.append(f"from {value.__module__} import {value.__name__} as {new}")
        else:
            self.captures[new] = owner, name

    def _function(self, new: str, value: types.FunctionType, tree: ast.FunctionDef) -> str:
        """The definition of a function by its new name, after what it uses."""
        inner = {**value.__globals__, **inspect.getclosurevars(value).nonlocals}
        wanted = sorted(free_names(ast.Module([tree], []), inner) | _mentions_itself(tree))
        names = {free: new if inner.get(free) is value else self.define(free, inner, value) for free in wanted}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)
        tree.name = new
        return ast.unparse(tree)


def _is_of_library(cls: type) -> bool:
    """Whether a class can be imported; one of the user's must be the same class in the text, so it is captured."""
    return cls.__module__.partition(".")[0] in LIBRARIES and "<" not in cls.__qualname__ and "." not in cls.__qualname__


def _mentions_itself(tree: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == tree.name}


def _definition(value: types.FunctionType) -> ast.FunctionDef | None:
    """The source of a function, without its decorators."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    tree.decorator_list = []
    return tree


__all__ = ["Captured", "Prelude", "free_names"]
