"""Operations in place on device values: the tensor stands for another SSA value from there on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.dims import Dim, dims_of
from ..operators.table import LOWERINGS, Operand, aten, broadcast_to
from ..tensors import AxisTile, DeviceTensor, MergedTiles
from ..tracer import Tracer
from .lanes import Lanes


def assign(tracer: Tracer, target: DeviceTensor, value: Any) -> DeviceTensor:
    """`target` stands for `value` from here on, in its own dtype and shape."""
    if target.is_view or target.is_viewed:
        what = "a view of a device value" if target.is_view else "a device value of which a view is in use"
        raise exc.NotAllowedOnDevice(
            f"an in-place operation on {what}", hint="assign the result to a variable instead, or view a .clone()"
        )
    if target.may_alias is not None:
        raise exc.NotAllowedOnDevice(
            f"an in-place operation on a tensor that may be that of several variables: {target.may_alias}",
            hint="assign the result to a variable instead, or bind a .clone() before the loop or branch",
        )
    if isinstance(value, DeviceTensor):
        if not torch.can_cast(value.dtype, target.dtype):
            raise exc.TorchOpTracingError(f"result type {value.dtype} can't be cast to {target.dtype} in place")
        converted = Operand(tracer.builder.convert(value.ssa, value.dtype, target.dtype), value.tiles)
    else:
        raise exc.TorchOpTracingError("an in-place operation needs a tensor")
    dims = dims_of(target.ssa)
    result = broadcast_to(tracer, converted, dims)
    if result is None:
        raise exc.ShapeMismatch(f"a value of {list(dims_of(converted.ssa))} does not fit into {list(dims)} in place")
    target.ssa = result
    target.tiles = _tiles_in_place(tracer, target, converted, dims)
    target.reduced = target.reduced or getattr(value, "reduced", False)
    Lanes(tracer).settle_in_place(target)
    return target


def _tiles_in_place(tracer: Tracer, target: DeviceTensor, value: Operand, dims: Sequence[Dim]) -> tuple[AxisTile, ...]:
    """The tiles of a tensor's axes after an operation in place, whose result had those of `value`."""
    source = dims_of(value.ssa)
    lead = len(dims) - len(source)
    tiles = list(target.tiles)
    for axis, (dim, known) in enumerate(zip(source, value.tiles, strict=True), lead):
        if isinstance(known, MergedTiles) and dim == dims[axis]:
            tiles[axis] = known
        elif isinstance(known, SSAValue) and (dim == dims[axis] or dim != 1):
            tiles[axis] = known if dim == dims[axis] else tracer.renamed_tile(known, dims[axis])
    return tuple(tiles)


def _fill(tracer: Tracer, target: DeviceTensor, value: Any) -> DeviceTensor:
    filled = LOWERINGS[aten.full_like.default](tracer, target, value)
    return assign(tracer, target, filled)


LOWERINGS[aten.fill_.Scalar] = LOWERINGS[aten.fill_.Tensor] = _fill
LOWERINGS[aten.zero_.default] = lambda tracer, target: _fill(tracer, target, 0)
LOWERINGS[aten.copy_.default] = lambda tracer, target, value, non_blocking=False: assign(
    tracer, target, LOWERINGS[torch.ops.prims.convert_element_type.default](tracer, value, target.dtype)
)
