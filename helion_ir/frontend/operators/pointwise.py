"""Lowerings of elementwise operators.

Half precision is widened op by op: operands to float32, the operator, and back. The way back is marked as elidable:
`elide-precision-casts` removes pairs of such conversions. Those that the user writes are not, and round.
"""

from __future__ import annotations

import math as pymath
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND as Promotion
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.dims import dims_of, element_of
from ...dialects.value import CompareOp, LibdeviceOp, SelectOp
from ..builder import UNSIGNED, Builder
from ..symbols.arithmetic import exact_quotient, floor_quotient, small_power
from ..symbols.arithmetic import remainder as signed_remainder
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .table import aten, broadcast, lowers, operand, prims, promote

Emit = Callable[..., SSAValue]
FLOAT = Promotion.INT_TO_FLOAT
BOOL = Promotion.ALWAYS_BOOL


def pointwise(
    tracer: Tracer,
    emit: Callable[[Builder, torch.dtype, Sequence[SSAValue]], SSAValue],
    args: Sequence[Any],
    kind: Promotion = Promotion.DEFAULT,
    *,
    dtypes: tuple[torch.dtype, torch.dtype] | None = None,
) -> DeviceTensor:
    """Convert `args` to the dtype to compute in, broadcast, `emit`, convert to the dtype of the result."""
    compute, result = dtypes or promote(args, kind)
    values, tiles, reduced = broadcast(tracer, [operand(tracer, arg, compute) for arg in args])
    value = emit(tracer.builder, compute, values)
    produced = torch.bool if element_of(value) == i1 else compute
    value = tracer.builder.convert(value, produced, result, elidable=True)
    return tracer.tensor(value, result, tiles, reduced=reduced)


def _choose(
    floating: Any, integer: Any = None, boolean: Any = None, unsigned: Any = None
) -> Callable[[Builder, torch.dtype, Sequence[SSAValue]], SSAValue]:
    """Emit the op for the dtype's kind."""

    def emit(builder: Builder, dtype: torch.dtype, values: Sequence[SSAValue]) -> SSAValue:
        if dtype.is_floating_point:
            op = floating
        elif dtype == torch.bool:
            op = boolean
        else:
            op = unsigned if dtype in UNSIGNED and unsigned is not None else integer
        if op is None:
            raise exc.InductorLoweringError(f"no lowering of this operator for {dtype}")
        return builder.emit(op(*values))

    return emit


ADD = _choose(arith.AddfOp, arith.AddiOp, arith.OrIOp)
SUB = _choose(arith.SubfOp, arith.SubiOp)
MUL = _choose(arith.MulfOp, arith.MuliOp, arith.AndIOp)
MAXIMUM = _choose(arith.MaximumfOp, arith.MaxSIOp, arith.OrIOp, arith.MaxUIOp)
MINIMUM = _choose(arith.MinimumfOp, arith.MinSIOp, arith.AndIOp, arith.MinUIOp)

