"""drop-unit-dims: tensor axes of block size 1 disappear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseArrayBase, IntAttr, IntegerType, ModuleOp, i64
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import IsTerminator

from ..dialects.accessors import operands_of
from ..dialects.dims import Dim, dims_of, element_of, substitute, with_dims
from ..dialects.inline_triton import SeesShapes
from ..dialects.neutral import neutral_element
from ..dialects.tile import (
    AccessBase,
    ArgReduceOp,
    BeginOp,
    BroadcastOp,
    CompareOp,
    DotOp,
    ExpandDimsOp,
    GatherOp,
    IndexOp,
    JoinOp,
    KernelOp,
    PadOp,
    PermuteOp,
    RangeOp,
    ReduceOp,
    ReshapeOp,
    ScanOp,
    SelectOp,
    SplatOp,
    SplitOp,
    TileType,
    WholeOp,
    access_dims,
    are_joint,
)
from ..dialects.walk import ops_in
from .analysis.bounds import bound_dim, same_tile, tile_bounds
from .emit import Emitter, operand_groups, rebuild_access, replace
from .schedule import kernels


@dataclass(frozen=True)
class DropUnitDimsPass(ModulePass):
    """Remove every tensor axis whose dim is a block symbol (or an expression of some) that is known to be 1.

    It runs for the blocks that the user fixed, once per specialization, and for those that a config chose.

    Tiles as indices become `tile.begin` scalars, reductions and scans over the axis vanish, dots lose a batch axis
    (a dot that contracts one lane becomes a product), views are renumbered. Loops keep their tiles. With b0 = 1:

    ```mlir
    %r = tile.load %x[%m, %n] : … -> tensor<?x781xf16, #tile.dims<b0, 781>>
    %s = tile.reduce "sum" %r over %n {axis = #builtin.int<1>} : … -> tensor<?xf16, #tile.dims<b0>>
    ```
    →
    ```mlir
    %i = tile.begin %m
    %r = tile.load %x[%i, %n] : … -> tensor<781xf16>
    %s = tile.reduce "sum" %r over %n {axis = #builtin.int<0>} : … -> f16
    ```
    """

    name = "drop-unit-dims"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in kernels(op):
            _Dropper(kernel).run()


class _Dropper:
    """One kernel's rewrite: first every value loses its unit axes in place, then each op is put right."""

    def __init__(self, kernel: KernelOp):
        self.kernel = kernel
        self.sizes = kernel.block_size_values
        self.before: dict[Operation, tuple[list[tuple[Dim, ...]], list[tuple[Dim, ...]]]] = {}
        """The dims of each op's operands and results before anything changed."""
        self._unit: dict[Dim, bool] = {}

    def run(self) -> None:
        ops = ops_in(self.kernel)
        if not any(map(self._concerns, ops)):
            return
        for op in ops:
            self.before[op] = ([dims_of(v) for v in operands_of(op)], [dims_of(v) for v in op.results])
        for op in ops:
            for value in _defined(op):
                self._retype(value)
        for op in ops:
            self._fix(op)

    def _concerns(self, op: Operation) -> bool:
        """Whether the pass has something to do because of `op` or of what it defines."""
        for value in op.results if not op.regions else _defined(op):
            if self.any_unit(dims_of(value)):
                return True
        return _handler(op) is not None and (any([self.is_unit_tile(v) for v in operands_of(op)]) or _contracts_one(op))

    def is_unit(self, dim: Dim) -> bool:
        unit = self._unit.get(dim)
        if unit is None:
            unit = self._unit[dim] = isinstance(dim, str) and substitute(dim, self.sizes) == 1
        return unit

    def any_unit(self, dims: Sequence[Dim]) -> bool:
        return bool(dims) and any([self.is_unit(dim) for dim in dims])

    def _retype(self, value: SSAValue) -> None:
        dims = dims_of(value)
        if self.any_unit(dims):
            _set_type(value, [d for d in dims if not self.is_unit(d)])

    def dims(self, op: Operation, value: SSAValue) -> tuple[Dim, ...]:
        """The dims that an operand or result of `op` had."""
        operands, results = self.before[op]
        if isinstance(value, OpResult) and value.op is op:
            return results[value.index]
        return operands[list(op.operands).index(value)]

    def axis(self, op: Operation, value: SSAValue, axis: int) -> int | None:
        """Where an axis of an operand is now; None if it went."""
        dims = self.dims(op, value)
        return None if self.is_unit(dims[axis]) else sum(not self.is_unit(d) for d in dims[:axis])

    def _fix(self, op: Operation) -> None:
        if not self._touched(op):
            return
        if (handler := _handler(op)) is not None:
            handler(self, op)
        elif not self._elementwise(op):
            self.wrap(op)

    def _touched(self, op: Operation) -> bool:
        if any(self.any_unit(dims) for group in self.before[op] for dims in group):
            return True
        return _contracts_one(op) or any(self.is_unit_tile(v) for v in op.operands)

    def is_unit_tile(self, value: SSAValue) -> bool:
        return type(value.type) is TileType and self.is_unit(value.type.dim)

    def _elementwise(self, op: Operation) -> bool:
        """Whether the op is right with all its types changed alike: lane by lane, or a holder of regions."""
        if op.has_trait(SeesShapes):
            return False
        tensors = {dims for group in self.before[op] for dims in group if dims}
        return bool(op.regions) or len(tensors) <= 1 or op.has_trait(IsTerminator)

    def wrap(self, op: Operation) -> None:
        """An op we know nothing about sees the dims it saw before."""
        operands, results = self.before[op]
        before, after = Emitter(op), Emitter(op, after=True)
        for index, dims in enumerate(operands):
            if dims_of(op.operands[index]) != dims:
                op.operands[index] = before.reshape(op.operands[index], dims)
        for result, dims in zip(op.results, results, strict=True):
            if (dropped := dims_of(result)) != dims:
                uses = list(result.uses)
                _set_type(result, dims)
                value = after.reshape(result, dropped)
                for use in uses:
                    use.operation.operands[use.index] = value


