"""Numbers of a trace: constants, expressions of sizes, and device scalars; and what PyTorch asks of them.

This is the `Context` of symbolic numbers: on the host it answers from this call's values and records guards, on the
device it emits ops.
"""

from __future__ import annotations

import math as pymath
import re
from collections.abc import Callable
from typing import Any, cast

import torch
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import AnyFloat, IntegerType, f32, i1, i64
from xdsl.ir import Attribute, SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, symbols_of
from ...dialects.value import CompareOp
from ..source import FunctionSource, asked_by_user, in_subscript
from .arithmetic import floor_quotient, remainder, small_power
from .expressions import Poly
from .sizes import INTEGER_FUNCTIONS, LARGEST_OFFSET, OPPOSITES, PREDICATES, SIGNS, Options, Sizes
from .symbolic import FLOAT_FUNCTIONS, BoolNode, FloatNode, IntNode, Node, poly_of, sym_int

_SPELLINGS = {"floordiv": "({} // {})", "mod": "({} % {})"}
_SPELLINGS_OF_ARGUMENTS = {
    **_SPELLINGS, "max": "max({}, {})", "min": "min({}, {})", "lshift": "({} << {})", "rshift": "({} >> {})",
    "and": "({} & {})", "or": "({} | {})", "xor": "({} ^ {})",
}  # fmt: skip
"""Operations as host expressions: of sizes, and of what the arguments decide."""
_INTEGER_OPS: dict[str, Callable[..., Any]] = {
    "floordiv": arith.FloorDivSIOp, "max": arith.MaxSIOp, "min": arith.MinSIOp, "lshift": arith.ShLIOp,
    "rshift": arith.ShRSIOp, "and": arith.AndIOp, "or": arith.OrIOp, "xor": arith.XOrIOp,
}  # fmt: skip
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
_MATH = "__import__('math')"
_SYMBOL = re.compile(r"\bs\d+\b")


class IndexNeeded(Exception):
    """The index of a static loop that is walked once is needed as a Python int: the loop must be unrolled."""


