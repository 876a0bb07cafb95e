"""The host function on a machine without a GPU: the user's own code, with the launch handed to an interpreter."""

from __future__ import annotations

import ast
import copy
import linecache
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch

from ..dialects.names import LAUNCH
from ..sizes import HOST_FUNCTIONS

Launch = Callable[..., None]

_parsing = threading.Lock()
"""CPython 3.11 counts the depth of syntax trees in all threads together, and raises SystemError when two are at it."""


class _FillLaunch(ast.NodeTransformer):
    """`__launch__()` becomes `__launch__((arg, …), {name: expression, …}, …)`, evaluated where it stands."""

    def __init__(self, arguments: list[ast.expr]) -> None:
        self._arguments = arguments

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == LAUNCH:
            filled = ast.Call(node.func, copy.deepcopy(self._arguments), [])
            for part in ast.walk(filled):
                ast.copy_location(part, node)
            return filled
        return self.generic_visit(node)


def _expression(source: str | int) -> ast.expr:
    return ast.Constant(source) if isinstance(source, int) else ast.parse(source, mode="eval").body


def _mapping(values: Mapping[str, str | int]) -> ast.expr:
    return ast.Dict([ast.Constant(name) for name in values], [_expression(value) for value in values.values()])


def host_function(
    source: str,
    launch: Launch,
    *,
    args: Sequence[str],
    tables: Sequence[Mapping[str, str | int]] = (),
    names: Mapping[str, object] | None = None,
) -> FunctionType:
    """The function that `source` defines, whose launches call `launch((arg, …), *tables)`.

    `args` and the values of `tables` are Python expressions (or ints), evaluated in the host function at the launch.
    `names` are globals beyond `torch` and `HOST_FUNCTIONS`.
    """
    with _parsing:
        tree = ast.parse(source)
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        if not functions:
            raise ValueError("the host source defines no function")
        fill = _FillLaunch([ast.Tuple([_expression(arg) for arg in args], ast.Load()), *map(_mapping, tables)])
        tree = ast.fix_missing_locations(fill.visit(tree))
        name = functions[-1].name
        file = f"<host of {name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        code = compile(tree, file, "exec")
    namespace: dict[str, Any] = {"torch": torch, **HOST_FUNCTIONS, **(names or {}), LAUNCH: launch}
    exec(code, namespace)
    return namespace[name]
