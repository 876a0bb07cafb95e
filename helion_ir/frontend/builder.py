"""Emission of `tile` IR: places, constants, conversions between dtypes, broadcasts.

Knows SSA values, dims and torch dtypes, but nothing of the user's program.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    FileLineColLoc,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    IntegerType,
    LocationAttr,
    Signedness,
    StringAttr,
    UnitAttr,
    UnknownLoc,
    bf16,
    f8E4M3FN,
    f8E5M2,
    f16,
    f32,
    f64,
    i1,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from .. import exc
from ..dialects.constants import wrapped
from ..dialects.dims import Dim, dims_of, element_of, with_element
from ..dialects.value import ELIDABLE, BroadcastOp, CompareOp, ExpandDimsOp, SplatOp, cast_op

ELEMENTS: dict[torch.dtype, Attribute] = {
    torch.float64: f64, torch.float32: f32, torch.float16: f16, torch.bfloat16: bf16,
    torch.float8_e4m3fn: f8E4M3FN, torch.float8_e5m2: f8E5M2,
    torch.int64: i64, torch.int32: i32, torch.int16: i16, torch.int8: i8, torch.bool: i1,
    torch.uint8: i8, torch.uint16: i16, torch.uint32: i32, torch.uint64: i64,
}  # fmt: skip
"""The element type of device values of a dtype."""

UNSIGNED = frozenset((torch.uint8, torch.uint16, torch.uint32, torch.uint64))


def element_type(dtype: torch.dtype) -> Attribute:
    """The element type of values of `dtype`."""
    try:
        return ELEMENTS[dtype]
    except KeyError:
        raise exc.UnsupportedPythonType(f"dtype {dtype} is not supported in device code") from None


def ref_element_type(dtype: torch.dtype) -> Attribute:
    """The element type of refs of `dtype`: unsigned where the dtype is."""
    element = element_type(dtype)
    if dtype not in UNSIGNED:
        return element
    assert isinstance(element, IntegerType)
    return IntegerType(element.width.data, Signedness.UNSIGNED)


class Builder:
    """Appends ops to `block`, each with the location `place`."""

    def __init__(self) -> None:
        self.block = Block()
        self.location: LocationAttr = UnknownLoc()
        self._constants: dict[tuple[Block, object, Attribute], SSAValue] = {}
        self._locations: dict[exc.SourceLocation, LocationAttr] = {}

    def at(self, place: exc.SourceLocation | None) -> None:
        """Give the ops that follow the location `place`."""
        if place is not None:
            location = self._locations.get(place)
            if location is None:
                location = FileLineColLoc(StringAttr(place.file), IntAttr(place.line), IntAttr(place.column))
                self._locations[place] = location
            self.location = location

    def emit(self, op: Operation) -> SSAValue:
        """Append `op`; its first result."""
        op.location = self.location
        self.block.add_op(op)
        return op.results[0]

    def append(self, op: Operation) -> None:
        """Append an op that may have no result."""
        op.location = self.location
        self.block.add_op(op)

    def constant(self, value: float, element: Attribute) -> SSAValue:
        """A scalar constant; one op per block and value."""
        key = (self.block, (repr(value), type(value)), element)
        known = self._constants.get(key)
        if known is not None and known.owner.parent is self.block:  # type: ignore[union-attr]
            return known
        if isinstance(element, IntegerType):
            attr = IntegerAttr(wrapped(bool(value) if element == i1 else int(value), element), element)
        else:
            attr = FloatAttr(float(value), element)  # type: ignore[arg-type]
        result = self.emit(arith.ConstantOp(attr))
        self._constants[key] = result
        return result

    def splat(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        """A scalar in every lane; the scalar itself for rank 0."""
        return self.emit(SplatOp(value, dims)) if dims else value

    def filled(self, value: float, element: Attribute, dims: Sequence[Dim]) -> SSAValue:
        """A constant in every lane."""
        return self.splat(self.constant(value, element), dims)

    def expand_dims(self, value: SSAValue, axis: int) -> SSAValue:
        return self.emit(ExpandDimsOp(value, axis))

    def broadcast(self, value: SSAValue, dims: Sequence[Dim], placement: Sequence[int] | None = None) -> SSAValue:
        """Broadcast to `dims`; `placement[i]` is the axis of `dims` that axis `i` goes to (trailing axes when None)."""
        source = dims_of(value)
        if not source:
            return self.splat(value, dims)
        if placement is None:
            placement = range(len(dims) - len(source), len(dims))
        taken = set(placement)
        for axis in range(len(dims)):
            if axis not in taken:
                value = self.expand_dims(value, axis)
        return value if dims_of(value) == tuple(dims) else self.emit(BroadcastOp(value, dims))

    def integer(self, value: SSAValue, element: IntegerType, *, unsigned: bool = False) -> SSAValue:
        """An integer value of another width."""
        source = element_of(value)
        assert isinstance(source, IntegerType)
        if source == element:
            return value
        if source.width.data > element.width.data:
            return self.cast("trunci", value, element)
        return self.cast("extui" if unsigned or source == i1 else "extsi", value, element)

    def cast(self, kind: str, value: SSAValue, element: Attribute) -> SSAValue:
        """A conversion to or from integers."""
        return self.emit(cast_op(value, kind, element))

    def convert(self, value: SSAValue, source: torch.dtype, target: torch.dtype, *, elidable: bool = False) -> SSAValue:
        """`value.to(target)`, elementwise.

        `elidable`: the compiler widened an operator's operands, and this takes its result back to their dtype. Only
        such a conversion may give way to the wide value; what the user wrote rounds.
        """
        if source == target:
            return value
        element = element_type(target)
        if target == torch.bool:
            zero = self.filled(0, element_of(value), dims_of(value))
            return self.emit(CompareOp("ne", value, zero))
        if source.is_floating_point:
            if target.is_floating_point:
                return self._float(value, element, elidable)
            value = self._float(value, f32) if element_of(value) not in (f32, f64) else value
            if target == torch.uint8:  # by int64, as PyTorch has it: -2.0 is 254
                return self.cast("trunci", self.cast("fptosi", value, i64), element)
            return self.cast("fptoui" if target in UNSIGNED else "fptosi", value, element)
        if target.is_floating_point:
            kind = "uitofp" if source in UNSIGNED or source == torch.bool else "sitofp"
            return self._float(self.cast(kind, value, element if element in (f32, f64) else f32), element)
        assert isinstance(element, IntegerType)
        return self.integer(value, element, unsigned=source in UNSIGNED)

    def widened(self, value: SSAValue, element: Attribute) -> SSAValue:
        """A float in an element type at least as wide."""
        return self._float(value, element)

    def _float(self, value: SSAValue, element: Attribute, elidable: bool = False) -> SSAValue:
        source = element_of(value)
        if source == element:
            return value
        width, wanted = source.bitwidth, element.bitwidth  # type: ignore[attr-defined]
        if width == wanted:
            return self._float(self._float(value, f32), element)
        type_ = with_element(value.type, element)
        if width < wanted:
            return self.emit(arith.ExtFOp(value, type_))  # type: ignore[arg-type]
        narrowed = arith.TruncFOp(value, type_)
        if elidable:
            narrowed.attributes[ELIDABLE] = UnitAttr()
        return self.emit(narrowed)
