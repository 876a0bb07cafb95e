"""What the lanes past a tile's end hold: a known constant, or anything.

`Padding.content(value, axis)` is about the lanes where `axis` is past the end and every other axis is not; lanes
past two ends matter to nobody, as whoever reads along one axis ignores the results that are past the other.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from xdsl.dialects import arith
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ...dialects.dims import Dim, dims_of, element_of
from ...dialects.neutral import neutral_element
from ...dialects.tile import (
    BroadcastOp,
    CompareOp,
    ExpandDimsOp,
    JoinOp,
    KernelOp,
    LoadOp,
    PadOp,
    PermuteOp,
    RangeOp,
    ReduceOp,
    ReshapeOp,
    ScanOp,
    SelectOp,
    ShiftOp,
    SplatOp,
    SplitOp,
    WholeOp,
    access_tiles,
)
from .bounds import bound_dim, same_tile, tile_bounds, tile_dim, tile_exact
from .physical import PhysicalDims

TileKey: TypeAlias = "SSAValue | Dim | None"
"""What decides which lanes are past the end: a loop's tile or a range, the dim of whole tiles; None for any end."""


class Content(NamedTuple):
    """The constant `value` in every lane past the end of `tile`."""

    value: float | int
    tile: TileKey


def tile_key(tile: SSAValue) -> TileKey:
    """Equal for tiles whose valid lanes are the same."""
    owner = tile.owner
    if isinstance(owner, ShiftOp):
        return tile_key(owner.tile)
    if isinstance(owner, WholeOp):
        return tile_dim(tile)
    if isinstance(owner, RangeOp) and (inner := same_tile(owner)) is not None and tile_dim(inner) == tile_dim(tile):
        return tile_key(inner)
    return tile


_Fold: TypeAlias = Callable[..., Any]


def _exp(x: float) -> float:
    return math.exp(x) if x < 1 else math.nan


def _exp2(x: float) -> float:
    return math.exp2(x) if x <= 1 else math.nan


def _and(x: int, y: int) -> int:
    return x & y


def _or(x: int, y: int) -> int:
    return x | y


def _xor(x: int, y: int) -> int:
    return x ^ y


_FOLDS: dict[type[Operation], _Fold] = {
    arith.AddfOp: operator.add,
    arith.SubfOp: operator.sub,
    arith.MulfOp: operator.mul,
    arith.MaximumfOp: max,
    arith.MinimumfOp: min,
    arith.MaxnumfOp: max,
    arith.MinnumfOp: min,
    arith.NegfOp: operator.neg,
    arith.AddiOp: operator.add,
    arith.SubiOp: operator.sub,
    arith.MuliOp: operator.mul,
    arith.AndIOp: _and,
    arith.OrIOp: _or,
    arith.XOrIOp: _xor,
    arith.MaxSIOp: max,
    arith.MinSIOp: min,
    arith.ExtFOp: float,
    arith.TruncFOp: float,
    arith.ExtUIOp: int,
    arith.SIToFPOp: float,
    math_dialect.AbsFOp: abs,
    math_dialect.ExpOp: _exp,
    math_dialect.Exp2Op: _exp2,
}
_PREDICATES: dict[str, _Fold] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_EXACT = frozenset((0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf))
"""Constants that are the same number in every float type; others are not tracked."""


