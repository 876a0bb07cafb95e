"""The nodes behind `torch.SymInt`, `SymFloat` and `SymBool` while a kernel is traced.

PyTorch asks such a number's *node* whenever it computes with it. Ours hold an integer expression (`Poly`), or the
SSA value of a device scalar; there is no `ShapeEnv` and no sympy behind them. Whatever a node cannot settle from
its expression alone it asks of its `SymbolContext`, the tracer: on the host that answers from this call's values and
records a guard, on the device it makes an operation of it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

import torch
from xdsl.ir import SSAValue

from .expressions import Poly


class SymbolContext(Protocol):
    """The interface of the tracer that nodes use."""

    def comparison(self, predicate: str, lhs: Poly, rhs: Poly) -> BoolNode:
        """The truth of an integer comparison, or the `i1` that computes it."""
        ...

    def integer_op(self, name: str, lhs: Poly, rhs: Poly) -> Poly:
        """A quotient, remainder, minimum, … that is no polynomial."""
        ...

    def float_op(self, name: str, args: list[FloatNode]) -> FloatNode | BoolNode:
        """Arithmetic or a comparison of floats, at least one of which is known at run time only."""
        ...

    def bool_op(self, name: str, args: list[BoolNode]) -> BoolNode:
        """`and`, `or`, `not` of run-time truth values."""
        ...

    def int_of(self, poly: Poly) -> int:
        """The value of an integer where Python must know it."""
        ...

    def float_of(self, node: FloatNode) -> float:
        """The value of a float where Python must know it."""
        ...

    def bool_of(self, node: BoolNode) -> bool:
        """The value of a truth value where Python must know it."""
        ...

    def to_float(self, poly: Poly) -> FloatNode:
        """An integer as a float."""
        ...

    def to_int(self, rounding: str, node: FloatNode) -> Poly:
        """A float rounded to an integer: `rounding` is `floor`, `ceil`, `trunc` or `round` (half to even)."""
        ...

    def text(self, node: Node, symbol: str) -> str:
        """A number as text: of its value where the user's code asks, else what stands for it."""
        ...

    def integer_of(self, node: BoolNode) -> Poly:
        """A truth value as 0 or 1."""
        ...


