"""Subscripts: of host tensors (loads, stores, atomics) and of device values (views)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.ir import Block, SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ...dialects.value import ReshapeOp
from ...language.tiles import Tile
from ..builder import UNSIGNED, element_type
from ..symbols.nodes import poly_of, sym_int
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from . import jagged
from .table import Operand, broadcast, broadcast_to, like, operand
from .taking import from_the_end, slice_bound, slice_length, slice_step


@dataclass
class Indices:
    """A user's subscript in the form of the IR: one index per dimension of the ref, and the new axes of the value.

    `tile.Subscript` says what the indices select.

    `added` are those in order, each with its tile: None where `None` adds an axis of dim 1; a tile over a dimension of
    size 1 reads the one element (its index is the scalar 0) in every lane.
    """

    indices: list[SSAValue] = field(default_factory=list)
    tiles: list[SSAValue] = field(default_factory=list)
    added: list[tuple[int, SSAValue | None]] = field(default_factory=list)
    needs_zeros: bool = False  # lanes of a valid tile may lie past the tensor's end


def flatten_index(index: Any) -> list[Any]:
    """The subscripts as a flat list: `x[tiles]` and `x[i, tiles]` take a tuple of tiles whole."""
    items = list(index) if isinstance(index, tuple | list) else [index]
    flat: list[Any] = []
    for item in items:
        if isinstance(item, tuple | list) and any(isinstance(part, Tile) for part in item):
            flat.extend(item)
        else:
            flat.append(item)
    return flat


def fill_ellipsis(items: list[Any], rank: int) -> list[Any]:
    """Every dimension has a subscript; `None` stays."""
    consumed = sum(1 for item in items if item is not None and item is not Ellipsis)
    if sum(1 for item in items if item is Ellipsis) > 1:
        raise exc.TypeInferenceError("a subscript can have one ellipsis")
    if consumed > rank:
        error = exc.TypeInferenceError if any(item is Ellipsis for item in items) else exc.RankMismatch
        raise error(f"{consumed} subscripts for a tensor of rank {rank}")
    rest = [slice(None)] * (rank - consumed)
    for i, item in enumerate(items):
        if item is Ellipsis:
            return [*items[:i], *rest, *items[i + 1 :]]
    return [*items, *rest]


def subscript(tracer: Tracer, tensor: HostTensor, index: Any, *, writes: bool = False, masked: bool = False) -> Indices:
    """Resolve a subscript of a host tensor: of a load, or of what `writes`; `masked`: lanes may be left out."""
    tracer.check_positions(tensor)
    items = fill_ellipsis(flatten_index(index), tensor.dim())
    result = Indices()
    axis = dimension = 0
    tensors: list[tuple[int, DeviceTensor]] = []
    repeated = 0
    for item in items:
        if item is None:
            result.added.append((axis, None))
            axis += 1
            continue
        value = _index(tracer, tensor, dimension, item, result)
        if isinstance(value, SSAValue) and _repeats(tracer, tensor.shape[dimension], dimension, value, writes):
            if not masked:
                result.added.append((axis, value))
                result.indices.append(tracer.integer(0))
                axis, dimension = axis + 1, dimension + 1
                continue
            value = _zeros_along(tracer, value)
            repeated += 1
        if isinstance(value, DeviceTensor):
            tensors.append((dimension, value))
            result.indices.append(value.ssa)
            axis += value.dim()
        else:
            result.indices.append(value)
            axis += isinstance(value.type, tile.TileType)
        dimension += 1
    if repeated and tile.are_joint([t.dim() for _, t in tensors]):
        raise exc.InvalidIndexingType(
            "a mask, a tile over a dimension of size 1 and index tensors of rank 2 or more in one subscript",
            hint="index the dimension of size 1 with 0, and add its axis with None",
        )
    if tensors:
        _join_tensors(tracer, result, tensors)
    return result


def _zeros_along(tracer: Tracer, of: SSAValue) -> DeviceTensor:
    """An index tensor by which every lane of a tile, each under its own mask, reads element 0."""
    assert isinstance(of.type, tile.TileType)
    zeros = tracer.builder.splat(tracer.integer(0), [of.type.dim])
    return tracer.tensor(zeros, tracer.options.index_dtype, [of])


def _loop_tile(index: SSAValue) -> SSAValue | None:
    """The loop's tile behind an index, shifted or not; None for slices, which are clipped as in Python."""
    if isinstance(index.owner, tile.ShiftOp):
        return _loop_tile(index.owner.tile)
    return index if isinstance(index.type, tile.TileType) and isinstance(index.owner, Block) else None


