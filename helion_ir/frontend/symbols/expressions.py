"""Integer expressions over named atoms, as polynomials: what sizes, block sizes and run-time integers are made of.

An *atom* is a name: a block symbol (`b0`), a size symbol (`s0`), a device scalar (`%3`), or an opaque
subexpression of symbols (`(s0 // 2)`). The dims of the IR are what `as_dim` spells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...dialects.dims import Dim

Monomial = tuple[str, ...]


class Poly:
    """An immutable polynomial with integer coefficients; `terms` maps a sorted tuple of atoms to its factor."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]):
        self.terms = {atoms: factor for atoms, factor in terms.items() if factor}
        self._hash: int | None = None

    @staticmethod
    def constant(value: int) -> Poly:
        return Poly({(): value})

    @staticmethod
    def atom(name: str) -> Poly:
        return Poly({(name,): 1})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __add__(self, other: Poly) -> Poly:
        terms = dict(self.terms)
        for atoms, factor in other.terms.items():
            terms[atoms] = terms.get(atoms, 0) + factor
        return Poly(terms)

    def __neg__(self) -> Poly:
        return Poly({atoms: -factor for atoms, factor in self.terms.items()})

    def __sub__(self, other: Poly) -> Poly:
        return self + -other

    def __mul__(self, other: Poly) -> Poly:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                atoms = tuple(sorted(left + right))
                terms[atoms] = terms.get(atoms, 0) + a * b
        return Poly(terms)

    def exact_div(self, other: Poly) -> Poly | None:
        """The quotient by a single term if nothing remains and no division could round, else None."""
        if len(other.terms) != 1:
            return None
        ((divisor, by),) = other.terms.items()
        terms: dict[Monomial, int] = {}
        for atoms, factor in self.terms.items():
            rest = list(atoms)
            for atom in divisor:
                if atom not in rest:
                    return None
                rest.remove(atom)
            if factor % by:
                return None
            terms[tuple(rest)] = factor // by
        return Poly(terms)

    def multiples_of(self, divisor: int) -> tuple[Poly, Poly]:
        """`q` and `r` of `self == divisor * q + r`, where `r` has the terms whose factors the divisor does not divide.

        Then `self // divisor == q + r // divisor`, and `self % divisor == r % divisor`.
        """
        whole = {atoms: factor // divisor for atoms, factor in self.terms.items() if atoms and factor % divisor == 0}
        return Poly(whole), Poly({atoms: factor for atoms, factor in self.terms.items() if atoms not in whole})

    @property
    def value(self) -> int | None:
        """The value, if this is a constant."""
        if not self.terms:
            return 0
        return self.terms.get(()) if len(self.terms) == 1 else None

    @property
    def single(self) -> str | None:
        """The atom, if this is one."""
        if len(self.terms) != 1:
            return None
        ((atoms, factor),) = self.terms.items()
        return atoms[0] if factor == 1 and len(atoms) == 1 else None

    def atoms(self) -> Iterator[str]:
        """All atoms, with repetition."""
        for atoms in self.terms:
            yield from atoms

    def substitute(self, values: Mapping[str, Poly]) -> Poly:
        """The polynomial with atoms replaced."""
        if not any(atom in values for atom in self.atoms()):
            return self
        result = Poly({})
        for atoms, factor in self.terms.items():
            term = Poly.constant(factor)
            for atom in atoms:
                term = term * values.get(atom, Poly.atom(atom))
            result = result + term
        return result

    def as_dim(self) -> Dim:
        """An int, a symbol, or a Python expression of symbols."""
        if (value := self.value) is not None:
            return value
        if (name := self.single) is not None:
            return name
        return str(self)

    def __str__(self) -> str:
        text = ""
        for atoms, factor in sorted(self.terms.items(), key=lambda term: (not term[0], term[0])):
            size = abs(factor)
            body = "*".join(([str(size)] if size != 1 or not atoms else []) + list(atoms))
            sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
            text += sign + body
        return text or "0"

    __repr__ = __str__
