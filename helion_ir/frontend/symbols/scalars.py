"""Numbers of a trace: constants, expressions of sizes, and device scalars; and what PyTorch asks of them.

This is the `SymbolContext` of symbolic numbers: on the host it answers from this call's values and records guards, on
the device it emits ops.
"""

from __future__ import annotations

import math as pymath
from collections.abc import Callable
from typing import Any, cast

import torch
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import AnyFloat, f32, f64, i1, i64
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.value import CompareOp
from ..choices import DEFAULTS, Choices
from ..source import FunctionSource, asked_by_user
from .arithmetic import floor_quotient, remainder, small_power
from .expressions import Poly
from .integers import MATH, Integers
from .nodes import FLOAT_FUNCTIONS, BoolNode, FloatNode, IntNode, Node, poly_of
from .sizes import PREDICATES, SIGNS, Options

_FLOAT_OPS: dict[str, Callable[..., Any]] = {
    "add": arith.AddfOp, "sub": arith.SubfOp, "mul": arith.MulfOp, "float_truediv": arith.DivfOp,
    "float_pow": math.PowFOp, "neg": arith.NegfOp, "abs": math.AbsFOp, "sym_max": arith.MaximumfOp,
    "sym_min": arith.MinimumfOp, "sqrt": math.SqrtOp, "exp": math.ExpOp, "log": math.LogOp, "sin": math.SinOp,
    "cos": math.CosOp, "tanh": math.TanhOp, "log2": math.Log2Op,
}  # fmt: skip
_ROUNDINGS: dict[str, tuple[Callable[[float], int], Callable[..., Any]]] = {
    "floor": (pymath.floor, math.FloorOp), "ceil": (pymath.ceil, math.CeilOp), "trunc": (int, math.TruncOp),
    "round": (round, math.RoundEvenOp),
}  # fmt: skip
_FLOAT_SPELLINGS = {
    "add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})", "float_truediv": "({} / {})", "float_pow": "({} ** {})",
    "floordiv": "({} // {})", "mod": "({} % {})", "neg": "(-{})", "abs": "abs({})",
    "sym_max": "max({}, {})", "sym_min": "min({}, {})",
    **{name: f"({{}} {sign} {{}})" for name, sign in SIGNS.items()},
}  # fmt: skip
"""Float functions as host expressions; functions of `math` are spelled by their names."""
_TRUTH_FUNCTIONS: dict[str, tuple[Callable[[list[bool]], bool], str]] = {
    "and": (all, "({} and {})"), "or": (any, "({} or {})"), "not": (lambda v: not v[0], "(not {})"),
    "eq": (lambda v: v[0] == v[1], "({} == {})"),
}  # fmt: skip
_JUMPING = {"floordiv": "quotient", "mod": "remainder"}
"""Functions whose result jumps, with a name for it: of floats that the arguments decide, the host computes it."""


