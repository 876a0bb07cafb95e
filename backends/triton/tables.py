"""The printer's table: one row per op, and no decisions that the op does not make.

What `tl` says by one op and Triton by several expressions (a NaN-propagating reduction, an unsigned division) is
spelled here; anything that needs the ops around it was settled by `prepare-for-print`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import Float32Type, IntegerType, f32, i1
from xdsl.dialects.utils import FastMathFlag
from xdsl.ir import Operation, SSAValue

from ...dialects import tl
from ...dialects.dims import dims_of, element_of
from ...dialects.value import (
    SCALED_FORMATS,
    BitcastOp,
    BroadcastOp,
    CastOp,
    CompareOp,
    ExpandDimsOp,
    GatherOp,
    JoinOp,
    LibdeviceOp,
    PermuteOp,
    PhiloxOp,
    PrintOp,
    ReshapeOp,
    SelectOp,
    SplatOp,
    SplitOp,
)
from .barrier_rows import BARRIERS
from .expressions import (
    Expr,
    Precedence,
    PrinterContext,
    Row,
    as_byte,
    as_unsigned,
    binary,
    bits,
    call,
    cast,
    dtype,
    function,
    helper,
    infix,
    integer_of,
    is_scalar,
    libdevice,
    literal,
    narrow,
    shape,
    typed,
    unsigned,
)
from .memory_rows import MEMORY
from .opaque_rows import OPAQUE
from .symm_mem_rows import SYMM_MEM
from .wait_rows import WAITS

P = Precedence

# --- constants ---------------------------------------------------------------------------------------------------


def _constant(context: PrinterContext, op: arith.ConstantOp) -> Expr:
    text = literal(op.value)
    return typed(text.text, op.result.type) if "typed" in op.attributes else text


def _constexpr(context: PrinterContext, op: tl.ConstexprOp) -> Expr:
    name = op.param.data
    return typed(name, op.result.type) if "typed" in op.attributes else Expr(name)


def _full(context: PrinterContext, op: SplatOp) -> Expr:
    value = context.expr(op.input)
    if "implicit" in op.attributes:
        return value
    return call("tl.full", shape(dims_of(op.result)), value, dtype(element_of(op.result)))


def _broadcast(context: PrinterContext, op: BroadcastOp) -> Expr:
    value = context.expr(op.input)
    return value if "implicit" in op.attributes else call("tl.broadcast_to", value, shape(dims_of(op.result)))


def _arange(context: PrinterContext, op: tl.ArangeOp) -> Expr:
    return call("tl.arange", "0", str(dims_of(op.result)[0]))


# --- arithmetic --------------------------------------------------------------------------------------------------


def _negf(context: PrinterContext, op: arith.NegfOp) -> Expr:
    return _negated(context.expr(op.operand))


def _negated(value: Expr) -> Expr:
    return Expr(f"-{value.at(P.UNARY)}", P.UNARY)


def _xor(context: PrinterContext, op: arith.XOrIOp) -> Expr:
    """A logical or bitwise not where the right operand is all ones."""
    rhs = op.rhs.owner.input if isinstance(op.rhs.owner, SplatOp) else op.rhs
    if integer_of(rhs) != (1 if element_of(op.result) == i1 else -1):
        return infix("^", P.XOR)(context, op)
    value = context.expr(op.lhs)
    if is_scalar(op.result) and op.result.type == i1:
        return Expr(f"not {value.at(P.COMPARE)}", P.NOT)
    return Expr(f"~{value.at(P.UNARY)}", P.UNARY)


COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _comparison(context: PrinterContext, predicate: str, lhs: SSAValue, rhs: SSAValue) -> Expr:
    """i1 orders false below true, which Triton's signed comparison of it would not."""
    if predicate in ("eq", "ne"):
        left, right = context.expr(lhs), context.expr(rhs)
    elif element_of(lhs) == i1:
        left, right = as_byte(context, lhs), as_byte(context, rhs)
    elif predicate.startswith("u"):
        left, right = as_unsigned(context, lhs), as_unsigned(context, rhs)
    else:
        left, right = context.expr(lhs), context.expr(rhs)
    operator = COMPARISONS[predicate.removeprefix("u")]
    return Expr(f"{left.at(P.OR)} {operator} {right.at(P.OR)}", P.COMPARE)


def _compare(context: PrinterContext, op: CompareOp) -> Expr:
    return _comparison(context, op.predicate.data, op.lhs, op.rhs)


def _sqrt(context: PrinterContext, op: math.SqrtOp) -> Expr:
    """Correctly rounded as in torch, unless an approximation is allowed; that of float64 never is one."""
    precise = isinstance(element_of(op.result), Float32Type) and FastMathFlag.APPROX_FUNC not in op.fastmath.data
    return call("tl.sqrt_rn" if precise else "tl.sqrt", context.expr(op.operand))