def _defined(op: Operation) -> list[SSAValue]:
    """The results of an op and the arguments of its blocks."""
    return [*op.results, *(arg for region in op.regions for block in region.blocks for arg in block.args)]


def _contracts_one(op: Operation) -> bool:
    return type(op) is DotOp and dims_of(op.lhs)[-1] == 1


def _set_type(value: SSAValue, dims: Sequence[Dim]) -> None:
    value._type = with_dims(value.type, dims)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]


Handler: TypeAlias = "Callable[[_Dropper, Operation], None]"


def _position(drop: _Dropper, emit: Emitter, tile: SSAValue, size: Dim | None) -> tuple[SSAValue, SSAValue | None]:
    """The one position of a unit tile, and an i1 that says whether it may be touched (None: always).

    A loop's tile is never empty, so its position is below its end; it may still be past the ref's `size`.
    """
    type_ = drop.kernel.index_type
    begin = emit.make(BeginOp, (tile,), type_, hint=tile)
    valid: SSAValue | None = None
    owner = tile.owner
    if isinstance(owner, RangeOp) and same_tile(owner) is None:
        valid = emit.op(CompareOp("lt", owner.begin, owner.end)).result
    bounds = tile_bounds(tile)
    end = bound_dim(bounds.end)
    inside = not bounds.shifted and (end == size or (isinstance(end, int) and isinstance(size, int) and end <= size))
    if size is not None and not inside:
        below = emit.op(CompareOp("ult", begin, emit.dim(size, type_))).result
        valid = below if valid is None else emit.op(arith.AndIOp(valid, below)).result
    return begin, valid


def _access(drop: _Dropper, op: Operation) -> None:
    """Unit tiles become scalars; index tensors have lost their axes already."""
    assert isinstance(op, AccessBase)
    emit = Emitter(op)
    indices: list[SSAValue] = []
    guards: list[SSAValue] = []
    groups = operand_groups(op)
    for index, size in zip(groups["indices"], op.ref_type.size_dims, strict=True):
        value = index
        if drop.is_unit_tile(index):
            value, valid = _position(drop, emit, index, size)
            guards += [] if valid is None else [valid]
        indices.append(value)
    tiles = [tile for tile in groups["tiles"] if not drop.is_unit_tile(tile)]
    kept = _keep_joint(drop, op, emit, indices, tiles)
    values = {name: groups[name][0] for name in ("value", "expected") if groups.get(name)}
    mask = next(iter(groups["mask"]), None)
    if kept is not None:
        values = {name: emit.expand(value, kept) for name, value in values.items()}
        mask = None if mask is None else emit.expand(mask, kept)
    for guard in guards:
        splat = emit.splat(guard, access_dims(indices))
        mask = splat if mask is None else emit.op(arith.AndIOp(mask, splat)).result
    new = emit.op(rebuild_access(op, indices=indices, tiles=tiles, mask=mask, values=values))
    results: list[SSAValue] = list(new.results)
    if kept is not None:
        results = [emit.reshape(r, [d for i, d in enumerate(dims_of(r)) if i != kept]) for r in results]
    replace(op, results)


