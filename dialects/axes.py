"""How ops treat the axes of their operands and results: declarations that passes read, and no pass guesses.

Every op class that computes with tensors declares one `AxisSemantics`, among its traits or (for classes of xDSL)
through `declare`. A class that declares nothing is *opaque*: it may do anything with its axes, so they are never cut
into chunks, and an axis of one lane that others lose is put back around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.traits import OpTrait

from .dims import Dim, dims_of

OpT = TypeVar("OpT", bound=Operation)


class At(NamedTuple):
    """Axis `axis` of the operand, or of the result, with this number."""

    number: int
    axis: int


class Axes(NamedTuple):
    """Axes of an op's operands and results."""

    operands: tuple[At, ...] = ()
    results: tuple[At, ...] = ()


NO_AXES = Axes()


class Consumed(NamedTuple):
    """An axis of an operand of which the op sees the valid lanes, and no lane past the end of a tile.

    `tile` is the number of the operand that is the tile. `fill` is what the lanes past its end must hold in
    registers, so that the op does not see them; None if it never looks at them.
    """

    operand: At
    tile: int
    fill: float | int | None


@dataclass(frozen=True, slots=True)
class AxisFacts:
    """What one op says of its axes. A result axis in no entry of `lanes` and not `whole` is new: all its lanes alike.

    - `lanes`: axes that go together lane by lane: a lane of the results is made of the same lane of the operands.
    - `whole`: axes that the op needs as a whole: never cut into chunks.
    - `tiles`: number of a tile operand → the axes whose lanes are the positions of that tile.
    - `consumed`: the axes along which the op must not see padding.
    - `made_of`: the operands whose lanes the results' values are made of, where `AxisSemantics.of_equal` says what
      lanes that all hold one value give. Other operands only choose (the index of a gather).
    """

    lanes: tuple[Axes, ...] = ()
    whole: Axes = NO_AXES
    tiles: tuple[tuple[int, Axes], ...] = ()
    consumed: tuple[Consumed, ...] = ()
    made_of: tuple[int, ...] = ()

    def sources(self, result: At) -> tuple[At, ...] | None:
        """The operands' axes that correspond to a result's axis lane by lane; None for an axis that is new or whole."""
        return next((axes.operands for axes in self.lanes if result in axes.results), None)


