"""What a trace knows of sizes: symbols, block sizes, which are equal, and what it took for granted."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import NoReturn

import torch
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Block

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim
from ...dialects.targets import MAX_LANES
from ..builder import Builder
from ..choices import DEFAULTS, Asked, Choices
from ..source import FunctionSource, current_location
from .expressions import Poly
from .nodes import poly_of

PREDICATES: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
INTEGER_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "floordiv": operator.floordiv, "mod": operator.mod, "max": max, "min": min, "lshift": operator.lshift,
    "rshift": operator.rshift, "and": operator.and_, "or": operator.or_, "xor": operator.xor,
}  # fmt: skip
OPPOSITES = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SYMBOL = re.compile(r"\bs\d+\b")


@dataclass(frozen=True)
class Options:
    """The settings that the frontend uses."""

    static_shapes: bool = True
    index_dtype: torch.dtype = torch.int32
    index_dtype_given: bool = False
    dot_precision: str = "tf32"
    auto_barrier: bool = True
    ignore_warnings: tuple[type[exc.BaseWarning], ...] = ()


class Retrace(Exception):
    """Two sizes that the trace needs to be equal, and that are in this call: trace again with that as a guard.

    Where the equality says of no size what it is (`s0*s1 == 12`), the sizes in it are `pinned` to this call's.
    """

    def __init__(self, lhs: Poly, rhs: Poly, pinned: Sequence[tuple[Poly, Poly]] = ()):
        super().__init__()
        self.equality = (lhs, rhs)
        self.pinned = tuple(pinned)


LARGEST_OFFSET = 2**31
"""Offsets below fit in 32 bits."""
LARGEST_POSITION = 2**30
"""Positions below fit in 32 bits whatever is added: the lanes of a tile past its end (`MAX_LANES`), and a shift."""


class WidePositions(Exception):
    """Positions of this trace do not fit in 32 bits: trace again with 64."""


class Sizes:
    """Block symbols, size symbols with their values in this call, and guards; and where the trace is."""

    def __init__(self, source: FunctionSource, options: Options, choices: Choices = DEFAULTS):
        self.source = source
        self.asked = Asked(choices)  # of the config
        self.files = {source.file}  # of the kernel and of the functions it calls
        self.options = options
        self.builder = Builder()
        self.index_type = IntegerType(64 if options.index_dtype == torch.int64 else 32)
        self.kernel_block = Block()
        self.in_device = False
        self.failed_in_device = False
        self.internal = 0  # how deep inside PyTorch's own code
        self.exact = 0  # how deep inside of host calls whose result depends on which sizes are 0 or 1
        self.blocks: dict[str, tile.BlockAttr] = {}
        self.registrations: dict[tuple[int, int], str] = {}  # line and column of the call → what it is in host text
        self.symbol_exprs: dict[str, str] = {}  # symbol → host expression
        self.used_symbols: dict[str, str] = {}  # those that the kernel's types and ops name
        self.int_args: dict[str, str] = {}  # symbols of int arguments: of any sign, and kernel arguments as values
        self.quotients: dict[str, tuple[str, Poly, Poly]] = {}  # opaque atom → the operation that it spells
        self.stride_symbols: set[str] = set()
        self.read_symbols: set[str] = set()  # symbols of numbers that host code reads from tensors
        self.checks: dict[
            str, None
        ] = {}  # what must hold of those at the launch, where asking before it would read twice
        self.hints: dict[str, int] = {}
        self.again: Retrace | None = None  # what was raised last, whatever PyTorch's code made of it
        self.merged: dict[str, Poly] = {}
        self.guards: dict[str, None] = {}
        self._polys: dict[str, Poly] = {}
        self._warned: set[str] = set()
        self._sizes: dict[Dim, int | torch.SymInt] = {}  # what PyTorch sees of a dim
        self._kept: list[object] = []  # objects whose ids are keys must live

    def called(self) -> None:
        """Note where the user's code is, for the ops that follow."""
        self.builder.at(current_location(self.files))

    def keep(self, value: object) -> None:
        """Keep an object alive whose id is a key."""
        self._kept.append(value)

    @contextmanager
    def inside_torch(self) -> Iterator[None]:
        """PyTorch's own code runs: comparisons of sizes are its shape checks, not the user's."""
        self.internal += 1
        try:
            yield
        finally:
            self.internal -= 1

    @contextmanager
    def inside_kernel(self) -> Iterator[None]:
        """Device code: ops go into the kernel's body."""
        self.builder.block = self.kernel_block
        try:
            yield
        except Exception:
            self.failed_in_device = True
            raise

    def warn(self, warning: exc.BaseWarning) -> None:
        """Print a warning with the current place."""
        warning.location = warning.location or current_location(self.files)
        if str(warning) not in self._warned:  # loops are walked more than once
            self._warned.add(str(warning))
            exc.warn(warning, self.options.ignore_warnings)

    def new_block(self, low: int = 1, high: int | None = None) -> str:
        """A new block symbol."""
        name = f"b{len(self.blocks)}"
        self.blocks[name] = tile.BlockAttr(low, high)
        return name

    def new_symbol(self, expr: str, hint: int, *, argument: bool = False) -> Poly:
        """A new size symbol for a host expression; `argument` for an int argument, whose sign is unknown."""
        name = f"s{len(self.symbol_exprs)}"
        self.symbol_exprs[name] = expr
        self.hints[name] = hint
        if argument:
            self.int_args[name] = expr
        return Poly.atom(name)

    def registered(self, text: str) -> None:
        """Note what the call at the current place, which registers a block or a tunable, is in host text."""
        place = current_location((self.source.file,))
        if place is not None:
            self.registrations[(place.line, place.column)] = text

    def specialize(self, value: torch.SymInt) -> int:
        """Make a size a constant of this specialization."""
        poly = self.resolved(poly_of(value))
        hint = self.hint_of(poly)
        if hint is None:
            raise exc.SpecializeArgType(f"{poly} depends on a block size, which is no constant")
        self.guard("eq", poly, Poly.constant(hint))
        return hint

    def resolved(self, poly: Poly) -> Poly:
        """The expression with symbols that turned out equal replaced."""
        return poly.substitute(self.merged) if self.merged else poly

    def hint_of(self, poly: Poly) -> int | None:
        """The value of an expression in this call; None where a tuned block size or the device decides it."""
        total = 0
        for atoms, factor in self.resolved(poly).terms.items():
            for atom in atoms:
                hint = self._hint(atom)
                if hint is None:
                    return None
                factor *= hint
            total += factor
        return total

    def _hint(self, atom: str) -> int | None:
        if atom not in self.quotients:
            return self.hints.get(atom, self.fixed(atom))
        name, lhs, rhs = self.quotients[atom]
        left, right = self.hint_of(lhs), self.hint_of(rhs)
        if left is None or right is None:
            return None
        try:
            return INTEGER_FUNCTIONS[name](left, right)
        except (ZeroDivisionError, ValueError):
            return None

    def dim(self, size: int | torch.SymInt) -> Dim:
        """The dim that spells a size; its symbols are part of the kernel from now on."""
        if isinstance(size, int):
            return size
        poly = self.resolved(poly_of(size))
        if any(atom.startswith("@") for atom in poly.atoms()):
            raise exc.ShapeSpecializingAllocation(
                f"the size {poly} is known on the device only", hint="sizes are tiles, block sizes, or host sizes"
            )
        dim = poly.as_dim()
        if isinstance(dim, str):
            self._polys[dim] = poly
            for name in _SYMBOL.findall(dim):
                self.used_symbols[name] = self.symbol_exprs[name]
        return dim

    def poly_of_dim(self, dim: Dim) -> Poly:
        """The expression of a dim."""
        if isinstance(dim, int):
            return Poly.constant(dim)
        return self._polys.get(dim) or Poly.atom(dim)

    def fixed(self, dim: Dim) -> int | None:
        """The value of a dim, if it is a constant or a block size that the user fixed."""
        if isinstance(dim, int):
            return dim
        block = self.blocks.get(dim)
        return None if block is None else block.fixed

    def must_equal(self, a: Dim, b: Dim) -> None:
        """Two dims meet where PyTorch wants equal sizes (or a 1): trace again with that as a guard, if it holds now."""
        lhs, rhs = (self.resolved(self.poly_of_dim(d)) for d in (a, b))
        if any(atom in self.blocks for poly in (lhs, rhs) for atom in poly.atoms()):
            return
        left, right = self.hint_of(lhs), self.hint_of(rhs)
        if left is None or right is None:
            return
        if left == right:
            self._retrace_equal(lhs, rhs)
        for poly, hint in ((lhs, left), (rhs, right)):
            if hint == 1 and poly.value is None:
                raise Retrace(poly, Poly.constant(1))

    def _retrace_equal(self, lhs: Poly, rhs: Poly) -> NoReturn:
        symbols = sorted({name for poly in (lhs, rhs) for name in _SYMBOL.findall(str(poly))})
        self.again = Retrace(lhs, rhs, [(Poly.atom(name), Poly.constant(self.hints[name])) for name in symbols])
        raise self.again

    def known_size(self, dim: Dim) -> int | None:
        """The value of a dim that must be known at compile time: a size becomes this call's, which is a guard.

        None for block sizes that the user did not fix, and for what only the device knows.
        """
        poly = self.resolved(self.poly_of_dim(dim))
        if (known := self.fixed(dim)) is not None or (known := poly.value) is not None:
            return known
        unknown = self.is_read(poly) or any(atom in self.blocks for atom in poly.atoms())
        hint = None if unknown else self.hint_of(poly)
        return None if hint is None else self._retrace_equal(poly, Poly.constant(hint))

    def checked_equal(self, lhs: Poly, rhs: Poly) -> None:
        """PyTorch's code checks whether two sizes are equal: trace again with that as a guard, if they are now.

        Sizes of 0 and 1 are others' to see: their checks are of broadcasts, and of whether there is anything to do.
        """
        atoms = (lhs - rhs).atoms()
        if any(poly.value in (0, 1) for poly in (lhs, rhs)) and not any(atom in self.quotients for atom in atoms):
            return
        if self.is_read(lhs - rhs) or any(atom in self.blocks or atom in self.stride_symbols for atom in atoms):
            return
        left = self.hint_of(lhs)
        if left is not None and left == self.hint_of(rhs):
            self._retrace_equal(lhs, rhs)

    def is_one(self, size: int | torch.SymInt, unless: Poly | None = None) -> bool:
        """Whether a size is 1 in this call; the answer is a guard, and a size that is 1 is traced as the number.

        Where `unless` is 1, too, a run-time size of 1 does not count: then the answer is no, as for other sizes.
        """
        poly = self.resolved(poly_of(size))
        if poly.value is not None:
            return poly.value == 1
        hint, other = self.hint_of(poly), None if unless is None else self.hint_of(unless)
        if hint is None:
            return False
        if hint != 1 or other == 1:
            exception = "" if other is None or unless is None else f" or {self.spelled(self.resolved(unless))} == 1"
            self.guards[f"{self.spelled(poly)} != 1{exception}"] = None
            return False
        if poly.single is not None and _SYMBOL.fullmatch(poly.single):
            raise Retrace(poly, Poly.constant(1))
        self.guard("eq", poly, Poly.constant(1))
        return True

    def below(self, poly: Poly, limit: int) -> bool | None:
        """Whether an expression is below a limit in this call; the answer is a guard, or is checked at the launch.
        None: not known on the host."""
        poly = self.resolved(poly)
        hint = self.hint_of(poly)
        if hint is not None and hint < limit and self.is_read(poly):
            self.checks[f"{self.spelled(poly)} < {limit}"] = None
        elif hint is not None and poly.value is None:
            self.guard("lt" if hint < limit else "ge", poly, Poly.constant(limit))
        return None if hint is None else hint < limit

    def is_read(self, poly: Poly) -> bool:
        """Whether a number that host code reads from a tensor is in an expression."""
        return bool(self.read_symbols) and not self.read_symbols.isdisjoint(_SYMBOL.findall(str(poly)))

    def needs_position(self, bound: int | torch.SymInt) -> None:
        """Make sure that positions up to `bound` can be told; raises `WidePositions` if that takes 64 bits."""
        limit = LARGEST_OFFSET - MAX_LANES if self.options.index_dtype_given else LARGEST_POSITION
        if self.index_type.width.data == 64 or self.below(poly_of(bound), limit) is not False:
            return
        if self.options.index_dtype_given:
            raise exc.InputTensorNumelExceedsIndexType(
                f"positions up to {bound}, and what a tile adds to them, do not fit into index_dtype=torch.int32",
                hint="leave index_dtype out, or set it to torch.int64",
            )
        raise WidePositions

    def guard(self, predicate: str, lhs: Poly, rhs: Poly) -> None:
        """Add a guard: the trace is valid for calls in which the host finds the same truth value."""
        if predicate == "eq":
            self._merge(lhs, rhs)
        self.guards[f"{self.spelled(lhs)} {SIGNS[predicate]} {self.spelled(rhs)}"] = None

    def spelled(self, poly: Poly) -> str:
        """An expression of sizes and int arguments as a host expression."""
        return _SYMBOL.sub(lambda m: f"({self.symbol_exprs.get(m[0], m[0])})", str(poly))

    def forget(self, guards: dict[str, None], merged: dict[str, Poly]) -> None:
        """Restore earlier guards and equalities."""
        self.guards, self.merged = guards, merged
        self._sizes.clear()

    def _merge(self, lhs: Poly, rhs: Poly) -> None:
        solved = self._solve(lhs - rhs)
        if solved is not None:
            symbol, other = solved
            self.merged = {name: poly.substitute({symbol: other}) for name, poly in self.merged.items()}
            self.merged[symbol] = other
            self._sizes.clear()

    @staticmethod
    def _solve(zero: Poly) -> tuple[str, Poly] | None:
        """What `zero == 0` says of one atom that occurs once and alone: its value in terms of the others."""
        names = list(zero.atoms())
        for atoms, factor in sorted(zero.terms.items(), key=lambda term: term[0], reverse=True):
            if len(atoms) != 1 or names.count(atoms[0]) != 1 or atoms[0].startswith("@"):
                continue
            value = (Poly({atoms: factor}) - zero).exact_div(Poly.constant(factor))
            if value is not None and atoms[0] not in str(value):
                return atoms[0], value
        return None

    def decide(self, predicate: str, lhs: Poly, rhs: Poly) -> bool | None:
        """The truth of a comparison of sizes: for all of them, else for this call's, guarded; None if only the device
        or a tuned block size decides it."""
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        known = self._settle(predicate, lhs - rhs)
        left, right = self.hint_of(lhs), self.hint_of(rhs)
        if known is not None or left is None or right is None:
            return known
        truth = PREDICATES[predicate](left, right)
        self.guard(predicate if truth else OPPOSITES[predicate], lhs, rhs)
        return truth

    def _settle(self, predicate: str, difference: Poly) -> bool | None:
        """The truth of `difference <predicate> 0` if it is the same for all sizes (none is negative)."""
        if (value := difference.value) is not None:
            return PREDICATES[predicate](value, 0)
        if not all(self._is_symbolic(atom) for atom in difference.atoms()):
            return None
        low, negated = self._at_least(difference), self._at_least(-difference)
        if low > 0 or negated > 0:
            return PREDICATES[predicate](1 if low > 0 else -1, 0)
        if low == 0 and predicate in ("ge", "lt"):
            return predicate == "ge"
        if negated == 0 and predicate in ("le", "gt"):
            return predicate == "le"
        return None

    def _at_least(self, poly: Poly) -> float:
        """A lower bound, from: block sizes are at least 1, sizes at least 0."""
        bound: float = 0
        for atoms, factor in poly.terms.items():
            if atoms and (factor < 0 or not all(map(self._not_negative, atoms))):
                return -inf
            if all(map(self._positive, atoms)):
                bound += factor
        return bound

    def _positive(self, atom: str) -> bool:
        """Whether an atom is known to be at least 1: block sizes are, and quotients by what is not larger."""
        if atom not in self.quotients:
            return atom in self.blocks
        name, lhs, rhs = self.quotients[atom]
        return name == "floordiv" and self._at_least(rhs) >= 1 and self._at_least(lhs - rhs) >= 0

    def _not_negative(self, atom: str) -> bool:
        """Whether an atom of symbols is known not to be negative: sizes are not, a floor division or `%` may be."""
        if atom not in self.quotients:
            return True
        name, lhs, rhs = self.quotients[atom]
        if name not in ("floordiv", "mod"):
            return False
        return self._at_least(rhs) >= 0 and (name == "mod" or self._at_least(lhs) >= 0)

    def _assume(self, predicate: str, difference: Poly) -> bool:
        """The answer for PyTorch's shape checks of symbolic sizes, which are taken as distinct and large."""
        if predicate in ("eq", "ne"):
            return predicate == "ne"
        degree = max([len(atoms) for atoms in difference.terms], default=0)
        leading = sum(factor for atoms, factor in difference.terms.items() if atoms and len(atoms) == degree)
        return (leading > 0) == (predicate in ("gt", "ge"))

    def _unguarded(self, predicate: str, lhs: Poly, rhs: Poly, truth: bool) -> bool | None:
        """The answer to a check of PyTorch's own on the host that needs no guard; None where its truth does.

        What is about strides needs none: the host code runs in each call, and strides are passed by it. To questions
        about sizes 0 and 1 the answer is the usual one, whatever the size in this call: where another size would
        broadcast, an equality is guarded, too, and where that fails the call is repeated with `exact`.
        """
        if any(atom in self.stride_symbols for poly in (lhs, rhs) for atom in poly.atoms()):
            return truth
        if not any(poly.value in (-1, 0, 1, 2) for poly in (lhs, rhs)):
            return None
        usual = self._assume(predicate, lhs - rhs)
        # An argument may be any number, a quotient or remainder 0 as well as not.
        open_ = any(atom in self.int_args or atom in self.quotients for poly in (lhs, rhs) for atom in poly.atoms())
        return usual if usual == truth or not (self.exact or open_) else None

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """Guard also whether sizes are 0 or 1, as it decides what runs."""
        self.exact += 1
        try:
            yield
        finally:
            self.exact -= 1

    def _is_symbolic(self, atom: str) -> bool:
        """Whether an atom is made of sizes and block sizes alone, which are never negative and fit the index type."""
        if atom in self.quotients:
            _, lhs, rhs = self.quotients[atom]
            return all(map(self._is_symbolic, (*lhs.atoms(), *rhs.atoms())))
        return not atom.startswith("@") and atom not in self.int_args