class Scalars(Sizes):
    """Scalars as SSA values and as Python's numbers, and the kernel arguments that some of them are."""

    def __init__(self, source: FunctionSource, options: Options):
        super().__init__(source, options)
        self.arg_names: list[str] = []
        self.arg_exprs: list[str] = []
        self.paths: dict[int, str] = {}  # id of a host object → the host expression of it
        self._args: dict[object, SSAValue] = {}
        self._floats: dict[object, SSAValue] = {}
        self._atoms: dict[str, Callable[[], SSAValue]] = {}
        self._atom_types: dict[str, IntegerType] = {}
        self._static: dict[str, range] = {}  # indices of static loops, and what they go through

    @staticmethod
    def name_of(expr: str) -> str:
        """A name for what a host expression gives."""
        for part in (".__closure__", ".cell_contents", f"{_MATH}."):
            expr = expr.replace(part, "")
        return re.sub(r"\W+", "_", expr).strip("_")

    def argument(
        self, key: object, expr: str, type_: Attribute, keep: object = None, *, name: str | None = None
    ) -> SSAValue:
        """The kernel argument for `key`; made at its first use, with the host expression `expr`."""
        value = self._args.get(key)
        if value is None:
            name = base = self.name_of(name or expr)
            suffix = 1
            while name in self.arg_names:
                name, suffix = f"{base}_{suffix}", suffix + 1
            value = self.kernel_block.insert_arg(type_, len(self.arg_names))
            value.name_hint = name if name.isidentifier() else None
            self.arg_names.append(name)
            self.arg_exprs.append(expr)
            self._args[key] = value
            self._kept.append(keep)
        return value

    def size(self, dim: Dim) -> int | torch.SymInt:
        """The size that PyTorch sees for a dim."""
        size = self._sizes.get(dim)
        if size is None:
            size = self._sizes[dim] = sym_int(self, self.poly_of_dim(dim))
        return size

    def device_scalar(
        self, make: Callable[[], SSAValue], name: str | None = None, element: IntegerType | None = None
    ) -> torch.SymInt:
        """A run-time integer as Python's number; `make` emits it (again, in each place that needs it)."""
        name = f"@{len(self._atoms)}" if name is None else f"@{name}"
        self._atoms.setdefault(name, make)
        self._atom_types[name] = element or self.index_type
        return torch.SymInt(IntNode(self, Poly.atom(name)))

    def static_scalar(self, value: SSAValue, values: range) -> torch.SymInt:
        """The index of a static loop as Python's number, as long as it is not needed as one."""
        result = self.device_scalar(lambda: value)
        self._static[str(poly_of(result))] = values
        return result

    def name_index(self, index: object, name: str) -> None:
        """The user's name of a static loop's index."""
        atom = poly_of(index).single if isinstance(index, torch.SymInt) else None
        if atom in self._static:
            self._atoms[atom]().name_hint = name

    def static_bounds(self, value: int | torch.SymInt) -> tuple[int, int] | None:
        """Bounds of an expression of indices of static loops (and constants); None for any other expression."""
        poly = self.resolved(poly_of(value))
        if poly.value is not None or not all(atom in self._static for atom in poly.atoms()):
            return None
        low = high = 0
        for atoms, factor in poly.terms.items():
            term = (factor, factor)
            for atom in atoms:
                values = self._static[atom]
                products = [a * b for a in term for b in (values[0], values[-1])]
                term = (min(products), max(products))
            low, high = low + term[0], high + term[1]
        return low, high

    def needs_number(self, *polys: Poly) -> None:
        """What is computed now depends on the value of an index, so that its loop must be walked value by value."""
        if any(atom in self._static for poly in polys for atom in poly.atoms()):
            raise IndexNeeded("the index of a static loop is needed as a Python int")

    def within(self, value: int | torch.SymInt, end: int | torch.SymInt) -> None:
        """An index, or bound, that may be one of a static loop must lie in [0, end]: then its value does not matter."""
        bounds = self.static_bounds(value)
        if bounds is not None and (bounds[0] < 0 or (isinstance(end, int) and bounds[1] > end)):
            self.needs_number(poly_of(value))

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

    def integer(self, value: int | torch.SymInt, element: IntegerType | None = None) -> SSAValue:
        """A number as an SSA scalar of the index type, or of `element`."""
        return self.materialize(poly_of(value), element or self.index_type)

    def materialize(self, poly: Poly, element: IntegerType) -> SSAValue:
        """Emit an integer expression."""
        poly = self.resolved(poly)
        if (value := poly.value) is not None:
            return self.builder.constant(value, element)
        static = {atoms: k for atoms, k in poly.terms.items() if all(map(self._is_symbolic, atoms))}
        result: SSAValue | None = None
        if any(static) or not set(poly.terms) - set(static):
            result = self._symbolic(Poly(static), element)
        elif static:
            result = self.builder.constant(static[()], element)
        for atoms, factor in poly.terms.items():
            if atoms not in static:
                term = self._product(atoms, factor, element)
                result = term if result is None else self.builder.emit(arith.AddiOp(result, term))
        assert result is not None
        return result

    def _symbolic(self, poly: Poly, element: IntegerType) -> SSAValue:
        dim = self.dim(torch.SymInt(IntNode(self, poly)))
        wide = element.width.data == 64 and self._is_product(poly)  # which need not fit into an index
        return self.builder.integer(self.builder.emit(tile.SymbolOp(dim, i64 if wide else self.index_type)), element)

    @staticmethod
    def _is_product(poly: Poly) -> bool:
        return any(len(atoms) > 1 for atoms in poly.terms)

    def _product(self, atoms: tuple[str, ...], factor: int, element: IntegerType) -> SSAValue:
        result: SSAValue | None = None
        for atom in atoms:
            value = self.builder.integer(self._atom(atom, element), element)
            result = value if result is None else self.builder.emit(arith.MuliOp(result, value))
        assert result is not None
        if factor != 1:
            result = self.builder.emit(arith.MuliOp(result, self.builder.constant(factor, element)))
        return result

    def _atom(self, atom: str, element: IntegerType) -> SSAValue:
        if atom in self._atoms:
            return self._atoms[atom]()
        if atom in self.int_args:
            return self.argument(("int", atom), self.int_args[atom], i64)
        if not self._is_symbolic(atom):
            return self._integer_op(*self.quotients[atom])
        return self._symbolic(Poly.atom(atom), element)

    def value_type(self, poly: Poly) -> IntegerType:
        """The type in which an integer expression is computed as a value: i64 if an int argument is in it.

        A product of sizes, such as a number of elements, may need it in one call and not in another.
        """
        if (poly.value is not None or self._is_product(poly)) and self.below(poly, LARGEST_OFFSET) is False:
            return i64
        for atom in poly.atoms():
            if atom in self.int_args or self._atom_types.get(atom) == i64:
                return i64
            if atom in self.quotients and i64 in map(self.value_type, self.quotients[atom][1:]):
                return i64
        return self.index_type

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

    def _of_arguments(self, *polys: Poly) -> bool:
        """Whether arguments decide the values: those may become part of the specialization; sizes are asked for."""
        return all(
            self.hint_of(poly) is not None
            and all(name in self.int_args for atom in poly.atoms() for name in symbols_of(atom) - {"max", "min"})
            for poly in map(self.resolved, polys)
        )

    def compare(self, predicate: str, lhs: Poly, rhs: Poly) -> bool | SSAValue:
        """The truth of an integer comparison, or the `i1` that computes it."""
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        known = self._settle(predicate, lhs - rhs)
        if known is not None:
            return known
        self.needs_number(lhs, rhs)
        if self.in_device and self.internal and all(self._is_symbolic(a) for p in (lhs, rhs) for a in p.atoms()):
            return self._assume(predicate, lhs - rhs)
        hint, other = self.hint_of(lhs), self.hint_of(rhs)
        if self.in_device:
            self.called()
            element = max((self.value_type(lhs), self.value_type(rhs)), key=lambda t: t.width.data)
            operands = [self.materialize(side, element) for side in (lhs, rhs)]
            return self.builder.emit(CompareOp(predicate, *operands))
        if hint is None or other is None:
            raise exc.ShapeSpecializingCall(f"host code compares {lhs} with {rhs}, which depends on a tuned block size")
        truth = PREDICATES[predicate](hint, other)
        if self.internal and (answer := self._unguarded(predicate, lhs, rhs, truth)) is not None:
            return answer
        self.guard(predicate if truth else OPPOSITES[predicate], lhs, rhs)
        return truth

    def integer_op(self, name: str, lhs: Poly, rhs: Poly) -> Poly:
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        a, b = lhs.value, rhs.value
        if a is not None and b is not None:
            return Poly.constant(INTEGER_FUNCTIONS[name](a, b))
        if name in _SPELLINGS and (quotient := lhs.exact_div(rhs)) is not None:
            return quotient if name == "floordiv" else Poly({})
        self.needs_number(lhs, rhs)
        if name in ("max", "min") and (not self.in_device or self.internal):
            return lhs if self.compare("ge" if name == "max" else "le", lhs, rhs) else rhs
        symbolic = all(not atom.startswith("@") for poly in (lhs, rhs) for atom in poly.atoms())
        spellings = _SPELLINGS_OF_ARGUMENTS if self.in_device and self._of_arguments(lhs, rhs) else _SPELLINGS
        if symbolic and name in spellings:
            text = spellings[name].format(_group(lhs), _group(rhs))
            self.quotients[text] = (name, lhs, rhs)
            return Poly.atom(text)
        if not self.in_device:
            return Poly.constant(INTEGER_FUNCTIONS[name](self.int_of(lhs), self.int_of(rhs)))
        self.called()
        result = self._integer_op(name, lhs, rhs)
        return poly_of(self.device_scalar(lambda: result, element=cast("IntegerType", result.type)))

    def _integer_op(self, name: str, lhs: Poly, rhs: Poly) -> SSAValue:
        """Emit an operation of integers, in the wider of their types."""
        element = max((self.value_type(lhs), self.value_type(rhs)), key=lambda t: t.width.data)
        operands = [self.materialize(side, element) for side in (lhs, rhs)]
        if name == "mod":
            return remainder(self.builder, operands, signed_by_divisor=True)
        return self.builder.emit(_INTEGER_OPS[name](*operands))

    def int_of(self, poly: Poly) -> int:
        poly = self.resolved(poly)
        if (value := poly.value) is not None:
            return value
        hint = self.hint_of(poly)
        only_fixed = hint is not None and not any(_SYMBOL.search(atom) for atom in poly.atoms())
        if hint is None or (self.in_device and not only_fixed and not self._of_arguments(poly)):
            if in_subscript(self.files):
                raise exc.InvalidSequenceSubscription(
                    "a sequence of Python's is subscripted by a number that is not known at compile time",
                    hint="loop over it with hl.static_range, or make it a tensor",
                )
            if any(atom.startswith("@") for atom in poly.atoms()):
                raise exc.ShapeSpecializingCall(
                    "Python needs the value of a number that only the device knows, at compile time",
                    hint="shapes, dims and the like are constants: loop with hl.static_range",
                )
            raise exc.ShapeSpecializingCall(
                f"Python needs the value of {poly} at compile time", hint="use hl.specialize() in host code for a size"
            )
        if not only_fixed:
            self.guard("eq", poly, Poly.constant(hint))
        return hint

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
            spelled = "int" if rounding == "trunc" else "round" if rounding == "round" else f"{_MATH}.{rounding}"
            self.guards[f"{_MATH}.isfinite({node.expr})"] = None
            return self.new_symbol(f"{spelled}({node.expr})", function(node.hint), argument=True)
        rounded = self.builder.emit(op(self.float_value(node)))
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
        if name in SIGNS:
            truth = self.builder.emit(CompareOp(name, *map(self.float_value, args)))
            return BoolNode(self, truth, hint=cast("bool | None", hint), expr=expr)
        if name in _JUMPING and hint is not None:  # in Python's precision
            self.guards[f"{_expr_of(args[1])} != 0"] = None
            return FloatNode(self, hint=hint, expr=expr, source=_JUMPING[name])
        if hint is not None:
            return FloatNode(self, hint=hint, expr=expr, source=(name, args))
        return FloatNode(self, self._float_op(name, args))

    def _float_hint(self, name: str, args: list[FloatNode]) -> tuple[Any, str]:
        """What a function gives in this call, and the host expression of it; None if only the device knows."""
        values = [a.hint if a.constant_value is None else a.constant_value for a in args]
        if any(value is None for value in values):
            return None, ""
        parts = map(_expr_of, args)
        spelling = _FLOAT_SPELLINGS.get(name, f"{_MATH}.{name}({{}})")
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
        self.guards[f"{node.expr} != {node.expr}" if isnan else f"{node.expr} == {node.hint!r}"] = None
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
    return node.expr if node.constant_value is None else repr(node.constant_value)


def _group(poly: Poly) -> str:
    dim = poly.as_dim()
    return str(dim) if isinstance(dim, int) or poly.single else f"({dim})"
