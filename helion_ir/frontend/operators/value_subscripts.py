"""Subscripts of device values: dimensions are kept, added, sliced, or give way to elements and index tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import exc
from ...dialects import tile
from ...language.tiles import Tile
from ..tensors import DeviceTensor, HostTensor
from ..tracer import Tracer
from .memory import fill_ellipsis, flatten_index
from .table import aten, lowers, operand
from .taking import lane_numbers, select, sliced, take_each, take_jointly
from .views import unsqueeze, viewed


def view_value(tracer: Tracer, value: DeviceTensor, index: Any, *, joint: bool = False) -> DeviceTensor:
    """`value[index]` of a device value.

    Several 1-D index tensors select an outer product, each in its own dimension, unless `joint`; as soon as one has
    rank 2 or more, they broadcast as in torch.
    """
    result, axis = value, 0
    tensors: dict[int, DeviceTensor] = {}
    for item in fill_ellipsis(flatten_index(index), value.dim()):
        if item is None:
            result = unsqueeze(tracer, result, axis)
        elif isinstance(item, slice):
            result = sliced(tracer, result, axis, item)
        else:
            found = _index(tracer, result, axis, item)
            if found is None:
                axis += 1
                continue
            if not isinstance(found, DeviceTensor) or found.dim() == 0:
                result = select(tracer, result, axis, found)
                continue
            tensors[axis] = found
        axis += 1
    if tensors:
        return _by_tensors(tracer, result, tensors, joint=joint)
    return viewed(tracer, value.ssa, value, value.tiles, False) if result is value else result


def _index(tracer: Tracer, value: DeviceTensor, axis: int, item: Any) -> Any:
    """An index as a number or an index tensor; None for a tile that the axis is made of."""
    if isinstance(item, Tile):
        if value.tiles[axis] is item.ssa:
            return None
        position = tracer.builder.emit(tile.IndexOp(item.ssa, tracer.index_type))
        return tracer.tensor(position, tracer.options.index_dtype, [item.ssa])
    if isinstance(item, bool | torch.SymBool):
        raise exc.InvalidIndexingType("a truth value is no index")
    if isinstance(item, int | torch.SymInt | DeviceTensor):
        return item
    if isinstance(item, list | tuple) and all(isinstance(i, int) and not isinstance(i, bool) for i in item):
        return _constants(tracer, item)
    if isinstance(item, HostTensor) or (isinstance(item, torch.Tensor) and item.dim()):
        raise exc.HostTensorDirectUsage(
            "a host tensor is used as an index without a subscript", hint="load the indices first: v[:, index[tile]]"
        )
    if isinstance(item, torch.Tensor):
        return tracer.tensor(operand(tracer, item, item.dtype).ssa, item.dtype)
    raise exc.InvalidIndexingType(f"a {type(item).__name__} is no index")


def _constants(tracer: Tracer, numbers: Sequence[int]) -> DeviceTensor:
    """An index tensor of constants."""
    lanes = lane_numbers(tracer, len(numbers))
    result = aten.full_like.default(lanes, numbers[0] if numbers else 0)
    for lane, number in enumerate(numbers[1:], 1):
        result = aten.where.ScalarSelf(aten.eq.Scalar(lanes, lane), number, result)
    return result


def _by_tensors(tracer: Tracer, value: DeviceTensor, tensors: dict[int, DeviceTensor], *, joint: bool) -> DeviceTensor:
    if len(tensors) > 1 and (joint or tile.are_joint([t.dim() for t in tensors.values()])):
        return take_jointly(tracer, value, tensors)
    for axis in sorted(tensors, reverse=True):
        value = take_each(tracer, value, axis, tensors[axis])
    return value


@lowers(aten.index.Tensor, aten._unsafe_index.Tensor)
def index_tensor(tracer: Tracer, x: DeviceTensor, indices: Sequence[Any]) -> DeviceTensor:
    """What PyTorch's own subscripts become: index tensors go together, None keeps a dimension."""
    return view_value(tracer, x, [slice(None) if item is None else item for item in indices], joint=True)


__all__ = ["view_value"]
