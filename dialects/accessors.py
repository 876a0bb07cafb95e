"""Quick access to the named operands, results and regions of our ops.

xDSL's descriptors make a view of all operands each time, and index it through two more calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import operations as irdl

operands_of: Callable[[Operation], tuple[SSAValue, ...]] = attrgetter("_operands")
"""The operands of an op as the tuple that it holds, for where every op passes: `op.operands` makes a view of it."""

_Parts = Callable[[Operation], tuple[Any, ...]]

_PARTS: dict[irdl.VarIRConstruct, _Parts] = {
    irdl.VarIRConstruct.OPERAND: operands_of,
    irdl.VarIRConstruct.RESULT: attrgetter("results"),
    irdl.VarIRConstruct.REGION: attrgetter("regions"),
}
"""What an accessor indexes: the tuples that an op holds."""

_item = tuple[Any, ...].__getitem__
"""xDSL's tuple of values has a `__getitem__` of its own, in Python."""


def quicken(classes: Iterable[type[Operation]]) -> None:
    """Replace xDSL's accessors of op classes by quick ones that give the same."""
    for cls in classes:
        for name, accessor in list(vars(cls).items()):
            if isinstance(accessor, irdl.BaseAccessor | irdl.BaseAttrAccessor) and accessor.construct in _PARTS:
                setattr(cls, name, property(_getter(accessor), doc=f"The {accessor.construct.name.lower()} {name!r}."))


def _getter(accessor: irdl.BaseAccessor | irdl.BaseAttrAccessor) -> Callable[[Operation], Any]:
    parts, index = _PARTS[accessor.construct], accessor.idx
    if isinstance(accessor, irdl.BeforeVariadicSingleAccessor):
        return lambda op: _item(parts(op), index)
    if isinstance(accessor, irdl.BaseAccessor):
        return lambda op: accessor.index(parts(op))
    option, name = accessor.option, accessor.option.attribute_name
    return lambda op: accessor.index(_sizes(option.container(op)[name]), parts(op))


_KNOWN_SIZES: dict[int, tuple[Attribute, tuple[int, ...]]] = {}
"""By identity, as ops that are built alike share the attribute; the entry keeps it alive."""
_MAX_KNOWN_SIZES = 10_000


def _sizes(segments: Any) -> tuple[int, ...]:
    """The numbers of a `#builtin.dense` of segment sizes."""
    if (known := _KNOWN_SIZES.get(id(segments))) is not None:
        return known[1]
    if len(_KNOWN_SIZES) >= _MAX_KNOWN_SIZES:
        _KNOWN_SIZES.clear()
    sizes: Sequence[int] = segments.get_values()
    _KNOWN_SIZES[id(segments)] = (segments, tuple(sizes))
    return _KNOWN_SIZES[id(segments)][1]
