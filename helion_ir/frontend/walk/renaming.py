"""The syntax tree of a kernel with other names for some of its variables."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping
from typing import Any

from ...dialects.names import kernel_name
from ...specialization.host_names import host_names
from ..source import CodeKey, FunctionSource, function_source

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_RENAMED: dict[Any, FunctionSource] = {}


def kernel_source(fn: Callable[..., Any]) -> FunctionSource:
    """The source of a kernel, whose variables have names that they can have in the emitted module."""
    source, names = function_source(fn), host_names(fn)  # type: ignore[arg-type]
    name = kernel_name(fn.__name__)
    if not names and name == fn.__name__:
        return source
    key = (CodeKey(fn.__code__), tuple(names.items()))
    if key not in _RENAMED:
        tree = _Renamer(names).whole(copy.deepcopy(source.tree))
        tree.name = name
        _RENAMED[key] = FunctionSource(source.file, tree)
    return _RENAMED[key]


class _Renamer(ast.NodeTransformer):
    """Renames variables; the parameters of functions in the function are called by name, and stay."""

    def __init__(self, names: Mapping[str, str]):
        self.names = dict(names)

    def whole(self, tree: ast.FunctionDef) -> ast.FunctionDef:
        """A kernel's definition, its parameters included."""
        for argument in _parameters(tree.args):
            argument.arg = self._new(argument.arg)
        self.generic_visit(tree)
        return tree

    def _new(self, name: str) -> str:
        return self.names.get(name, name)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new(node.id)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._new(node.name)
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        bound = node.asname or node.name.partition(".")[0]
        if self._new(bound) != bound:
            node.asname = self._new(bound)
        return node

    def _function(self, node: _Function) -> ast.AST:
        if not isinstance(node, ast.Lambda):
            node.name = self._new(node.name)
        outer = self.names
        own = {argument.arg for argument in _parameters(node.args)}
        self.names = {name: new for name, new in outer.items() if name not in own}
        self.generic_visit(node)
        self.names = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function


def _parameters(args: ast.arguments) -> list[ast.arg]:
    extra = [argument for argument in (args.vararg, args.kwarg) if argument is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


__all__ = ["kernel_source"]