def _keep_joint(
    drop: _Dropper, op: AccessBase, emit: Emitter, indices: list[SSAValue], tiles: list[SSAValue]
) -> int | None:
    """Keep several joint index tensors joint when one axis of theirs is left: under an axis of dim 1 more.

    Index tensors of one axis select an outer product, those of more than one go together. Changes `indices` and
    `tiles`; returns the position of the axis of dim 1 in what the access selects, None if there is none.
    """
    before = [drop.dims(op, value) for value in op.indices]
    tensors = [i for i, dims in enumerate(before) if dims]
    if not are_joint(map(len, before)) or len(tensors) < 2 or len(dims_of(op.indices[tensors[0]])) != 1:
        return None
    position = len(access_dims(indices[: tensors[0]]))
    for i in tensors:
        indices[i] = emit.expand(indices[i], 0)
    tiles.insert(0, emit.op(WholeOp(1)).result)
    return position


def _reduce(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, ReduceOp)
    if (axis := drop.axis(op, op.input, op.axis.data)) is not None:
        op.axis = IntAttr(axis)
        return
    emit, value = Emitter(op), op.input
    _, valid = _position(drop, emit, op.tile, None)
    if valid is not None:
        neutral = emit.full(neutral_element(op.kind.data, element_of(value)), value.type)
        value = emit.op(SelectOp(emit.splat(valid, dims_of(value)), value, neutral)).result
    replace(op, [value])


def _arg_reduce(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, ArgReduceOp)
    if (axis := drop.axis(op, op.input, op.axis.data)) is not None:
        op.axis = IntAttr(axis)
    else:
        replace(op, [op.input, Emitter(op).full(0, op.index.type)])


def _along(drop: _Dropper, op: Operation) -> None:
    """A scan or a pad over one lane is that lane."""
    assert isinstance(op, ScanOp | PadOp)
    if (axis := drop.axis(op, op.input, op.axis.data)) is not None:
        op.axis = IntAttr(axis)
    else:
        replace(op, [op.input])


def _index(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, IndexOp)
    emit = Emitter(op)
    begin = emit.op(BeginOp(op.tile, drop.kernel.index_type), op.result).result
    replace(op, [emit.cast(begin, element_of(op.result))])


def _splat(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, SplatOp)
    if not dims_of(op.result):
        replace(op, [op.input])


def _broadcast(drop: _Dropper, op: Operation) -> None:
    """Axes of dim 1 that would become a unit block go before the broadcast."""
    assert isinstance(op, BroadcastOp)
    target = drop.dims(op, op.result)
    kept = [d for d, t in zip(drop.dims(op, op.input), target, strict=True) if not drop.is_unit(t)]
    emit = Emitter(op)
    replace(op, [emit.broadcast(emit.reshape(op.input, kept), dims_of(op.result))])


def _expand_dims(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, ExpandDimsOp)
    before = drop.dims(op, op.result)[: op.axis.data]
    op.axis = IntAttr(sum(not drop.is_unit(d) for d in before))


def _permute(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, PermuteOp)
    order = [axis for i in op.permutation if (axis := drop.axis(op, op.input, i)) is not None]
    if order == list(range(len(order))):
        replace(op, [op.input])
    else:
        op.order = DenseArrayBase.from_list(i64, order)


def _reshape(drop: _Dropper, op: Operation) -> None:
    assert isinstance(op, ReshapeOp)
    replace(op, [Emitter(op).reshape(op.input, dims_of(op.result))])


def _join_split(drop: _Dropper, op: Operation) -> None:
    """The halves' axes go from all values alike; halves of no axis keep those they had."""
    assert isinstance(op, JoinOp | SplitOp)
    half = op.lhs if isinstance(op, JoinOp) else op.first
    if not dims_of(half):
        drop.wrap(op)