_UNARY_FLOAT: dict[Any, Any] = {
    aten.exp.default: math.ExpOp, aten.exp2.default: math.Exp2Op, aten.expm1.default: math.ExpM1Op,
    aten.log.default: math.LogOp, aten.log2.default: math.Log2Op, aten.log10.default: math.Log10Op,
    aten.log1p.default: math.Log1pOp, aten.sqrt.default: math.SqrtOp, aten.rsqrt.default: math.RsqrtOp,
    aten.sin.default: math.SinOp, aten.cos.default: math.CosOp, aten.tan.default: math.TanOp,
    aten.asin.default: math.AsinOp, aten.acos.default: math.AcosOp, aten.atan.default: math.AtanOp,
    aten.sinh.default: math.SinhOp, aten.cosh.default: math.CoshOp, aten.tanh.default: math.TanhOp,
    aten.asinh.default: math.AsinhOp, aten.acosh.default: math.AcoshOp, aten.atanh.default: math.AtanhOp,
    aten.erf.default: math.ErfOp,
}  # fmt: skip
_LIBDEVICE = {
    aten.erfinv.default: "erfinv", aten.erfc.default: "erfc", aten.lgamma.default: "lgamma",
    aten.special_erfcx.default: "erfcx",
}  # fmt: skip
_ROUNDING: dict[Any, Any] = {
    aten.floor.default: math.FloorOp, aten.ceil.default: math.CeilOp, aten.round.default: math.RoundEvenOp,
    aten.trunc.default: math.TruncOp,
}  # fmt: skip
_BINARY: dict[Any, Any] = {
    aten.mul.Tensor: MUL, aten.mul.Scalar: MUL, aten.maximum.default: MAXIMUM, aten.minimum.default: MINIMUM,
    aten.fmax.default: _choose(arith.MaxnumfOp, arith.MaxSIOp, arith.OrIOp, arith.MaxUIOp),
    aten.fmin.default: _choose(arith.MinnumfOp, arith.MinSIOp, arith.AndIOp, arith.MinUIOp),
    aten.clamp_min.default: MAXIMUM, aten.clamp_max.default: MINIMUM,
    aten.clamp_min.Tensor: MAXIMUM, aten.clamp_max.Tensor: MINIMUM,
}  # fmt: skip
for _name, _op in {"and": arith.AndIOp, "or": arith.OrIOp, "xor": arith.XOrIOp}.items():
    for _overload in (getattr(aten, f"bitwise_{_name}"), getattr(aten, f"__{_name}__")):
        for _kind in ("Tensor", "Scalar"):
            _BINARY[getattr(_overload, _kind)] = _choose(None, _op, _op)
for _name, _op in {
    "left": _choose(None, arith.ShLIOp),
    "right": _choose(None, arith.ShRSIOp, None, arith.ShRUIOp),
}.items():
    for _kind in ("Tensor", "Tensor_Scalar", "Scalar_Tensor"):
        _BINARY[getattr(getattr(aten, f"bitwise_{_name}_shift"), _kind)] = _op
    for _kind in ("Tensor", "Scalar"):
        _BINARY[getattr(getattr(aten, f"__{_name[0]}shift__"), _kind)] = _op


def _register_tables() -> None:
    def unary(op: Any) -> Any:
        return lambda tracer, x: pointwise(tracer, lambda b, _, v: b.emit(op(v[0])), [x], FLOAT)

    def libdevice(name: str) -> Any:
        return lambda tracer, x: pointwise(tracer, lambda b, _, v: b.emit(LibdeviceOp(name, v)), [x], FLOAT)

    def rounding(op: Any) -> Any:
        def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
            return b.emit(op(v[0])) if dtype.is_floating_point else v[0]

        return lambda tracer, x: pointwise(tracer, emit, [x])

    def binary(emit: Any) -> Any:
        return lambda tracer, a, b: pointwise(tracer, emit, [a, b])

    def compare(predicate: str) -> Any:
        def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
            unsigned = (dtype in UNSIGNED or dtype == torch.bool) and predicate not in ("eq", "ne")
            return b.emit(CompareOp(f"u{predicate}" if unsigned else predicate, v[0], v[1]))

        return lambda tracer, x, y: pointwise(tracer, emit, [x, y], BOOL, dtypes=(_comparison_dtype(x, y), torch.bool))

    for table, make in ((_UNARY_FLOAT, unary), (_LIBDEVICE, libdevice), (_ROUNDING, rounding), (_BINARY, binary)):
        for overload, entry in table.items():
            lowers(overload)(make(entry))
    for predicate in ("eq", "ne", "lt", "le", "gt", "ge"):
        overload = getattr(aten, predicate)
        lowers(overload.Tensor, overload.Scalar)(compare(predicate))


def _comparison_dtype(x: Any, y: Any) -> torch.dtype:
    return promote([x, y], BOOL)[0]


_register_tables()


@lowers(aten.add.Tensor, aten.add.Scalar)
def add(tracer: Tracer, a: Any, b: Any, alpha: Any = 1) -> DeviceTensor:
    dtypes = promote([a, b])
    return pointwise(tracer, ADD, [a, _scaled(tracer, b, alpha)], dtypes=dtypes)


@lowers(aten.sub.Tensor, aten.sub.Scalar)
def sub(tracer: Tracer, a: Any, b: Any, alpha: Any = 1) -> DeviceTensor:
    dtypes = promote([a, b])
    return pointwise(tracer, SUB, [a, _scaled(tracer, b, alpha)], dtypes=dtypes)


