"""A builder that hash-conses pure ops and puts each into the outermost block where its operands live.

Re-emitting a module through it gives what canonicalize + cse + licm would leave, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, LocationAttr, UnknownLoc, i1
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free
from xdsl.utils.test_value import create_ssa_value

from ...dialects import tl
from ...dialects.dims import Dim, dims_of, element_of
from ..analysis.bounds import constant_value

OpT = TypeVar("OpT", bound=Operation)

_SCALAR_CASTS: dict[str, Callable[..., Operation]] = {
    "extui": arith.ExtUIOp,
    "extsi": arith.ExtSIOp,
    "trunci": arith.TruncIOp,
}


_PROTOTYPES: dict[object, tuple[Operation, tuple[Attribute, ...]]] = {}
_MAX_PROTOTYPES = 10_000


def _build(cls: Callable[..., OpT], operands: Sequence[SSAValue], rest: tuple[object, ...]) -> OpT:
    """`cls(*operands, *rest)`, from the properties and result types of an earlier op on operands of the same types.

    xDSL's constructors sort and check their arguments each time, which is most of the cost of an op. Types are told
    apart by identity, as hashing one costs more than it saves; the table keeps them alive.
    """
    types = tuple([operand.type for operand in operands])
    key = (cls, rest, *[id(type_) for type_ in types])
    if (found := _PROTOTYPES.get(key)) is not None:
        model = found[0]
        return type(model).create(
            operands=operands, result_types=[r.type for r in model.results], properties=model.properties
        )  # pyright: ignore[reportReturnType] - equal keys make ops of one class
    op = cls(*operands, *rest)
    if len(_PROTOTYPES) >= _MAX_PROTOTYPES:
        _PROTOTYPES.clear()
    model = type(op).create(
        operands=[create_ssa_value(type_) for type_ in types],
        result_types=[result.type for result in op.results],
        properties=op.properties,
    )
    _PROTOTYPES[key] = (model, types)
    return op


@dataclass
class Scope:
    """A block under construction: the pure ops in it by key, and whether ops may be hoisted out of it."""

    block: Block
    hoistable: bool
    known: dict[object, Operation] = field(default_factory=dict)


class Emitter:
    """Builds the body of a `tl.func`: pure ops once and as far out as they can, others in order."""

    def __init__(self, block: Block):
        self._scopes = [Scope(block, False)]
        self._depth: dict[SSAValue, int] = {}
        self.location: LocationAttr = UnknownLoc()
        self.name_hint: str | None = None

    # --- blocks -----------------------------------------------------------------------------------------------

    @contextmanager
    def nested(self, block: Block, *, hoistable: bool) -> Generator[None]:
        """Emit into `block`, which belongs to an op that is inserted afterwards.

        Pure ops leave a `hoistable` block (a loop's) when their operands allow; they stay in an arm of a branch.
        """
        self._scopes.append(Scope(block, hoistable))
        self._depth.update((arg, len(self._scopes) - 1) for arg in block.args)
        yield
        self._scopes.pop()

    def _home(self, operands: Sequence[SSAValue]) -> int:
        depth = max((self._depth.get(operand, 0) for operand in operands), default=0)
        for level in range(len(self._scopes) - 1, depth, -1):
            if not self._scopes[level].hoistable:
                return level
        return depth

    def _insert(self, op: OpT, level: int) -> OpT:
        op.location = self.location
        self._scopes[level].block.add_op(op)
        for result in op.results:
            self._depth[result] = level
            if self.name_hint and len(op.results) == 1:
                result.name_hint = self.name_hint
        return op

    def effect(self, op: OpT) -> OpT:
        """Insert an op with effects, regions or order at the end of the current block."""
        return self._insert(op, len(self._scopes) - 1)

    def pure(self, key: object, operands: Sequence[SSAValue], make: Callable[[], OpT]) -> OpT:
        """The op that `make` builds, or an equal one that is visible here; `key` says all but the operands."""
        home = self._home(operands)
        full_key = (key, *operands)
        for level in range(len(self._scopes) - 1, -1, -1):
            if (known := self._scopes[level].known.get(full_key)) is not None:
                return known  # pyright: ignore[reportReturnType] - equal keys make ops of one class
        op = self._insert(make(), home)
        self._scopes[home].known[full_key] = op
        return op

    def op(self, cls: Callable[..., OpT], operands: Sequence[SSAValue], *rest: object) -> OpT:
        """`cls(*operands, *rest)` as a pure op; `rest` is hashable and tells equal ops apart."""
        return self.pure((cls, rest), operands, lambda: _build(cls, operands, rest))

    def clone(self, source: Operation, operands: Sequence[SSAValue], types: Sequence[Attribute]) -> Operation:
        """A copy of `source`, which has no regions, on other operands and result types."""

        def make() -> Operation:
            attributes = {k: v for k, v in source.attributes.items() if k != "site"}
            return type(source).create(
                operands=operands, result_types=types, properties=source.properties, attributes=attributes
            )

        if not is_side_effect_free(source):
            return self.effect(make())
        key = (type(source), tuple(types), frozenset(source.properties.items()))
        return self.pure(key, operands, make)

    # --- values -----------------------------------------------------------------------------------------------

    def constant(self, value: float, type_: Attribute) -> SSAValue:
        """A scalar constant."""
        if isinstance(type_, IntegerType):
            return self.scalar(IntegerAttr(int(value), type_))
        return self.scalar(FloatAttr(float(value), type_))  # pyright: ignore[reportArgumentType, reportCallIssue]

    def scalar(self, attribute: Attribute) -> SSAValue:
        """The scalar constant that a typed attribute spells."""
        with self.named(None):
            return self.pure(attribute, (), lambda: arith.ConstantOp(attribute)).results[0]  # pyright: ignore[reportArgumentType, reportCallIssue]

    @contextmanager
    def named(self, name: str | None) -> Generator[None]:
        """Give the results of ops built meanwhile this name hint."""
        saved, self.name_hint = self.name_hint, name
        yield
        self.name_hint = saved

    def binary(self, cls: Callable[..., OpT], lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """An elementwise binary op on operands of broadcastable dims."""
        dims = dims_of(lhs) if len(dims_of(lhs)) >= len(dims_of(rhs)) else dims_of(rhs)
        if dims_of(lhs) != dims_of(rhs):
            left, right = dims_of(lhs) or (1,) * len(dims), dims_of(rhs) or (1,) * len(dims)
            dims = tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))
        return self.op(cls, (self.broadcast(lhs, dims), self.broadcast(rhs, dims))).results[0]

    def broadcast(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """`value` at the full `dims`; a scalar fills them, equal dims change nothing."""
        source = dims_of(value)
        if source == tuple(dims):
            return value
        with self.named(None):
            if not source:
                return self.op(tl.FullOp, (value,), tuple(dims)).result
            return self.op(tl.BroadcastOp, (value,), tuple(dims)).result

    def compare(self, predicate: str, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """An elementwise comparison; a scalar operand is splat."""
        dims = dims_of(lhs) or dims_of(rhs)
        lhs, rhs = self.broadcast(lhs, dims), self.broadcast(rhs, dims)
        return self.pure((tl.CompareOp, predicate), (lhs, rhs), lambda: tl.CompareOp(predicate, lhs, rhs)).result

    def add(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer addition; zero adds nothing."""
        for one, other in ((lhs, rhs), (rhs, lhs)):
            if constant_value(one) == 0 and not dims_of(one):
                return other
        return self._fold(arith.AddiOp, lhs, rhs, lambda a, b: a + b)

    def sub(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer subtraction; zero takes nothing away."""
        if constant_value(rhs) == 0 and not dims_of(rhs):
            return lhs
        return self._fold(arith.SubiOp, lhs, rhs, lambda a, b: a - b)

    def mul(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer multiplication; a scalar one changes nothing."""
        for one, other in ((lhs, rhs), (rhs, lhs)):
            if constant_value(one) == 1 and not dims_of(one):
                return other
        return self._fold(arith.MuliOp, lhs, rhs, lambda a, b: a * b)

    def _fold(
        self, cls: Callable[..., Operation], lhs: SSAValue, rhs: SSAValue, fold: Callable[[int, int], int]
    ) -> SSAValue:
        if not dims_of(lhs) and not dims_of(rhs):
            left, right = constant_value(lhs), constant_value(rhs)
            if left is not None and right is not None:
                return self.constant(fold(left, right), lhs.type)
        return self.binary(cls, lhs, rhs)

    def both(self, lhs: SSAValue | None, rhs: SSAValue | None) -> SSAValue | None:
        """The conjunction of two masks of broadcastable dims, where None is always true."""
        if lhs is None or rhs is None:
            return lhs if rhs is None else rhs
        return self.binary(arith.AndIOp, lhs, rhs)

    def place(self, vector: SSAValue, axis: int, rank: int) -> SSAValue:
        """A 1-D value along `axis` of `rank` axes, the others of dim 1."""
        for position in range(rank):
            if position != axis:
                vector = self.pure(
                    (tl.ExpandDimsOp, position),
                    (vector,),
                    lambda vector=vector, position=position: tl.ExpandDimsOp(vector, position),
                ).result
        return vector

    def cast_int(self, value: SSAValue, element: Attribute) -> SSAValue:
        """An integer value sign-extended or truncated to `element`."""
        source = element_of(value)
        if source == element:
            return value
        assert isinstance(source, IntegerType)
        assert isinstance(element, IntegerType)
        widens = "extui" if source == i1 else "extsi"
        kind = widens if element.width.data > source.width.data else "trunci"
        if dims_of(value):
            return self.pure((tl.CastOp, kind, element), (value,), lambda: tl.CastOp(kind, value, element)).result
        return self.op(_SCALAR_CASTS[kind], (value,), element).results[0]
