"""Integers of a trace: constants, expressions of sizes, indices of static loops, and what device code computes.

On the host they are this call's values, and what is asked of them is guarded; on the device they are emitted as ops.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i64
from xdsl.ir import Attribute, SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, symbols_of
from ...dialects.names import value_name
from ...dialects.value import CompareOp
from ..choices import DEFAULTS, Choices
from ..source import FunctionSource, in_subscript
from .arithmetic import remainder
from .expressions import Poly
from .nodes import IntNode, SymbolContext, poly_of, sym_int
from .sizes import INTEGER_FUNCTIONS, LARGEST_OFFSET, OPPOSITES, PREDICATES, SIGNS, Options, Sizes

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
MATH = "__import__('math')"
"""The module in host expressions, which import nothing."""
_SYMBOL = re.compile(r"\bs\d+\b")
_NAME = re.compile(r"\b[bs]\d+\b")


_WHOLE_SLICE = 2**62
"""No size is as large: PyTorch slices to such an end where none is given."""


class IndexNeeded(Exception):
    """The index of a static loop that is walked once is needed as a Python int: the loop must be unrolled."""


class Integers(Sizes, SymbolContext):
    """Integers as SSA values and as Python's numbers, and the kernel arguments that some of them are."""

    def __init__(self, source: FunctionSource, options: Options, choices: Choices = DEFAULTS):
        super().__init__(source, options, choices)
        self.arg_names: list[str] = []
        self.arg_exprs: list[str] = []
        self.paths: dict[int, str] = {}  # id of a host object → the host expression of it
        self._args: dict[object, SSAValue] = {}
        self._atoms: dict[str, Callable[[], SSAValue]] = {}
        self._atom_types: dict[str, IntegerType] = {}
        self._static: dict[str, range] = {}  # indices of static loops, and what they go through

    @staticmethod
    def name_of(expr: str) -> str:
        """A name for the value of a host expression."""
        for part in (".__closure__", ".cell_contents", f"{MATH}."):
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
            value.name_hint = value_name(name) if name.isidentifier() else None
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
        """The index of a static loop as a symbolic number, while its value is not needed."""
        result = self.device_scalar(lambda: value)
        self._static[str(poly_of(result))] = values
        return result

    def name_index(self, index: object, name: str) -> None:
        """The user's name of a static loop's index."""
        atom = poly_of(index).single if isinstance(index, torch.SymInt) else None
        if atom in self._static:
            self._atoms[atom]().name_hint = value_name(name)

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
        """Require the value of an index of a static loop, which is then walked once for each value."""
        if any(atom in self._static for poly in polys for atom in poly.atoms()):
            raise IndexNeeded("the index of a static loop is needed as a Python int")

    def within(self, value: int | torch.SymInt, end: int | torch.SymInt) -> None:
        """An index, or bound, that may be one of a static loop must lie in [0, end]: then its value does not matter."""
        bounds = self.static_bounds(value)
        if bounds is not None and (bounds[0] < 0 or (isinstance(end, int) and bounds[1] > end)):
            self.needs_number(poly_of(value))

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

    def _of_arguments(self, *polys: Poly) -> bool:
        """Whether arguments decide the values: those may become part of the specialization; sizes become guards."""
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
            if predicate in ("eq", "ne"):
                self.checked_equal(lhs, rhs)
            return self._assume(predicate, lhs - rhs)
        hint, other = self.hint_of(lhs), self.hint_of(rhs)
        if (hint is None or other is None) and not self.internal and self._of_config(lhs, rhs):
            sides = [self._in_question(side) for side in (lhs, rhs)]
            return self._ask(f"{sides[0]} {SIGNS[predicate]} {sides[1]}")
        if self.in_device:
            self.called()
            element = max((self.value_type(lhs), self.value_type(rhs)), key=lambda t: t.width.data)
            operands = [self.materialize(side, element) for side in (lhs, rhs)]
            return self.builder.emit(CompareOp(predicate, *operands))
        if hint is None or other is None:
            ends = [poly.value for poly in (lhs, rhs) if poly.value is not None]
            if self.internal and predicate not in ("eq", "ne") and ends and ends[0] in (0, 1):
                return self._assume(predicate, lhs - rhs)  # strides are those of sizes that are at least 1
            if self.internal and ends and ends[0] >= _WHOLE_SLICE:  # the end of `:`
                return PREDICATES[predicate](lhs.value or 0, rhs.value or 0)
            raise exc.ShapeSpecializingCall(f"host code compares {lhs} with {rhs}, which depends on a tuned block size")
        truth = PREDICATES[predicate](hint, other)
        if self.internal and (answer := self._unguarded(predicate, lhs, rhs, truth)) is not None:
            return answer
        self.guard(predicate if truth else OPPOSITES[predicate], lhs, rhs)
        return truth

    def _of_config(self, *polys: Poly) -> bool:
        """Whether a config decides the values: they are made of block sizes, and in host code of what this call has."""
        atoms = [atom for poly in polys for atom in poly.atoms()]
        if self.in_device:
            return all(map(self._is_symbolic, atoms))
        return not any(atom.startswith("@") for atom in atoms)

    def _in_question(self, poly: Poly) -> str:
        """An expression as text over block symbols; sizes in it are this call's, which is a guard."""
        names = {name for atom in poly.atoms() for name in _SYMBOL.findall(atom)}
        for name in names:
            self.guard("eq", Poly.atom(name), Poly.constant(self.hints[name]))
        known = {**self.hints, **{name: block.fixed for name, block in self.blocks.items() if block.fixed is not None}}
        return _NAME.sub(lambda match: str(known.get(match[0], match[0])), f"({poly.as_dim()})")

    def _ask(self, question: str) -> Any:
        """The answer of the config that is traced for."""
        limits = {name: (block.min.data, getattr(block.max, "data", None)) for name, block in self.blocks.items()}
        return self.asked.ask(question, limits)

    def integer_op(self, name: str, lhs: Poly, rhs: Poly) -> Poly:
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        a, b = lhs.value, rhs.value
        if a is not None and b is not None:
            return Poly.constant(INTEGER_FUNCTIONS[name](a, b))
        if name in _SPELLINGS and (quotient := lhs.exact_div(rhs)) is not None:
            return quotient if name == "floordiv" else Poly({})
        if name in _SPELLINGS and b is not None and b > 0:
            whole, lhs = lhs.multiples_of(b)
            if whole.terms:
                rest = self.integer_op(name, lhs, rhs)
                return rest if name == "mod" else whole + rest
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
        if hint is None and not self.internal and self._of_config(poly):
            return self._ask(self._in_question(poly))
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


def _group(poly: Poly) -> str:
    dim = poly.as_dim()
    return str(dim) if isinstance(dim, int) or poly.single else f"({dim})"
