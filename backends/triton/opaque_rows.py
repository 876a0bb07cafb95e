"""Rows of the printer's table for `inline_triton`: text that passes through with its placeholders filled."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from xdsl.ir import Operation

from ...dialects import inline_triton
from ...dialects.dims import element_of
from .expressions import Expr, Precedence, PrinterContext, Row, call, dtype


def filled(context: PrinterContext, template: str, op: Operation) -> str:
    """`template` with `{0}` … replaced by the operands, in parentheses where precedence needs them."""
    return template.format(*(context.expr(value).at(Precedence.ATOM) for value in op.operands))


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """The top-level statements of a source, each after the name that it defines (or its own text)."""
    lines, last = text.split("\n"), 0
    for node in ast.parse(text).body:
        part = "\n".join(lines[last : node.end_lineno]).strip("\n")
        last = node.end_lineno or 0
        targets = node.targets if isinstance(node, ast.Assign) else []
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        yield (node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else named[0] if named else part), part


def _call(context: PrinterContext, op: inline_triton.CallOp) -> Expr:
    for name, text in definitions(op.source.data):
        context.source(name, text)
    return call(op.function.data, filled(context, op.argument_template, op))


def _asm(context: PrinterContext, op: inline_triton.AsmOp) -> Expr:
    dtypes = [dtype(element_of(value)) for value in op.res]
    return call(
        "tl.inline_asm_elementwise",
        f"asm={op.asm.data!r}",
        f"constraints={op.constraints.data!r}",
        f"args=[{', '.join(context.expr(value).text for value in op.args)}]",
        f"dtype={dtypes[0] if len(dtypes) == 1 else '(' + ', '.join(dtypes) + ')'}",
        f"is_pure={op.pure is not None}",
        f"pack={op.pack.value.data}",
    )


def _tuple(context: PrinterContext, op: inline_triton.MakeTupleOp) -> Expr:
    items = [context.expr(value).text for value in op.args]
    return Expr(f"({', '.join(items)}{',' if len(items) == 1 else ''})")


def _element(context: PrinterContext, op: inline_triton.ElementOp) -> Expr:
    return Expr(f"{context.expr(op.input).at(Precedence.ATOM)}[{context.expr(op.index).text}]")


OPAQUE: dict[type[Operation], Row] = {
    inline_triton.CallOp: _call,
    inline_triton.AsmOp: _asm,
    inline_triton.MakeTupleOp: _tuple,
    inline_triton.ElementOp: _element,
}
