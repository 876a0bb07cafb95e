"""Random numbers: `hl.rand` and its like by seeds of the user's, PyTorch's functions by seeds of its generator.

All are made of the bits of `value.philox`, one offset a lane (`lane_offsets`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from xdsl.ir import SSAValue

from ... import exc
from ... import language as hl
from ...dialects.dims import dims_of
from ...dialects.value import PhiloxOp
from ...dialects.value.random import UNIT
from ...language.api import implement
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from .lane_offsets import lane_offsets
from .memory import flatten_index
from .table import Operand, aten, broadcast_to, device_tensor, lowers, lowers_function, operand
from .views import tiles_of_sizes, to_dims


def _bits(tracer: Tracer, seed: SSAValue, offset: SSAValue, tiles: Sequence[AxisTile]) -> list[DeviceTensor]:
    """The four int32 draws of each lane."""
    op = PhiloxOp(seed, offset)
    tracer.builder.append(op)
    return [tracer.tensor(result, torch.int32, tiles) for result in op.results]


def _uniform(draws: Sequence[DeviceTensor], dtype: torch.dtype = torch.float32) -> Any:
    """Uniform numbers in [0, 1): in float32 those of `tl.rand`.

    A narrower dtype gets as many bits as it holds, so that nothing rounds up to 1; float64 gets those of two draws.
    """
    if dtype == torch.float64:
        high, low = (draw.to(torch.int64) for draw in draws[:2])
        return ((high & 0xFFFFFFE0) * (1 << 21) + ((low & 0xFFFFFFFF) >> 6)).to(torch.float64) * 2.0**-53
    folded = draws[0] ^ (draws[0] >> 31)
    if dtype == torch.float32:
        return folded.to(torch.float32) * UNIT
    digits = 2 - math.frexp(torch.finfo(dtype).eps)[1]
    return ((folded >> (31 - digits)).to(torch.float32) * 2.0**-digits).to(dtype)


def _normal(draws: Sequence[DeviceTensor], dtype: torch.dtype) -> Any:
    """Numbers of the standard normal distribution by Box and Muller, as `tl.randn` makes them."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    step = 2 if dtype == torch.float64 else 1
    radius, angle = (_uniform(part, wide) for part in (draws[:step], draws[step:]))
    return (torch.sqrt(-2.0 * torch.log(torch.clamp(radius, min=1e-7))) * torch.cos(2 * math.pi * angle)).to(dtype)


def _below(draws: Sequence[DeviceTensor], low: Any, high: Any) -> Any:
    """Integers from `low` up to and without `high`, in int64: of one draw where the span fits in 32 bits."""
    span = high - low
    words = draws[0].to(torch.int64) & 0xFFFFFFFF
    if not isinstance(span, int) or span > 2**32:
        words = (words << 31) | ((draws[1].to(torch.int64) & 0xFFFFFFFF) >> 1)
    return words % span + low


# Seeds of the user's


def _seed(tracer: Tracer, seed: Any, offset: SSAValue) -> SSAValue:
    """The user's seed as i64: a scalar, or one for each lane."""
    if isinstance(seed, float | torch.SymFloat) or (isinstance(seed, torch.Tensor) and seed.dtype.is_floating_point):
        raise exc.InvalidAPIUsage("a seed is an integer: a number, or one that was loaded from a tensor")
    value = operand(tracer, seed, torch.int64)
    return value.ssa if not dims_of(value.ssa) else _fitting(tracer, value, offset, "a seed")


def _fitting(tracer: Tracer, value: Operand, like: SSAValue, what: str) -> SSAValue:
    fitting = broadcast_to(tracer, value, dims_of(like))
    if fitting is None:
        raise exc.ShapeMismatch(f"{what} of shape {list(dims_of(value.ssa))} for {list(dims_of(like))} numbers")
    return fitting


def _offsets(tracer: Tracer, shape: Any, offsets: Any) -> tuple[SSAValue, Sequence[AxisTile]]:
    """The offset of each lane of a shape that the user wrote, and the tiles of its axes."""
    sizes = flatten_index(list(shape) if isinstance(shape, list | tuple) else [shape])
    dims, tiles = to_dims(tracer, [sizes]), tiles_of_sizes(sizes)
    index = lane_offsets(tracer, dims, tiles)
    if offsets is None:
        return index, tiles
    return _fitting(tracer, _given_offsets(tracer, offsets), index, "offsets"), tiles


