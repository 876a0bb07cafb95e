"""Prints the body of a prepared `tl.func` as Python statements."""

from __future__ import annotations

import io
import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from os.path import basename
from typing import Any

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ArrayAttr, FileLineColLoc, IntAttr, IntegerAttr, StringAttr, TensorType
from xdsl.ir import Attribute, Block, Operation, OpResult, SSAValue
from xdsl.utils.base_printer import BasePrinter
from xdsl.utils.exceptions import DiagnosticException

from ...dialects import inline_triton, tl
from ...dialects.dims import element_of
from ...dialects.op_rules import printed
from ...dialects.value import CombinedOp
from .combine_rows import combine_call
from .emitted_helpers import HELPERS
from .expressions import Expr, dtype, integer_of
from .opaque_rows import filled
from .tables import ROWS

RANGE_OPTIONS: dict[str, tuple[str, Callable[[int], str]]] = {
    "num_stages": ("num_stages", str),
    "unroll_factor": ("loop_unroll_factor", str),
    "multi_buffer": ("disallow_acc_multi_buffer", lambda value: str(not value)),
    "flatten": ("flatten", lambda value: str(bool(value))),
    "warp_specialize": ("warp_specialize", lambda value: str(bool(value))),
}
"""Attributes of a loop, and what they are called in `tl.range`."""


@dataclass(eq=False, repr=False)
class KernelPrinter(BasePrinter):
    """Prints statements, and remembers what the module around them must contain."""

    indent_num_spaces: int = field(default=4, kw_only=True)
    comments: bool = field(default=True, kw_only=True)
    dtype_asserts: bool = field(default=False, kw_only=True)
    helpers: set[str] = field(default_factory=set[str])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    functions: dict[str, str] = field(default_factory=dict[str, str])
    """The functions that combine lanes: the text behind the name, and the name."""
    taken: frozenset[str] = frozenset()
    """Names of the module's kernels."""
    uses_libdevice: bool = False
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    _last_comment: str = ""
    _last_location: Attribute | None = None

    # --- what rows ask for ----------------------------------------------------------------------------------------

    def expr(self, value: SSAValue) -> Expr:
        """The name of a value, or the expression of the op that is inlined here."""
        if (name := self.names.get(value)) is not None:
            return Expr(name)
        if not isinstance(value, OpResult) or "inline" not in value.op.attributes:
            raise DiagnosticException(
                "a value has no name: the module must go through prepare-for-print before it is printed as Triton"
            )
        return self.row(value.op)

    def row(self, op: Operation) -> Expr:
        """The expression that the table gives for `op`."""
        row = ROWS.get(type(op)) or printed(type(op), "triton")
        if row is None:
            raise DiagnosticException(f"{op.name} has no Triton spelling")
        try:
            return row(self, op)
        except NotImplementedError as error:
            raise DiagnosticException(str(error)) from None

    def helper(self, name: str) -> str:
        assert name in HELPERS
        self.helpers.add(name)
        return name

    def libdevice(self, name: str) -> str:
        self.uses_libdevice = True
        return f"libdevice.{name}"

    def source(self, name: str, text: str) -> None:
        if self.sources.setdefault(name, text) != text:
            raise DiagnosticException(f"two different things are named {name!r}")

    # --- statements -----------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """One line of code, as `print_string` prints it after a newline."""
        start = "\n" + " " * (self._indent * self.indent_num_spaces)
        print(start + text.replace("\n", start), end="", file=self.stream)

    def block(self, block: Block) -> None:
        """The statements of a block, or `pass`."""
        with self.indented():
            empty = True
            for op in block.ops:
                if _is_printed(op):
                    self.statement(op)
                    empty = False
            if empty:
                self.line("pass")

    def statement(self, op: Operation) -> None:
        """One op that is not inlined."""
        if self.comments and type(op) is not tl.CopyOp:
            self._comment(op.location)
        if (method := _STATEMENTS.get(type(op))) is not None:
            method(self, op)
            return
        text = self.row(op).text
        self.line(f"{', '.join(self.assign(op))} = {text}" if op.results else text)
        if self.dtype_asserts:
            self._assert_dtypes(op)

    def _assert_dtypes(self, op: Operation) -> None:
        """Assert the dtype of each tensor of a statement, which Triton checks when it compiles."""
        for result in op.results:
            name = self.names[result]
            if isinstance(result.type, TensorType) and "implicit" not in op.attributes:
                self.line(f'tl.static_assert({name}.dtype == {dtype(element_of(result))}, "{name}")')

    def assign(self, op: Operation) -> list[str]:
        """Bind the results of an op to the names that prepare-for-print gave them."""
        names = _names(op, "names")
        self.names.update(zip(op.results, names, strict=True))
        return names

    def _comment(self, location: Attribute) -> None:
        if location is self._last_location or not isinstance(location, FileLineColLoc):
            return
        self._last_location = location
        file, line = location.filename.data, location.line.data
        text = linecache.getline(file, line).strip()
        comment = f"# src[{basename(file)}:{line}]: {text}".rstrip(" :")
        if comment != self._last_comment:
            self._last_comment = comment
            self.line(comment)

    def _for(self, op: scf.ForOp) -> None:
        names = _names(op, "arg_names")
        bounds = [self.expr(value).text for value in (op.lb, op.ub)]
        if integer_of(op.step) != 1:
            bounds.append(self.expr(op.step).text)
        options = [
            f"{keyword}={spell(_int(op.attributes[name]))}"
            for name, (keyword, spell) in RANGE_OPTIONS.items()
            if name in op.attributes
        ]
        self.names.update(zip(op.body.block.args, names, strict=True))
        head = "tl.static_range" if inline_triton.is_static_loop(op) else "tl.range" if options else "range"
        self.line(f"for {names[0]} in {head}({', '.join((*bounds, *options))}):")
        self.block(op.body.block)
        self.names.update(zip(op.results, names[1:], strict=True))

    def _if(self, op: scf.IfOp) -> None:
        self.line(f"if {self.expr(op.cond).text}:")
        self.block(op.true_region.block)
        if op.false_region.blocks and any(_is_printed(other) for other in op.false_region.block.ops):
            self.line("else:")
            self.block(op.false_region.block)
        if op.results:
            self.assign(op)

    def _while(self, op: scf.WhileOp) -> None:
        names = _names(op, "arg_names")
        for values in (op.before_region.block.args, op.after_region.block.args, op.results):
            self.names.update(zip(values, names, strict=True))
        condition = op.before_region.block.last_op
        assert isinstance(condition, scf.ConditionOp)
        self.line(f"while {self.expr(condition.condition).text}:")
        self.block(op.after_region.block)

    def _snippet(self, op: inline_triton.SnippetOp) -> None:
        lines = filled(self, op.text.data, op).strip("\n").split("\n")
        if op.results:
            targets = ", ".join(self.assign(op))
            lines[-1] = f"{targets} = {lines[-1].strip()}"
        for line in lines:
            self.line(line)

    def _combine(self, op: tl.CombineReduceOp | tl.CombineScanOp) -> None:
        """A call with the function that combines two lanes, which the module defines."""
        text = io.StringIO()
        inner = KernelPrinter(
            text, comments=False, helpers=self.helpers, sources=self.sources, functions=self.functions, taken=self.taken
        )
        names = _names(op, "arg_names")
        inner.names.update(zip(op.block.args, names, strict=True))
        inner.block(op.block)
        self.uses_libdevice = self.uses_libdevice or inner.uses_libdevice
        function = self._function(f"({', '.join(names)}):{text.getvalue()}")
        self.line(f"{', '.join(self.assign(op))} = {combine_call(self, op, function).text}")

    def _combined(self, op: CombinedOp) -> None:
        self.line(f"return {', '.join(self.expr(value).text for value in op.operands)}")

    def _function(self, rest: str) -> str:
        """The name of the module's function with this text behind its name."""
        if (name := self.functions.get(rest)) is None:
            names = (f"_combine_{number}" for number in itertools.count())
            name = next(name for name in names if name not in self.taken and name not in self.sources)
            self.functions[rest] = name
            self.source(name, f"@triton.jit\ndef {name}{rest}\n")
        return name