class Node:
    """Base of the three kinds: the part of PyTorch's node protocol that does not depend on the kind."""

    constant = None
    shape_env = None
    pytype: type = object

    def __init__(self, context: SymbolContext):
        self.context = context

    def is_int(self) -> bool:
        return self.pytype is int

    def is_float(self) -> bool:
        return self.pytype is float

    def is_bool(self) -> bool:
        return self.pytype is bool

    def is_constant(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def is_nested_int(self) -> bool:
        return False

    def nested_int(self) -> None:
        return None

    def has_hint(self) -> bool:
        return False

    def maybe_as_int(self) -> int | None:
        return None

    def clone(self) -> Node:
        return self

    def wrap_int(self, value: int) -> IntNode:
        return IntNode(self.context, Poly.constant(value))

    def wrap_float(self, value: float) -> FloatNode:
        return FloatNode(self.context, constant_value=value)

    def wrap_bool(self, value: bool) -> BoolNode:
        return BoolNode(self.context, value)

    def str(self) -> str:
        return str(self)

    _graph_repr = str


class IntNode(Node):
    """An integer expression; `tile` is the tile whose block it is the size of, where the user wrote a tile."""

    pytype = int
    tile: SSAValue | None = None

    def __init__(self, context: SymbolContext, poly: Poly):
        super().__init__(context)
        self.poly = poly

    def __str__(self) -> str:
        return self.context.text(self, str(self.poly))

    def is_constant(self) -> bool:
        return self.poly.value is not None

    def maybe_as_int(self) -> int | None:
        return self.poly.value

    def guard_int(self, file: str, line: int) -> int:
        return self.context.int_of(self.poly)

    def int_(self) -> int:
        return self.context.int_of(self.poly)

    def _new(self, poly: Poly) -> IntNode:
        return IntNode(self.context, poly)

    def add(self, other: Node) -> IntNode:
        return self._new(self.poly + _integer(other))

    def sub(self, other: Node) -> IntNode:
        return self._new(self.poly - _integer(other))

    def mul(self, other: Node) -> IntNode:
        return self._new(self.poly * _integer(other))

    def neg(self) -> IntNode:
        return self._new(-self.poly)

    def pos(self) -> IntNode:
        return self

    sym_int = trunc = floor = ceil = pos

    def abs(self) -> IntNode:
        return self._new(self.context.integer_op("max", self.poly, -self.poly))

    def round(self, ndigits: int | None = None) -> IntNode:
        return self

    def pow_by_natural(self, other: Node) -> IntNode:
        exponent = self.context.int_of(_integer(other))
        result = Poly.constant(1)
        for _ in range(exponent):
            result = result * self.poly
        return self._new(result)

    def int_floordiv(self, other: Node) -> IntNode:
        divisor = _integer(other)
        quotient = self.poly.exact_div(divisor)
        return self._new(self.context.integer_op("floordiv", self.poly, divisor) if quotient is None else quotient)

    floordiv = int_floordiv

    def sym_float(self) -> FloatNode:
        return self.context.to_float(self.poly)

    def int_truediv(self, other: IntNode) -> FloatNode:
        quotient = self.context.float_op("float_truediv", [self.sym_float(), other.sym_float()])
        assert isinstance(quotient, FloatNode)
        return quotient

    truediv = int_truediv

    def is_integer(self) -> BoolNode:
        return self.wrap_bool(True)

    def _compare(self, predicate: str, other: Node) -> BoolNode:
        return self.context.comparison(predicate, self.poly, _integer(other))

    def eq(self, other: IntNode) -> BoolNode:
        return self._compare("eq", other)

    def ne(self, other: IntNode) -> BoolNode:
        return self._compare("ne", other)

    def lt(self, other: IntNode) -> BoolNode:
        return self._compare("lt", other)

    def le(self, other: IntNode) -> BoolNode:
        return self._compare("le", other)

    def gt(self, other: IntNode) -> BoolNode:
        return self._compare("gt", other)

    def ge(self, other: IntNode) -> BoolNode:
        return self._compare("ge", other)


def _integer(node: Node) -> Poly:
    """An operand of an integer operation: Python's truth values are integers."""
    if isinstance(node, BoolNode):
        return node.context.integer_of(node)
    assert isinstance(node, IntNode)
    return node.poly


def _integer_method(name: str) -> Callable[[IntNode, Node], IntNode]:
    def method(self: IntNode, other: Node) -> IntNode:
        return IntNode(self.context, self.context.integer_op(name, self.poly, _integer(other)))

    return method


for _method, _name in {
    "mod": "mod", "sym_max": "max", "sym_min": "min", "lshift": "lshift", "rshift": "rshift",
    "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
}.items():  # fmt: skip
    setattr(IntNode, _method, _integer_method(_name))


class FloatNode(Node):
    """A float: a constant, a host value, or a device scalar (`ssa`).

    A host value has its `hint`, the value in this call, and `expr`, the host expression of it over the parameters;
    one without a variable of the user's has a `source`: in device code it is an integer as a float, a function of
    floats, or a kernel argument of that name.
    """

    pytype = float

    def __init__(
        self,
        context: SymbolContext,
        ssa: SSAValue | None = None,
        *,
        hint: float | None = None,
        expr: str = "",
        constant_value: float | None = None,
        source: Poly | tuple[str, list[FloatNode]] | str | None = None,
    ):
        super().__init__(context)
        self.ssa = ssa
        self.hint = hint
        self.expr = expr
        self.source = source
        self.constant_value = constant_value

    def __str__(self) -> str:
        return self.context.text(self, f"float({self.hint})")

    def is_constant(self) -> bool:
        return False

    def bool_(self) -> bool:
        return self.ne(self.wrap_float(0.0)).bool_()  # type: ignore[attr-defined]

    def guard_float(self, file: str, line: int) -> float:
        return self.context.float_of(self)

    def sym_float(self) -> FloatNode:
        return self

    pos = sym_float

    def _rounded(self, rounding: str) -> IntNode:
        return IntNode(self.context, self.context.to_int(rounding, self))

    def floor(self) -> IntNode:
        return self._rounded("floor")

    def ceil(self) -> IntNode:
        return self._rounded("ceil")

    def trunc(self) -> IntNode:
        return self._rounded("trunc")

    sym_int = trunc

    def is_integer(self) -> BoolNode:
        return self.wrap_bool(self.context.float_of(self).is_integer())

    def round(self, ndigits: int | None = None) -> Node:
        if ndigits is not None:
            return self.wrap_float(round(self.context.float_of(self), ndigits))
        return self._rounded("round")


FLOAT_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "float_truediv": operator.truediv,
    "float_pow": operator.pow, "floordiv": operator.floordiv, "mod": operator.mod, "neg": operator.neg, "abs": abs,
    "sym_max": max, "sym_min": min,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "tanh": math.tanh,
    "log2": math.log2,
}  # fmt: skip
"""What a float node's method means on Python floats."""