@dataclass
class Padding:
    """The padding of one kernel's values; `assumed` overrides what loads hold, to try a change out."""

    kernel: KernelOp
    assumed: Mapping[SSAValue, float | int] = field(default_factory=dict[SSAValue, "float | int"])
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
            exists = self.physical.is_padded(tile_dim(tile)) or not tile_exact(tile, self._sizes)
            self._exists[tile] = exists
        return exists

    def holds(self, value: SSAValue, axis: int, tile: SSAValue, wanted: float | int) -> bool:
        """Whether the lanes of `axis` past the end of `tile` hold `wanted`."""
        content = self.content(value, axis)
        return content is not None and content.value == wanted and content.tile in (None, tile_key(tile))

    def assuming(self, loads: Sequence[SSAValue], value: float | int) -> Padding:
        """The same kernel if these loads put `value` into the lanes that they do not read."""
        other = Padding.__new__(Padding)
        other.kernel, other.physical, other._sizes = self.kernel, self.physical, self._sizes
        other._exists = self._exists
        other.assumed = {**self.assumed, **dict.fromkeys(loads, value)}
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
        if (source := source_axis(value, axis)) is not None:
            contents = [self.content(operand, source) for operand in op.operands]
            return contents[0] if contents and all(c == contents[0] for c in contents) else None
        return self._elementwise(op, axis) if _lane_by_lane(op) else None

    def _splat(self, op: SplatOp, axis: int) -> Content | None:
        constant = constant_number(op.input)
        return None if constant is None else Content(constant, None)

    def _loaded(self, op: LoadOp, axis: int) -> Content | None:
        tile = tile_key(access_tiles(op)[axis])
        if op.result in self.assumed:
            return Content(self.assumed[op.result], tile)
        if op.indexing is not None and op.indexing.data == "tensor_descriptor":
            outside = _ends_with_ref(op, axis) and not self.physical.reaches_next(access_tiles(op)[axis])
            return Content(0, tile) if outside else None
        constant = None if op.other is None else constant_number(op.other)
        return None if constant is None else Content(constant, tile)

    def _padded(self, op: PadOp, axis: int) -> Content | None:
        if axis != op.axis.data:
            return self.content(op.input, axis)
        constant = constant_number(op.fill)
        return None if constant is None else Content(constant, tile_key(op.tile))

    def _reduced(self, op: ReduceOp | ScanOp, axis: int) -> Content | None:
        """Reducing equal lanes gives that lane if the kind is idempotent, or the lane is its neutral element."""
        at = op.axis.data
        if isinstance(op, ScanOp) and axis == at:
            return None
        content = self.content(op.input, axis + (isinstance(op, ReduceOp) and axis >= at))
        if content is None:
            return None
        kind = op.kind.data
        same = kind in ("max", "min", "and", "or") or content.value == neutral_element(kind, element_of(op.input))
        return content if same else None

    def _elementwise(self, op: Operation, axis: int) -> Content | None:
        operands = [self._operand(operand, axis) for operand in op.operands]
        if isinstance(op, SelectOp):
            condition, on_true, on_false = operands
            if condition is not None:
                chosen = on_true if condition.value else on_false
                return None if chosen is None else _merge(chosen.value, [condition, chosen])
            return on_true if on_true == on_false else None
        known = [content for content in operands if content is not None]
        if absorbed := _absorbed(op, known):
            return absorbed
        fold = _PREDICATES.get(op.predicate.data) if isinstance(op, CompareOp) else _FOLDS.get(type(op))
        if fold is None or len(known) != len(operands):
            return None
        result = fold(*(content.value for content in known))
        if isinstance(result, float) and result not in _EXACT:
            return None
        return _merge(int(result) if isinstance(result, bool) else result, known)

    def _operand(self, value: SSAValue, axis: int) -> Content | None:
        if dims_of(value):
            return self.content(value, axis)
        constant = constant_number(value)
        return None if constant is None else Content(constant, None)


_CONTENTS: dict[type, Callable[[Padding, Any, int], Content | None]] = {
    LoadOp: Padding._loaded,  # pyright: ignore[reportPrivateUsage]
    SplatOp: Padding._splat,  # pyright: ignore[reportPrivateUsage]
    PadOp: Padding._padded,  # pyright: ignore[reportPrivateUsage]
    ReduceOp: Padding._reduced,  # pyright: ignore[reportPrivateUsage]
    ScanOp: Padding._reduced,  # pyright: ignore[reportPrivateUsage]
}
"""The ops that decide what is past an end, other than lane by lane."""


def _absorbed(op: Operation, known: Sequence[Content]) -> Content | None:
    """`x and 0`, `x or true`: one operand decides."""
    if isinstance(op, arith.AndIOp):
        return next((content for content in known if content.value == 0), None)
    if isinstance(op, arith.OrIOp) and element_of(op.result) == IntegerType(1):
        return next((content for content in known if content.value == 1), None)
    return None


