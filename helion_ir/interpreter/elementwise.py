"""`arith` and `math` on torch tensors: one row per op, exact in the dtype of the operands.

Integers wrap; what the IR leaves undefined (division by zero, shifts too far) gives some value and never a trap,
as padding lanes may hold anything. 16- and 8-bit floats are computed in float32 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import Operation
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.value import PREDICATES

from . import integers
from .state import dtype_of

TensorFunction = Callable[..., Tensor]

NARROW = frozenset((
    torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
))  # fmt: skip
"""Float dtypes whose arithmetic is float32's, rounded."""


def in_float32(function: TensorFunction) -> TensorFunction:
    """`function` of floats, computed in float32 and rounded where the dtype is narrow."""

    def run(first: Tensor, *rest: Tensor) -> Tensor:
        if first.dtype not in NARROW:
            return function(first, *rest)
        return function(first.float(), *(value.float() for value in rest)).to(first.dtype)

    return run


def _cbrt(x: Tensor) -> Tensor:
    return torch.copysign(x.abs().double().pow(1 / 3), x).to(x.dtype)


def _fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (a.double() * b.double() + c.double()).to(a.dtype)


def _round_half_away(x: Tensor) -> Tensor:
    return torch.trunc(x + torch.copysign(torch.full_like(x, 0.5), x))


FLOAT: dict[type[Operation], TensorFunction] = {
    arith.AddfOp: torch.add, arith.SubfOp: torch.sub, arith.MulfOp: torch.mul, arith.DivfOp: torch.div,
    arith.NegfOp: torch.neg,
    arith.MaximumfOp: torch.maximum, arith.MinimumfOp: torch.minimum,
    arith.MaxnumfOp: torch.fmax, arith.MinnumfOp: torch.fmin,
    math.AbsFOp: torch.abs, math.AcosOp: torch.acos, math.AcoshOp: torch.acosh, math.AsinOp: torch.asin,
    math.AsinhOp: torch.asinh, math.AtanhOp: torch.atanh, math.Atan2Op: torch.atan2, math.AtanOp: torch.atan,
    math.CbrtOp: _cbrt, math.CeilOp: torch.ceil, math.CopySignOp: torch.copysign, math.CosOp: torch.cos,
    math.CoshOp: torch.cosh, math.ErfOp: torch.erf, math.Exp2Op: torch.exp2, math.ExpM1Op: torch.expm1,
    math.ExpOp: torch.exp, math.FloorOp: torch.floor, math.FmaOp: _fma, math.Log10Op: torch.log10,
    math.Log1pOp: torch.log1p, math.Log2Op: torch.log2, math.LogOp: torch.log, math.PowFOp: torch.pow,
    math.RoundEvenOp: torch.round, math.RoundOp: _round_half_away, math.RsqrtOp: torch.rsqrt, math.SinOp: torch.sin,
    math.SinhOp: torch.sinh, math.SqrtOp: torch.sqrt, math.TanOp: torch.tan, math.TanhOp: torch.tanh,
    math.TruncOp: torch.trunc,
    math.FPowIOp: lambda x, n: torch.pow(x, n.to(x.dtype)),
}  # fmt: skip
"""Functions of floats whose result has the first operand's type."""

INTEGER: dict[type[Operation], TensorFunction] = {
    arith.AddiOp: integers.wrapping(torch.add), arith.SubiOp: integers.wrapping(torch.sub),
    arith.MuliOp: integers.wrapping(torch.mul),
    arith.DivSIOp: integers.div, arith.FloorDivSIOp: integers.floor_div, arith.CeilDivSIOp: integers.ceil_div,
    arith.RemSIOp: integers.rem,
    arith.DivUIOp: integers.unsigned_div, arith.RemUIOp: integers.unsigned_rem,
    arith.CeilDivUIOp: integers.unsigned_ceil_div,
    arith.MinSIOp: torch.minimum, arith.MaxSIOp: torch.maximum,
    arith.MinUIOp: integers.unsigned_min, arith.MaxUIOp: integers.unsigned_max,
    arith.AndIOp: torch.bitwise_and, arith.OrIOp: torch.bitwise_or, arith.XOrIOp: torch.bitwise_xor,
    arith.ShLIOp: integers.shift_left, arith.ShRUIOp: integers.shift_right_logical,
    arith.ShRSIOp: integers.shift_right,
    math.AbsIOp: torch.abs, math.IPowIOp: integers.power,
    math.CountLeadingZerosOp: integers.leading_zeros, math.CountTrailingZerosOp: integers.trailing_zeros,
}  # fmt: skip
"""Functions of integers whose result has the first operand's type."""

