"""Quick construction of ops: each distinct one goes through its constructor once, then its recipe is followed.

xDSL's constructors sort and check their arguments each time, which is most of the cost of an op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue, TypedAttribute

from ..dialects import tl
from ..dialects.copies import assemble
from ..dialects.value import CompareOp

OpT = TypeVar("OpT", bound=Operation)

_MAX_ENTRIES = 10_000


@dataclass(frozen=True, eq=False)
class Recipe:
    """What makes an op but its operands. Equal recipes are one object, which as a key is hashed at no cost."""

    cls: type[Operation]
    result_types: Sequence[Attribute]
    properties: Mapping[str, Attribute]
    attributes: Mapping[str, Attribute]

    def make(self, operands: Iterable[SSAValue]) -> Any:
        """A new op, which is in no block."""
        return assemble(self.cls, operands, self.result_types, self.properties, self.attributes)


_KNOWN: dict[object, Recipe] = {}
"""By what makes an op: its class, result types, properties and attributes."""
_CALLS: dict[object, Recipe] = {}
"""By the call of a constructor: the function, the operands' types, the other arguments."""


def recipe_of(
    cls: type[Operation],
    result_types: Sequence[Attribute],
    properties: Mapping[str, Attribute],
    attributes: Mapping[str, Attribute] = MappingProxyType({}),
) -> Recipe:
    """The recipe of ops of a class with these result types, properties and attributes."""
    key = (cls, tuple(result_types), frozenset(properties.items()), frozenset(attributes.items()))
    if (known := _KNOWN.get(key)) is None:
        if len(_KNOWN) >= _MAX_ENTRIES:
            _KNOWN.clear()
            _CALLS.clear()
        known = _KNOWN[key] = Recipe(cls, list(result_types), dict(properties), dict(attributes))
    return known


def recipe(make: Callable[..., Operation], operands: Sequence[SSAValue | None], rest: tuple[object, ...]) -> Recipe:
    """The recipe of `make(*operands, *rest)`, which is called only where no such call was made before.

    Operands come in the order of the op's definition, None for one left out; `rest` is hashable.
    """
    key = (make, rest, tuple([None if operand is None else operand.type for operand in operands]))
    if (known := _CALLS.get(key)) is None:
        op = make(*operands, *rest)
        known = recipe_of(type(op), [result.type for result in op.results], op.properties, op.attributes)
        _CALLS[key] = known
        op.erase()
    return known


def build(make: Callable[..., OpT], operands: Sequence[SSAValue | None], rest: tuple[object, ...] = ()) -> OpT:
    """`make(*operands, *rest)`, from its recipe."""
    return recipe(make, operands, rest).make([operand for operand in operands if operand is not None])


def constant_op(value: Attribute) -> arith.ConstantOp:
    """The constant that a typed attribute spells."""
    type_ = cast("TypedAttribute", value).get_type()
    return assemble(arith.ConstantOp, (), [type_], {"value": value})


# --- constructors as `build` wants them: operands first, in the order of the definition ---------------------------


def compare_op(lhs: SSAValue, rhs: SSAValue, predicate: str) -> CompareOp:
    return CompareOp(predicate, lhs, rhs)


def integer_op(value: int, type_: IntegerType) -> arith.ConstantOp:
    return constant_op(IntegerAttr(value, type_))


def reduce_op(value: SSAValue, kind: str, axis: int, ignore_nan: bool) -> tl.ReduceOp:
    return tl.ReduceOp(kind, value, axis, ignore_nan=ignore_nan)


def load_op(
    ptr: SSAValue,
    offset: SSAValue,
    mask: SSAValue | None,
    other: SSAValue | None,
    eviction_policy: StringAttr | None,
    cache_modifier: StringAttr | None,
) -> tl.LoadOp:
    return tl.LoadOp(ptr, offset, mask, other, eviction_policy=eviction_policy, cache_modifier=cache_modifier)


def store_op(
    ptr: SSAValue, offset: SSAValue, mask: SSAValue | None, value: SSAValue, cache_modifier: StringAttr | None
) -> tl.StoreOp:
    return tl.StoreOp(ptr, offset, value, mask, cache_modifier=cache_modifier)


def copy_op(*values: SSAValue) -> tl.CopyOp:
    return tl.CopyOp(values)


def launch_grid_op(*dims: SSAValue) -> tl.LaunchGridOp:
    return tl.LaunchGridOp(dims)


def descriptor_op(base: SSAValue, *extents: object) -> tl.MakeTensorDescriptorOp:
    """`extents` are the shape, as many strides, and the tuple of block dims."""
    *values, block = extents
    rank = len(values) // 2
    return tl.MakeTensorDescriptorOp(base, values[:rank], values[rank:], block)  # pyright: ignore[reportArgumentType]


def descriptor_load_op(desc: SSAValue, *offsets: SSAValue) -> tl.DescriptorLoadOp:
    return tl.DescriptorLoadOp(desc, offsets)
