"""Floats as bits: mantissa and exponent, the next number, the sign."""

from __future__ import annotations

from typing import Any

import torch

from ....dialects.value import BitcastOp
from ...builder import element_type
from ...tensors import DeviceTensor
from ...tracer import Tracer
from ..table import Promotion, aten, broadcast, device_tensor, like, lowers, operand, prims, promote

_BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}
_MANTISSA = {torch.float64: 52, torch.float32: 23}


def bits_of(tracer: Tracer, x: DeviceTensor) -> DeviceTensor:
    """The bits of floats as integers of their width."""
    dtype = _BITS[x.dtype]
    return like(tracer, tracer.builder.emit(BitcastOp(x.ssa, element_type(dtype))), x, dtype)


def of_bits(tracer: Tracer, bits: Any, dtype: torch.dtype) -> DeviceTensor:
    """The floats that integers are the bits of."""
    return like(tracer, tracer.builder.emit(BitcastOp(bits.ssa, element_type(dtype))), bits, dtype)


@lowers(aten.frexp.Tensor, prims.frexp.default)
def frexp(tracer: Tracer, x: DeviceTensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mantissas from 0.5 to 1 and exponents; numbers without a leading bit are scaled up first."""
    wide = x if x.dtype in _MANTISSA else x.to(torch.float32)
    digits = _MANTISSA[wide.dtype]
    width = wide.dtype.itemsize * 8
    bias = (1 << width - digits - 2) - 1
    small = torch.abs(wide) < 2.0 ** (1 - bias)
    scaled = torch.where(small, wide * 2.0 ** (digits + 1), wide)
    bits = bits_of(tracer, device_tensor(tracer, scaled))
    exponent_mask = (1 << width - digits - 1) - 1
    exponent = torch.bitwise_and(torch.bitwise_right_shift(bits, digits), exponent_mask) - (bias - 1)
    exponent = torch.where(small, exponent - (digits + 1), exponent)
    cleared = torch.bitwise_and(bits, ~(exponent_mask << digits))
    mantissa = of_bits(tracer, torch.bitwise_or(cleared, (bias - 1) << digits), wide.dtype)
    whole = (wide == 0) | torch.isinf(wide) | torch.isnan(wide)
    mantissa = torch.where(whole, wide, mantissa)
    exponent = torch.where(whole, 0, exponent)
    return torch.return_types.frexp((mantissa.to(x.dtype), exponent.to(torch.int32)))  # type: ignore[attr-defined] - made at import


@lowers(aten.nextafter.default, prims.nextafter.default)
def nextafter(tracer: Tracer, x: Any, toward: Any) -> torch.Tensor:
    """One is added to the bits, or taken from them: those of a number count up with its size, whatever its sign."""
    dtype = promote([x, toward], Promotion.NO_OPMATH)[1]
    values, tiles, reduced = broadcast(tracer, [operand(tracer, arg, dtype) for arg in (x, toward)])
    begin, end = (tracer.tensor(value, dtype, tiles, reduced=reduced) for value in values)
    bits = bits_of(tracer, begin)
    outward = (end > begin) == (begin > 0)
    moved = of_bits(tracer, torch.where(outward, bits + 1, bits - 1), dtype)
    ones = torch.full_like(bits, 1)
    least = of_bits(tracer, torch.where(end > 0, ones, torch.bitwise_or(ones, torch.iinfo(bits.dtype).min)), dtype)
    result = torch.where(begin == 0, least, moved)
    result = torch.where(begin == end, end, result)
    return torch.where(torch.isnan(begin) | torch.isnan(end), float("nan"), result)
