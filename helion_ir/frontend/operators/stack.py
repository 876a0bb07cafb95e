"""Stack tensors: accesses to tensors at addresses that the kernel computes.

All memory is one ref (`tile.address_space`), element by element. A subscript of a stack tensor is that of the tensor
which it resembles, made one index into this ref: the address, plus the offset that the subscript selects. The lanes
past the end of a dimension are masked here, as such a ref has no dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from ... import exc
from ...dialects import tile
from ...dialects.dims import dims_of
from ...dialects.value import CompareOp
from ...language.stack import StackTensor
from ...passes.analysis.bounds import constant_value
from ..builder import element_type, ref_element_type
from ..symbols.nodes import poly_of
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from .memory import EVICTION, Indices, mask_of, repeated, stored, subscript

_ADDRESSES = (torch.int64, torch.uint64)


def stacktensor_like(tracer: Tracer, tensor_like: Any, dev_ptrs: Any) -> StackTensor:
    """`hl.stacktensor_like`."""
    if isinstance(tensor_like, DeviceTensor) or not isinstance(tensor_like, torch.Tensor):
        raise exc.StackTensorExampleOnDevice(
            f"the example of a stack tensor must be a host tensor, got a {type(tensor_like).__name__}",
            hint="pass a tensor of the host, without a subscript: only its shape, strides and dtype count",
        )
    if not isinstance(dev_ptrs, DeviceTensor):
        raise exc.StackTensorDevPtrOnHost(
            "the addresses of a stack tensor must be a value of the device",
            hint="load them in a device loop: hl.stacktensor_like(example, dev_ptrs[:])",
        )
    if dev_ptrs.dtype not in _ADDRESSES:
        raise exc.StackTensorDevPtrDtype(f"addresses are int64 or uint64, not {dev_ptrs.dtype}")
    return StackTensor(tracer.host_tensor(tensor_like), dev_ptrs)


def place_in_memory(
    tracer: Tracer, stack: StackTensor, index: Any, *, writes: bool
) -> tuple[SSAValue, Indices, SSAValue | None]:
    """A subscript of a stack tensor: the ref of all memory, the indices into it, and the lanes that exist (None: all).

    Each lane is its own element, so that tiles over a dimension of size 1 read its element where they stand.
    """
    example, pointers = stack.tensor_like, stack.dev_ptrs
    assert isinstance(example, HostTensor)
    assert isinstance(pointers, DeviceTensor)
    where = subscript(tracer, example, index, writes=writes)
    selected, lead = tile.Subscript.of(where.indices), pointers.dim()
    dims, builder = (*dims_of(pointers.ssa), *selected.dims), tracer.builder
    address = pointers.ssa
    if example.dtype.itemsize > 1:
        size = builder.filled(example.dtype.itemsize, i64, dims[:lead])
        address = builder.emit(arith.DivSIOp(address, size))
    position, mask = builder.broadcast(address, dims, range(lead)), None
    for dimension, (each, spans) in enumerate(zip(where.indices, selected.spans, strict=True)):
        if not isinstance(each.type, tile.TileType) and not dims_of(each) and constant_value(each) == 0:
            continue
        along = [lead + axis for axis in spans]
        value = builder.emit(tile.IndexOp(each, i64)) if isinstance(each.type, tile.TileType) else each
        value = builder.integer(value, i64)
        if isinstance(each.type, tile.TileType):
            for bound in _bounds(tracer, each, value, example.shape[dimension]):
                placed = builder.broadcast(bound, dims, along)
                mask = placed if mask is None else builder.emit(arith.AndIOp(mask, placed))
        stride = builder.splat(tracer.integer(example.stride(dimension), i64), dims_of(value))
        offset = builder.broadcast(builder.emit(arith.MuliOp(value, stride)), dims, along)
        position = builder.emit(arith.AddiOp(position, offset))
    result = Indices([position], added=[(axis + lead, of) for axis, of in where.added])
    if dims:
        tiles = [(None, *where.indices, *where.tiles)[number] for number in selected.tile_operands]
        result.tiles = [*map(tracer.axis_tile, dims[:lead], pointers.tiles), *(each for each in tiles if each)]
    ref = builder.emit(tile.AddressSpaceOp(ref_element_type(example.dtype)))
    return ref, result, mask


def _mask(tracer: Tracer, mask: Any, where: Indices, inside: SSAValue | None) -> SSAValue | None:
    given = mask_of(tracer, mask, where)
    if given is None or inside is None:
        return inside if given is None else given
    return tracer.builder.emit(arith.AndIOp(given, inside))


def load(tracer: Tracer, stack: StackTensor, index: Any, mask: Any, eviction_policy: str | None) -> DeviceTensor:
    """`stack[index]`; lanes that are not read hold zero."""
    ref, where, inside = place_in_memory(tracer, stack, index, writes=False)
    zero = tracer.builder.constant(0, element_type(stack.dtype))
    op = tile.LoadOp(
        ref, where.indices, tiles=where.tiles, mask=_mask(tracer, mask, where, inside), other=zero,
        eviction_policy=EVICTION[eviction_policy],
    )  # fmt: skip
    value, tiles = tracer.builder.emit(op), list(tile.access_tiles(op))
    for axis, of in where.added:
        value = tracer.builder.expand_dims(value, axis)
        tiles.insert(axis, of)  # pyright: ignore[reportArgumentType]
    return tracer.tensor(repeated(tracer, value, where), stack.dtype, tiles)


def store(tracer: Tracer, stack: StackTensor, index: Any, value: Any, mask: Any) -> None:
    """`stack[index] = value`: the value broadcasts along the addresses."""
    ref, where, inside = place_in_memory(tracer, stack, index, writes=True)
    data = stored(tracer, stack.tensor_like, where, value)  # pyright: ignore[reportArgumentType]
    tracer.effects += 1
    lanes = _mask(tracer, mask, where, inside)
    tracer.builder.append(tile.StoreOp(data, ref, where.indices, tiles=where.tiles, mask=lanes))


def _bounds(tracer: Tracer, over: SSAValue, positions: SSAValue, size: Any) -> Sequence[SSAValue]:
    """Which positions of a tile lie in a dimension, where that is not known of all."""
    builder, dims = tracer.builder, dims_of(positions)
    found: list[SSAValue] = []
    if tracer.may_begin_before(over):
        found.append(builder.emit(CompareOp("ge", positions, builder.filled(0, i64, dims))))
    whole = isinstance(over.owner, tile.WholeOp) and tracer.poly_of_dim(dims[0]) == poly_of(size)
    if not whole and not tracer.ends_within(over, size):
        found.append(builder.emit(CompareOp("lt", positions, builder.splat(tracer.integer(size, i64), dims))))
    return found
