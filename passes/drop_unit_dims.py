"""drop-unit-dims: tensor axes of block size 1 disappear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import IsTerminator

from ..dialects.axes import semantics_of
from ..dialects.axis_kinds import CarriesAxes
from ..dialects.dims import Dim, dims_of, substitute, with_dims
from ..dialects.quick import ops_in
from ..dialects.tile import AccessBase, BeginOp, KernelOp, TileType, WholeOp, access_dims, are_joint
from ..dialects.value import CompareOp, SelectOp
from .analysis.bounds import bound_dim, range_behind, tile_bounds
from .analysis.positions import least_position
from .inserter import Inserter, operand_groups, rebuild_access, replace
from .schedule import kernels


@dataclass(frozen=True)
class DropUnitDimsPass(ModulePass):
    """Remove every tensor axis whose dim is a block symbol (or an expression of some) that is known to be 1.

    It runs for the blocks that the user fixed, once per specialization, and for those that a config chose.

    Each op is put right by what it declares (`AxisSemantics.drop`): reductions and scans over the axis vanish, dots
    lose a batch axis (one that contracts a single lane becomes a product), views are renumbered; an op that declares
    nothing sees the dims it saw before. Tiles as indices become `tile.begin` scalars. Loops keep their tiles. With
    b0 = 1:

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
        self._unit: dict[Dim, bool] = {}

    def run(self) -> None:
        ops = ops_in(self.kernel)
        if not any([self.any_unit(dims_of(value)) for op in ops for value in _defined(op)]):
            return
        touched = [_Dropped(self, op) for op in ops if self._touches(op)]
        for op in ops:
            for value in _defined(op):
                if self.any_unit(dims := dims_of(value)):
                    _set_type(value, self.left(dims))
        for dropped in touched:
            _put_right(dropped)

    def _touches(self, op: Operation) -> bool:
        return any([self.any_unit(dims_of(value)) for value in (*op.operands, *_defined(op))])

    def is_unit(self, dim: Dim) -> bool:
        unit = self._unit.get(dim)
        if unit is None:
            unit = self._unit[dim] = isinstance(dim, str) and substitute(dim, self.sizes) == 1
        return unit

    def any_unit(self, dims: Sequence[Dim]) -> bool:
        return bool(dims) and any([self.is_unit(dim) for dim in dims])

    def left(self, dims: Sequence[Dim]) -> list[Dim]:
        """`dims` without those that go."""
        return [dim for dim in dims if not self.is_unit(dim)]

    def is_unit_tile(self, value: SSAValue) -> bool:
        return type(value.type) is TileType and self.is_unit(value.type.dim)


class _Dropped:
    """An op whose operands and results have lost their unit axes: `Dropping` for the op's own rewrite."""

    def __init__(self, drop: _Dropper, op: Operation):
        self.drop, self.op = drop, op
        self.operands = [dims_of(value) for value in op.operands]
        self.results = [dims_of(value) for value in op.results]
        self.args = [dims_of(arg) for arg in _block_args(op)]

    @property
    def build(self) -> Inserter:
        return Inserter(self.op)

    @property
    def index_type(self) -> IntegerType:
        return self.drop.kernel.index_type

    def operand_dims(self, number: int) -> tuple[Dim, ...]:
        return self.operands[number]

    def result_dims(self, number: int) -> tuple[Dim, ...]:
        return self.results[number]

    def is_unit(self, dim: Dim) -> bool:
        return self.drop.is_unit(dim)

    def now(self, dims: Sequence[Dim], axis: int) -> int | None:
        return None if self.drop.is_unit(dims[axis]) else len(self.drop.left(dims[:axis]))

    def if_valid(self, tile: SSAValue, value: SSAValue, otherwise: Callable[[], SSAValue]) -> SSAValue:
        build = self.build
        if (valid := _is_valid(build, tile)) is None:
            return value
        return build.op(SelectOp(build.splat(valid, dims_of(value)), value, otherwise()), value).result

    def access_by_positions(self) -> Sequence[SSAValue]:
        assert isinstance(self.op, AccessBase)
        return _access(self, self.op)

    def wrap(self) -> None:
        """Reshape what goes in to the dims it had, and what comes out to those it has."""
        op, before, after = self.op, Inserter(self.op), Inserter(self.op, after=True)
        for index, dims in enumerate(self.operands):
            if self.drop.any_unit(dims):
                op.operands[index] = before.reshape(op.operands[index], dims)
        for result, dims in zip(op.results, self.results, strict=True):
            self._restore(result, dims, after)
        for arg, dims in zip(_block_args(op), self.args, strict=True):
            first = arg.owner.first_op
            assert first is not None
            self._restore(arg, dims, Inserter(first, location=op.location))

    def _restore(self, value: SSAValue, dims: tuple[Dim, ...], build: Inserter) -> None:
        if self.drop.any_unit(dims):
            uses = list(value.uses)
            _set_type(value, dims)
            dropped = build.reshape(value, self.drop.left(dims))
            for use in uses:
                use.operation.operands[use.index] = dropped