def _repeats(tracer: Tracer, size: int | torch.SymInt, dimension: int, of: SSAValue, writes: bool) -> bool:
    """Whether a tile walks further than a dimension of size 1, so that every lane reads its one element.

    A write there would put many lanes into one element. Where the loop's bounds are known on the device only, a write
    is one of positions: those past the end are not written.
    """
    source = _loop_tile(of)
    if source is None or tracer.ends_within(source, size):
        return False
    end = tracer.end_of(source)
    if not tracer.is_one(size, unless=end):
        return False
    if not writes:
        return True
    if end is None or tracer.hint_of(end) is None or tracer.is_one(sym_int(tracer, end)):
        return False
    raise exc.ShapeMismatch(
        f"a write through a tile that goes up to {end} into dimension {dimension}, which has size 1",
        hint="every lane would write the one element: index the dimension with 0, and reduce the value first",
    )


def _join_tensors(tracer: Tracer, result: Indices, tensors: list[tuple[int, DeviceTensor]]) -> None:
    """1-D index tensors stay as they are (an outer product); else they broadcast to common dims."""
    if tile.are_joint([t.dim() for _, t in tensors]):
        values, tiles, _ = broadcast(tracer, [Operand(t.ssa, t.tiles) for _, t in tensors])
        for (dimension, _), value in zip(tensors, values, strict=True):
            result.indices[dimension] = value
        axes = list(zip(dims_of(values[0]), tiles, strict=True))
    else:
        axes = [(dims_of(t.ssa)[0], t.tiles[0]) for _, t in tensors]
    result.tiles = [tracer.axis_tile(dim, known) for dim, known in axes]


def _index(tracer: Tracer, tensor: HostTensor, dimension: int, item: Any, result: Indices) -> SSAValue | DeviceTensor:
    size = tensor.shape[dimension]
    if isinstance(item, Tile):
        result.needs_zeros |= not tracer.ends_within(item.ssa, size) or tracer.may_begin_before(item.ssa)
        return item.ssa
    if isinstance(item, bool | torch.SymBool):
        raise exc.InvalidIndexingType("a truth value is no index")
    if isinstance(item, int):
        if isinstance(size, int) and not -size <= item < size:
            raise exc.InvalidIndexingType(f"index {item} is out of range for dimension {dimension} of size {size}")
        return tracer.integer(item if item >= 0 else item + size)
    if isinstance(item, torch.SymInt):
        tracer.within(item, size - 1)
        return from_the_end(tracer, tracer.integer(item), size)
    if isinstance(item, slice):
        value = _slice(tracer, size, item)
        result.needs_zeros |= tracer.may_begin_before(value)
        return value
    if isinstance(item, DeviceTensor):
        if item.dtype == torch.bool:
            raise exc.DataDependentOutputShapeNotSupported(
                "a boolean mask selects a number of elements that depends on data",
                hint="load with extra_mask, or use torch.where",
            )
        if item.dtype.is_floating_point:
            raise exc.InvalidIndexingType(f"an index tensor holds integers, not {item.dtype}")
        narrow = item.dim() == 0 or item.dtype.itemsize < 4 or item.dtype in UNSIGNED
        positions = item.ssa
        if narrow:
            positions = tracer.builder.integer(positions, tracer.index_type, unsigned=item.dtype in UNSIGNED)
        positions = from_the_end(tracer, positions, size)
        return positions if item.dim() == 0 else like(tracer, positions, item)
    if isinstance(item, torch.Tensor):
        raise exc.HostTensorDirectUsage(
            "a host tensor is used as an index without a subscript", hint="load the indices first: x[index[tile]]"
        )
    raise exc.InvalidIndexingType(f"a {type(item).__name__} is no index")


def _slice(tracer: Tracer, size: Any, item: slice) -> SSAValue:
    step = slice_step(item)
    begin, end = (slice_bound(tracer, size, bound, default) for bound, default in ((item.start, 0), (item.stop, size)))
    if step == 1 and poly_of(begin).value == 0 and poly_of(end) == poly_of(size):
        return tracer.builder.emit(tile.WholeOp(tracer.dim(size)))
    dim = slice_length(tracer, begin, end, step)
    return tracer.builder.emit(tile.RangeOp(tracer.integer(begin), _clipped(tracer, end, size), dim, step))


