"""A builder that hash-conses pure ops and puts each into the outermost block where its operands live.

Re-emitting a module through it gives what canonicalize + cse + licm would leave, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, FloatAttr, IntegerType, LocationAttr, UnknownLoc, i1
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.effects import has_no_effects
from ...dialects.quick import Recipe, build, recipe, recipe_of
from ...dialects.value import ELIDABLE, BroadcastOp, ExpandDimsOp, SplatOp, cast_op
from ..analysis.bounds import constant_value
from ..construction import compare_op, integer_op

OpT = TypeVar("OpT", bound=Operation)


_OF_THE_TILE_LEVEL = frozenset(("site", ELIDABLE))
"""Attributes that mean nothing from here on."""


@dataclass
class Scope:
    """A block under construction: the keys of the pure ops in it, and whether ops may be hoisted out of it."""

    block: Block
    hoistable: bool
    keys: list[object] = field(default_factory=list[object])


class _Naming:
    """Sets an emitter's name hint for the length of a `with`; contextlib's managers cost three times as much."""

    __slots__ = ("_emit", "_name", "_saved")

    def __init__(self, emit: Emitter, name: str | None):
        self._emit, self._name = emit, name

    def __enter__(self) -> None:
        self._saved, self._emit.name_hint = self._emit.name_hint, self._name

    def __exit__(self, *_: object) -> None:
        self._emit.name_hint = self._saved


class Emitter:
    """Builds the body of a `tl.func`: pure ops once and as far out as they can, others in order."""

    def __init__(self, block: Block):
        self._scopes = [Scope(block, False)]
        self._depth: dict[int, int] = {}
        """Value → the scope it is defined in, by identity: hashing a value runs Python code."""
        self._known: dict[object, Operation] = {}
        """The pure ops that are visible here, by what makes them and the identity of their operands."""
        self.location: LocationAttr = UnknownLoc()
        self.name_hint: str | None = None

    # --- blocks -----------------------------------------------------------------------------------------------

    @contextmanager
    def nested(self, block: Block, *, hoistable: bool) -> Generator[None]:
        """Emit into `block`, which belongs to an op that is inserted afterwards.

        Pure ops leave a `hoistable` block (a loop's) when their operands allow; they stay in an arm of a branch.
        """
        self._scopes.append(Scope(block, hoistable))
        self._depth.update((id(arg), len(self._scopes) - 1) for arg in block.args)
        yield
        for key in self._scopes.pop().keys:
            del self._known[key]

    def _home(self, operands: Sequence[SSAValue]) -> int:
        depth = 0
        for operand in operands:
            if (defined := self._depth.get(id(operand), 0)) > depth:
                depth = defined
        for level in range(len(self._scopes) - 1, depth, -1):
            if not self._scopes[level].hoistable:
                return level
        return depth

    def _insert(self, op: OpT, level: int) -> OpT:
        op.location = self.location
        self._scopes[level].block.add_op(op)
        for result in op.results:
            self._depth[id(result)] = level
            if self.name_hint and len(op.results) == 1:
                result.name_hint = self.name_hint
        return op

    def effect(self, op: OpT) -> OpT:
        """Insert an op with effects, regions or order at the end of the current block."""
        return self._insert(op, len(self._scopes) - 1)

    def effect_op(self, cls: Callable[..., OpT], operands: Sequence[SSAValue | None], *rest: object) -> OpT:
        """`effect(cls(*operands, *rest))`, where None is an operand left out; `rest` is hashable."""
        return self.effect(build(cls, operands, rest))

    def _once(self, recipe: Recipe, operands: Sequence[SSAValue | None]) -> Any:
        """The pure op of a recipe: one that is visible here, or a new one where its operands live."""
        key = (recipe, *map(id, operands))
        if (known := self._known.get(key)) is not None:
            return known
        present = [operand for operand in operands if operand is not None]
        home = self._home(present)
        self._known[key] = op = recipe.make(present)
        self._scopes[home].keys.append(key)
        return self._insert(op, home)

    def op(self, make: Callable[..., OpT], operands: Sequence[SSAValue], *rest: object) -> OpT:
        """`make(*operands, *rest)` as a pure op; `rest` is hashable and tells equal ops apart."""
        return self._once(recipe(make, operands, rest), operands)

    def op_behind_operands(self, make: Callable[..., OpT], operands: Sequence[SSAValue], *rest: object) -> OpT:
        """`op`, put right behind the last of its operands: what is to be under way long before it is needed."""
        op = self.op(make, operands, *rest)
        block = op.parent
        assert block is not None
        op.detach()
        owners = {operand.owner for operand in operands}
        last = next((other for other in reversed(block.ops) if other in owners), None)
        Rewriter.insert_op(op, InsertPoint.after(last) if last is not None else InsertPoint.at_start(block))
        return op

    def like(
        self,
        source: Operation,
        operands: Sequence[SSAValue],
        types: Sequence[Attribute],
        cls: type[Operation] | None = None,
    ) -> Operation:
        """A copy of `source`, which has no regions, on other operands and result types, as an op of `cls` if given."""
        attributes = {name: value for name, value in source.attributes.items() if name not in _OF_THE_TILE_LEVEL}
        recipe = recipe_of(cls or type(source), types, source.properties, attributes)
        return self._once(recipe, operands) if has_no_effects(source) else self.effect(recipe.make(operands))

    # --- values -----------------------------------------------------------------------------------------------

    def constant(self, value: float, type_: Attribute) -> SSAValue:
        """A scalar constant."""
        with self.named(None):
            if isinstance(type_, IntegerType):
                return self.op(integer_op, (), int(value), type_).result
            return self.op(arith.ConstantOp, (), FloatAttr(float(value), cast("AnyFloat", type_))).result

    def named(self, name: str | None) -> _Naming:
        """Give the results of ops built meanwhile this name hint."""
        return _Naming(self, name)

    def binary(self, cls: Callable[..., OpT], lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """An elementwise binary op on operands of broadcastable dims."""
        left, right = dims_of(lhs), dims_of(rhs)
        if left != right:
            rank = max(len(left), len(right))
            columns = zip(left or (1,) * rank, right or (1,) * rank, strict=True)
            dims = tuple([b if a == 1 else a for a, b in columns])
            lhs, rhs = self.broadcast(lhs, dims), self.broadcast(rhs, dims)
        return self.op(cls, (lhs, rhs)).results[0]

    def broadcast(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """`value` at the full `dims`; a scalar fills them, equal dims change nothing."""
        source = dims_of(value)
        if source == tuple(dims):
            return value
        with self.named(None):
            if not source:
                return self.op(SplatOp, (value,), tuple(dims)).result
            return self.op(BroadcastOp, (value,), tuple(dims)).result

    def compare(self, predicate: str, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """An elementwise comparison; a scalar operand is splat."""
        dims = dims_of(lhs) or dims_of(rhs)
        lhs, rhs = self.broadcast(lhs, dims), self.broadcast(rhs, dims)
        return self.op(compare_op, (lhs, rhs), predicate).result

    def add(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer addition; zero adds nothing."""
        left, right = _known_scalar(lhs), _known_scalar(rhs)
        if left == 0 or right == 0:
            return rhs if left == 0 else lhs
        if left is not None and right is not None:
            return self.constant(left + right, lhs.type)
        return self.binary(arith.AddiOp, lhs, rhs)

    def sub(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer subtraction; zero takes nothing away."""
        left, right = _known_scalar(lhs), _known_scalar(rhs)
        if right == 0:
            return lhs
        if left is not None and right is not None:
            return self.constant(left - right, lhs.type)
        return self.binary(arith.SubiOp, lhs, rhs)

    def mul(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer multiplication; a scalar one changes nothing."""
        left, right = _known_scalar(lhs), _known_scalar(rhs)
        if left == 1 or right == 1:
            return rhs if left == 1 else lhs
        if left is not None and right is not None:
            return self.constant(left * right, lhs.type)
        return self.binary(arith.MuliOp, lhs, rhs)

    def both(self, lhs: SSAValue | None, rhs: SSAValue | None) -> SSAValue | None:
        """The conjunction of two masks of broadcastable dims, where None is always true."""
        if lhs is None or rhs is None:
            return lhs if rhs is None else rhs
        return self.binary(arith.AndIOp, lhs, rhs)

    def place(self, vector: SSAValue, axis: int, rank: int) -> SSAValue:
        """A 1-D value along `axis` of `rank` axes, the others of dim 1."""
        for position in range(rank):
            if position != axis:
                vector = self.op(ExpandDimsOp, (vector,), position).result
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
        return self.op(cast_op, (value,), kind, element).results[0]


def _known_scalar(value: SSAValue) -> int | None:
    """The integer that `value` always is; None for tensors, and if unknown."""
    return None if dims_of(value) else constant_value(value)
