"""The host function as text: the user's own, with the device loops replaced by `__launch__()`.

The text runs where only `torch` is imported, and `__launch__` and `sizes.HOST_FUNCTIONS` are known: what the function
uses of its module comes along, as imports, assignments and functions. Constexpr parameters of block sizes
(`_BLOCK_SIZE_0`) stand for registered ones; who emits or runs the text defines them.
"""

from __future__ import annotations

import ast
import copy
import linecache
import os
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ... import language as hl
from ...sizes import HOST_FUNCTIONS
from ..source import FunctionSource, Span
from .host_prelude import Captured, Prelude, free_names
from .host_reads import ReadRewriter
from .host_walker import is_barrier, resolve

LAUNCH = "__launch__"
_ANNOTATIONS = frozenset(("torch", "int", "float", "bool", "str", "None", "tuple", "list", "dict", "object"))
_REPLACED: dict[Any, str] = {function: name for name, function in HOST_FUNCTIONS.items()}


_CHECK = """
if not ({}):
    raise OverflowError("a number read from a tensor is too large for this kernel: set index_dtype=torch.int64")
"""


class _HostRewriter(ast.NodeTransformer):
    """Device loops become a launch; functions of the language become plain Python."""

    def __init__(
        self,
        names: Mapping[str, Any],
        launches: Collection[ast.For],
        registrations: Mapping[Any, str],
        checks: Collection[str],
    ):
        self.names = names
        self.checks = ast.parse(_CHECK.format(" and ".join(checks))).body if checks else []
        self.launches = {(n.lineno, n.col_offset): i for i, n in enumerate(launches)}
        self.registrations = registrations
        self.loops = (hl.tile, hl.grid)

    def visit_For(self, node: ast.For) -> Any:
        number = self.launches.get((node.lineno, node.col_offset))
        if number == 0:
            launch = ast.Expr(ast.Call(ast.Name(LAUNCH, ast.Load()), [], []))
            lines = [ast.copy_location(line, node) for line in (*self.checks, launch)]
            return lines if self.checks else lines[0]
        if number is not None:
            return None
        if isinstance(node.iter, ast.Call) and resolve(node.iter.func, self.names) in self.loops:
            error = ast.parse("raise RuntimeError('this branch was not compiled')").body[0]
            return ast.copy_location(error, node)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if is_barrier(node, self.names) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        result = self.generic_visit(node)
        assert isinstance(result, ast.If)
        result.body = result.body or [ast.Pass()]
        return result

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        function = resolve(node.func, self.names)
        try:
            name = _REPLACED.get(function)
        except TypeError:
            return node
        if name is not None:
            node.func = ast.copy_location(ast.Name(name, ast.Load()), node)
        elif function is hl.specialize or function is hl.constexpr:
            return node.args[0]
        elif function is hl.static_range:
            node.func = ast.copy_location(ast.Name("range", ast.Load()), node)
        elif function is hl.register_block_size or function is hl.register_tunable:
            text = self.registrations.get((node.lineno, node.col_offset + 1))
            return node if text is None else ast.copy_location(ast.parse(text, mode="eval").body, node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if _plain_annotation(node.annotation):
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def _plain_annotation(node: ast.expr | None) -> bool:
    if node is None or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return False
    return all(n.id in _ANNOTATIONS for n in ast.walk(node) if isinstance(n, ast.Name))


def _signature(args: ast.arguments) -> ast.arguments:
    """The parameters, without annotations and defaults that need the user's module."""
    args = copy.deepcopy(args)
    for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if arg is not None and not _plain_annotation(arg.annotation):
            arg.annotation = None
    args.defaults = [_default(d) for d in args.defaults]
    args.kw_defaults = [d if d is None else _default(d) for d in args.kw_defaults]
    return args


def _default(node: ast.expr) -> ast.expr:
    simple = all(
        not isinstance(n, ast.Name | ast.Call) or (isinstance(n, ast.Name) and n.id == "torch") for n in ast.walk(node)
    )
    return node if simple or isinstance(node, ast.Lambda) else ast.Constant(None)


def host_text(
    source: FunctionSource,
    names: Mapping[str, Any],
    launches: Collection[ast.For],
    registrations: Mapping[Any, str],
    expressions: Collection[str],
    keep: Mapping[str, str],
    reads: Mapping[Span, str],
    checks: Collection[str],
) -> tuple[str, dict[str, Captured]]:
    """The text, and the free names in it that the caller must bind (tensors of the user's module).

    `names` are the globals and closure of the function; `expressions` are host expressions that the launch
    evaluates; `keep` maps parameters that the function rebinds to the names under which the launch finds them, `reads`
    what reads data to the variables, or lists, under which it does; `checks` is what must hold there.
    """
    tree = source.tree
    lines = [f"{alias} = {name}" for name, alias in keep.items()]
    lines += [f"{name} = []" for name in reads.values() if name not in _stored(tree)]
    lines += _body(source, names, launches, registrations, reads, checks)
    result = ast.unparse(tree.returns) if tree.returns is not None and _plain_annotation(tree.returns) else None
    head = f"def {tree.name}({ast.unparse(_signature(tree.args))}){f' -> {result}' if result else ''}:"
    text = head + "\n" + textwrap.indent("\n".join(lines) or "pass", "    ") + "\n"
    module = ast.parse(text + "\n".join(expressions))
    wanted = free_names(module, names) - {tree.name, LAUNCH, *HOST_FUNCTIONS, *registrations.values()}
    prelude = Prelude(tree.name)
    for name in sorted(wanted):
        prelude.define(name, names)
    return prelude.text() + text, prelude.captures


def _stored(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


_BODIES: dict[Any, list[str]] = {}


def _body(
    source: FunctionSource,
    names: Mapping[str, Any],
    launches: Collection[ast.For],
    registrations: Mapping[Any, str],
    reads: Mapping[Span, str],
    checks: Collection[str],
) -> list[str]:
    """The statements as text; kept, as a function's text rarely differs from one specialization to the next."""
    key = (source.tree, tuple(launches), tuple(registrations.items()), tuple(reads.items()), tuple(checks))
    if key not in _BODIES:
        rewriter = _HostRewriter(names, launches, registrations, checks)
        kept = ReadRewriter(reads)
        originals = [kept.visit(copy.deepcopy(node)) for node in source.tree.body if not _is_docstring(node)]
        visited = [rewriter.visit(original) for original in originals]
        statements = [node for each in visited for node in (each if isinstance(each, list) else [each]) if node]
        lines: list[str] = []
        for statement in _without_device_functions(statements):
            ast.fix_missing_locations(statement)
            lines += [_comment(source.file, statement), ast.unparse(statement)]
        _BODIES[key] = lines
    return _BODIES[key]


def _without_device_functions(statements: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """The statements without definitions of functions that only the device loops, which are gone, called."""

    def unused(statement: ast.stmt) -> bool:
        name = _function_name(statement)
        return name is not None and not any(
            isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
            for other in statements
            if other is not statement
            for node in ast.walk(other)
        )

    kept = [statement for statement in statements if not unused(statement)]
    return kept if len(kept) == len(statements) else _without_device_functions(kept)


def _function_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.FunctionDef):
        return statement.name
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) and len(statement.targets) == 1 else None
    return None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _comment(file: str, node: ast.stmt) -> str:
    line = linecache.getline(file, node.lineno).strip()
    return f"# src[{os.path.basename(file)}:{node.lineno}]: {line}"
