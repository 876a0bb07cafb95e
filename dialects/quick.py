"""What exists for speed only: each part replaces a plainer way that xDSL has.

A new config of attention (`benchmarks/compile_time.py`) takes 6.2 ms of CPU, of at most 10. Without one part it takes

| part | what it does | without it |
|---|---|---|
| `recipes` | a constructor, which sorts and checks its arguments, runs once for each distinct op | 9.7 ms |
| `assembly` | ops are made of known parts without xDSL's constructor, which looks definitions up | 7.7 ms |
| `identity` | what is asked of an attribute is found by its identity, as hashing it runs Python code | 7.1 ms |
| `copies` | modules are copied in one walk, not by `clone` | 7.4 ms |
| `walks` | ops below an op come as a list, not through a generator a level | 7.3 ms |
| `accessors` | named operands, results and regions are items of tuples, not of views | 6.9 ms |

and 12 ms without all of them (`python benchmarks/compile_time.py recipes …` measures without the parts that it names).
`plain()` switches parts off; tests/passes/test_quick.py compares the texts of both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

from xdsl.dialects.builtin import LocationAttr, ModuleOp, UnknownLoc
from xdsl.ir import Attribute, Block, Operation, OpResult, Region, SSAValue, Use
from xdsl.ir.core import SSAValues
from xdsl.irdl import operations as irdl

OpT = TypeVar("OpT", bound=Operation)

PARTS = ("recipes", "assembly", "identity", "copies", "walks", "accessors")
_off: frozenset[str] = frozenset()
_MAX_ENTRIES = 10_000
"""How many recipes, and results of a function, are remembered."""


@contextmanager
def plain(*parts: str) -> Generator[None]:
    """Do without these parts, or without all if none is named; for tests and measurements.

    Raises:
        KeyError: there is no such part.
    """
    global _off
    if unknown := set(parts) - set(PARTS):
        raise KeyError(", ".join(unknown))
    saved, _off = _off, frozenset(parts or PARTS)
    _KNOWN.clear()
    _CALLS.clear()
    _switch_accessors()
    try:
        yield
    finally:
        _off = saved
        _switch_accessors()


# --- assembly ----------------------------------------------------------------------------------------------------

_NOTHING: Mapping[str, Attribute] = MappingProxyType({})
_UNKNOWN = UnknownLoc()


def assemble(
    cls: type[OpT],
    operands: Iterable[SSAValue],
    result_types: Iterable[Attribute],
    properties: Mapping[str, Attribute],
    attributes: Mapping[str, Attribute] = _NOTHING,
    location: LocationAttr = _UNKNOWN,
    regions: Iterable[Region] = (),
) -> OpT:
    """`cls.create(…)` for parts taken from an op of `cls`: no default is missing.

    xDSL's constructor goes through setters that take an op's former operands and successors away first, and looks
    the definition up for properties to fill in. This sets the same fields.
    """
    if "assembly" in _off:
        return cls.create(
            operands=list(operands), result_types=list(result_types), properties=dict(properties),
            attributes=dict(attributes), regions=list(regions), location=location,
        )  # fmt: skip
    op = cls.__new__(cls)
    values = op._operands = SSAValues(operands)  # pyright: ignore[reportPrivateUsage]
    uses: list[Use] = []
    for index, operand in enumerate(values):
        uses.append(use := Use(op, index))
        operand.add_use(use)
    op._operand_uses = tuple(uses)  # pyright: ignore[reportPrivateUsage]
    op.results = SSAValues([OpResult(type_, op, index) for index, type_ in enumerate(result_types)])
    op._successors, op._successor_uses = (), ()  # pyright: ignore[reportPrivateUsage]
    op.properties, op.attributes = dict(properties), dict(attributes)
    op.location = location
    op.regions = ()
    for region in regions:
        op.add_region(region)
    return op


# --- recipes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recipe:
    """Everything that determines an op but its operands. Equal recipes are one object, whose hash costs nothing."""

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
    attributes: Mapping[str, Attribute] = _NOTHING,
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
    if (known := _CALLS.get(key)) is None or "recipes" in _off:
        op = make(*operands, *rest)
        known = recipe_of(type(op), [result.type for result in op.results], op.properties, op.attributes)
        _CALLS[key] = known
        op.erase()
    return known


def build(make: Callable[..., OpT], operands: Sequence[SSAValue | None], rest: tuple[object, ...] = ()) -> OpT:
    """`make(*operands, *rest)`, from its recipe."""
    return recipe(make, operands, rest).make([operand for operand in operands if operand is not None])


# --- identity ----------------------------------------------------------------------------------------------------

AttributeT = TypeVar("AttributeT", bound=Attribute)
T = TypeVar("T")


def by_identity(function: Callable[[AttributeT], T]) -> Callable[[AttributeT], T]:
    """`function`, which remembers its results by the attribute's identity: hashing an attribute costs more.

    Ops that are built alike share their attributes.
    """
    known: dict[int, tuple[AttributeT, T]] = {}  # the entry keeps the attribute alive

    def find(attribute: AttributeT) -> T:
        if (entry := known.get(id(attribute))) is not None and "identity" not in _off:
            return entry[1]
        if len(known) >= _MAX_ENTRIES:
            known.clear()
        result = function(attribute)
        known[id(attribute)] = attribute, result
        return result

    return find


# --- copies ------------------------------------------------------------------------------------------------------


def copy_module(module: ModuleOp) -> ModuleOp:
    """`module.clone()` with locations and names: in structured code every value is defined above its uses."""
    if "copies" in _off:
        copy = module.clone(clone_name_hints=True)
        for old, new in zip(module.walk(), copy.walk(), strict=True):
            new.location = old.location
        return copy
    return _copy(module, {})


def _copy(op: OpT, copied: dict[int, SSAValue]) -> OpT:
    """A copy of `op` on copied operands; `copied` maps values to their copies by identity; the results are added."""
    new = assemble(
        type(op),
        [copied[id(operand)] for operand in op._operands],  # pyright: ignore[reportPrivateUsage]
        [result.type for result in op.results],
        op.properties,
        op.attributes,
        op.location,
        [Region([_copy_block(block, copied) for block in region.blocks]) for region in op.regions],
    )
    for old, result in zip(op.results, new.results, strict=True):
        copied[id(old)] = result
        result._name = old.name_hint  # pyright: ignore[reportPrivateUsage] - the setter would check it again
    return new


def _copy_block(block: Block, copied: dict[int, SSAValue]) -> Block:
    new = Block(arg_types=[arg.type for arg in block.args])
    for old, arg in zip(block.args, new.args, strict=True):
        copied[id(old)] = arg
        arg._name, arg.location = old.name_hint, old.location  # pyright: ignore[reportPrivateUsage]
    new.add_ops([_copy(op, copied) for op in block.ops])
    return new


# --- walks -------------------------------------------------------------------------------------------------------


def ops_in(root: Operation | Block) -> list[Operation]:
    """`list(root.walk())`: a list, so that ops may be inserted and erased while it is gone through."""
    if "walks" in _off:
        return list(root.walk())
    found: list[Operation] = [] if isinstance(root, Block) else [root]
    for block in [root] if isinstance(root, Block) else [block for region in root.regions for block in region.blocks]:
        _collect(block, found)
    return found


def _collect(block: Block, found: list[Operation]) -> None:
    op = block.first_op
    while op is not None:
        found.append(op)
        for region in op.regions:
            for inner in region.blocks:
                _collect(inner, found)
        op = op._next_op  # pyright: ignore[reportPrivateUsage] - the property costs a call for each op of each walk


# --- accessors ---------------------------------------------------------------------------------------------------

_Parts = Callable[[Operation], tuple[Any, ...]]

_TUPLES: dict[irdl.VarIRConstruct, _Parts] = {
    irdl.VarIRConstruct.OPERAND: attrgetter("_operands"),
    irdl.VarIRConstruct.RESULT: attrgetter("results"),
    irdl.VarIRConstruct.REGION: attrgetter("regions"),
}
"""What an accessor indexes: the tuples that an op holds."""

_item = tuple[Any, ...].__getitem__
"""xDSL's tuple of values has a `__getitem__` of its own, in Python."""

