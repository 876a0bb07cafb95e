"""Lowerings of conversions, reinterpretations, and operators that return their operand."""

from __future__ import annotations

from typing import Any

import torch

from ... import exc
from ...dialects.value import BitcastOp
from ..builder import element_type
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .table import aten, device_tensor, like, lowers, operand, prims


@lowers(prims.convert_element_type.default)
def convert_element_type(tracer: Tracer, x: Any, dtype: torch.dtype) -> DeviceTensor:
    x = device_tensor(tracer, x)
    elidable = tracer.internal > 1  # what a decomposition converts back is no conversion of the user's
    return like(tracer, tracer.builder.convert(x.ssa, x.dtype, dtype, elidable=elidable), x, dtype)


def rounded(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    """`x.to(x.dtype)`: `x` itself to PyTorch; here a cast of the user's, which rounds."""
    builder = tracer.builder
    result = like(tracer, builder.convert(builder.convert(x.ssa, x.dtype, torch.float32), torch.float32, x.dtype), x)
    return result.view_of(x)


@lowers(aten._to_copy.default)
def to_copy(tracer: Tracer, x: Any, dtype: torch.dtype | None = None, **_: Any) -> DeviceTensor:
    return convert_element_type(tracer, x, dtype or x.dtype)


@lowers(aten.view.dtype)
def bitcast(tracer: Tracer, x: DeviceTensor, dtype: torch.dtype) -> DeviceTensor:
    if x.dtype.itemsize != dtype.itemsize:
        raise exc.InductorLoweringError("no lowering for view(dtype) between types of different widths")
    return like(tracer, tracer.builder.emit(BitcastOp(x.ssa, element_type(dtype))), x, dtype)


@lowers(aten.clone.default, aten.lift_fresh_copy.default)
def clone(tracer: Tracer, x: Any, **_: Any) -> Any:
    """A copy of the tensor."""
    return like(tracer, x.ssa, x) if isinstance(x, DeviceTensor) else x


@lowers(
    aten.alias.default, aten.detach.default, aten.lift_fresh.default, aten.lift.default, aten.contiguous.default,
    aten.positive.default, aten.conj.default, aten.resolve_conj.default, aten.resolve_neg.default,
)  # fmt: skip
def identity(tracer: Tracer, x: Any, **_: Any) -> Any:
    """The operand itself."""
    return x


@lowers(prims.scalar_tensor.default, aten.scalar_tensor.default)
def scalar_tensor(tracer: Tracer, value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> DeviceTensor:
    """A number as a tensor of no dimension."""
    dtype = dtype or torch.get_default_dtype()
    return tracer.tensor(operand(tracer, value, dtype).ssa, dtype)