# --- casts -------------------------------------------------------------------------------------------------------


def _to(context: PrinterContext, op: Operation) -> Expr:
    value = op.operands[0]
    return cast(context.expr(value), dtype(element_of(op.results[0])), scalar=is_scalar(value))


def _to_signed(context: PrinterContext, op: Operation) -> Expr:
    """From a signed integer; the one bit of i1 is its sign."""
    result = _to(context, op)
    return _negated(result) if element_of(op.operands[0]) == i1 else result


def _from_unsigned(context: PrinterContext, op: Operation) -> Expr:
    value = as_unsigned(context, op.operands[0])
    result = dtype(element_of(op.results[0]))
    return cast(value, result, scalar=integer_of(op.operands[0]) is not None or element_of(op.operands[0]) == i1)


def _fptoui(context: PrinterContext, op: Operation) -> Expr:
    element = element_of(op.results[0])
    assert isinstance(element, IntegerType)
    value = cast(context.expr(op.operands[0]), f"tl.uint{element.width.data}", scalar=is_scalar(op.operands[0]))
    return cast(value, dtype(element), bitcast=True)


def _trunci(context: PrinterContext, op: Operation) -> Expr:
    if element_of(op.results[0]) != i1:
        return _to(context, op)
    low_bit = binary("&", P.AND, context.expr(op.operands[0]), Expr("1"))
    return Expr(f"{low_bit.at(P.OR)} != 0", P.COMPARE)


def _bitcast(context: PrinterContext, op: Operation) -> Expr:
    value = op.operands[0]
    return cast(context.expr(value), dtype(element_of(op.results[0])), scalar=is_scalar(value), bitcast=True)


CASTS: dict[str, Row] = {
    "sitofp": _to_signed,
    "extsi": _to_signed,
    "uitofp": _from_unsigned,
    "extui": _from_unsigned,
    "fptosi": _to,
    "fptoui": _fptoui,
    "trunci": _trunci,
}


def _cast(context: PrinterContext, op: CastOp) -> Expr:
    return CASTS[op.kind.data](context, op)


# --- shapes ------------------------------------------------------------------------------------------------------


def _expand_dims(context: PrinterContext, op: ExpandDimsOp) -> Expr:
    index = [":"] * len(dims_of(op.input))
    index.insert(op.axis.data, "None")
    return Expr(f"{context.expr(op.input).at(P.ATOM)}[{', '.join(index)}]")


def _trans(context: PrinterContext, op: PermuteOp) -> Expr:
    return call("tl.permute", context.expr(op.input), shape(op.permutation))


def _reshape(context: PrinterContext, op: ReshapeOp) -> Expr:
    return call("tl.reshape", context.expr(op.input), shape(dims_of(op.result)))


# --- reductions --------------------------------------------------------------------------------------------------


def _wide(context: PrinterContext, value: SSAValue) -> Expr:
    """A float operand in at least 32 bits, in which Triton's minimum and maximum compute."""
    element = element_of(value)
    small = bits(element) < 32 and not isinstance(element, IntegerType)
    return cast(context.expr(value), "tl.float32") if small else context.expr(value)


def _combining(kind: str) -> Callable[[PrinterContext, SSAValue], Expr]:
    return _wide if kind in ("max", "min") else lambda context, value: context.expr(value)


def _reduce(context: PrinterContext, op: tl.ReduceOp) -> Expr:
    kind, axis = op.kind.data, str(op.axis.data)
    plain = isinstance(element_of(op.input), IntegerType) or op.ignore_nan is not None
    if kind == "sum" or (kind in ("max", "min") and plain):
        return call(f"tl.{kind}", context.expr(op.input), axis)
    return call("tl.reduce", _combining(kind)(context, op.input), axis, context.helper(f"_{kind}"))


def _scan(context: PrinterContext, op: tl.ScanOp) -> Expr:
    kind, axis = op.kind.data, str(op.axis.data)
    reverse = ("reverse=True",) if op.reverse is not None else ()
    if kind in ("sum", "prod"):
        return call(f"tl.cum{kind}", context.expr(op.input), axis, *reverse)
    scanned = _combining(kind)(context, op.input)
    return call("tl.associative_scan", scanned, axis, context.helper(f"_{kind}"), *reverse)