CAST: dict[type[Operation], Callable[[Tensor, torch.dtype], Tensor]] = {
    arith.FPToSIOp: integers.from_float, arith.FPToUIOp: integers.from_float,
    arith.SIToFPOp: lambda x, dtype: integers.sign_extend(x).to(dtype),
    arith.UIToFPOp: integers.unsigned_to_float,
    arith.ExtFOp: Tensor.to, arith.TruncFOp: Tensor.to,
    arith.TruncIOp: integers.truncate,
    arith.ExtSIOp: lambda x, dtype: integers.sign_extend(x).to(dtype),
    arith.ExtUIOp: integers.zero_extend,
    arith.IndexCastOp: Tensor.to,
}  # fmt: skip
"""Conversions to the dtype of the result."""

COMPARE: dict[str, TensorFunction] = {
    "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge,
    "ult": integers.unsigned(torch.lt), "ule": integers.unsigned(torch.le),
    "ugt": integers.unsigned(torch.gt), "uge": integers.unsigned(torch.ge),
}  # fmt: skip
"""The predicates of `value.compare`; `i1` orders false below true."""

_CMPF_ORDERED = ("eq", "gt", "ge", "lt", "le", "ne")

LIBDEVICE: dict[str, TensorFunction] = {
    "acosh": torch.acosh, "asinh": torch.asinh, "atanh": torch.atanh, "acos": torch.acos, "asin": torch.asin,
    "atan": torch.atan, "atan2": torch.atan2, "cbrt": _cbrt, "ceil": torch.ceil, "copysign": torch.copysign,
    "cos": torch.cos, "cosh": torch.cosh, "cyl_bessel_i0": torch.special.i0, "cyl_bessel_i1": torch.special.i1,
    "erf": torch.erf, "erfc": torch.erfc, "erfcx": torch.special.erfcx, "erfinv": torch.erfinv, "exp": torch.exp,
    "exp2": torch.exp2, "expm1": torch.expm1, "fabs": torch.abs, "floor": torch.floor, "fmod": torch.fmod,
    "fma": _fma, "hypot": torch.hypot, "j0": torch.special.bessel_j0, "j1": torch.special.bessel_j1,
    "lgamma": torch.lgamma, "log": torch.log, "log10": torch.log10, "log1p": torch.log1p, "log2": torch.log2,
    "nearbyint": torch.round, "nextafter": torch.nextafter, "normcdf": torch.special.ndtr,
    "normcdfinv": torch.special.ndtri, "pow": torch.pow, "rint": torch.round, "round": _round_half_away,
    "rsqrt": torch.rsqrt, "sin": torch.sin, "sinh": torch.sinh, "sqrt": torch.sqrt, "tan": torch.tan,
    "tanh": torch.tanh, "tgamma": lambda x: _gamma(x), "trunc": torch.trunc,
    "y0": torch.special.bessel_y0, "y1": torch.special.bessel_y1,
    "erfcinv": lambda x: torch.erfinv(1 - x.double()).to(x.dtype),
    "isnan": torch.isnan, "isinf": torch.isinf, "finitef": torch.isfinite, "isfinited": torch.isfinite,
    "signbit": torch.signbit, "div_rn": torch.div, "sqrt_rn": torch.sqrt, "fast_expf": torch.exp,
    "fast_logf": torch.log, "fast_sinf": torch.sin, "fast_cosf": torch.cos, "fast_dividef": torch.div,
    "fast_powf": torch.pow, "fast_tanf": torch.tan, "rcp_rn": torch.reciprocal,
}  # fmt: skip
"""libdevice by name."""


def _gamma(x: Tensor) -> Tensor:
    wide = x.double()
    sign = torch.where((wide < 0) & (torch.floor(wide).remainder(2) != 0), -1.0, 1.0)
    return (sign * torch.exp(torch.lgamma(wide))).to(x.dtype)


def libdevice(name: str) -> TensorFunction:
    """The torch counterpart of a libdevice function.

    Raises:
        InterpretationError: there is none.
    """
    function = LIBDEVICE.get(name) or (LIBDEVICE.get(name[:-1]) if name.endswith("f") else None)
    if function is None:
        raise InterpretationError(f"no torch counterpart of libdevice function {name!r}")
    return in_float32(function)


