"""Small constructors that insert before an op, take over its location, and skip what does nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import TypeVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, DenseArrayBase, FloatAttr, IntegerType, LocationAttr, f32, i32
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.irdl import AttrSizedOperandSegments
from xdsl.rewriter import InsertPoint, Rewriter

from ..dialects.dims import Dim, dims_of, element_of, signless, tensor_type, with_element
from ..dialects.quick import build
from ..dialects.tile import AccessBase, ReduceOp, SymbolOp, WholeOp, access_dims
from ..dialects.value import BroadcastOp, ExpandDimsOp, ReshapeOp, SplatOp, cast_op
from .construction import integer_op

OpT = TypeVar("OpT", bound=Operation)


class Inserter:
    """Inserts ops before (or after) `anchor`, with its location."""

    def __init__(self, anchor: Operation, *, after: bool = False, location: LocationAttr | None = None):
        self.anchor = anchor
        self.after = after
        self.location = anchor.location if location is None else location

    def insert(self, op: Operation) -> None:
        """Put an op where the next one goes."""
        point = InsertPoint.after(self.anchor) if self.after else InsertPoint.before(self.anchor)
        Rewriter.insert_op(op, point)
        if self.after:
            self.anchor = op

    def op(self, op: OpT, hint: SSAValue | None = None) -> OpT:
        """Insert one op; its single result takes the name of `hint`."""
        op.location = self.location
        if hint is not None and len(op.results) == 1:
            op.results[0].name_hint = hint.name_hint
        self.insert(op)
        return op

    def make(self, cls: Callable[..., OpT], operands: Sequence[SSAValue], *rest: object, hint: SSAValue) -> SSAValue:
        """The result of `op(cls(*operands, *rest), hint)`, built the quick way; `rest` is hashable."""
        return self.op(build(cls, operands, rest), hint).results[0]

    def constant(self, value: float, type_: Attribute) -> SSAValue:
        """A scalar constant of an integer or float type."""
        if isinstance(type_, IntegerType):
            return self.op(build(integer_op, (), (int(value), type_))).result
        assert isinstance(type_, AnyFloat)
        return self.op(build(arith.ConstantOp, (), (FloatAttr(float(value), type_),))).result

    def dim(self, dim: Dim, type_: IntegerType) -> SSAValue:
        """The run-time value of a dim."""
        return self.constant(dim, type_) if isinstance(dim, int) else self.op(SymbolOp(dim, type_)).result

    def splat(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """A scalar in every lane of `dims`."""
        return self.make(SplatOp, (value,), tuple(dims), hint=value) if dims else value

    def full(self, value: float, type_: Attribute) -> SSAValue:
        """A constant in every lane of a value of type `type_`."""
        return self.splat(self.constant(value, element_of(type_)), dims_of(type_))

    def expand(self, value: SSAValue, axis: int) -> SSAValue:
        """A new axis of dim 1."""
        return self.make(ExpandDimsOp, (value,), axis, hint=value)

    def broadcast(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """Repeat along axes of dim 1."""
        if dims_of(value) == tuple(dims):
            return value
        if isinstance(value.owner, ExpandDimsOp) and not dims_of(value.owner.input):
            value = value.owner.input
        return self.make(BroadcastOp, (value,), tuple(dims), hint=value) if dims_of(value) else self.splat(value, dims)

    def reshape(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """Other dims of equally many lanes; a scalar out of one lane is a reduction, a scalar into one a splat."""
        if dims_of(value) == tuple(dims):
            return value
        if not dims_of(value):
            return self.splat(value, dims)
        owner = value.owner
        if isinstance(owner, ExpandDimsOp) and dims_of(owner.input) == tuple(dims):
            return owner.input
        if dims:
            return self.make(ReshapeOp, (value,), tuple(dims), hint=value)
        if dims_of(value) != (1,):
            value = self.op(ReshapeOp(value, (1,)), value).result
        return self.op(ReduceOp("max", value, 0, self.op(WholeOp(1)).result), value).result

    def cast(self, value: SSAValue, element: Attribute) -> SSAValue:
        """`value` as another float, or another signed integer, element type."""
        source = element_of(value)
        if source == element:
            return value
        type_ = with_element(value.type, element)
        if isinstance(element, IntegerType):
            assert isinstance(source, IntegerType)
            widen = element.width.data > source.width.data
            return self.op(cast_op(value, "extsi" if widen else "trunci", element), value).results[0]
        assert isinstance(element, AnyFloat)
        assert isinstance(source, AnyFloat)
        if element.bitwidth == source.bitwidth:  # bf16 and f16 meet in f32
            return self.cast(self.cast(value, f32), element)
        widen = element.bitwidth > source.bitwidth
        return self.op((arith.ExtFOp if widen else arith.TruncFOp)(value, type_), value).results[0]  # pyright: ignore[reportArgumentType]


class Appender(Inserter):
    """Appends to a block."""

    def __init__(self, block: Block, location: LocationAttr):
        self.block = block
        self.location = location

    def insert(self, op: Operation) -> None:
        self.block.add_op(op)


def operand_groups(op: Operation) -> dict[str, list[SSAValue]]:
    """The operands of an access by the names of its definition; each a list, however many they are."""
    assert isinstance(op, AccessBase)
    sizes = cast("DenseArrayBase[IntegerType]", op.properties[_SEGMENTS])
    operands = iter(op.operands)
    names = [name for name, _ in op.get_irdl_definition().operands]
    return {name: list(islice(operands, size)) for name, size in zip(names, sizes.get_values(), strict=True)}


_SEGMENTS = AttrSizedOperandSegments.attribute_name


@lru_cache(maxsize=256)
def _segments(*sizes: int) -> DenseArrayBase[IntegerType]:
    return DenseArrayBase.from_list(i32, sizes)


def rebuild_access(
    op: AccessBase,
    *,
    indices: Sequence[SSAValue],
    tiles: Sequence[SSAValue],
    mask: SSAValue | None,
    values: dict[str, SSAValue] | None = None,
) -> AccessBase:
    """The same access with other indices, and other values for the operands named in `values`; not inserted.

    Attributes (the site) and properties stay; the result, if any, has the dims that the new indices select.
    """
    groups = operand_groups(op)
    groups.update(indices=list(indices), tiles=list(tiles), mask=[] if mask is None else [mask])
    groups.update({name: [value] for name, value in (values or {}).items()})
    types = [tensor_type(signless(op.ref_type.element_type), *access_dims(indices)) for _ in op.results]
    new = type(op).create(
        operands=[value for group in groups.values() for value in group],
        result_types=types,
        properties={**op.properties, _SEGMENTS: _segments(*map(len, groups.values()))},
        attributes=op.attributes,
        location=op.location,
    )
    for result, old in zip(new.results, op.results, strict=True):
        result.name_hint = old.name_hint
    return new


def replace(op: Operation, values: Sequence[SSAValue]) -> None:
    """Replace an op by values that stand for its results."""
    for result, value in zip(op.results, values, strict=True):
        if value.first_use is None or value.name_hint is None:  # a value made for this result takes its name
            value.name_hint = result.name_hint or value.name_hint
        result.replace_all_uses_with(value)
    Rewriter.erase_op(op)