def _arg_reduce(context: PrinterContext, op: tl.ArgReduceOp) -> Expr:
    """Pairs of value and lane number are reduced together."""
    axis, dims = op.axis.data, dims_of(op.input)
    lanes = call("tl.arange", "0", str(dims[axis]))
    if len(dims) > 1:
        index = ", ".join(":" if i == axis else "None" for i in range(len(dims)))
        lanes = call("tl.broadcast_to", f"{lanes.text}[{index}]", shape(dims))
    if dtype(element_of(op.index)) != "tl.int32":
        lanes = cast(lanes, dtype(element_of(op.index)))
    pair = f"({context.expr(op.input).text}, {lanes.text})"
    return call("tl.reduce", pair, str(axis), context.helper(f"_arg{op.kind.data}"))


def _argsort(context: PrinterContext, op: tl.ArgsortOp) -> Expr:
    *rows, lanes = map(str, dims_of(op.input))
    for part in ("_log2", "_second", "_exchange"):
        context.helper(part)
    return call(context.helper("_argsort"), context.expr(op.input), " * ".join(rows) or "1", lanes)


def _gather(context: PrinterContext, op: GatherOp) -> Expr:
    """No more indices than lanes: Triton's layouts fail an assertion (setOptimizedGatherLayout, 3.6 to 3.9)."""
    return call("tl.gather", context.expr(op.input), context.expr(op.index), str(op.axis.data))


def _dot(context: PrinterContext, op: tl.DotOp) -> Expr:
    """Triton's default precision is tf32 where the GPU has it and ieee elsewhere, where naming tf32 is an error; what
    the environment makes the default instead is not what the op says."""
    extra = []
    own_default = os.environ.get("TRITON_F32_DEFAULT") in (None, "", "tf32")
    if element_of(op.lhs) == f32 and (op.precision.data != "tf32" or not own_default):
        extra.append(f'input_precision="{op.precision.data}"')
    if (out := dtype(element_of(op.result))) != "tl.float32":
        extra.append(f"out_dtype={out}")
    return call("tl.dot", context.expr(op.lhs), context.expr(op.rhs), f"acc={context.expr(op.acc).text}", *extra)


def _dot_scaled(context: PrinterContext, op: tl.DotScaledOp) -> Expr:
    """Triton takes the bits of e2m1 and of scales as uint8 only."""
    parts: list[Any] = []
    for value, scale in ((op.lhs, op.lhs_scale), (op.rhs, op.rhs_scale)):
        name = SCALED_FORMATS[element_of(value)]
        numbers = as_unsigned(context, value) if name == "e2m1" else context.expr(value)
        parts += [numbers, as_unsigned(context, scale), f'"{name}"']
    return call("tl.dot_scaled", *parts, f"acc={context.expr(op.acc).text}")


# --- the rest ----------------------------------------------------------------------------------------------------


def _libdevice(context: PrinterContext, op: LibdeviceOp) -> Expr:
    return call(context.libdevice(op.function.data), *map(context.expr, op.args))


def _print(context: PrinterContext, op: PrintOp) -> Expr:
    """The text becomes part of a format of C's, in which a percent sign is two."""
    text = op.text.data.replace("%", "%%")
    return call("tl.device_print", repr(text), *map(context.expr, op.args))


def _program(name: str) -> Row:
    def row(context: PrinterContext, op: Operation) -> Expr:
        assert isinstance(op, tl.ProgramIdOp | tl.NumProgramsOp)
        return call(name, str(op.axis.data))

    return row


def _trailing_zeros(context: PrinterContext, op: math.CountTrailingZerosOp) -> Expr:
    context.libdevice("popc")
    return call(context.helper("_trailing_zeros"), context.expr(op.operand))


def _copy(context: PrinterContext, op: tl.CopyOp) -> Expr:
    return Expr(", ".join(context.expr(value).text for value in op.inputs), P.TERNARY)


NAN = "propagate_nan=tl.PropagateNan.ALL"

