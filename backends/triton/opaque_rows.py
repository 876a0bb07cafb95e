"""Rows of the printer's table for `inline_triton`: text that passes through with its placeholders filled."""

from __future__ import annotations

from xdsl.ir import Operation

from ...dialects import inline_triton
from ...dialects.dims import element_of
from .expressions import Context, Expr, Precedence, Row, call, dtype


def filled(context: Context, template: str, op: Operation) -> str:
    """`template` with `{0}` … replaced by the operands, which stay one operand whatever stands around them."""
    return template.format(*(context.expr(value).at(Precedence.ATOM) for value in op.operands))


def _call(context: Context, op: inline_triton.CallOp) -> Expr:
    context.source(op.function.data, op.source.data)
    return call(op.function.data, filled(context, op.argument_template, op))


def _asm(context: Context, op: inline_triton.AsmOp) -> Expr:
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


def _tuple(context: Context, op: inline_triton.MakeTupleOp) -> Expr:
    items = [context.expr(value).text for value in op.args]
    return Expr(f"({', '.join(items)}{',' if len(items) == 1 else ''})")


def _element(context: Context, op: inline_triton.ElementOp) -> Expr:
    return Expr(f"{context.expr(op.input).at(Precedence.ATOM)}[{context.expr(op.index).text}]")


OPAQUE: dict[type[Operation], Row] = {
    inline_triton.CallOp: _call,
    inline_triton.AsmOp: _asm,
    inline_triton.MakeTupleOp: _tuple,
    inline_triton.ElementOp: _element,
}
