"""Views: lanes under other axes, and scalars in every lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, IntAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, OwnAxes
from ..dims import Dim, dims_of, element_of, tensor_type, with_dims
from .types import ScalarConstr, ValueConstr


def _same_axes(rank: int) -> tuple[Axes, ...]:
    return tuple([Axes((At(0, axis),), (At(0, axis),)) for axis in range(rank)])


@irdl_op_definition
class SplatOp(IRDLOperation, DeclaresAxes):
    """A scalar in every lane: `value.splat %zero : f32 -> tensor<...>` (`hl.full`, scalar operands)."""

    name = "value.splat"

    input = operand_def(ScalarConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), OwnAxes())
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[tensor_type(value.type, *dims)])

    def verify_(self) -> None:
        if element_of(self.result) != self.input.type:
            raise VerifyException("splat must keep the element type")

    def axis_facts(self) -> AxisFacts:
        return AxisFacts(made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        return None if dims_of(self.result) else [self.input]


class _ViewBase(IRDLOperation, DeclaresAxes):
    """A pure op that moves lanes around and keeps the element type."""

    input = operand_def(ValueConstr)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), OwnAxes())
    irdl_options = (ParsePropInAttrDict(),)

    def verify_view(self, expected: Sequence[Dim]) -> None:
        if self.result.type != with_dims(self.input.type, expected):
            raise VerifyException(
                f"{self.name}: expected {with_dims(self.input.type, expected)}, got {self.result.type}"
            )


@irdl_op_definition
class BroadcastOp(_ViewBase):
    """Repeat along axes of dim 1, rank kept: `value.broadcast %v : tensor<?x1xf32, …> -> tensor<?x?xf32, …>`."""

    name = "value.broadcast"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        source, target = dims_of(self.input), dims_of(self.result)
        if len(source) != len(target) or any(a not in (b, 1) for a, b in zip(source, target, strict=True)):
            raise VerifyException(f"cannot broadcast dims {source} to {target}: equal rank, and 1 where they differ")
        self.verify_view(target)

    def axis_facts(self) -> AxisFacts:
        dims = zip(_same_axes(len(dims_of(self.input))), dims_of(self.input), dims_of(self.result), strict=True)
        return AxisFacts(tuple([axes for axes, source, target in dims if source == target]), made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """Axes of dim 1 that would become an axis that goes are taken away before the broadcast."""
        dims = zip(dropping.operand_dims(0), dropping.result_dims(0), strict=True)
        kept = [source for source, target in dims if not dropping.is_unit(target)]
        return [dropping.build.broadcast(dropping.build.reshape(self.input, kept), dims_of(self.result))]


@irdl_op_definition
class ExpandDimsOp(_ViewBase):
    """Insert an axis of dim 1 at `axis` of the result; a scalar becomes a tensor of dim 1."""

    name = "value.expand_dims"

    axis = prop_def(IntAttr)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, axis: int):
        dims = list(dims_of(value))
        dims.insert(axis, 1)
        super().__init__(
            operands=[value], properties={"axis": IntAttr(axis)}, result_types=[with_dims(value.type, dims)]
        )

    def verify_(self) -> None:
        dims = list(dims_of(self.input))
        if not 0 <= self.axis.data <= len(dims):
            raise VerifyException(f"axis {self.axis.data} out of range for rank {len(dims)}")
        dims.insert(self.axis.data, 1)
        self.verify_view(dims)

    def axis_facts(self) -> AxisFacts:
        at, rank = self.axis.data, len(dims_of(self.input))
        return AxisFacts(tuple([Axes((At(0, i),), (At(0, i + (i >= at)),)) for i in range(rank)]), made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        axis = dropping.now(dropping.result_dims(0), self.axis.data)
        assert axis is not None
        self.axis = IntAttr(axis)
        return None


@irdl_op_definition
class PermuteOp(_ViewBase):
    """Reorder axes: result axis `i` is input axis `order[i]`."""

    name = "value.permute"

    order = prop_def(DenseArrayBase.constr(i64))
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, order: Sequence[int]):
        dims = dims_of(value)
        super().__init__(
            operands=[value],
            properties={"order": DenseArrayBase.from_list(i64, order)},
            result_types=[with_dims(value.type, [dims[i] for i in order])],
        )

    @property
    def permutation(self) -> tuple[int, ...]:
        return tuple(int(i) for i in self.order.get_values())

    def verify_(self) -> None:
        dims, order = dims_of(self.input), self.permutation
        if sorted(order) != list(range(len(dims))):
            raise VerifyException(f"order {list(order)} is no permutation of {len(dims)} axes")
        self.verify_view([dims[i] for i in order])

    def axis_facts(self) -> AxisFacts:
        lanes = [Axes((At(0, source),), (At(0, i),)) for i, source in enumerate(self.permutation)]
        return AxisFacts(tuple(lanes), made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        moved = [dropping.now(dropping.operand_dims(0), axis) for axis in self.permutation]
        order = [axis for axis in moved if axis is not None]
        if order == sorted(order):
            return [self.input]
        self.order = DenseArrayBase.from_list(i64, order)
        return None


@irdl_op_definition
class ReshapeOp(_ViewBase):
    """The same lanes in row-major order under other dims (also: drop or add axes of dim 1).

    Where dims are no powers of two, padding lanes are not in the row-major order of the valid ones; the
    conversion rejects what it cannot lower.
    """

    name = "value.reshape"

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, dims: Sequence[Dim]):
        super().__init__(operands=[value], result_types=[with_dims(value.type, dims)])

    def verify_(self) -> None:
        self.verify_view(dims_of(self.result))

    def axis_facts(self) -> AxisFacts:
        """Axes before and after those that are merged or split stay; axes of dim 1 come and go."""
        source, target = dims_of(self.input), dims_of(self.result)
        pairs = kept_axes(source, target)
        inner, outer = {i for i, _ in pairs}, {o for _, o in pairs}
        mixed = Axes(
            tuple([At(0, i) for i, dim in enumerate(source) if dim != 1 and i not in inner]),
            tuple([At(0, o) for o, dim in enumerate(target) if dim != 1 and o not in outer]),
        )
        return AxisFacts(tuple([Axes((At(0, i),), (At(0, o),)) for i, o in pairs]), mixed, made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        return [dropping.build.reshape(self.input, dims_of(self.result))]


def kept_axes(source: Sequence[object], target: Sequence[object]) -> list[tuple[int, int]]:
    """The axes that a row-major reshape keeps, as pairs: those before and after what it merges and splits.

    As all lanes are kept, equal leading dims leave equally many lanes for the rest. Axes of dim 1 hold nothing apart.
    """
    inner = [i for i, dim in enumerate(source) if dim != 1]
    outer = [o for o, dim in enumerate(target) if dim != 1]
    front: list[tuple[int, int]] = []
    while inner and outer and source[inner[0]] == target[outer[0]]:
        front.append((inner.pop(0), outer.pop(0)))
    back: list[tuple[int, int]] = []
    while inner and outer and source[inner[-1]] == target[outer[-1]]:
        back.append((inner.pop(), outer.pop()))
    if len(inner) == len(outer) == 1:  # one number under two names: a block and its fixed size
        front.append((inner[0], outer[0]))
    return front + back[::-1]


@irdl_op_definition
class JoinOp(IRDLOperation, DeclaresAxes):
    """Two equal tensors along a new last axis of dim 2 (`hl.join`)."""

    name = "value.join"

    T: ClassVar = VarConstraint("T", ValueConstr)

    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(ValueConstr)

    traits = traits_def(Pure(), OwnAxes())
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[lhs, rhs], result_types=[with_dims(lhs.type, [*dims_of(lhs), 2])])

    def verify_(self) -> None:
        if self.result.type != with_dims(self.lhs.type, [*dims_of(self.lhs), 2]):
            raise VerifyException("join appends an axis of dim 2")

    def axis_facts(self) -> AxisFacts:
        rank = len(dims_of(self.lhs))
        lanes = [Axes((At(0, i), At(1, i)), (At(0, i),)) for i in range(rank)]
        return AxisFacts(tuple(lanes), Axes((), (At(0, rank),)), made_of=(0, 1))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """The halves lose their axes alike; halves that have no axis left keep those they had."""
        if not dims_of(self.lhs):
            dropping.wrap()
        return None


@irdl_op_definition
class SplitOp(IRDLOperation, DeclaresAxes):
    """The two halves along a last axis of dim 2 (`hl.split`)."""

    name = "value.split"

    T: ClassVar = VarConstraint("T", ValueConstr)

    input = operand_def(ValueConstr)
    first = result_def(T)
    second = result_def(T)

    traits = traits_def(Pure(), OwnAxes())
    assembly_format = "$input attr-dict `:` type($input) `->` type($first)"

    def __init__(self, value: SSAValue):
        half = with_dims(value.type, dims_of(value)[:-1])
        super().__init__(operands=[value], result_types=[half, half])

    def verify_(self) -> None:
        dims = dims_of(self.input)
        if not dims or dims[-1] != 2 or self.first.type != with_dims(self.input.type, dims[:-1]):
            raise VerifyException("split takes a last axis of dim 2 away")

    def axis_facts(self) -> AxisFacts:
        rank = len(dims_of(self.first))
        lanes = [Axes((At(0, i),), (At(0, i), At(1, i))) for i in range(rank)]
        return AxisFacts(tuple(lanes), Axes((At(0, rank),)), made_of=(0,))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """The halves lose their axes alike; halves that have no axis left keep those they had."""
        if not dims_of(self.first):
            dropping.wrap()
        return None


__all__ = [
    "BroadcastOp", "ExpandDimsOp", "JoinOp", "PermuteOp", "ReshapeOp", "SplatOp", "SplitOp", "kept_axes",
]  # fmt: skip