class OpBuilder(Protocol):
    """Builds the ops of an op's own rewrites; `passes/inserter.py` implements it."""

    def op(self, op: OpT, hint: SSAValue | None = None) -> OpT: ...
    def constant(self, value: float, type_: Attribute) -> SSAValue: ...
    def full(self, value: float, type_: Attribute) -> SSAValue: ...
    def splat(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue: ...
    def expand(self, value: SSAValue, axis: int) -> SSAValue: ...
    def broadcast(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue: ...
    def reshape(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue: ...
    def cast(self, value: SSAValue, element: Attribute) -> SSAValue: ...


class Dropping(Protocol):
    """An op after the axes of one lane of its operands and results were dropped."""

    @property
    def build(self) -> OpBuilder:
        """Builds before the op."""
        ...

    @property
    def index_type(self) -> IntegerType:
        """The type of positions."""
        ...

    def operand_dims(self, number: int) -> tuple[Dim, ...]:
        """The dims that an operand had."""
        ...

    def result_dims(self, number: int) -> tuple[Dim, ...]:
        """The dims that a result had."""
        ...

    def is_unit(self, dim: Dim) -> bool:
        """Whether axes of this dim are dropped."""
        ...

    def now(self, dims: Sequence[Dim], axis: int) -> int | None:
        """The new number of an axis of the earlier `dims`; None if it was dropped."""
        ...

    def if_valid(self, tile: SSAValue, value: SSAValue, otherwise: Callable[[], SSAValue]) -> SSAValue:
        """`value` where the one position of `tile` is valid, else what `otherwise` builds."""
        ...

    def access_by_positions(self) -> Sequence[SSAValue]:
        """The results of the access that the op is, with positions as indices in place of tiles of one lane."""
        ...

    def wrap(self) -> None:
        """Restore the dims that the op saw before, by reshapes around it."""
        ...


class AxisSemantics(OpTrait, ABC):
    """How the ops of a class treat their axes."""

    @abstractmethod
    def facts(self, op: Any) -> AxisFacts:
        """What an op says of its axes."""

    def of_equal(self, op: Any, value: float | int) -> float | int | None:
        """The value of a result lane when all input lanes hold `value`; None if it is not known."""
        return value

    def drop(self, op: Any, dropping: Dropping) -> Sequence[SSAValue] | None:
        """Adapt the op after axes of one lane were dropped; returns what replaces its results, None if they stay."""
        dropping.wrap()


class DeclaresAxes(ABC):
    """An op that declares its axes by methods of its own; its trait is `OwnAxes`."""

    @abstractmethod
    def axis_facts(self) -> AxisFacts:
        """What the op says of its axes."""

    @abstractmethod
    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """Adapt the op after axes of one lane were dropped; returns what replaces its results, None if they stay."""


@dataclass(frozen=True)
class OwnAxes(AxisSemantics):
    """The op declares its axes by the methods of `DeclaresAxes`."""

    def facts(self, op: Any) -> AxisFacts:
        return op.axis_facts()

    def drop(self, op: Any, dropping: Dropping) -> Sequence[SSAValue] | None:
        return op.drop_axes(dropping)


class FoldsChunks(ABC):
    """An op whose consumed axis can be walked in chunks, by a loop that carries the partial result."""

    @abstractmethod
    def before_chunks(self, chunk_dims: Sequence[Dim], build: OpBuilder) -> list[SSAValue]:
        """The initial values of the loop; `chunk_dims` are the dims of the operand with a chunk of the axis."""

    @abstractmethod
    def fold_chunk(
        self,
        values: Sequence[SSAValue],
        found: Sequence[SSAValue],
        chunk: SSAValue,
        index_type: IntegerType,
        build: OpBuilder,
    ) -> list[SSAValue]:
        """The carried values after a chunk of what the op consumes, whose tile is `chunk`."""

    @abstractmethod
    def after_chunks(self, found: Sequence[SSAValue], build: OpBuilder) -> list[SSAValue]:
        """The op's results, from the values carried out of the loop."""


_DECLARED: dict[type[Operation], AxisSemantics] = {}


def declare(semantics: AxisSemantics, *classes: type[Operation]) -> None:
    """Declare for op classes that cannot be edited, those of xDSL."""
    for cls in classes:
        _DECLARED[cls] = semantics
    semantics_of.cache_clear()


@cache
def semantics_of(cls: type[Operation]) -> AxisSemantics | None:
    """How the ops of a class treat their axes; None if the class is opaque."""
    if cls in _DECLARED:
        return _DECLARED[cls]
    declared = cls.get_traits_of_type(AxisSemantics)
    assert len(declared) <= 1, f"{cls.name} declares its axes twice"
    return declared[0] if declared else None


def folds_chunks(op: Operation) -> bool:
    """Whether an op consumes an axis chunk by chunk."""
    return _folds_chunks(type(op))


@cache
def _folds_chunks(cls: type[Operation]) -> bool:
    """By class: a trait look-up of xDSL's is slow."""
    return issubclass(cls, FoldsChunks)


def axis_facts(op: Operation) -> AxisFacts:
    """What an op says of its axes."""
    semantics = semantics_of(type(op))
    return opaque_facts(op) if semantics is None else semantics.facts(op)


def opaque_facts(op: Operation) -> AxisFacts:
    """An op that takes every axis as a whole."""
    return AxisFacts(whole=Axes(_every(op.operands), _every(op.results)))


def _every(values: Sequence[SSAValue]) -> tuple[At, ...]:
    return tuple([At(i, axis) for i, value in enumerate(values) for axis in range(len(dims_of(value)))])