def _float_method(name: str) -> Callable[..., Node]:
    def method(self: FloatNode, *others: FloatNode) -> Node:
        return self.context.float_op(name, [self, *(other.sym_float() for other in others)])

    return method


for _name in FLOAT_FUNCTIONS:
    setattr(FloatNode, _name, _float_method(_name))
FloatNode.truediv = FloatNode.float_truediv  # type: ignore[attr-defined]
FloatNode.pow = FloatNode.float_pow  # type: ignore[attr-defined]


class BoolNode(Node):
    """A truth value: a constant, a host value, or a device scalar.

    `hint` and `expr` are as those of floats. A device scalar has them, too, where the arguments alone decide it:
    Python may then ask for the value, which becomes part of the specialization.
    """

    pytype = bool

    def __init__(
        self, context: SymbolContext, value: bool | SSAValue | None, *, hint: bool | None = None, expr: str = ""
    ):
        super().__init__(context)
        self.value = value
        self.hint = hint
        self.expr = expr

    def __str__(self) -> str:
        return str(self.value) if isinstance(self.value, bool) else self.context.text(self, "bool(?)")

    def is_constant(self) -> bool:
        return isinstance(self.value, bool)

    def bool_(self) -> bool:
        return self.value if isinstance(self.value, bool) else self.context.bool_of(self)

    def guard_bool(self, file: str, line: int) -> bool:
        return self.bool_()

    def sym_float(self) -> FloatNode:
        return self.context.to_float(_integer(self))

    def sym_int(self) -> IntNode:
        return IntNode(self.context, _integer(self))

    def bitwise_xor(self, other: Node) -> Node:
        return self.sym_int().bitwise_xor(other)  # type: ignore[attr-defined]

    guard_size_oblivious = guard_or_false = guard_or_true = expect_true = statically_known_true = guard_bool

    def sym_and(self, other: Node) -> Node:
        return self._combine("and", other, False)

    def sym_or(self, other: Node) -> Node:
        return self._combine("or", other, True)

    and_ = bitwise_and = sym_and
    or_ = bitwise_or = sym_or

    def _combine(self, name: str, other: Node, absorbing: bool) -> Node:
        if not isinstance(other, BoolNode):
            return getattr(self.sym_int(), f"bitwise_{name}")(other)
        for one, rest in ((self, other), (other, self)):
            if isinstance(one.value, bool):
                return self.wrap_bool(absorbing) if one.value is absorbing else rest
        return self.context.bool_op(name, [self, other])

    def sym_not(self) -> BoolNode:
        return self.wrap_bool(not self.value) if isinstance(self.value, bool) else self.context.bool_op("not", [self])

    def eq(self, other: Node) -> BoolNode:
        if not isinstance(other, BoolNode):
            return self.sym_int()._compare("eq", other)
        if isinstance(other.value, bool):
            return self if other.value else self.sym_not()
        return self.context.bool_op("eq", [self, other])

    def ne(self, other: Node) -> BoolNode:
        return self.eq(other).sym_not()


def poly_of(value: int | torch.SymInt) -> Poly:
    """The expression of an integer."""
    node = getattr(value, "node", None)
    return node.poly if isinstance(node, IntNode) else Poly.constant(int(value))


def sym_int(context: SymbolContext, poly: Poly) -> int | torch.SymInt:
    """An int where the expression is constant, else the SymInt of it."""
    value = poly.value
    return torch.SymInt(IntNode(context, poly)) if value is None else value
