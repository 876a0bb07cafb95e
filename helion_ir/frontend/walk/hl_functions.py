"""The functions of `hl`: what each one emits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from xdsl.ir import Operation

from ... import exc
from ... import language as hl
from ...dialects import tile
from ...dialects.dims import Dim, dims_of
from ...dialects.names import block_param
from ...language.api import implement
from ...language.stack import StackTensor
from ...language.tiles import Tile, Tiles, tile_shift
from ...sizes import next_power_of_2
from ..builder import UNSIGNED
from ..operators import combining, memory, products, products_scaled, reductions, stack, value_subscripts, views
from ..operators import split_join as parts
from ..symbols.nodes import poly_of
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .loops import Loop, index_value, scalar_number
from .static_loops import StaticRange

# Loops


def _bounds(tracer: Tracer, begin_or_end: Any, end: Any) -> tuple[list[Any], list[Any], bool]:
    single = not isinstance(begin_or_end, list | tuple)
    if end is not None and single != (not isinstance(end, list | tuple)):
        raise exc.InvalidTileRange("begin and end must both be sizes, or both sequences of sizes")
    first = [begin_or_end] if single else list(begin_or_end)
    if end is None:
        begins, ends = [0] * len(first), first
    else:
        begins, ends = first, [end] if single else list(end)
    if len(begins) != len(ends):
        raise exc.InvalidTileRange(f"{len(begins)} begins but {len(ends)} ends")
    if not ends:
        raise exc.InvalidTileRange("a loop needs at least one dimension")
    tracer.needs_number(*(poly_of(bound) for bound in (*begins, *ends) if type(bound) is torch.SymInt))
    begins, ends = ([_read(tracer, bound) for bound in bounds] for bounds in (begins, ends))
    for bound in (*begins, *ends):
        if isinstance(bound, Tile):
            raise exc.TileOfTile("a tile is no extent to loop over", hint="loop from tile.begin to tile.end")
        if isinstance(bound, bool) or not isinstance(bound, int | torch.SymInt | torch.Tensor):
            raise exc.InvalidTileRange(f"a loop bound must be an integer, got {type(bound).__name__}")
    for low, high in zip(begins, ends, strict=True):
        if isinstance(low, int) and isinstance(high, int) and low > high:
            raise exc.InvalidTileRange(f"the loop begins at {low}, after its end {high}")
    return begins, ends, single


def _read(tracer: Tracer, bound: Any) -> Any:
    """A bound; a host tensor of rank 0 is read by the device."""
    if isinstance(bound, torch.Tensor) and not isinstance(bound, DeviceTensor) and bound.dim() == 0:
        return memory.load(tracer, tracer.host_tensor(bound), ())
    return bound


def _per_dimension(value: Any, count: int, what: str) -> list[Any]:
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise exc.InvalidTileRange(f"{len(values)} {what}s for {count} dimensions")
    return values


@implement(hl.tile)
def loop_tile(tracer: Tracer, begin_or_end: Any, end: Any = None, /, block_size: Any = None) -> Loop:
    begins, ends, single = _bounds(tracer, begin_or_end, end)
    blocks = [_block(tracer, size) for size in _per_dimension(block_size, len(ends), "block size")]
    return Loop(begins, ends, blocks, single)


def _block(tracer: Tracer, size: Any) -> Dim:
    if size is None:
        return tracer.new_block()
    if isinstance(size, torch.SymInt):
        dim = tracer.dim(size)
        if isinstance(dim, str):
            return dim
        size = dim
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise exc.InvalidTileRange(f"a block size must be a positive int or a registered block size, got {size!r}")
    return tracer.new_block(size, size)


@implement(hl.grid)
def loop_grid(tracer: Tracer, begin_or_end: Any, end: Any = None, /, step: Any = None) -> Loop:
    begins, ends, single = _bounds(tracer, begin_or_end, end)
    steps = [1 if s is None else s for s in _per_dimension(step, len(ends), "step")]
    for s in steps:
        if isinstance(s, bool) or not isinstance(s, int | torch.SymInt | torch.Tensor) or (type(s) is int and s < 1):
            raise exc.InvalidTileRange(f"the step of hl.grid must be a positive integer, got {s!r}")
    return _stepped(tracer, begins, ends, steps, single)


def _stepped(tracer: Tracer, begins: list[Any], ends: list[Any], steps: list[Any], single: bool) -> Loop:
    """A loop over scalar indices; where a step is no positive constant, over the numbers of its iterations."""
    scales: list[tuple[Any, Any] | None] = [None] * len(steps)
    begins, ends, steps = list(begins), list(ends), list(steps)
    for dim, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if type(step) is not int or step < 1:
            first, last, by = (scalar_number(tracer, each) for each in (begin, end, step))
            scales[dim] = (first, by)
            begins[dim], ends[dim], steps[dim] = 0, -((first - last) // by), 1
    return Loop(begins, ends, steps, single, scales=scales)


@implement(hl.jagged_tile)
def loop_jagged(tracer: Tracer, lengths: Any, /) -> Loop:
    if not isinstance(lengths, DeviceTensor) or lengths.dim() == 0:
        got = "a scalar" if isinstance(lengths, DeviceTensor) else f"a {type(lengths).__name__}"
        raise exc.InvalidJaggedTileUsage(
            f"hl.jagged_tile takes a device tensor with a length for each lane of the tiles around it, got {got}",
            hint="an inner loop: `lengths = offsets[tile.index + 1] - offsets[tile]`; to one end, hl.tile(end)",
        )
    if lengths.dtype.is_floating_point or lengths.dtype == torch.bool:
        raise exc.InvalidJaggedTileUsage(f"lengths are integers, not {lengths.dtype}")
    for dim, known in zip(dims_of(lengths.ssa), lengths.tiles, strict=True):
        if tracer.walked_tile(dim, known) is None:
            raise exc.InvalidJaggedTileUsage(
                f"an axis of the lengths, of size {dim}, is no tile of a loop around",
                hint="load the lengths by a tile: lengths[tile]",
            )
    index = tracer.options.index_dtype
    ends = tracer.tensor(
        tracer.builder.integer(lengths.ssa, tracer.index_type, unsigned=lengths.dtype in UNSIGNED), index, lengths.tiles
    )
    return Loop([0], [reductions.amax(tracer, ends)], [tracer.new_block()], single=True, jagged=ends)


def loop_range(tracer: Tracer, begin_or_end: Any, end: Any = None, step: Any = 1) -> Loop:
    """`range` in a `for` statement of device code."""
    if type(step) is int and step < 0:
        begins, ends, single = _bounds(tracer, end, begin_or_end)
        return _stepped(tracer, ends, begins, [step], single)
    return loop_grid(tracer, begin_or_end, end, step=step)


@implement(hl.static_range)
def static_range(tracer: Tracer, begin_or_end: Any, end: Any = None, /, step: int = 1) -> StaticRange:
    bounds = (0, begin_or_end, step) if end is None else (begin_or_end, end, step)
    for bound in bounds:
        if isinstance(bound, bool) or not isinstance(bound, int | torch.SymInt) or isinstance(bound, Tile):
            raise exc.InvalidTileRange(
                f"the bounds of hl.static_range must be compile-time ints, got {type(bound).__name__}"
            )
    if step == 0:
        raise exc.InvalidTileRange("the step of hl.static_range must not be 0")
    return StaticRange(range(*map(int, bounds)))


@implement(hl.barrier)
def barrier(tracer: Tracer) -> None:
    where = "inside a device loop" if tracer.in_device else "in another place than between top-level loops"
    raise exc.BarrierOnlyAllowedAtTopLevel(
        f"hl.barrier() is called {where}",
        hint="make it a statement between two top-level loops: all programs of the kernel meet there",
    )


# Compile time


@implement(hl.register_block_size)
def register_block_size(tracer: Tracer, min_or_max: Any, max: Any = None) -> Any:
    if tracer.in_device:
        raise exc.NotAllowedOnDevice("hl.register_block_size is host code", hint="call it before the outermost loop")
    low, high = (1, min_or_max) if max is None else (min_or_max, max)
    low, high = (tracer.hint_of(poly_of(v)) if isinstance(v, torch.SymInt) else v for v in (low, high))
    if not isinstance(low, int) or not isinstance(high, int) or not low >= 1:
        raise exc.InvalidAPIUsage("hl.register_block_size takes a maximum, or a minimum and a maximum")
    low, high = next_power_of_2(low), next_power_of_2(high)
    name = tracer.new_block(low, None if low >= high else high)
    tracer.registered(block_param(name))
    return tracer.size(name)


@implement(hl.specialize)
def specialize(tracer: Tracer, value: Any) -> Any:
    if isinstance(value, list | tuple):
        parts = [specialize(tracer, part) for part in value]
        return torch.Size(parts) if isinstance(value, torch.Size) else type(value)(parts)
    if isinstance(value, torch.SymInt) and not isinstance(value, Tile):
        if any(atom.startswith("@") for atom in poly_of(value).atoms()):
            raise exc.SpecializeOnDevice("a value that only the device knows cannot be a constant")
        return tracer.specialize(value)
    if isinstance(value, int):
        return value
    raise exc.SpecializeArgType(f"hl.specialize takes sizes and strides, got {type(value).__name__}")


# Tiles


def _tile_scalar(name: str, op: Any) -> Any:
    def implementation(tracer: Tracer, of: Tile) -> Any:
        ssa = _ssa(of)
        return tracer.device_scalar(lambda: tracer.builder.emit(op(ssa, tracer.index_type)), f"{name}{id(ssa)}")

    return implementation


def _ssa(of: Any) -> Any:
    if isinstance(of, Tiles):
        of._refuse()
    if not isinstance(of, Tile):
        raise exc.IncorrectTileUsage(f"expected a tile, got {type(of).__name__}")
    return of.ssa


implement(hl.tile_begin)(_tile_scalar("begin", tile.BeginOp))
implement(hl.tile_end)(_tile_scalar("end", tile.EndOp))
implement(hl.tile_id)(_tile_scalar("id", tile.IdOp))
implement(hl.tile_count)(_tile_scalar("count", tile.CountOp))


@implement(hl.tile_block_size)
def tile_block_size(tracer: Tracer, of: Tile) -> Any:
    return tracer.size(_ssa(of).type.dim)


@implement(hl.tile_index)
def tile_index(tracer: Tracer, of: Tile) -> DeviceTensor:
    value = tracer.builder.emit(tile.IndexOp(_ssa(of), tracer.index_type))
    return tracer.tensor(value, tracer.options.index_dtype, [of.ssa])


@implement(tile_shift)
def shift(tracer: Tracer, of: Tile, offset: Any) -> Tile:
    return tracer.make_tile(tracer.builder.emit(tile.ShiftOp(of.ssa, index_value(tracer, offset))))


# Values


@implement(hl.zeros)
def zeros(tracer: Tracer, shape: Sequence[Any], dtype: torch.dtype = torch.float32, device: Any = None) -> DeviceTensor:
    return full(tracer, shape, 0, dtype)


@implement(hl.full)
def full(
    tracer: Tracer, shape: Sequence[Any], value: Any, dtype: torch.dtype = torch.float32, device: Any = None
) -> DeviceTensor:
    sizes = list(shape) if isinstance(shape, list | tuple) else [shape]
    sizes = memory.flatten_index(sizes)
    return views.filled(tracer, [sizes], value, dtype)


@implement(hl.arange)
def arange(
    tracer: Tracer, *bounds: Any, step: int | None = None, dtype: torch.dtype | None = None, device: Any = None
) -> DeviceTensor:
    if not 1 <= len(bounds) <= 3 or (len(bounds) == 3 and step is not None):
        raise exc.InvalidAPIUsage("hl.arange takes an end, a begin and an end, or a begin, an end and a step")
    given: list[Any] = [*bounds] if len(bounds) > 1 else [0, *bounds]
    by = given[2] if len(given) == 3 else 1 if step is None else step
    return views.arange(tracer, given[0], given[1], by, dtype=dtype or tracer.options.index_dtype)


@implement(hl.clamp)
def clamp(tracer: Tracer, x: Any, min: Any = None, max: Any = None) -> Any:
    raised = x if min is None else torch.clamp(x, min=min)
    return raised if max is None else torch.clamp(raised, max=max)


implement(hl.dot)(products.hl_dot)
implement(hl.dot_scaled)(products_scaled.hl_dot_scaled)
implement(hl.split)(parts.split)
implement(hl.join)(parts.join)
implement(hl.subscript)(value_subscripts.view_value)
implement(hl.reduce)(combining.reduce)
implement(hl.associative_scan)(combining.associative_scan)


@implement(hl.cumsum)
def cumsum(tracer: Tracer, x: DeviceTensor, dim: int, reverse: bool = False) -> DeviceTensor:
    return reductions.scan(tracer, "sum", x, dim, x.dtype, reverse)


@implement(hl.cumprod)
def cumprod(tracer: Tracer, x: DeviceTensor, dim: int, reverse: bool = False) -> DeviceTensor:
    return reductions.scan(tracer, "prod", x, dim, x.dtype, reverse)


# Memory

implement(hl.stacktensor_like)(stack.stacktensor_like)


@implement(hl.load)
def load(
    tracer: Tracer, tensor: Any, index: Any, extra_mask: Any = None, eviction_policy: str | None = None
) -> DeviceTensor:
    if isinstance(tensor, StackTensor):
        return stack.load(tracer, tensor, index, extra_mask, eviction_policy)
    if isinstance(tensor, DeviceTensor):
        raise exc.InvalidAPIUsage("hl.load reads host tensors", hint="hl.subscript views a device value")
    return memory.load(tracer, tracer.host_tensor(tensor), index, extra_mask, eviction_policy)


@implement(hl.store)
def store(tracer: Tracer, tensor: Any, index: Any, value: Any, extra_mask: Any = None) -> None:
    if isinstance(tensor, StackTensor):
        stack.store(tracer, tensor, index, value, extra_mask)
        return
    if isinstance(tensor, DeviceTensor):
        raise exc.DeviceTensorSubscriptAssignmentNotAllowed("a device value has no memory to store into")
    memory.store(tracer, tracer.host_tensor(tensor), index, value, extra_mask)


def _register_atomics() -> None:
    def make(kind: str) -> Any:
        def implementation(tracer: Tracer, target: Any, index: Any, value: Any, sem: str = "relaxed") -> DeviceTensor:
            return memory.atomic(tracer, kind, target, index, value, sem)

        return implementation

    for kind in ("add", "and", "or", "xor", "xchg", "max", "min"):
        implement(getattr(hl, f"atomic_{kind}"))(make(kind))


_register_atomics()


@implement(hl.atomic_cas)
def atomic_cas(
    tracer: Tracer, target: Any, index: Any, expected: Any, value: Any, sem: str = "relaxed"
) -> DeviceTensor:
    return memory.atomic_cas(tracer, target, index, expected, value, sem)


__all__ = ["Loop", "Operation", "loop_range"]