def _given_offsets(tracer: Tracer, offsets: Any) -> Operand:
    """The user's offsets: integers of 32 or 64 bits."""
    offsets = device_tensor(tracer, offsets)
    if offsets.dtype.is_floating_point or offsets.dtype == torch.bool:
        raise exc.InvalidAPIUsage(f"offsets are integers, not {offsets.dtype}")
    narrow = offsets.dtype.itemsize < 4
    return operand(tracer, offsets, torch.int32 if narrow else offsets.dtype)


@implement(hl.rand)
def hl_rand(tracer: Tracer, shape: Any, seed: Any, device: Any = None, offsets: Any = None) -> Any:
    where, tiles = _offsets(tracer, shape, offsets)
    return _uniform(_bits(tracer, _seed(tracer, seed, where), where, tiles))


@implement(hl.randint)
def hl_randint(
    tracer: Tracer, shape: Any, low: Any, high: Any, seed: Any, device: Any = None, offsets: Any = None
) -> Any:
    if isinstance(low, int) and isinstance(high, int) and not 0 < high - low <= 2**31:
        raise exc.InvalidAPIUsage(f"hl.randint from {low} to {high}: there must be 1 to 2**31 numbers to draw from")
    where, tiles = _offsets(tracer, shape, offsets)
    draw = _bits(tracer, _seed(tracer, seed, where), where, tiles)[0].to(torch.int64)
    return (torch.abs(draw) % (high - low) + low).to(torch.int32)


@implement(hl.rand4x)
def hl_rand4x(tracer: Tracer, seed: Any, offsets: Any) -> Any:
    given = _given_offsets(tracer, offsets)
    draws = _bits(tracer, _seed(tracer, seed, given.ssa), given.ssa, given.tiles)
    return tuple(_uniform([draw]) for draw in draws)


# Seeds of torch's generator


def _drawn(tracer: Tracer, sizes: Any, generator: Any) -> list[DeviceTensor]:
    """The draws of one site of the kernel for a shape, by a seed of this call's."""
    if generator is not None:
        raise exc.TorchOpTracingError(
            "device code draws from torch's default generator", hint="hl.rand takes a seed of yours"
        )
    if isinstance(sizes, DeviceTensor):
        dims, tiles = dims_of(sizes.ssa), sizes.tiles
    else:
        dims, tiles = to_dims(tracer, [sizes]), tiles_of_sizes(sizes)
    return _bits(tracer, tracer.seeds.draw(), lane_offsets(tracer, dims, tiles, iterations=True), tiles)


def _floating(dtype: torch.dtype | None) -> torch.dtype:
    dtype = dtype or torch.get_default_dtype()
    if not dtype.is_floating_point:
        raise exc.TorchOpTracingError(f"random numbers of {dtype}: floating dtypes only", hint="torch.randint")
    return dtype


@lowers(aten.rand.default, aten.rand.generator)
def rand(tracer: Tracer, size: Any, *, generator: Any = None, dtype: Any = None, **_: Any) -> Any:
    return _uniform(_drawn(tracer, size, generator), _floating(dtype))


@lowers(aten.randn.default, aten.randn.generator)
def randn(tracer: Tracer, size: Any, *, generator: Any = None, dtype: Any = None, **_: Any) -> Any:
    return _normal(_drawn(tracer, size, generator), _floating(dtype))


@lowers(aten.rand_like.default)
def rand_like(tracer: Tracer, x: DeviceTensor, *, generator: Any = None, dtype: Any = None, **_: Any) -> Any:
    return _uniform(_drawn(tracer, x, generator), _floating(dtype or x.dtype))


@lowers(aten.randn_like.default)
def randn_like(tracer: Tracer, x: DeviceTensor, *, generator: Any = None, dtype: Any = None, **_: Any) -> Any:
    return _normal(_drawn(tracer, x, generator), _floating(dtype or x.dtype))


def _integers(tracer: Tracer, sizes: Any, low: Any, high: Any, generator: Any, dtype: torch.dtype) -> Any:
    if isinstance(low, int) and isinstance(high, int) and low >= high:
        raise exc.TorchOpTracingError(f"random integers from {low} to {high}: there are none")
    return _below(_drawn(tracer, sizes, generator), low, high).to(dtype)


