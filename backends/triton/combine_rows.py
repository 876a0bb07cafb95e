"""How reductions and scans by a function print."""

from __future__ import annotations

from ...dialects import tl
from .expressions import Expr, PrinterContext, call


def combine_call(context: PrinterContext, op: tl.CombineReduceOp | tl.CombineScanOp, function: str) -> Expr:
    """The call of Triton's that combines the lanes of an axis by `function`."""
    inputs = ", ".join(context.expr(value).text for value in op.inputs)
    values = f"({inputs})" if len(op.inputs) > 1 else inputs
    if isinstance(op, tl.CombineReduceOp):
        return call("tl.reduce", values, str(op.axis.data), function)
    reverse = ("reverse=True",) if op.reverse is not None else ()
    return call("tl.associative_scan", values, str(op.axis.data), function, *reverse)


__all__ = ["combine_call"]