_SILENT = frozenset((scf.YieldOp, scf.ConditionOp, tl.ReturnOp))
"""Terminators: what they pass on already has its name."""

_STATEMENTS: dict[type[Operation], Callable[[KernelPrinter, Any], None]] = {
    scf.ForOp: KernelPrinter._for,
    scf.IfOp: KernelPrinter._if,
    scf.WhileOp: KernelPrinter._while,
    inline_triton.SnippetOp: KernelPrinter._snippet,
    tl.CombineReduceOp: KernelPrinter._combine,
    tl.CombineScanOp: KernelPrinter._combine,
    CombinedOp: KernelPrinter._combined,
}


PRINTED = frozenset((*ROWS, *_STATEMENTS, *_SILENT, arith.CmpiOp, arith.CmpfOp))
"""What is printed of `tl`; prepare-for-print makes `tl.compare` of the comparisons."""


def _is_printed(op: Operation) -> bool:
    return "inline" not in op.attributes and type(op) not in _SILENT


def _names(op: Operation, attribute: str) -> list[str]:
    names = op.attributes.get(attribute)
    if not isinstance(names, ArrayAttr):
        raise DiagnosticException(
            f"{op.name} has no attribute {attribute!r}: the module must go through prepare-for-print before it is "
            "printed as Triton"
        )
    return [name.data for name in names if isinstance(name, StringAttr)]


def _int(attribute: Attribute) -> int:
    """The value of an option, in any of the attributes that spell integers and booleans."""
    if isinstance(attribute, IntegerAttr):
        return attribute.value.data
    assert isinstance(attribute, IntAttr)
    return attribute.data