@lowers(aten.randint.low, aten.randint.low_generator)
def randint(
    tracer: Tracer, low: Any, high: Any, size: Any, *, generator: Any = None, dtype: Any = None, **_: Any
) -> Any:
    return _integers(tracer, size, low, high, generator, dtype or torch.int64)


@lowers(aten.randint.default, aten.randint.generator)
def randint_below(tracer: Tracer, high: Any, size: Any, **options: Any) -> Any:
    return randint(tracer, 0, high, size, **options)


@lowers(aten.randint_like.low_dtype)
def randint_like(tracer: Tracer, x: DeviceTensor, low: Any, high: Any, *, dtype: Any = None, **_: Any) -> Any:
    return _integers(tracer, x, low, high, None, dtype or x.dtype)


@lowers(aten.randint_like.default)
def randint_like_below(tracer: Tracer, x: DeviceTensor, high: Any, **options: Any) -> Any:
    return randint_like(tracer, x, 0, high, **options)


@lowers(aten.random.to)
def random_below(tracer: Tracer, x: DeviceTensor, high: Any, *, generator: Any = None) -> Any:
    return _integers(tracer, x, 0, high, generator, x.dtype)


@lowers(getattr(aten.random, "from"))
def random_between(tracer: Tracer, x: DeviceTensor, low: Any, high: Any, *, generator: Any = None) -> Any:
    return _integers(tracer, x, low, high, generator, x.dtype)


@lowers(aten.bernoulli.p, aten.bernoulli.Tensor)
def bernoulli(tracer: Tracer, x: DeviceTensor, p: Any = 0.5, *, generator: Any = None) -> Any:
    return (_uniform(_drawn(tracer, x, generator)) < p).to(x.dtype)


@lowers(aten.bernoulli.default)
def bernoulli_of(tracer: Tracer, x: DeviceTensor, *, generator: Any = None) -> Any:
    return bernoulli(tracer, x, x, generator=generator)


@lowers(aten.uniform.default)
def uniform(tracer: Tracer, x: DeviceTensor, low: Any = 0.0, high: Any = 1.0, *, generator: Any = None) -> Any:
    return _uniform(_drawn(tracer, x, generator), _floating(x.dtype)) * (high - low) + low


@lowers(aten.normal_functional.default)
def normal(tracer: Tracer, x: DeviceTensor, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Any:
    return _normal(_drawn(tracer, x, generator), _floating(x.dtype)) * std + mean


@lowers(aten.normal.Tensor_Tensor, aten.normal.Tensor_float)
def normal_around(tracer: Tracer, mean: DeviceTensor, std: Any = 1.0, *, generator: Any = None) -> Any:
    shape = torch.broadcast_tensors(mean, std)[0] if isinstance(std, torch.Tensor) else mean
    return normal(tracer, shape, mean, std, generator=generator)


@lowers(aten.normal.float_Tensor)
def normal_scaled(tracer: Tracer, mean: Any, std: DeviceTensor, *, generator: Any = None) -> Any:
    return normal(tracer, std, mean, std, generator=generator)


@lowers(aten.normal.float_float)
def normal_of(tracer: Tracer, mean: Any, std: Any, size: Any, **options: Any) -> Any:
    return randn(tracer, size, **options) * std + mean


@lowers_function(torch.nn.functional.dropout, torch.dropout)
def dropout(tracer: Tracer, input: Any, p: Any = 0.5, training: Any = True, inplace: bool = False, **train: Any) -> Any:
    """Each lane is 0 with probability `p`, else itself over `1 - p`; the draws are float32 whatever the dtype."""
    x, training = input, train.get("train", training)
    if not isinstance(x, DeviceTensor):
        return NotImplemented
    if isinstance(p, float | int) and not 0 <= p <= 1:
        raise exc.TorchOpTracingError(f"dropout probability has to be between 0 and 1, but got {p}")
    on_host = isinstance(p, float | int) or (isinstance(p, torch.SymFloat) and p.node.hint is not None)
    if not tracer.constant(training) or (on_host and p == 0):
        return x
    if on_host and p == 1:
        return x * 0
    kept: Any = 1.0 - p  # type: ignore[operator] - a SymFloat, too
    result = x * (_uniform(_drawn(tracer, x, None)) >= p) * (1.0 / kept)
    return x.copy_(result) if inplace else result
