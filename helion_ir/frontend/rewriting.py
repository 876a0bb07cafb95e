"""The user's expressions, compiled with operators, calls and boolean logic replaced by calls of the tracer's functions.

PyTorch's symbolic numbers lack a hash, Python's type and some operators, and in device code a condition may be known at
run time only.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from types import CodeType
from typing import TypeVar

import torch

LAZY_AND, LAZY_OR, NOT, CHOOSE = "__tile_and__", "__tile_or__", "__tile_not__", "__tile_choose__"
CALL, ITEM, SLICE = "__tile_call__", "__tile_item__", "__tile_slice__"
VALUE, ATTRIBUTE = "__tile_value__", "__tile_attribute__"
OPERATORS: dict[type[ast.AST], str] = {
    kind: f"__tile_{kind.__name__.lower()}_of__"
    for kind in (
        ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
        ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor,
        ast.Invert, ast.UAdd, ast.USub, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    )
}  # fmt: skip
"""Operators that PyTorch's symbolic numbers lack for some operands → the function that stands for each."""
NUMBER_ATTRIBUTES = frozenset(
    name for name in {*dir(int), *dir(float)} - {*dir(torch.SymInt), *dir(torch.SymFloat)} if name[0] != "_"
) | {"__class__"}
"""Attributes of Python's numbers that PyTorch's symbolic ones lack."""
_OF_FRAMES = frozenset(("dir", "eval", "exec", "globals", "locals", "super", "vars"))
"""Functions that ask for the frame of their caller."""


class _Numbers(ast.NodeTransformer):
    """Rewrites operators and calls that take numbers."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _OF_FRAMES:
            return node
        return self._call(node, CALL, [node.func, *node.args], node.keywords)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node if isinstance(node.operand, ast.Constant) else self._operator(node, node.op, [node.operand])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._operator(node, node.op, [node.left, node.right])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        return node if len(node.ops) > 1 else self._operator(node, node.ops[0], [node.left, *node.comparators])

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return self._call(node, ITEM, [node.value, node.slice]) if isinstance(node.ctx, ast.Load) else node

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        self.generic_visit(node)
        parts = [part or ast.copy_location(ast.Constant(None), node) for part in (node.lower, node.upper, node.step)]
        return self._call(node, SLICE, parts)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr not in NUMBER_ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            return node
        return self._call(node, ATTRIBUTE, [node.value, ast.copy_location(ast.Constant(node.attr), node)])

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        node.keys = [key and self._value(key) for key in node.keys]
        return node

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        self.generic_visit(node)
        node.key = self._value(node.key)
        return node

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        node.elts = [each if isinstance(each, ast.Starred) else self._value(each) for each in node.elts]
        return node

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        self.generic_visit(node)
        node.elt = self._value(node.elt)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        node.value = self._value(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function's body is rewritten when it is called."""
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        """A pattern is no expression."""
        node.guard = node.guard and self.visit(node.guard)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def _value(self, node: ast.expr) -> ast.expr:
        return node if isinstance(node, ast.Constant) else self._call(node, VALUE, [node])

    def _operator(self, node: ast.expr, operator: ast.AST, operands: list[ast.expr]) -> ast.expr:
        name = OPERATORS.get(type(operator))
        return node if name is None else self._call(node, name, operands)

    @staticmethod
    def _call(node: ast.expr, name: str, args: list[ast.expr], keywords: Sequence[ast.keyword] = ()) -> ast.expr:
        function = ast.copy_location(ast.Name(name, ast.Load()), node)
        return ast.copy_location(ast.Call(function, args, list(keywords)), node)


class _BooleanRewriter(_Numbers):
    """Also rewrites `and`, `or`, `not`, conditional expressions and chained comparisons, for run-time values."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        name = LAZY_AND if isinstance(node.op, ast.And) else LAZY_OR
        return self._call(node, name, [self._thunk(value) for value in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if not isinstance(node.op, ast.Not):
            return super().visit_UnaryOp(node)
        self.generic_visit(node)
        return self._call(node, NOT, [node.operand])

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return self._call(node, CHOOSE, [node.test, self._thunk(node.body), self._thunk(node.orelse)])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if len(node.ops) == 1:
            return super().visit_Compare(node)
        operands = [node.left, *node.comparators]
        parts = [
            self._thunk(self._one(node, left, op, right))
            for left, op, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return self._call(node, LAZY_AND, parts)

    def _one(self, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        """One comparison of a chain; what is compared twice is rewritten for each."""
        pair = ast.copy_location(ast.Compare(copy.deepcopy(left), [op], [copy.deepcopy(right)]), node)
        return self._operator(pair, op, [self.visit(pair.left), self.visit(pair.comparators[0])])

    @staticmethod
    def _thunk(node: ast.expr) -> ast.expr:
        arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return ast.copy_location(ast.Lambda(arguments, node), node)


_Node = TypeVar("_Node", bound=ast.AST)


def _rewritten(node: _Node, rules: _Numbers) -> _Node:
    if isinstance(node, ast.Name | ast.Constant):
        return node  # pyright: ignore[reportReturnType]
    return rules.visit(copy.deepcopy(node))


def expression_code(node: ast.expr, file: str, *, device: bool) -> CodeType:
    """The compiled expression, cached on the node; in device code its conditions may be run-time values."""
    key = "_device_code" if device else "_host_code"
    code = getattr(node, key, None)
    if code is None:
        tree = _rewritten(node, _BooleanRewriter() if device else _Numbers())
        if isinstance(getattr(tree, "ctx", None), ast.Store):
            tree = copy.deepcopy(tree)
            tree.ctx = ast.Load()  # type: ignore[attr-defined]
        code = compile(ast.Expression(tree), file, "eval")
        setattr(node, key, code)
    return code


def statement_code(node: ast.stmt, file: str) -> CodeType:
    """The compiled statement, cached on the node."""
    code = getattr(node, "_statement_code", None)
    if code is None:
        code = compile(ast.Module([_rewritten(node, _Numbers())], []), file, "exec")
        node._statement_code = code  # type: ignore[attr-defined]
    return code
