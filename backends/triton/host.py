"""The host side of an emitted module: grid expressions as Python, and the launch."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from xdsl.dialects import arith
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import DiagnosticException

from ...dialects import tl
from ...dialects.quick import ops_in
from ...dialects.value import CompareOp, SelectOp
from ...sizes import CDIV, CPU_SMS, MULTIPROCESSORS, NEXT_POWER_OF_2
from .barrier_rows import HOST_NAMES, HOST_SOURCES
from .expressions import Expr, Precedence, binary, call, literal
from .tables import COMPARISONS

_SPELLED = {CDIV: "triton.cdiv", NEXT_POWER_OF_2: "triton.next_power_of_2", **HOST_NAMES}
_FLAGS = frozenset((tl.COOPERATIVE,))
"""Launch options that are true or false."""
_IMPORTED = re.compile(r"^import triton as triton\n", re.MULTILINE)
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
    CompareOp: _compare,
    arith.SelectOp: _select,
    SelectOp: _select,
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
        arg: _host_operand(spelled(expr.data)) for arg, expr in zip(block.args, func.arg_exprs, strict=True)
    }
    dims = [host_expr(dim, names).text for dim in last.dims]
    return f"({', '.join(dims)},)" if len(dims) == 1 else f"({', '.join(dims)})"


def _host_operand(text: str) -> Expr:
    return Expr(text, Precedence.ATOM if _SIMPLE.fullmatch(text) else Precedence.TERNARY)


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


@lru_cache(maxsize=1024)
def spelled(text: str) -> str:
    """Host text with the functions that a backend spells."""
    for name, function in _SPELLED.items():
        text = text.replace(f"{name}(", f"{function}(")
    return _counting(text) if MULTIPROCESSORS in text else text


def _counting(expression: str) -> str:
    """An expression in which `torch` counts multiprocessors."""
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == MULTIPROCESSORS:
            call_, tensor = (ast.get_source_segment(expression, part) for part in (node, node.args[0]))
            count = f"torch.cuda.get_device_properties({tensor}.device).multi_processor_count"
            expression = expression.replace(str(call_), f"({count} if {tensor}.is_cuda else {CPU_SMS})")
            return _counting(expression)
    return expression


class HostFunction:
    """The host function of a kernel: the user's, with the launch in place of its marker.

    What no constexpr value and no launch option changes is found once.
    """

    def __init__(self, func: tl.FuncOp) -> None:
        self.func = func
        self.allocates = any(type(op) is tl.MakeTensorDescriptorOp for op in ops_in(func.body.block))
        """Whether the kernel makes tensor descriptors, for which the host must give Triton an allocator."""
        exprs = [*func.arg_exprs, *func.constexprs.data.values()]
        self.sources = [
            text for name, text in HOST_SOURCES.items()
            if any(isinstance(expr, StringAttr) and name in expr.data for expr in exprs)
        ]  # fmt: skip
        """Functions that it calls, which the module must define."""
        self._grid = grid(func)
        self._args = [spelled(expr.data) for expr in func.arg_exprs]
        text = _IMPORTED.sub("", spelled(func.host.data))
        self._parts = LAUNCH.split(text.strip("\n"))
        self._named = frozenset(_WORD.findall(func.host.data))

    def text(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> str:
        """The function as Python, for these constexpr values and launch options.

        Block sizes that it computes with are set first.
        """
        values = {name: value.data for name, value in constexprs.data.items()}  # pyright: ignore[reportAttributeAccessIssue]
        early = {name: size for name, size in values.items() if name in self._named and isinstance(size, int)}
        late = {name: value for name, value in values.items() if name not in early}
        lines = ["triton.set_allocator(_alloc)"] if self.allocates else []
        lines += [*_assignments(late), *self._launch(constexprs, options)]
        text = self._parts[0]
        for indent, rest in zip(self._parts[1::2], self._parts[2::2], strict=True):
            text += "\n".join(indent + line for line in lines) + rest
        if not early:
            return text
        head = re.compile(rf"^def {self.func.sym_name.data}\(.*:$", re.MULTILINE)
        sizes = "".join(f"\n    {line}" for line in _assignments(early))
        return head.sub(lambda match: match[0] + sizes, text, count=1)

    def _launch(self, constexprs: DictionaryAttr, options: DictionaryAttr) -> list[str]:
        """The statements that launch the kernel."""
        given = {name: value.data for name, value in options.data.items() if isinstance(value, IntAttr)}
        named = [f"{name}={bool(value) if name in _FLAGS else value}" for name, value in given.items()]
        early = given.get(tl.EARLY_LAUNCH)
        if early:  # other GPUs do not know the option
            named = [name for name in named if not name.startswith(tl.EARLY_LAUNCH)]
            named.append(f"**({{{tl.EARLY_LAUNCH!r}: True}} if {tl.EARLY} else {{}})")
        head = f"_{self.func.sym_name.data}[{self._grid}]("
        return wrapped(head, [*self._args, *constexprs.data, *named])


def _assignments(values: Mapping[str, object]) -> list[str]:
    return [f"{name} = {spelled(value) if isinstance(value, str) else value}" for name, value in values.items()]
