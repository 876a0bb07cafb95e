"""What the lanes past a tile's end hold: a known constant, or anything.

`Padding.content(value, axis)` is about the lanes where `axis` is past the end and every other axis is not; lanes
past two ends are read by nothing, as a consumer along one axis ignores the results that are past the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from xdsl.dialects import arith, scf
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ...dialects.axes import At, axis_facts, semantics_of
from ...dialects.axis_kinds import is_lane_wise
from ...dialects.constants import Number, constant_of
from ...dialects.dims import Dim, dims_of, substitute
from ...dialects.tile import ForOp, KeepOp, KernelOp, LoadOp, PadOp, RangeOp, ShiftOp, WholeOp, access_tiles
from ...dialects.value import SelectOp
from .bounds import bound_dim, same_tile, tile_bounds, tile_dim, tile_exact
from .folding import absorbed, folded, unseen
from .physical import PhysicalDims

TileKey: TypeAlias = "SSAValue | Dim | None"
"""What decides which lanes are past the end: a loop's tile or a range, the dim of whole tiles; None for any end."""


class Content(NamedTuple):
    """The constant `value` in every lane past the end of `tile`."""

    value: Number
    tile: TileKey


@dataclass
class Padding:
    """The padding of one kernel's values; `assumed` overrides what loads hold, to try a change out."""

    kernel: KernelOp
    assumed: Mapping[SSAValue, Number] = field(default_factory=dict[SSAValue, Number])
    physical: PhysicalDims = field(init=False)
    _known: dict[tuple[SSAValue, int], Content | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.physical = PhysicalDims(self.kernel)
        self._sizes = self.kernel.block_size_values
        self._exists: dict[SSAValue, bool] = {}

    def exists(self, tile: SSAValue) -> bool:
        """Whether an axis of this tile has padding lanes at all."""
        exists = self._exists.get(tile)
        if exists is None:
            exists = self.physical.is_padded(tile_dim(tile)) or not self.exact(tile)
            self._exists[tile] = exists
        return exists

    def exact(self, tile: SSAValue) -> bool:
        """Whether every lane that the tile's dim names is below its end; there may be more in registers."""
        return tile_exact(tile, self._sizes)

    def key(self, tile: SSAValue) -> TileKey:
        """Equal for tiles whose valid lanes are the same."""
        owner = tile.owner
        if isinstance(owner, ShiftOp):
            return self.key(owner.tile)
        if isinstance(owner, WholeOp):
            return tile_dim(tile)
        if isinstance(owner, RangeOp) and (inner := same_tile(owner)) is not None:
            dims = [substitute(tile_dim(each), self._sizes) for each in (inner, tile)]
            return self.key(inner) if dims[0] == dims[1] else tile
        return tile

    def holds(self, value: SSAValue, axis: int, tile: SSAValue, wanted: Number) -> bool:
        """Whether the lanes of `axis` past the end of `tile` hold `wanted`."""
        content = self.content(value, axis)
        return content is not None and content.value == wanted and content.tile in (None, self.key(tile))

    def assuming(self, fills: Mapping[SSAValue, Number]) -> Padding:
        """The same kernel if these loads put these numbers into the lanes that they do not read."""
        other = Padding.__new__(Padding)
        other.kernel, other.physical, other._sizes = self.kernel, self.physical, self._sizes
        other._exists = self._exists
        other.assumed = {**self.assumed, **fills}
        other._known = {}
        return other

    def content(self, value: SSAValue, axis: int) -> Content | None:
        """What the padding lanes of `axis` hold; None if it is not known."""
        key = (value, axis)
        if key not in self._known:
            self._known[key] = None  # a value that depends on itself is not known
            self._known[key] = self._content(value, axis)
        return self._known[key]

    def _content(self, value: SSAValue, axis: int) -> Content | None:
        op = value.owner
        if isinstance(op, Block):
            return None
        rule = _CONTENTS.get(type(op))
        if rule is not None:
            return rule(self, op, axis)
        return self._elementwise(op, axis) if is_lane_wise(op) else self._declared(value, op, axis)

    def _declared(self, value: SSAValue, op: Operation, axis: int) -> Content | None:
        """By what the op says it makes of lanes that are all equal."""
        assert isinstance(value, OpResult)
        semantics, facts = semantics_of(type(op)), axis_facts(op)
        if semantics is None or not facts.made_of:
            return None
        axes = {at.number: at.axis for at in facts.sources(At(value.index, axis)) or ()}
        contents: list[Content] = []
        for number in facts.made_of:
            operand = op.operands[number]
            if dims_of(operand) and number not in axes:
                return None
            if (content := self.operand(operand, axes.get(number, 0))) is None:
                return None
            contents.append(content)
        if any(content.value != contents[0].value for content in contents):
            return None
        number = semantics.of_equal(op, contents[0].value)
        return None if number is None else _merge(number, contents)

    def _loaded(self, op: LoadOp, axis: int) -> Content | None:
        tile = access_tiles(op)[axis]
        if op.result in self.assumed:
            return Content(self.assumed[op.result], self.key(tile))
        if op.indexing is not None and op.indexing.data == "tensor_descriptor":
            outside = _ends_with_ref(op, axis) and not self.physical.reaches_next(tile)
            return Content(0, self.key(tile)) if outside else None
        constant = None if op.other is None else constant_of(op.other)
        return None if constant is None else Content(constant, self.key(tile))

    def _padded(self, op: PadOp, axis: int) -> Content | None:
        if axis != op.axis.data:
            return self.content(op.input, axis)
        constant = constant_of(op.fill)
        return None if constant is None else Content(constant, self.key(op.tile))

    def _kept(self, op: KeepOp, axis: int) -> Content | None:
        """Past the op's own tile the lanes are those of `old`; past another, of either."""
        old = self.content(op.old, axis)
        if old is None:
            return None
        key = self.key(op.tile)
        if axis == op.axis.data and old.tile in (None, key):
            return Content(old.value, key)
        return old if self.content(op.new, axis) == old else None

    def _elementwise(self, op: Operation, axis: int) -> Content | None:
        operands = [self.operand(operand, axis) for operand in op.operands]
        if isinstance(op, SelectOp):
            return _selected(*operands)
        for number, content in enumerate(operands):
            if content is not None and (result := absorbed(op, number, content.value)) is not None:
                return Content(result, content.tile)
        known = [content for content in operands if content is not None]
        if not known or len(known) != len(operands):
            return None
        result = folded(op, [content.value for content in known])
        return None if result is None else _merge(result, known)

    def operand(self, value: SSAValue, axis: int) -> Content | None:
        """The content of an operand of an op that works lane by lane: scalars are the same in all lanes."""
        if dims_of(value):
            return self.content(value, axis)
        constant = constant_of(value)
        return None if constant is None else Content(constant, None)

    # What a lane keeps

    def keeps(self, value: SSAValue, old: SSAValue, axis: int, tile: SSAValue) -> bool:
        """Whether the lanes of `axis` past the end of `tile` hold the same numbers in `value` as in `old`."""
        return self._keeps(value, old, axis, self.key(tile))

    def _keeps(self, value: SSAValue, old: SSAValue, axis: int, key: TileKey) -> bool:
        if value is old:
            return True
        op = value.owner
        if isinstance(op, Block) or value.type != old.type:
            return False
        if isinstance(op, arith.TruncFOp):
            return self._keeps_widened(op.input, old, axis, key)
        if isinstance(op, KeepOp):
            kept = self._keeps(op.old, old, axis, key)
            own = op.axis.data == axis and self.key(op.tile) == key
            return kept and (own or self._keeps(op.new, old, axis, key))
        if isinstance(op, SelectOp):
            condition = self._number(op.condition, axis, key)
            arms = [op.on_true, op.on_false] if condition is None else [op.on_true if condition else op.on_false]
            return all(self._keeps(arm, old, axis, key) for arm in arms)
        if isinstance(op, scf.IfOp | ForOp):
            return self._keeps_through(op, value, old, axis, key)
        return any(self._keeps(kept, old, axis, key) for kept in self._seen_alone(op, axis, key))

    def _seen_alone(self, op: Operation, axis: int, key: TileKey) -> Iterator[SSAValue]:
        """The operands that the lanes past the end are equal to, as the other operand is not seen in them."""
        if len(op.operands) == 2 and is_lane_wise(op):
            for number, value in enumerate(op.operands):
                other = self._number(op.operands[1 - number], axis, key)
                if other is not None and other == unseen(op, 1 - number):
                    yield value

    def _number(self, value: SSAValue, axis: int, key: TileKey) -> Number | None:
        content = self.operand(value, axis)
        return content.value if content is not None and content.tile in (None, key) else None

    def _keeps_widened(self, wide: SSAValue, old: SSAValue, axis: int, key: TileKey) -> bool:
        """`truncf` gives `old` back if its operand is `old` widened, with nothing that is seen added."""
        op = wide.owner
        if isinstance(op, arith.ExtFOp):
            return self._keeps(op.input, old, axis, key)
        if isinstance(op, Block):
            return False
        return any(self._keeps_widened(kept, old, axis, key) for kept in self._seen_alone(op, axis, key))

    def _keeps_through(self, op: scf.IfOp | ForOp, value: SSAValue, old: SSAValue, axis: int, key: TileKey) -> bool:
        """Both arms keep the lanes; the initial value has them, and each iteration keeps them."""
        assert isinstance(value, OpResult)
        ends = [region.block.last_op for region in op.regions]
        yielded = [end.operands[value.index] for end in ends if end is not None]
        if isinstance(op, scf.IfOp):
            return len(yielded) == 2 and all(self._keeps(each, old, axis, key) for each in yielded)
        argument = op.carried_args[value.index]
        return self._keeps(op.iter_args[value.index], old, axis, key) and self._keeps(yielded[0], argument, axis, key)


def loads_behind(value: SSAValue, axis: int) -> tuple[list[LoadOp], list[Operation]]:
    """The loads whose lanes of `axis` the same axis of `value` is computed from, and all ops on the way."""
    loads: dict[LoadOp, None] = {}
    between: dict[Operation, None] = {}
    seen: set[tuple[SSAValue, int]] = set()
    stack = [(value, axis)]
    while stack:
        item = stack.pop()
        current, at = item
        op = current.owner
        if item in seen or not isinstance(current, OpResult) or isinstance(op, Block):
            continue
        seen.add(item)
        between[op] = None
        if isinstance(op, LoadOp):
            loads[op] = None
        elif isinstance(op, scf.IfOp):
            ends = [region.block.last_op for region in op.regions]
            stack.extend((end.operands[current.index], at) for end in ends if end is not None)
        elif is_lane_wise(op):
            stack.extend((operand, at) for operand in op.operands if dims_of(operand))
        else:
            sources = axis_facts(op).sources(At(current.index, at)) or ()
            stack.extend((op.operands[source.number], source.axis) for source in sources)
    return list(loads), list(between)


_CONTENTS: dict[type, Callable[[Padding, Any, int], Content | None]] = {
    LoadOp: Padding._loaded,  # pyright: ignore[reportPrivateUsage]
    PadOp: Padding._padded,  # pyright: ignore[reportPrivateUsage]
    KeepOp: Padding._kept,  # pyright: ignore[reportPrivateUsage]
}
"""The ops that decide what is past an end; the others make it of what they find there."""


def _selected(condition: Content | None, on_true: Content | None, on_false: Content | None) -> Content | None:
    if condition is not None:
        chosen = on_true if condition.value else on_false
        return None if chosen is None else _merge(chosen.value, [condition, chosen])
    if on_true is None or on_false is None or on_true.value != on_false.value:
        return None
    return _merge(on_true.value, [on_true, on_false])


def _merge(value: Number, parts: Sequence[Content]) -> Content | None:
    """`value` past the one end that the parts agree on."""
    ends = {part.tile for part in parts if part.tile is not None}
    return Content(value, next(iter(ends), None)) if len(ends) <= 1 else None


def _ends_with_ref(op: LoadOp, axis: int) -> bool:
    """Whether the tile of `axis` ends where the ref does, so that what is not read is outside the ref."""
    dimension = op.subscript.walked[axis]
    bounds = tile_bounds(access_tiles(op)[axis])
    return dimension is not None and not bounds.shifted and bound_dim(bounds.end) == op.ref_type.size_dims[dimension]


__all__ = ["Content", "Padding", "loads_behind"]