class Scalars(Integers):
    """Floats and truth values, beside integers: what PyTorch asks of any number of a trace."""

    def __init__(self, source: FunctionSource, options: Options, choices: Choices = DEFAULTS):
        super().__init__(source, options, choices)
        self._floats: dict[object, SSAValue] = {}

    def text(self, node: Node, symbol: str) -> str:
        if isinstance(node, IntNode):
            self.needs_number(node.poly)
        if not asked_by_user():
            return symbol
        if isinstance(node, IntNode):
            return str(self.int_of(node.poly))
        return str(self.float_of(node) if isinstance(node, FloatNode) else self.bool_of(cast("BoolNode", node)))

    def integer_of(self, node: BoolNode) -> Poly:
        if node.hint is not None or isinstance(node.value, bool) or not self.in_device:
            return Poly.constant(int(self.bool_of(node)))
        self.called()
        result = self.builder.emit(arith.ExtUIOp(self.bool_value(node), i64))
        return poly_of(self.device_scalar(lambda: result, element=i64))

    def float_value(self, node: FloatNode, element: AnyFloat = f32) -> SSAValue:
        """A float as an SSA scalar: of 32 bits where only the device knows it, else of the precision that is wanted."""
        if node.ssa is not None:
            return self.builder.widened(node.ssa, element)
        if node.constant_value is not None:
            return self.builder.constant(node.constant_value, element)
        if isinstance(node.source, Poly | tuple):
            return self._computed(node, element)
        expr = self.paths.get(id(node))
        if expr is None and isinstance(node.source, str):
            return self.argument(("float", node.expr, element), node.expr, element, node, name=node.source)
        if expr is None:
            raise exc.UnsupportedPythonType("a host float without a name is used in device code")
        return self.argument(("float", id(node), element), expr, element, node)

    def _computed(self, node: FloatNode, element: AnyFloat) -> SSAValue:
        """A float that device code makes of arguments; once in each block."""
        key = (id(node), element)
        known = self._floats.get(key)
        if known is not None and known.owner.parent is self.builder.block:  # type: ignore[union-attr]
            return known
        self.keep(node)
        if isinstance(node.source, Poly):
            number = self.materialize(node.source, self.value_type(node.source))
            self._floats[key] = self.builder.emit(arith.SIToFPOp(number, element))
        else:
            self._floats[key] = self._float_op(*cast("tuple[str, list[FloatNode]]", node.source), element)
        return self._floats[key]

    def bool_value(self, node: BoolNode) -> SSAValue:
        """A truth value as an SSA scalar."""
        if isinstance(node.value, SSAValue):
            return node.value
        if isinstance(node.value, bool):
            return self.builder.constant(node.value, i1)
        expr = self.paths.get(id(node))
        if expr is None:
            raise exc.UnsupportedPythonType("a host truth value without a name is used in device code")
        return self.argument(("bool", id(node)), expr, i1, node)

    def comparison(self, predicate: str, lhs: Poly, rhs: Poly) -> BoolNode:
        value = self.compare(predicate, lhs, rhs)
        if isinstance(value, bool) or not self._of_arguments(lhs, rhs):
            return BoolNode(self, value)
        left, right = self.hint_of(lhs), self.hint_of(rhs)
        assert left is not None
        assert right is not None
        expr = f"({self.spelled(lhs)} {SIGNS[predicate]} {self.spelled(rhs)})"
        return BoolNode(self, value, hint=PREDICATES[predicate](left, right), expr=expr)

    def constant(self, value: Any) -> Any:
        """The value of a number in this call, guarded; containers of numbers likewise, anything else as it is."""
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            return type(value)(map(self.constant, value))
        if isinstance(value, torch.SymInt):
            return self.int_of(poly_of(value))
        if isinstance(value, torch.SymFloat):
            return self.float_of(value.node)
        return self.bool_of(value.node) if isinstance(value, torch.SymBool) else value

    def to_float(self, poly: Poly) -> FloatNode:
        if (value := self.resolved(poly).value) is not None:
            return FloatNode(self, constant_value=float(value))
        self.needs_number(poly)
        hint, expr = self.hint_of(poly), f"float({self.spelled(poly)})"
        if not self.in_device:
            return FloatNode(self, hint=float(self.int_of(poly)) if hint is None else float(hint), expr=expr)
        if hint is not None and self._of_arguments(poly):
            return FloatNode(self, hint=float(hint), expr=expr, source=poly)
        self.called()
        return FloatNode(self, self.builder.emit(arith.SIToFPOp(self.materialize(poly, self.value_type(poly)), f32)))

    def to_int(self, rounding: str, node: FloatNode) -> Poly:
        function, op = _ROUNDINGS[rounding]
        if node.constant_value is not None or not self.in_device:
            return Poly.constant(function(self.float_of(node)))
        self.called()
        if node.hint is not None and pymath.isfinite(node.hint):  # in Python's precision: the result jumps
            spelled = "int" if rounding == "trunc" else "round" if rounding == "round" else f"{MATH}.{rounding}"
            self.guards[f"{MATH}.isfinite({node.expr})"] = None
            return self.new_symbol(f"{spelled}({node.expr})", function(node.hint), argument=True)
        rounded = self.builder.emit(op(self.float_value(node, self._element_of([node]))))
        result = self.builder.emit(arith.FPToSIOp(rounded, i64))
        return poly_of(self.device_scalar(lambda: result, element=i64))

    def float_op(self, name: str, args: list[FloatNode]) -> FloatNode | BoolNode:
        constants = [a.constant_value for a in args]
        if all(value is not None for value in constants):
            result = FLOAT_FUNCTIONS[name](*constants)
            return BoolNode(self, result) if isinstance(result, bool) else FloatNode(self, constant_value=result)
        hint, expr = self._float_hint(name, args)
        if not self.in_device:
            if not isinstance(hint, bool):
                return FloatNode(self, hint=hint, expr=expr)
            self.guards[f"{expr} is {hint}"] = None
            return BoolNode(self, hint)
        self.called()
        element = self._element_of(args)
        if name in SIGNS:
            truth = self.builder.emit(CompareOp(name, *(self.float_value(arg, element) for arg in args)))
            return BoolNode(self, truth, hint=cast("bool | None", hint), expr=expr)
        if name in _JUMPING and hint is not None:  # in Python's precision
            self.guards[f"{_expr_of(args[1])} != 0"] = None
            return FloatNode(self, hint=hint, expr=expr, source=_JUMPING[name])
        if hint is not None:
            return FloatNode(self, hint=hint, expr=expr, source=(name, args))
        return FloatNode(self, self._float_op(name, args, element))

    @staticmethod
    def _element_of(args: list[FloatNode]) -> AnyFloat:
        """Of what the device computes from floats: as many bits as the widest that it computed or carried has."""
        return f64 if any(arg.ssa is not None and arg.ssa.type == f64 for arg in args) else f32

    def _float_hint(self, name: str, args: list[FloatNode]) -> tuple[Any, str]:
        """The value of a function in this call, and its host expression; None if only the device knows it."""
        values = [a.hint if a.constant_value is None else a.constant_value for a in args]
        if any(value is None for value in values):
            return None, ""
        parts = map(_expr_of, args)
        spelling = _FLOAT_SPELLINGS.get(name, f"{MATH}.{name}({{}})")
        try:
            return FLOAT_FUNCTIONS[name](*values), spelling.format(*parts)
        except (ArithmeticError, ValueError):
            if not self.in_device:
                raise
            return None, ""

    def _float_op(self, name: str, args: list[FloatNode], element: AnyFloat = f32) -> SSAValue:
        operands = [self.float_value(a, element) for a in args]
        if name == "mod":
            return remainder(self.builder, operands, signed_by_divisor=True)
        if name == "floordiv":
            return floor_quotient(self.builder, operands)
        exponent = args[1].constant_value if name == "float_pow" else None
        if exponent in (1, 2, 3):
            return small_power(operands[0], int(exponent), lambda x, y: self.builder.emit(arith.MulfOp(x, y)))
        return self.builder.emit(_FLOAT_OPS[name](*operands))

    def float_of(self, node: FloatNode) -> float:
        if node.constant_value is not None:
            return node.constant_value
        if node.hint is None:
            raise exc.ShapeSpecializingCall("Python needs the value of a run-time float at compile time")
        isnan = node.hint != node.hint
        self.guards[f"{node.expr} != {node.expr}" if isnan else f"{node.expr} == {_literal(node.hint)}"] = None
        return node.hint

    def bool_op(self, name: str, args: list[BoolNode]) -> BoolNode:
        hint, expr = None, ""
        if not self.in_device or all(a.hint is not None or isinstance(a.value, bool) for a in args):
            function, spelling = _TRUTH_FUNCTIONS[name]
            values = [a.hint if self.in_device and a.hint is not None else self.bool_of(a) for a in args]
            hint = function(values)
            expr = spelling.format(*(a.expr or a.value for a in args))
        if not self.in_device:
            return BoolNode(self, hint)
        self.called()
        operands = [self.bool_value(a) for a in args]
        if name in ("not", "eq"):
            second = operands[1] if name == "eq" else self.builder.constant(True, i1)
            result = self.builder.emit(arith.XOrIOp(operands[0], second))
            if name == "eq":
                result = self.builder.emit(arith.XOrIOp(result, self.builder.constant(True, i1)))
            return BoolNode(self, result, hint=hint, expr=expr)
        op = arith.AndIOp if name == "and" else arith.OrIOp
        return BoolNode(self, self.builder.emit(op(operands[0], operands[1])), hint=hint, expr=expr)

    def bool_of(self, node: BoolNode) -> bool:
        if isinstance(node.value, bool):
            return node.value
        if node.hint is None:
            raise exc.NotAllowedOnDevice(
                "Python needs a run-time condition at compile time",
                hint="`if`, `while` and conditional expressions of the kernel itself can be run-time branches",
            )
        self.guards[f"{node.expr} is {node.hint}"] = None
        return node.hint


def _expr_of(node: FloatNode) -> str:
    """The host expression of a float that is a constant, or decided by the arguments."""
    return node.expr if node.constant_value is None else _literal(node.constant_value)


def _literal(value: float) -> str:
    """A float in a host expression, which knows no name for infinity."""
    return repr(value) if pymath.isfinite(value) else f"float({str(value)!r})"
