"""What special functions share: conversion to the dtype that is computed in, series, loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND as Promotion
from xdsl.ir import Block, Region, SSAValue

from ....dialects import tile
from ....dialects.dims import dims_of
from ...builder import Builder
from ...tensors import DeviceTensor
from ...tracer import Tracer
from ..table import broadcast, lowers, operand, promote
from .tables import Series

FLOAT = Promotion.INT_TO_FLOAT
Function = TypeVar("Function", bound=Callable[..., Any])


def special(*overloads: Any, kind: Promotion = FLOAT) -> Callable[[Function], Function]:
    """Register a function of the tracer and tensors, all of one dtype and size, for ATen overloads.

    It is computed in float32 for halves and (of `FLOAT`) integers, and its result converted back.
    """

    def register(function: Function) -> Function:
        lowers(*overloads)(lambda tracer, *args: applied(tracer, function, args, kind))
        return function

    return register


def applied(tracer: Tracer, function: Callable[..., Any], args: Sequence[Any], kind: Promotion = FLOAT) -> DeviceTensor:
    """The function of arguments of any dtypes and sizes."""
    compute, result = promote(args, kind)
    values, tiles, reduced = broadcast(tracer, [operand(tracer, arg, compute) for arg in args])
    value = function(tracer, *(tracer.tensor(v, compute, tiles, reduced=reduced) for v in values))
    back = tracer.builder.convert(value.ssa, value.dtype, result, elidable=True)
    return tracer.tensor(back, result, value.tiles, reduced=reduced)


def emitted(
    tracer: Tracer, emit: Callable[[Builder, Sequence[SSAValue]], SSAValue], *args: torch.Tensor
) -> DeviceTensor:
    """A tensor like the first one, of an op of these."""
    tensors = [_device(arg) for arg in args]
    return _again(tracer, emit(tracer.builder, [tensor.ssa for tensor in tensors]), tensors[0])


def chebyshev(x: torch.Tensor, series: Series) -> torch.Tensor:
    """A series at `x` by Clenshaw's recurrence, with the terms that the dtype sees."""
    low, high, coefficients = series
    smallest = (1e-17 if x.dtype == torch.float64 else 1e-9) * max(map(abs, coefficients))
    count = max(n for n, c in enumerate(coefficients) if abs(c) > smallest)
    u = (x - (high + low) / 2) * (2 / (high - low))
    twice = u + u
    first: Any = coefficients[count]
    second: Any = 0.0
    for c in reversed(coefficients[1:count]):
        first, second = twice * first - second + c, first
    return u * first - second + coefficients[0]


def polynomial(x: torch.Tensor, coefficients: Sequence[float]) -> torch.Tensor:
    """A polynomial by Horner's rule, the constant coefficient first."""
    total: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = x * total + c
    return total


def repeated(
    tracer: Tracer,
    count: int | torch.Tensor,
    carried: Sequence[torch.Tensor],
    step: Callable[..., Sequence[torch.Tensor]],
) -> list[torch.Tensor]:
    """A loop on the device: `carried = step(i, *carried)` for i from 0 below `count`, a scalar."""
    builder, index = tracer.builder, tracer.index_type
    tensors: list[DeviceTensor] = [_device(value) for value in carried]
    begin = builder.constant(0, index)
    end = (
        builder.constant(count, index)
        if isinstance(count, int)
        else operand(tracer, count, _INDEX[index.width.data]).ssa
    )
    block = Block(arg_types=[index, *(value.ssa.type for value in tensors)])
    tracer.begins[block.args[0]] = begin
    place = builder.location
    with tracer.into(block), tracer.tiles_active([]):
        number = tracer.tensor(block.args[0], _INDEX[index.width.data])
        values = [_again(tracer, arg, value) for arg, value in zip(block.args[1:], tensors, strict=True)]
        after = [_device(value) for value in step(number, *values)]
        builder.location = place
        builder.append(tile.YieldOp(*(value.ssa for value in after)))
    loop = tile.ForOp([begin], [end], [1], [value.ssa for value in tensors], Region(block))
    builder.append(loop)
    return [_again(tracer, result, value) for result, value in zip(loop.res, tensors, strict=True)]


_INDEX = {32: torch.int32, 64: torch.int64}


def _device(value: torch.Tensor) -> DeviceTensor:
    assert isinstance(value, DeviceTensor)
    return value


def _again(tracer: Tracer, ssa: SSAValue, value: DeviceTensor) -> DeviceTensor:
    return tracer.tensor(ssa, value.dtype, value.tiles, reduced=value.reduced)


def largest(x: torch.Tensor, below: int) -> torch.Tensor:
    """The largest of the valid elements as an integer scalar, `below` at most."""
    clipped = torch.clamp(torch.nan_to_num(x, 0.0), 0, below).to(torch.int32)
    return torch.amax(clipped) if dims_of(_device(x).ssa) else clipped