def _clipped(tracer: Tracer, end: Any, size: Any) -> SSAValue:
    """The end of a slice, or the size where that is less: a slice has no lanes past the tensor's end."""
    value = tracer.integer(end)
    edge = value.owner.tile if isinstance(value.owner, tile.EndOp) else None
    if (edge is not None and tracer.ends_within(edge, size)) or tracer.at_most(end, size):
        return value
    return tracer.builder.emit(arith.MinSIOp(value, tracer.integer(size)))


EVICTION = {
    None: None, "": None, "first": "evict_first", "last": "evict_last", "evict_first": "evict_first",
    "evict_last": "evict_last",
}  # fmt: skip
"""The user's spellings of eviction policies (those of configs, and of accesses) and the property of the load."""


def load(
    tracer: Tracer, tensor: HostTensor, index: Any, mask: Any = None, eviction_policy: str | None = None
) -> DeviceTensor:
    """`tensor[index]`."""
    if eviction_policy not in EVICTION:
        known = ", ".join(repr(name) for name in EVICTION if name)
        raise exc.InvalidAPIUsage(f"unknown eviction policy {eviction_policy!r}", hint=f"one of {known}")
    where = subscript(tracer, tensor, index, masked=mask is not None)
    lanes = mask_of(tracer, mask, where)
    zero = tracer.builder.constant(0, element_type(tensor.dtype)) if lanes is not None or where.needs_zeros else None
    op = tile.LoadOp(
        tracer.ref(tensor), where.indices, tiles=where.tiles, mask=lanes, other=zero,
        eviction_policy=EVICTION[eviction_policy],
    )  # fmt: skip
    value = tracer.builder.emit(op)
    tiles: list[SSAValue | None] = list(tile.access_tiles(op))
    for axis, of in where.added:
        value = tracer.builder.expand_dims(value, axis)
        tiles.insert(axis, of)
    return tracer.tensor(repeated(tracer, value, where), tensor.dtype, tiles)


def repeated(tracer: Tracer, value: SSAValue, where: Indices) -> SSAValue:
    """A loaded value in every lane of the tiles that walk dimensions of size 1."""
    dims = list(dims_of(value))
    for axis, of in where.added:
        if of is not None:
            assert isinstance(of.type, tile.TileType)
            dims[axis] = of.type.dim
    return tracer.builder.broadcast(value, dims)


def mask_of(tracer: Tracer, mask: Any, where: Indices) -> SSAValue | None:
    """The lanes that an access may touch: those of the user's mask, and no others than jagged tiles have."""
    selected = tile.Subscript.of(where.indices)
    given = None if mask is None else _shaped(tracer, operand(tracer, mask, torch.bool), selected.dims, "mask")
    tiles = [(None, *where.indices, *where.tiles)[number] for number in selected.tile_operands]
    existing = jagged.existing(tracer, selected.dims, tiles)
    if given is None or existing is None:
        return given if existing is None else existing
    return tracer.builder.emit(arith.AndIOp(given, existing))


def _shaped(tracer: Tracer, value: Operand, dims: Sequence[Dim], what: str) -> SSAValue:
    """`value` broadcast to exactly `dims`."""
    source = dims_of(value.ssa)
    extra = len(source) - len(dims)
    if extra > 0 and all(tracer.fixed(dim) == 1 for dim in source[:extra]):
        value = Operand(tracer.builder.emit(ReshapeOp(value.ssa, source[extra:])), value.tiles[extra:])
        if not dims:
            return value.ssa
    result = broadcast_to(tracer, value, dims)
    if result is None:
        raise exc.ShapeMismatch(f"the {what} has shape {list(source)}, the subscript selects {list(dims)}")
    return result