@lowers(aten.rsub.Tensor, aten.rsub.Scalar)
def rsub(tracer: Tracer, a: Any, b: Any, alpha: Any = 1) -> DeviceTensor:
    return sub(tracer, b, a, alpha) if alpha == 1 else sub(tracer, b, _scaled(tracer, a, alpha))


def _scaled(tracer: Tracer, value: Any, alpha: Any) -> Any:
    return value if isinstance(alpha, int | float) and alpha == 1 else pointwise(tracer, MUL, [value, alpha])


@lowers(aten.div.Tensor, aten.div.Scalar)
def div(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return pointwise(tracer, _choose(arith.DivfOp), [a, b], FLOAT)


@lowers(aten.div.Tensor_mode, aten.div.Scalar_mode)
def div_mode(tracer: Tracer, a: Any, b: Any, rounding_mode: str | None = None) -> DeviceTensor:
    if rounding_mode is None:
        return div(tracer, a, b)

    def emit(builder: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        if dtype.is_floating_point:
            if rounding_mode == "floor":
                return floor_quotient(builder, v)
            return builder.emit(math.TruncOp(exact_quotient(builder, v)))
        if dtype in UNSIGNED:
            return builder.emit(arith.DivUIOp(v[0], v[1]))
        return builder.emit((arith.FloorDivSIOp if rounding_mode == "floor" else arith.DivSIOp)(v[0], v[1]))

    return pointwise(tracer, emit, [a, b])


@lowers(aten.floor_divide.default, aten.floor_divide.Scalar)
def floor_divide(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return div_mode(tracer, a, b, "floor")


def _remainder(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue], *, signed_by_divisor: bool) -> SSAValue:
    if dtype in UNSIGNED:
        return b.emit(arith.RemUIOp(v[0], v[1]))
    return signed_remainder(b, v, signed_by_divisor=signed_by_divisor)


@lowers(aten.remainder.Tensor, aten.remainder.Scalar, aten.remainder.Scalar_Tensor)
def remainder(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return pointwise(tracer, lambda *args: _remainder(*args, signed_by_divisor=True), [a, b])


@lowers(aten.fmod.Tensor, aten.fmod.Scalar)
def fmod(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return pointwise(tracer, lambda *args: _remainder(*args, signed_by_divisor=False), [a, b])


@lowers(aten.atan2.default)
def atan2(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return pointwise(tracer, _choose(math.Atan2Op), [a, b], FLOAT)


@lowers(aten.neg.default)
def neg(tracer: Tracer, x: Any) -> DeviceTensor:
    def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        if dtype.is_floating_point:
            return b.emit(arith.NegfOp(v[0]))
        return b.emit(arith.SubiOp(b.filled(0, element_of(v[0]), dims_of(v[0])), v[0]))

    return pointwise(tracer, emit, [x])


@lowers(aten.abs.default)
def absolute(tracer: Tracer, x: Any) -> DeviceTensor:
    if x.dtype in UNSIGNED or x.dtype == torch.bool:
        return x
    return pointwise(tracer, _choose(math.AbsFOp, math.AbsIOp), [x])


@lowers(aten.reciprocal.default)
def reciprocal(tracer: Tracer, x: Any) -> DeviceTensor:
    def emit(b: Builder, _: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        return b.emit(arith.DivfOp(b.filled(1.0, element_of(v[0]), dims_of(v[0])), v[0]))

    return pointwise(tracer, emit, [x], FLOAT)


@lowers(aten.sigmoid.default)
def sigmoid(tracer: Tracer, x: Any) -> DeviceTensor:
    def emit(b: Builder, _: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        one = b.filled(1.0, element_of(v[0]), dims_of(v[0]))
        power = b.emit(math.ExpOp(b.emit(arith.NegfOp(v[0]))))
        return b.emit(arith.DivfOp(one, b.emit(arith.AddfOp(one, power))))

    return pointwise(tracer, emit, [x], FLOAT)


@lowers(aten.relu.default)
def relu(tracer: Tracer, x: Any) -> DeviceTensor:
    return pointwise(tracer, MAXIMUM, [x, 0])


@lowers(aten.sign.default, aten.sgn.default)
def sign(tracer: Tracer, x: Any) -> DeviceTensor:
    def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        element, dims = element_of(v[0]), dims_of(v[0])
        zero, one, minus = (b.filled(k, element, dims) for k in (0, 1, -1))
        if dtype in UNSIGNED or dtype == torch.bool:
            return b.emit(SelectOp(b.emit(CompareOp("ne", v[0], zero)), one, zero))
        result = b.emit(SelectOp(b.emit(CompareOp("lt", v[0], zero)), minus, zero))
        return b.emit(SelectOp(b.emit(CompareOp("gt", v[0], zero)), one, result))

    return pointwise(tracer, emit, [x])


@lowers(aten.logaddexp2.default)
def logaddexp2(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    """`max(a, b) + log2(1 + 2^-|a - b|)`; equal values, infinities among them, are at distance 0."""

    def emit(builder: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        def full(value: float) -> SSAValue:
            return builder.filled(value, element_of(v[0]), dims_of(v[0]))

        apart = _choose(arith.SubfOp)(builder, dtype, v)
        apart = builder.emit(SelectOp(builder.emit(CompareOp("eq", v[0], v[1])), full(0), apart))
        power = builder.emit(math.Exp2Op(builder.emit(arith.NegfOp(builder.emit(math.AbsFOp(apart))))))
        excess = builder.emit(arith.MulfOp(builder.emit(math.Log1pOp(power)), full(1 / pymath.log(2))))
        return builder.emit(arith.AddfOp(MAXIMUM(builder, dtype, v), excess))

    return pointwise(tracer, emit, [a, b])


@lowers(aten.hypot.default, prims.hypot.default)
def hypot(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
    return pointwise(tracer, lambda builder, _, v: builder.emit(LibdeviceOp("hypot", v)), [a, b])


@lowers(aten.clamp.default, aten.clamp.Tensor)
def clamp(tracer: Tracer, x: Any, min: Any = None, max: Any = None) -> DeviceTensor:
    bounds = [bound for bound in (min, max) if bound is not None]
    dtypes = promote([x, *bounds])
    result = x if min is None else pointwise(tracer, MAXIMUM, [x, min], dtypes=dtypes)
    return result if max is None else pointwise(tracer, MINIMUM, [result, max], dtypes=dtypes)


@lowers(aten.pow.Tensor_Scalar)
def pow_scalar(tracer: Tracer, x: Any, exponent: Any) -> DeviceTensor:
    dtypes = promote([x, exponent])
    floating = dtypes[0].is_floating_point
    constant = isinstance(exponent, int | float)
    if constant and not floating and exponent < 0:
        raise exc.TorchOpTracingError("integers to negative integer powers are not allowed", hint="convert to a float")
    if constant and (exponent in (1, 2, 3) if floating else exponent >= 0):

        def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
            if exponent == 0:
                return b.filled(1, element_of(v[0]), dims_of(v[0]))
            return small_power(v[0], int(exponent), lambda x, y: MUL(b, dtype, [x, y]))

        return pointwise(tracer, emit, [x], dtypes=dtypes)
    if floating and isinstance(exponent, int | float) and exponent in (0.5, -0.5, -1):
        op = {0.5: math.SqrtOp, -0.5: math.RsqrtOp}.get(exponent)
        return reciprocal(tracer, x) if op is None else pointwise(tracer, lambda b, _, v: b.emit(op(v[0])), [x], FLOAT)
    return pow_tensor(tracer, x, exponent)


@lowers(aten.pow.Tensor_Tensor, aten.pow.Scalar)
def pow_tensor(tracer: Tracer, x: Any, exponent: Any) -> DeviceTensor:
    def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        if dtype not in UNSIGNED:
            return _choose(math.PowFOp, math.IPowIOp)(b, dtype, v)
        wide = [b.convert(value, dtype, torch.int64) for value in v]  # an exponent that is not negative
        return b.convert(b.emit(math.IPowIOp(*wide)), torch.int64, dtype)

    return pointwise(tracer, emit, [x, exponent])