def constant(attribute: object, dtype: torch.dtype) -> Tensor:
    """The 0-d tensor of a constant's value attribute; integers wrap to the dtype."""
    if isinstance(attribute, FloatAttr):
        return torch.tensor(cast("float", attribute.value.data), dtype=torch.float64).to(dtype)
    if not isinstance(attribute, IntegerAttr):
        raise InterpretationError(f"arith.constant of {type(attribute).__name__} is not supported; use a splat")
    value = attribute.value.data
    if dtype == torch.bool:
        return torch.tensor(value % 2 == 1)
    bits = torch.iinfo(dtype).bits
    return torch.tensor((value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1), dtype=dtype)


def _same_type(function: TensorFunction):
    def run(self: object, interpreter: Interpreter, op: Operation, args: PythonValues) -> PythonValues:
        return (function(*args),)

    return run


def _cast(function: Callable[[Tensor, torch.dtype], Tensor]):
    def run(self: object, interpreter: Interpreter, op: Operation, args: PythonValues) -> PythonValues:
        return (function(args[0], dtype_of(op.results[0].type)),)

    return run


def _rows() -> dict[str, object]:
    rows: dict[str, object] = {}
    for op, function in FLOAT.items():
        rows[op.name] = impl(op)(_same_type(in_float32(function)))
    for op, function in INTEGER.items():
        rows[op.name] = impl(op)(_same_type(function))
    for op, function in CAST.items():
        rows[op.name] = impl(op)(_cast(function))
    return rows


class _Scalars(InterpreterFunctions):
    """The ops that need more than a row: constants and what `arith` says of scalars only."""

    def __init__(self) -> None:
        self.constants: dict[Operation, Tensor] = {}

    @impl(arith.ConstantOp)
    def run_constant(self, interpreter: Interpreter, op: arith.ConstantOp, args: PythonValues) -> PythonValues:
        value = self.constants.get(op)
        if value is None:
            value = self.constants[op] = constant(op.value, dtype_of(op.result.type))
        return (value,)

    @impl(arith.CmpiOp)
    def run_cmpi(self, interpreter: Interpreter, op: arith.CmpiOp, args: PythonValues) -> PythonValues:
        return (COMPARE[PREDICATES[op.predicate.value.data]](*args),)

    @impl(arith.CmpfOp)
    def run_cmpf(self, interpreter: Interpreter, op: arith.CmpfOp, args: PythonValues) -> PythonValues:
        # arith numbers them false, oeq ogt oge olt ole one ord, ueq ugt uge ult ule une uno, true.
        lhs, rhs = args
        number, unordered = op.predicate.value.data, torch.isnan(lhs) | torch.isnan(rhs)
        if number in (0, 15):
            return (torch.full_like(unordered, number == 15),)
        if number in (7, 14):
            return (unordered if number == 14 else ~unordered,)
        holds = COMPARE[_CMPF_ORDERED[(number - 1) % 7]](lhs.double(), rhs.double())
        return (holds & ~unordered if number < 7 else holds | unordered,)

    @impl(arith.SelectOp)
    def run_select(self, interpreter: Interpreter, op: arith.SelectOp, args: PythonValues) -> PythonValues:
        return (torch.where(*args),)

    @impl(arith.BitcastOp)
    def run_bitcast(self, interpreter: Interpreter, op: arith.BitcastOp, args: PythonValues) -> PythonValues:
        return (args[0].view(dtype_of(op.result.type)),)

    @impl(arith.AddUIExtendedOp)
    def run_add_extended(self, interpreter: Interpreter, op: arith.AddUIExtendedOp, args: PythonValues) -> PythonValues:
        total = torch.add(*args)
        return total, integers.unsigned(torch.lt)(total, args[0])

    @impl(arith.MulUIExtendedOp)
    def run_mulu_extended(
        self, interpreter: Interpreter, op: arith.MulUIExtendedOp, args: PythonValues
    ) -> PythonValues:
        return torch.mul(*args), integers.unsigned_high_product(*args)

    @impl(arith.MulSIExtendedOp)
    def run_muls_extended(
        self, interpreter: Interpreter, op: arith.MulSIExtendedOp, args: PythonValues
    ) -> PythonValues:
        return torch.mul(*args), integers.high_product(*args)


ElementwiseFunctions = register_impls(type("ElementwiseFunctions", (_Scalars,), _rows()))
"""The interpreter's `arith` and `math`."""