def stored(tracer: Tracer, tensor: HostTensor, where: Indices, value: Any) -> SSAValue:
    """`value` as a store or atomic needs it: the dtype of the tensor and the dims that the subscript selects."""
    if isinstance(value, HostTensor):
        value = load(tracer, value, (slice(None),) * value.dim())
    if not isinstance(value, torch.Tensor | int | float | torch.SymInt | torch.SymFloat | torch.SymBool):
        raise exc.RequiresTensorInAssignment(f"a {type(value).__name__} cannot be stored")
    dims = tile.access_dims(where.indices)
    converted = operand(tracer, value, tensor.dtype)
    if where.added:
        outer = list(dims)
        for axis, _ in where.added:
            outer.insert(axis, 1)
        wide = _shaped(tracer, converted, outer, "value")
        return tracer.builder.emit(ReshapeOp(wide, dims))
    return _shaped(tracer, converted, dims, "value")


def store(tracer: Tracer, tensor: HostTensor, index: Any, value: Any, mask: Any = None) -> None:
    """`tensor[index] = value`."""
    where = subscript(tracer, tensor, index, writes=True)
    tiles = [i for i in where.indices if isinstance(i.type, tile.TileType) and not isinstance(i.owner, tile.WholeOp)]
    if len({id(t) for t in tiles}) < len(tiles):
        raise exc.DuplicateStoreIndicesError("a store uses the same tile for two dimensions")
    data = stored(tracer, tensor, where, value)
    tracer.placement.writes(tensor, where.indices)
    tracer.effects += 1
    tracer.builder.append(
        tile.StoreOp(data, tracer.ref(tensor), where.indices, tiles=where.tiles, mask=mask_of(tracer, mask, where))
    )


def atomic(
    tracer: Tracer, kind: str, target: Any, index: Any, value: Any, sem: str, scope: str | None = None
) -> DeviceTensor:
    """An atomic read-modify-write; the previous values."""
    tensor, where = atomic_target(tracer, target, index, sem, kind)
    data = stored(tracer, tensor, where, value)
    op = tile.AtomicRMWOp(
        kind, data, tracer.ref(tensor), where.indices, sem=sem, scope=scope, tiles=where.tiles,
        mask=mask_of(tracer, None, where),
    )  # fmt: skip
    tracer.effects += 1
    return tracer.tensor(tracer.builder.emit(op), tensor.dtype, tile.access_tiles(op))


def atomic_cas(tracer: Tracer, target: Any, index: Any, expected: Any, value: Any, sem: str) -> DeviceTensor:
    """A compare-and-swap; the previous values."""
    tensor, where = atomic_target(tracer, target, index, sem, "cas")
    old, new = (stored(tracer, tensor, where, part) for part in (expected, value))
    mask = mask_of(tracer, None, where)
    op = tile.AtomicCASOp(old, new, tracer.ref(tensor), where.indices, sem=sem, tiles=where.tiles, mask=mask)
    tracer.effects += 1
    return tracer.tensor(tracer.builder.emit(op), tensor.dtype, tile.access_tiles(op))


_INTEGERS = frozenset((torch.int32, torch.int64, torch.uint32, torch.uint64))
_NUMBERS = _INTEGERS | {torch.float32, torch.float64}
_ATOMIC_DTYPES = {
    "add": _NUMBERS | {torch.float16, torch.bfloat16}, "max": _NUMBERS, "min": _NUMBERS, "xchg": _NUMBERS,
    "and": _INTEGERS, "or": _INTEGERS, "xor": _INTEGERS,
    "cas": _NUMBERS | {torch.float16, torch.bfloat16, torch.int16, torch.uint16},
}  # fmt: skip
"""The dtypes that each atomic works on, on GPUs."""


def atomic_target(tracer: Tracer, target: Any, index: Any, sem: str, kind: str) -> tuple[HostTensor, Indices]:
    if isinstance(target, DeviceTensor) or not isinstance(target, torch.Tensor):
        raise exc.AtomicOnDeviceTensor("atomics work on host tensors")
    if sem not in tile.SEMANTICS:
        raise exc.InvalidAPIUsage(f"unknown memory semantics {sem!r}", hint="relaxed, acquire, release or acq_rel")
    tensor = tracer.host_tensor(target)
    if tensor.dtype not in _ATOMIC_DTYPES[kind]:
        known = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in _ATOMIC_DTYPES[kind]))
        raise exc.InvalidAPIUsage(f"GPUs have no atomic_{kind} of {tensor.dtype}", hint=f"it takes tensors of {known}")
    tracer.placement.writes(tensor, (), atomic=True)
    return tensor, subscript(tracer, tensor, index, writes=True)