ROWS: dict[type[Operation], Row] = {
    arith.ConstantOp: _constant,
    arith.AddiOp: infix("+", P.ADD),
    arith.SubiOp: infix("-", P.ADD),
    arith.MuliOp: infix("*", P.MUL),
    arith.DivSIOp: infix("//", P.MUL),
    arith.RemSIOp: infix("%", P.MUL),
    arith.FloorDivSIOp: helper("_floordiv"),
    arith.CeilDivSIOp: helper("_ceildiv"),
    arith.DivUIOp: unsigned(partial(binary, "//", P.MUL)),
    arith.RemUIOp: unsigned(partial(binary, "%", P.MUL)),
    arith.MinSIOp: narrow(function("tl.minimum")),
    arith.MaxSIOp: narrow(function("tl.maximum")),
    arith.MinUIOp: unsigned(partial(call, "tl.minimum")),
    arith.MaxUIOp: unsigned(partial(call, "tl.maximum")),
    arith.AndIOp: infix("&", P.AND),
    arith.OrIOp: infix("|", P.OR),
    arith.XOrIOp: _xor,
    arith.ShLIOp: infix("<<", P.SHIFT),
    arith.ShRSIOp: infix(">>", P.SHIFT),
    arith.ShRUIOp: unsigned(partial(binary, ">>", P.SHIFT)),
    arith.SelectOp: function("tl.where"),
    arith.AddfOp: infix("+", P.ADD),
    arith.SubfOp: infix("-", P.ADD),
    arith.MulfOp: infix("*", P.MUL),
    arith.DivfOp: narrow(infix("/", P.MUL)),
    arith.NegfOp: _negf,
    arith.MaximumfOp: narrow(function("tl.maximum", NAN)),
    arith.MinimumfOp: narrow(function("tl.minimum", NAN)),
    arith.MaxnumfOp: narrow(function("tl.maximum")),
    arith.MinnumfOp: narrow(function("tl.minimum")),
    arith.BitcastOp: _bitcast,
    arith.FPToSIOp: _to,
    arith.FPToUIOp: _fptoui,
    arith.SIToFPOp: _to_signed,
    arith.UIToFPOp: _from_unsigned,
    arith.ExtFOp: _to,
    arith.TruncFOp: _to,
    arith.TruncIOp: _trunci,
    arith.ExtSIOp: _to_signed,
    arith.ExtUIOp: _from_unsigned,
    math.AbsFOp: function("tl.abs"),
    math.AbsIOp: function("tl.abs"),
    math.AcosOp: libdevice("acos"),
    math.AcoshOp: libdevice("acosh"),
    math.AsinOp: libdevice("asin"),
    math.AsinhOp: libdevice("asinh"),
    math.Atan2Op: libdevice("atan2"),
    math.AtanOp: libdevice("atan"),
    math.AtanhOp: libdevice("atanh"),
    math.CbrtOp: libdevice("cbrt"),
    math.CeilOp: function("tl.ceil"),
    math.CopySignOp: libdevice("copysign"),
    math.CosOp: function("tl.cos"),
    math.CoshOp: libdevice("cosh"),
    math.CtPopOp: libdevice("popc"),
    math.CountLeadingZerosOp: libdevice("clz"),
    math.CountTrailingZerosOp: _trailing_zeros,
    math.ErfOp: function("tl.erf"),
    math.Exp2Op: function("tl.exp2"),
    math.ExpM1Op: libdevice("expm1"),
    math.ExpOp: function("tl.exp"),
    math.FPowIOp: libdevice("pow"),
    math.IPowIOp: helper("_power"),
    math.FloorOp: function("tl.floor"),
    math.FmaOp: function("tl.fma"),
    math.Log10Op: libdevice("log10"),
    math.Log1pOp: libdevice("log1p"),
    math.Log2Op: function("tl.log2"),
    math.LogOp: function("tl.log"),
    math.PowFOp: libdevice("pow"),
    math.RoundEvenOp: libdevice("nearbyint"),
    math.RoundOp: libdevice("round"),
    math.RsqrtOp: function("tl.rsqrt"),
    math.SinOp: function("tl.sin"),
    math.SinhOp: libdevice("sinh"),
    math.SqrtOp: _sqrt,
    math.TanOp: libdevice("tan"),
    math.TanhOp: libdevice("tanh"),
    math.TruncOp: libdevice("trunc"),
    tl.ConstexprOp: _constexpr,
    tl.ProgramIdOp: _program("tl.program_id"),
    tl.NumProgramsOp: _program("tl.num_programs"),
    tl.CdivOp: function("tl.cdiv"),
    tl.CopyOp: _copy,
    tl.DebugBarrierOp: function("tl.debug_barrier"),
    tl.ArangeOp: _arange,
    SplatOp: _full,
    BroadcastOp: _broadcast,
    ExpandDimsOp: _expand_dims,
    PermuteOp: _trans,
    ReshapeOp: _reshape,
    JoinOp: function("tl.join"),
    SplitOp: function("tl.split"),
    CompareOp: _compare,
    SelectOp: function("tl.where"),
    BitcastOp: _bitcast,
    CastOp: _cast,
    LibdeviceOp: _libdevice,
    PhiloxOp: helper("_philox"),
    PrintOp: _print,
    tl.ReduceOp: narrow(_reduce),
    tl.ArgReduceOp: _arg_reduce,
    tl.ScanOp: narrow(_scan),
    tl.ArgsortOp: _argsort,
    GatherOp: _gather,
    tl.DotOp: _dot,
    tl.DotScaledOp: _dot_scaled,
    **MEMORY,
    **OPAQUE,
    **SYMM_MEM,
    **BARRIERS,
    **WAITS,
}
"""How each op without regions prints: an expression, which is a statement of its own where it has no result."""