def _gather(drop: _Dropper, op: Operation) -> None:
    """From one lane every index takes that lane; one index into many lanes is an index tensor of dim 1."""
    assert isinstance(op, GatherOp)
    emit, at = Emitter(op), op.axis.data
    source, index = drop.axis(op, op.input, at), drop.axis(op, op.index, at)
    place = sum(not drop.is_unit(d) for d in drop.dims(op, op.index)[:at])
    if source is not None and index is not None:
        op.axis = IntAttr(source)
    elif source is None:
        value = op.input if index is None else emit.expand(op.input, place)
        replace(op, [emit.broadcast(value, dims_of(op.result))])
    else:
        one = emit.op(GatherOp(op.input, emit.expand(op.index, place), source), op.result).result
        replace(op, [emit.reshape(one, dims_of(op.result))])


def _dot(drop: _Dropper, op: Operation) -> None:
    """M and N of one lane are put back as axes of dim 1, a batch of one goes; K of one lane makes a product."""
    assert isinstance(op, DotOp)
    emit = Emitter(op)
    *_, m, k = drop.dims(op, op.lhs)
    n = drop.dims(op, op.rhs)[-1]
    unit_m, unit_n, unit_k = drop.is_unit(m), drop.is_unit(n), drop.is_unit(k)
    acc, rank = op.acc, len(dims_of(op.acc))
    if unit_k or k == 1:
        replace(op, [_product(op, emit, unit_m=unit_m, unit_n=unit_n, has_k=not unit_k)])
    elif unit_m or unit_n:
        batch = rank - (not unit_m) - (not unit_n)
        lhs = emit.expand(op.lhs, batch) if unit_m else op.lhs
        rhs = emit.expand(op.rhs, batch + 1) if unit_n else op.rhs
        acc = emit.expand(acc, batch) if unit_m else acc
        acc = emit.expand(acc, batch + 1) if unit_n else acc
        dot = emit.make(DotOp, (lhs, rhs, acc, op.tile), op.precision.data, hint=op.result)
        replace(op, [emit.reshape(dot, dims_of(op.result))])


def _product(op: DotOp, emit: Emitter, *, unit_m: bool, unit_n: bool, has_k: bool) -> SSAValue:
    """`acc + lhs * rhs`, in the accumulator's type; operands still have an axis of dim 1 for K if `has_k`."""
    dims, element = dims_of(op.acc), element_of(op.acc)
    batch = len(dims) - (not unit_m) - (not unit_n)
    factors: list[SSAValue] = []
    for operand, side in ((op.lhs, "m"), (op.rhs, "n")):
        value = emit.cast(operand, element)
        kept = list(dims_of(value))
        if has_k:
            del kept[len(kept) - 1 if side == "m" else batch]
            value = emit.reshape(value, kept)
        if not (unit_m or unit_n):
            value = emit.expand(value, batch + 1 if side == "m" else batch)
        elif (side == "m" and not unit_n) or (side == "n" and not unit_m):
            value = emit.expand(value, batch) if dims else value
        factors.append(emit.broadcast(value, dims))
    lhs, rhs = factors
    if isinstance(element, IntegerType):
        return emit.op(arith.AddiOp(op.acc, emit.op(arith.MuliOp(lhs, rhs)).result), op.result).result
    return emit.op(arith.AddfOp(op.acc, emit.op(arith.MulfOp(lhs, rhs)).result), op.result).result


_HANDLERS: dict[type[Operation], Handler] = {
    ReduceOp: _reduce,
    ArgReduceOp: _arg_reduce,
    ScanOp: _along,
    PadOp: _along,
    IndexOp: _index,
    SplatOp: _splat,
    BroadcastOp: _broadcast,
    ExpandDimsOp: _expand_dims,
    PermuteOp: _permute,
    ReshapeOp: _reshape,
    JoinOp: _join_split,
    SplitOp: _join_split,
    GatherOp: _gather,
    DotOp: _dot,
}


def _handler(op: Operation) -> Handler | None:
    """What puts an op right, if it is of a kind that the table or the accesses know."""
    return _handler_of(type(op))


@cache
def _handler_of(cls: type[Operation]) -> Handler | None:
    return _HANDLERS.get(cls) or (_access if issubclass(cls, AccessBase) else None)
