"""Quick construction of ops: each distinct one goes through its constructor once, then its parts are reused.

xDSL's constructors sort and check their arguments each time, which is most of the cost of an op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, Operation, SSAValue, TypedAttribute

from ..dialects import tl
from ..dialects.copies import assemble

OpT = TypeVar("OpT", bound=Operation)

_MAX_ENTRIES = 10_000

_MODELS: dict[object, tuple[type[Operation], list[Attribute], dict[str, Attribute], list[Attribute | None]]] = {}
"""What makes an op → its class, result types and properties; and the operand types, which the entry keeps alive."""


def build(cls: Callable[..., OpT], operands: Sequence[SSAValue | None], rest: tuple[object, ...]) -> OpT:
    """`cls(*operands, *rest)`, from the properties and result types of an earlier op on operands of the same types.

    Operands come in the order of the op's definition, None for one left out; `rest` says what else tells ops apart.
    Types are told apart by identity, as hashing one costs more than it saves.
    """
    types = [None if operand is None else operand.type for operand in operands]
    key = (cls, rest, *map(id, types))
    if (model := _MODELS.get(key)) is None:
        op = cls(*operands, *rest)
        if len(_MODELS) >= _MAX_ENTRIES:
            _MODELS.clear()
        _MODELS[key] = (type(op), [result.type for result in op.results], dict(op.properties), types)
        return op
    class_, result_types, properties, _ = model
    present = [operand for operand in operands if operand is not None]
    return assemble(class_, present, result_types, properties)  # pyright: ignore[reportReturnType] - equal keys make ops of one class


_NUMBERS: dict[int, tuple[Attribute, int]] = {}
_NUMBER_OF_EQUAL: dict[Attribute, int] = {}
_next_number = count()


def number_of(attribute: Attribute) -> int:
    """A number that equal attributes share: as a key it is hashed at no cost.

    The attribute itself is hashed when it is first met; from then on its identity finds the number.
    """
    if (known := _NUMBERS.get(id(attribute))) is not None:
        return known[1]
    if len(_NUMBERS) >= _MAX_ENTRIES:
        _NUMBERS.clear()
        _NUMBER_OF_EQUAL.clear()
    number = _NUMBER_OF_EQUAL.get(attribute)
    if number is None:
        number = _NUMBER_OF_EQUAL[attribute] = next(_next_number)
    _NUMBERS[id(attribute)] = (attribute, number)
    return number


def constant_op(value: Attribute) -> arith.ConstantOp:
    """The constant that a typed attribute spells."""
    type_ = cast("TypedAttribute", value).get_type()
    return assemble(arith.ConstantOp, (), [type_], {"value": value})


# --- constructors as `build` wants them: operands first, in the order of the definition ---------------------------


def compare_op(lhs: SSAValue, rhs: SSAValue, predicate: str) -> tl.CompareOp:
    return tl.CompareOp(predicate, lhs, rhs)


def cast_op(value: SSAValue, kind: str, element: Attribute) -> tl.CastOp:
    return tl.CastOp(kind, value, element)


def reduce_op(value: SSAValue, kind: str, axis: int, ignore_nan: bool) -> tl.ReduceOp:
    return tl.ReduceOp(kind, value, axis, ignore_nan=ignore_nan)


def arg_reduce_op(value: SSAValue, kind: str, axis: int) -> tl.ArgReduceOp:
    return tl.ArgReduceOp(kind, value, axis)


def scan_op(value: SSAValue, kind: str, axis: int, reverse: bool) -> tl.ScanOp:
    return tl.ScanOp(kind, value, axis, reverse=reverse)


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
