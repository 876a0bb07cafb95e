"""The host side of an emitted module: grid expressions as Python, and the launch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import DiagnosticException

from ...dialects import tl
from ...dialects.walk import ops_in
from .expressions import Expr, Precedence, binary, call, literal
from .tables import COMPARISONS

LAUNCH = re.compile(r"^([ \t]*)__launch__\(\)[ \t]*$", re.MULTILINE)
_SIMPLE = re.compile(r"[\w.]+(\(\w*\)|\[\w+\])*")
_WORD = re.compile(r"\b_\w+")
WIDTH = 120

CMPI = ("eq", "ne", "lt", "le", "gt", "ge", "ult", "ule", "ugt", "uge")
"""The predicates of `arith.cmpi`."""

HostRow = Callable[[Operation, list[Expr]], Expr]


def _infix(operator: str, precedence: int) -> HostRow:
    return lambda op, args: binary(operator, precedence, *args)


def _function(name: str) -> HostRow:
    return lambda op, args: call(name, *args)


def _same(op: Operation, args: list[Expr]) -> Expr:
    return args[0]


def _constant(op: Operation, args: list[Expr]) -> Expr:
    assert isinstance(op, arith.ConstantOp)
    return literal(op.value)


def _constexpr(op: Operation, args: list[Expr]) -> Expr:
    assert isinstance(op, tl.ConstexprOp)
    return Expr(op.param.data)


def _compare(op: Operation, args: list[Expr]) -> Expr:
    predicate = CMPI[op.predicate.value.data] if isinstance(op, arith.CmpiOp) else op.properties["predicate"].data  # pyright: ignore[reportAttributeAccessIssue]
    left, right = (arg.at(Precedence.OR) for arg in args)
    return Expr(f"{left} {COMPARISONS[predicate.removeprefix('u')]} {right}", Precedence.COMPARE)


def _select(op: Operation, args: list[Expr]) -> Expr:
    condition, on_true, on_false = (arg.at(Precedence.NOT) for arg in args)
    return Expr(f"{on_true} if {condition} else {on_false}", Precedence.TERNARY)


P = Precedence
HOST_ROWS: dict[type[Operation], HostRow] = {
    arith.ConstantOp: _constant,
    tl.ConstexprOp: _constexpr,
    arith.AddiOp: _infix("+", P.ADD),
    arith.SubiOp: _infix("-", P.ADD),
    arith.MuliOp: _infix("*", P.MUL),
    arith.DivSIOp: _infix("//", P.MUL),
    arith.DivUIOp: _infix("//", P.MUL),
    arith.FloorDivSIOp: _infix("//", P.MUL),
    arith.RemSIOp: _infix("%", P.MUL),
    arith.RemUIOp: _infix("%", P.MUL),
    arith.CeilDivSIOp: _function("triton.cdiv"),
    arith.CeilDivUIOp: _function("triton.cdiv"),
    tl.CdivOp: _function("triton.cdiv"),
    arith.MinSIOp: _function("min"),
    arith.MinUIOp: _function("min"),
    arith.MaxSIOp: _function("max"),
    arith.MaxUIOp: _function("max"),
    arith.ExtSIOp: _same,
    arith.ExtUIOp: _same,
    arith.TruncIOp: _same,
    arith.CmpiOp: _compare,
    tl.CompareOp: _compare,
    arith.SelectOp: _select,
    tl.WhereOp: _select,
}
"""How the ops of a grid region print on the host, where sizes are Python's unbounded, non-negative integers."""


def host_expr(value: SSAValue, names: dict[SSAValue, Expr]) -> Expr:
    """A value of a grid region as a Python expression; `names` has the region's arguments."""
    if (known := names.get(value)) is not None:
        return known
    op = value.owner
    row = HOST_ROWS.get(type(op)) if isinstance(op, Operation) else None
    if row is None or not isinstance(op, Operation):
        raise DiagnosticException(f"{getattr(op, 'name', op)} cannot compute a launch grid on the host")
    result = names[value] = row(op, [host_expr(operand, names) for operand in op.operands])
    return result


def grid(func: tl.FuncOp) -> str:
    """The launch grid as a tuple."""
    block = func.grid.block
    last = block.last_op
    assert isinstance(last, tl.LaunchGridOp)
    names: dict[SSAValue, Expr] = {
        arg: _host_operand(expr.data) for arg, expr in zip(block.args, func.arg_exprs, strict=True)
    }
    dims = [host_expr(dim, names).text for dim in last.dims]
    return f"({', '.join(dims)},)" if len(dims) == 1 else f"({', '.join(dims)})"


def _host_operand(text: str) -> Expr:
    return Expr(text, Precedence.ATOM if _SIMPLE.fullmatch(text) else Precedence.TERNARY)


def makes_descriptors(func: tl.FuncOp) -> bool:
    """Whether the kernel makes tensor descriptors, for which the host must give Triton an allocator."""
    return any(type(op) is tl.MakeTensorDescriptorOp for op in ops_in(func.body.block))


def launch(func: tl.FuncOp, *, allocates: bool) -> list[str]:
    """The statements that launch a kernel."""
    lines = ["triton.set_allocator(_alloc)"] if allocates else []
    early = early_constexprs(func)
    for name, value in func.constexprs.data.items():
        if name not in early:
            lines.append(f"{name} = {value.data}")  # pyright: ignore[reportAttributeAccessIssue]
    options = [
        f"{name}={func.options.data[name].data}"  # pyright: ignore[reportAttributeAccessIssue]
        for name in func.options.data
        if isinstance(func.options.data[name], IntAttr)
    ]
    args = [*(expr.data for expr in func.arg_exprs), *func.constexprs.data, *options]
    return [*lines, *wrapped(f"_{func.sym_name.data}[{grid(func)}](", args)]


def wrapped(head: str, args: Sequence[str]) -> list[str]:
    """A call on one line, or one that is broken where it gets too long."""
    line = f"{head}{', '.join(args)})"
    if len(line) <= WIDTH - 8:
        return [line]
    lines, current = [head], "   "
    for arg in args:
        if len(current) + len(arg) > WIDTH - 12:
            lines.append(current)
            current = "   "
        current += f" {arg},"
    return [*lines, current, ")"]


def early_constexprs(func: tl.FuncOp) -> dict[str, int]:
    """The block sizes that the host function computes with: those that it names."""
    named = set(_WORD.findall(func.host.data))
    sizes = {name: value.data for name, value in func.constexprs.data.items() if isinstance(value, IntAttr)}
    return {name: size for name, size in sizes.items() if name in named}


def host_function(func: tl.FuncOp, *, allocates: bool) -> str:
    """The host function, with the launch in place of its marker; empty if the kernel has none.

    Block sizes that it computes with are set first.
    """
    lines = launch(func, allocates=allocates)
    text = LAUNCH.sub(lambda match: "\n".join(match[1] + line for line in lines), func.host.data).strip("\n")
    early = "".join(f"\n    {name} = {size}" for name, size in early_constexprs(func).items())
    head = re.compile(rf"^def {func.sym_name.data}\(.*:$", re.MULTILINE)
    return head.sub(lambda match: match[0] + early, text, count=1) if early else text