_ACCESSORS: list[tuple[type[Operation], str, object, property]] = []
"""Class, name, xDSL's accessor, the quick one."""


def quicken(classes: Iterable[type[Operation]]) -> None:
    """Replace xDSL's accessors of op classes by quick ones that give the same."""
    for cls in classes:
        for name, accessor in list(vars(cls).items()):
            if isinstance(accessor, irdl.BaseAccessor | irdl.BaseAttrAccessor) and accessor.construct in _TUPLES:
                quick = property(_getter(accessor), doc=f"The {accessor.construct.name.lower()} {name!r}.")
                _ACCESSORS.append((cls, name, accessor, quick))
                setattr(cls, name, quick)


def _switch_accessors() -> None:
    for cls, name, plain_, quick in _ACCESSORS:
        setattr(cls, name, plain_ if "accessors" in _off else quick)


def _getter(accessor: irdl.BaseAccessor | irdl.BaseAttrAccessor) -> Callable[[Operation], Any]:
    parts, index = _TUPLES[accessor.construct], accessor.idx
    if isinstance(accessor, irdl.BeforeVariadicSingleAccessor):
        return lambda op: _item(parts(op), index)
    if isinstance(accessor, irdl.BaseAccessor):
        return lambda op: accessor.index(parts(op))
    option, name = accessor.option, accessor.option.attribute_name
    return lambda op: accessor.index(_sizes(option.container(op)[name]), parts(op))


@by_identity
def _sizes(segments: Any) -> tuple[int, ...]:
    """The numbers of a `#builtin.dense` of segment sizes."""
    return tuple(segments.get_values())