def _block_args(op: Operation) -> list[BlockArgument]:
    return [arg for region in op.regions for block in region.blocks for arg in block.args]


def _defined(op: Operation) -> list[SSAValue]:
    """The results of an op and the arguments of its blocks."""
    return [*op.results, *_block_args(op)] if op.regions else list(op.results)


def _set_type(value: SSAValue, dims: Sequence[Dim]) -> None:
    value._type = with_dims(value.type, dims)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]


def _put_right(dropped: _Dropped) -> None:
    op = dropped.op
    if (semantics := semantics_of(type(op))) is not None:
        results = semantics.drop(op, dropped)
        if results is not None:
            replace(op, results)
    elif not _ends_control_flow(op):
        dropped.wrap()


def _ends_control_flow(op: Operation) -> bool:
    """Whether an op ends a block of a loop or branch, so that its operands change when that does."""
    parent = op.parent_op()
    ends = op.has_trait(IsTerminator, value_if_unregistered=False)
    return ends and parent is not None and isinstance(semantics_of(type(parent)), CarriesAxes)


def _is_valid(emit: Inserter, tile: SSAValue) -> SSAValue | None:
    """An i1: whether the one position of a unit tile is valid; None: always, as a loop's tile is never empty."""
    range_ = range_behind(tile)
    return None if range_ is None else emit.op(CompareOp("lt", range_.begin, range_.end)).result


def _position(drop: _Dropped, emit: Inserter, tile: SSAValue, size: Dim) -> tuple[SSAValue, SSAValue | None]:
    """The one position of a unit tile, and an i1 that says whether it may be touched (None: always).

    A valid position is below the tile's end; it may still be past the ref's `size`.
    """
    type_ = drop.index_type
    begin = emit.make(BeginOp, (tile,), type_, hint=tile)
    valid = _is_valid(emit, tile)
    bounds = tile_bounds(tile)
    end = bound_dim(bounds.end)
    inside = not bounds.shifted and (end == size or (isinstance(end, int) and isinstance(size, int) and end <= size))
    first = least_position(tile)
    if not inside or first is None or first < 0:  # as unsigned numbers, negative positions are large
        below = emit.op(CompareOp("ult", begin, emit.dim(size, type_))).result
        valid = below if valid is None else emit.op(arith.AndIOp(valid, below)).result
    return begin, valid


def _access(drop: _Dropped, op: AccessBase) -> list[SSAValue]:
    """Unit tiles become scalars; index tensors have lost their axes already."""
    emit = Inserter(op)
    indices: list[SSAValue] = []
    guards: list[SSAValue | None] = []
    groups = operand_groups(op)
    for index, size in zip(groups["indices"], op.ref_type.size_dims, strict=True):
        value = index
        if drop.drop.is_unit_tile(index):
            value, valid = _position(drop, emit, index, size)
            guards.append(valid)
        indices.append(value)
    guards += [_is_valid(emit, tile) for tile in groups["tiles"] if drop.drop.is_unit_tile(tile)]
    tiles = [tile for tile in groups["tiles"] if not drop.drop.is_unit_tile(tile)]
    kept = _keep_joint(drop, op, emit, indices, tiles)
    values = {name: groups[name][0] for name in ("value", "expected") if groups.get(name)}
    mask = next(iter(groups["mask"]), None)
    if kept is not None:
        values = {name: emit.expand(value, kept) for name, value in values.items()}
        mask = None if mask is None else emit.expand(mask, kept)
    for guard in filter(None, guards):
        splat = emit.splat(guard, access_dims(indices))
        mask = splat if mask is None else emit.op(arith.AndIOp(mask, splat)).result
    new = emit.op(rebuild_access(op, indices=indices, tiles=tiles, mask=mask, values=values))
    results: list[SSAValue] = list(new.results)
    if kept is not None:
        results = [emit.reshape(r, [d for i, d in enumerate(dims_of(r)) if i != kept]) for r in results]
    return results


def _keep_joint(
    drop: _Dropped, op: AccessBase, emit: Inserter, indices: list[SSAValue], tiles: list[SSAValue]
) -> int | None:
    """Keep several joint index tensors joint when one axis of theirs is left: under an axis of dim 1 more.

    Index tensors of one axis select an outer product, those of more than one go together. Changes `indices` and
    `tiles`; returns the position of the axis of dim 1 in what the access selects, None if there is none.
    """
    before = [drop.operand_dims(number) for number in range(1, 1 + len(op.indices))]
    tensors = [i for i, dims in enumerate(before) if dims]
    if not are_joint(map(len, before)) or len(tensors) < 2 or len(dims_of(op.indices[tensors[0]])) != 1:
        return None
    position = len(access_dims(indices[: tensors[0]]))
    for i in tensors:
        indices[i] = emit.expand(indices[i], 0)
    tiles.insert(0, emit.op(WholeOp(1)).result)
    return position