def _merge(value: float | int, parts: Sequence[Content]) -> Content | None:
    """`value` past the one end that the parts agree on."""
    ends = {part.tile for part in parts if part.tile is not None}
    return Content(value, next(iter(ends), None)) if len(ends) <= 1 else None


def _lane_by_lane(op: Operation) -> bool:
    tensors = {dims for v in (*op.operands, *op.results) if (dims := dims_of(v))}
    return not op.regions and len(tensors) == 1


def _ends_with_ref(op: LoadOp, axis: int) -> bool:
    """Whether the tile of `axis` ends where the ref does, so that what is not read is outside the ref."""
    dimension = op.subscript.walked[axis]
    bounds = tile_bounds(access_tiles(op)[axis])
    return dimension is not None and not bounds.shifted and bound_dim(bounds.end) == op.ref_type.size_dims[dimension]


def constant_number(value: SSAValue) -> float | int | None:
    """The number that a scalar always is; booleans are 0 and 1."""
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp) or not isinstance(owner.value, IntegerAttr | FloatAttr):
        return None
    number = owner.value.value.data
    return number & 1 if value.type == IntegerType(1) and isinstance(number, int) else number


def source_axis(value: SSAValue, axis: int) -> int | None:
    """For results of ops that only move lanes: the axis of every operand that `axis` of the result is."""
    op = value.owner
    rule = _MOVES.get(type(op))
    return None if rule is None else rule(op, axis)


def _permuted(op: PermuteOp, axis: int) -> int:
    return op.permutation[axis]


def _expanded(op: ExpandDimsOp, axis: int) -> int | None:
    return None if axis == op.axis.data else axis - (axis > op.axis.data)


def _broadcast(op: BroadcastOp, axis: int) -> int | None:
    return axis if dims_of(op.input)[axis] == dims_of(op.result)[axis] else None


def _reshaped(op: ReshapeOp, axis: int) -> int | None:
    return _reshaped_axis(dims_of(op.input), dims_of(op.result), axis)


def _joined(op: JoinOp, axis: int) -> int | None:
    return axis if axis < len(dims_of(op.lhs)) else None


def _split(op: SplitOp, axis: int) -> int:
    return axis


_MOVES: dict[type, Callable[[Any, int], int | None]] = {
    PermuteOp: _permuted,
    ExpandDimsOp: _expanded,
    BroadcastOp: _broadcast,
    ReshapeOp: _reshaped,
    JoinOp: _joined,
    SplitOp: _split,
}
"""The ops that only move lanes, and where an axis of the result comes from."""


def _reshaped_axis(source: tuple[Dim, ...], target: tuple[Dim, ...], axis: int) -> int | None:
    """Where an axis was, if the reshape only adds or drops axes of dim 1."""
    inner = [i for i, dim in enumerate(source) if dim != 1]
    outer = [i for i, dim in enumerate(target) if dim != 1]
    if [source[i] for i in inner] != [target[i] for i in outer] or axis not in outer:
        return None
    return inner[outer.index(axis)]


def loads_behind(value: SSAValue, axis: int) -> list[LoadOp]:
    """The loads whose lanes of `axis` the same axis of `value` is computed from, lane by lane."""
    found: dict[Operation, None] = {}
    seen: set[tuple[SSAValue, int]] = set()
    stack = [(value, axis)]
    while stack:
        item = stack.pop()
        current, at = item
        op = current.owner
        if item in seen or not isinstance(current, OpResult) or isinstance(op, Block):
            continue
        seen.add(item)
        if isinstance(op, LoadOp):
            found[op] = None
        elif isinstance(op, ReduceOp):
            stack.append((op.input, at + (at >= op.axis.data)))
        elif (source := source_axis(current, at)) is not None:
            stack.extend((operand, source) for operand in op.operands)
        elif _lane_by_lane(op):
            stack.extend((operand, at) for operand in op.operands if dims_of(operand))
    return [op for op in found if isinstance(op, LoadOp)]


__all__ = ["Content", "Padding", "constant_number", "loads_behind", "source_axis", "tile_key"]
