"""Lowerings of predicates on lanes, of boolean operators, and of selections."""

from __future__ import annotations

import math as pymath
from collections.abc import Sequence
from typing import Any

import torch
from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND as Promotion
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.dims import dims_of, element_of
from ...dialects.value import BitcastOp, CompareOp, SelectOp
from ..builder import UNSIGNED, Builder, element_type
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .pointwise import pointwise
from .table import aten, broadcast, lowers, operand, prims, promote


@lowers(aten.isnan.default)
def isnan(tracer: Tracer, x: Any) -> DeviceTensor:
    return pointwise(tracer, lambda b, _, v: b.emit(CompareOp("ne", v[0], v[0])), [x], dtypes=(_opmath(x), torch.bool))


@lowers(aten.signbit.default, prims.signbit.default)
def signbit(tracer: Tracer, x: Any) -> DeviceTensor:
    """The sign, also of zeros and NaN: the sign bit of a float's integer view."""

    def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        value = v[0]
        if dtype == torch.bool or dtype in UNSIGNED:
            return b.filled(0, i1, dims_of(value))
        if dtype.is_floating_point:
            value = b.emit(BitcastOp(value, element_type(_SAME_WIDTH[dtype])))
        return b.emit(CompareOp("lt", value, b.filled(0, element_of(value), dims_of(value))))

    return pointwise(tracer, emit, [x], dtypes=(_opmath(x), torch.bool))


_SAME_WIDTH = {torch.float32: torch.int32, torch.float64: torch.int64}


@lowers(aten.isinf.default)
def isinf(tracer: Tracer, x: Any) -> DeviceTensor:
    def emit(b: Builder, dtype: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
        if not dtype.is_floating_point:
            return b.filled(0, i1, dims_of(v[0]))
        infinity = b.filled(pymath.inf, element_of(v[0]), dims_of(v[0]))
        return b.emit(CompareOp("eq", b.emit(math.AbsFOp(v[0])), infinity))

    return pointwise(tracer, emit, [x], dtypes=(_opmath(x), torch.bool))


def _opmath(x: Any) -> torch.dtype:
    return promote([x])[0]


@lowers(aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)
def where(tracer: Tracer, condition: Any, a: Any, b: Any) -> DeviceTensor:
    _, dtype = promote([a, b], Promotion.NO_OPMATH)
    parts = [operand(tracer, condition, torch.bool), operand(tracer, a, dtype), operand(tracer, b, dtype)]
    values, tiles, reduced = broadcast(tracer, parts)
    return tracer.tensor(tracer.builder.emit(SelectOp(*values)), dtype, tiles, reduced=reduced)


@lowers(aten.masked_fill.Scalar, aten.masked_fill.Tensor)
def masked_fill(tracer: Tracer, x: DeviceTensor, mask: Any, value: Any) -> DeviceTensor:
    parts = [operand(tracer, mask, torch.bool), operand(tracer, value, x.dtype), operand(tracer, x, x.dtype)]
    values, tiles, reduced = broadcast(tracer, parts)
    return tracer.tensor(tracer.builder.emit(SelectOp(*values)), x.dtype, tiles, reduced=reduced)


def _logical(op: Any) -> Any:
    def lowering(tracer: Tracer, a: Any, b: Any) -> DeviceTensor:
        return pointwise(
            tracer, lambda builder, _, v: builder.emit(op(v[0], v[1])), [a, b], dtypes=(torch.bool, torch.bool)
        )

    return lowering


lowers(aten.logical_and.default)(_logical(arith.AndIOp))
lowers(aten.logical_or.default)(_logical(arith.OrIOp))
lowers(aten.logical_xor.default)(_logical(arith.XOrIOp))


def _invert(b: Builder, _: torch.dtype, v: Sequence[SSAValue]) -> SSAValue:
    ones = b.filled(True if element_of(v[0]) == i1 else -1, element_of(v[0]), dims_of(v[0]))
    return b.emit(arith.XOrIOp(v[0], ones))


@lowers(aten.logical_not.default)
def logical_not(tracer: Tracer, x: Any) -> DeviceTensor:
    return pointwise(tracer, _invert, [x], dtypes=(torch.bool, torch.bool))


@lowers(aten.bitwise_not.default)
def bitwise_not(tracer: Tracer, x: Any) -> DeviceTensor:
    if x.dtype.is_floating_point:
        raise exc.TorchOpTracingError(f"the bits of a {x.dtype} cannot be inverted", hint="torch.logical_not, or -x")
    return pointwise(tracer, _invert, [x])
