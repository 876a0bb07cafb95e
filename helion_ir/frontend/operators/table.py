"""The table of operators: ATen overload → how it becomes `tile` ops; and what all lowerings share.

A lowering takes the tracer and the operator's arguments and returns tensors. Operators without a row are
decomposed by PyTorch until all have one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch._prims_common import ELEMENTWISE_TYPE_PROMOTION_KIND as Promotion
from torch._prims_common import elementwise_dtypes
from torch.utils._python_dispatch import _disable_current_modes
from xdsl.dialects.builtin import f32, f64
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.dims import Dim, dims_of
from ...dialects.value import ReshapeOp
from ..builder import element_type
from ..symbols.nodes import FloatNode, IntNode
from ..tensors import AxisTile, DeviceTensor, HostTensor
from ..tracer import Tracer

aten = torch.ops.aten
prims = torch.ops.prims
F = TypeVar("F", bound=Callable[..., Any])

LOWERINGS: dict[Any, Callable[..., Any]] = {}
"""ATen overload → lowering."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""Python-level function of torch → lowering, for what must be seen before PyTorch's own checks."""

UNSEEN: dict[Any, Callable[..., Any]] = {}
"""Python-level function of torch → lowering, for functions that PyTorch's modes do not see."""

HALVES = (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


def lowers(*overloads: Any) -> Callable[[F], F]:
    """Register a lowering for ATen overloads."""

    def register(lowering: F) -> F:
        for overload in overloads:
            LOWERINGS[overload] = lowering
        return lowering

    return register


def lowers_function(*functions: Any) -> Callable[[F], F]:
    """Register a lowering for Python-level functions of torch.

    Of parameters that it annotates as `int` or `bool` it gets the values, which join the key, as PyTorch's parser of
    arguments does for operators.
    """

    def register(lowering: F) -> F:
        for function in functions:
            FUNCTIONS[function] = _with_values(lowering)
        return lowering

    return register


def _with_values(lowering: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(lowering)
    needed = [name for name, each in signature.parameters.items() if each.annotation in ("int", "int | None", "bool")]
    if not needed:
        return lowering

    def call(tracer: Tracer, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(tracer, *args, **kwargs)
        for name in needed:
            if name in bound.arguments:
                bound.arguments[name] = tracer.constant(bound.arguments[name])
        return lowering(*bound.args, **bound.kwargs)

    return call


def lowers_unseen(*functions: Any) -> Callable[[F], F]:
    """Register a lowering for functions of torch that PyTorch's modes do not see."""

    def register(lowering: F) -> F:
        UNSEEN.update(dict.fromkeys(functions, lowering))
        return lowering

    return register


_PROTOTYPES: dict[Any, Any] = {}


def _prototype(dtype: torch.dtype, scalar: bool) -> torch.Tensor:
    key = (dtype, scalar)
    if key not in _PROTOTYPES:
        with _disable_current_modes():
            _PROTOTYPES[key] = torch.empty(() if scalar else (1,), dtype=dtype, device="meta")
    return _PROTOTYPES[key]


@lru_cache(maxsize=4096)
def _promote(kind: Promotion, *keys: Any) -> tuple[torch.dtype, torch.dtype]:
    args = [key() if isinstance(key, type) else _prototype(*key) for key in keys]
    return elementwise_dtypes(*args, type_promotion_kind=kind)


def _kind_of(arg: Any) -> Any:
    if isinstance(arg, torch.Tensor):
        if (number := getattr(arg, "_wrapped_number", None)) is not None:
            return _kind_of(number)
        return (arg.dtype, arg.dim() == 0)
    if isinstance(arg, bool | torch.SymBool):
        return bool
    return float if isinstance(arg, float | torch.SymFloat) else int


def promote(args: Sequence[Any], kind: Promotion = Promotion.DEFAULT) -> tuple[torch.dtype, torch.dtype]:
    """The dtype to compute an elementwise operator in, and that of its result, by PyTorch's rules."""
    return _promote(kind, *map(_kind_of, args))


class Operand:
    """An argument as an SSA value, with the tiles of its axes."""

    __slots__ = ("reduced", "ssa", "tiles")

    def __init__(self, ssa: SSAValue, tiles: tuple[AxisTile, ...] = (), reduced: bool = False):
        self.ssa = ssa
        self.tiles = tiles
        self.reduced = reduced


def operand(tracer: Tracer, arg: Any, dtype: torch.dtype) -> Operand:
    """`arg` (a tensor or a number) converted to `dtype`."""
    builder = tracer.builder
    if isinstance(arg, DeviceTensor):
        return Operand(builder.convert(arg.ssa, arg.dtype, dtype), arg.tiles, arg.reduced)
    if isinstance(arg, HostTensor):
        raise exc.HostTensorDirectUsage(
            "a host tensor is used in device code without a subscript", hint="load what you need of it: x[tile]"
        )
    if isinstance(arg, torch.Tensor):
        return _constant_tensor(tracer, arg, dtype)
    if isinstance(arg, torch.SymInt):
        node = arg.node
        assert isinstance(node, IntNode)
        source = tracer.value_type(node.poly)
        source_dtype = torch.int64 if source.width.data == 64 else torch.int32
        return Operand(builder.convert(tracer.integer(arg, source), source_dtype, dtype))
    if isinstance(arg, torch.SymFloat):
        node = arg.node
        assert isinstance(node, FloatNode)
        if node.constant_value is None:
            wide = dtype == torch.float64
            value = tracer.float_value(node, f64 if wide else f32)
            return Operand(builder.convert(value, torch.float64 if wide else torch.float32, dtype))
        arg = node.constant_value
    if isinstance(arg, torch.SymBool):
        return Operand(builder.convert(tracer.bool_value(arg.node), torch.bool, dtype))
    if isinstance(arg, bool | int | float):
        if isinstance(arg, float) and not dtype.is_floating_point:
            arg = bool(arg) if dtype == torch.bool else int(arg)
        return Operand(builder.constant(arg, element_type(dtype)))
    raise exc.UnsupportedPythonType(f"a value of type {type(arg).__name__} cannot be used in a tensor operation")


def _constant_tensor(tracer: Tracer, arg: torch.Tensor, dtype: torch.dtype) -> Operand:
    """A tensor that is not traced: a wrapped Python number, or a constant made by `torch.tensor(3.0)`."""
    if (number := getattr(arg, "_wrapped_number", None)) is not None:
        return operand(tracer, number, dtype)
    if arg.dim() == 0 and arg.device.type == "cpu" and not isinstance(arg, torch._subclasses.FakeTensor):
        with _disable_current_modes():
            return operand(tracer, arg.item(), dtype)
    raise exc.HostTensorDirectUsage(
        "a host tensor is used in device code without a subscript", hint="load what you need of it: x[tile]"
    )


# Broadcasting


def same_dim(tracer: Tracer, a: Dim, b: Dim) -> bool:
    """Whether two dims are one size: equal names, or names of blocks that the user fixed alike."""
    return a == b or (tracer.fixed(a) is not None and tracer.fixed(a) == tracer.fixed(b))


def _merge_dims(
    tracer: Tracer, target: Sequence[Dim], dims: Sequence[Dim], placement: Sequence[int]
) -> list[Dim] | None:
    """`target` with `dims` laid onto axes `placement`; None where they do not fit."""
    result = list(target)
    for axis, dim in zip(placement, dims, strict=True):
        if result[axis] == 1 or (dim != 1 and tracer.fixed(result[axis]) == 1):
            result[axis] = dim
        elif tracer.fixed(dim) != 1 and not same_dim(tracer, result[axis], dim):
            return None
    return result


def _by_identity(target: Sequence[Dim], dims: Sequence[Dim]) -> list[int] | None:
    """For each of `dims` the axis of `target` with the same tile, in order; None where there is none."""
    placement: list[int] = []
    start = 0
    for dim in dims:
        found = next((i for i in range(start, len(target)) if dim == target[i] and dim != 1), None)
        if found is None:
            return None
        placement.append(found)
        start = found + 1
    return placement


def align(tracer: Tracer, operands: Sequence[Operand]) -> tuple[list[Dim], list[list[int]]]:
    """The dims that operands broadcast to, and for each the axes that its own go to.

    Trailing axes pair up as in PyTorch. Where that would pair different tiles, an operand of lower rank goes
    where the tiles are its own, unless a reduction made it.
    """
    every = [dims_of(o.ssa) for o in operands]
    rank = max(map(len, every))
    target: list[Dim] = [1] * rank
    placements: list[list[int]] = [[] for _ in every]
    for i in sorted(range(len(every)), key=lambda i: -len(every[i])):
        dims = every[i]
        placement = list(range(rank - len(dims), rank))
        merged = _merge_dims(tracer, target, dims, placement)
        if merged is None and len(dims) < rank and not operands[i].reduced:
            identity = _by_identity(target, dims)
            if identity is not None:
                placement, merged = identity, _merge_dims(tracer, target, dims, identity)
        if merged is None:
            for axis, dim in zip(placement, dims, strict=True):
                if 1 not in (dim, target[axis]) and dim != target[axis]:
                    tracer.must_equal(target[axis], dim)
            shapes = " and ".join(str(list(d)) for d in every if d)
            raise exc.ShapeMismatch(f"shapes {shapes} do not broadcast")
        target, placements[i] = merged, placement
    return target, placements


def broadcast(tracer: Tracer, operands: Sequence[Operand]) -> tuple[list[SSAValue], tuple[AxisTile, ...], bool]:
    """The operands with common dims, the tiles of those, and whether a reduction made one of full rank."""
    if all(o.ssa.type == operands[0].ssa.type or not dims_of(o.ssa) for o in operands) and not dims_of(operands[0].ssa):
        return [o.ssa for o in operands], (), False
    target, placements = align(tracer, operands)
    parts: list[list[AxisTile]] = [[] for _ in target]
    values: list[SSAValue] = []
    for o, placement in zip(operands, placements, strict=True):
        dims = dims_of(o.ssa)
        for axis, dim, known in zip(placement, dims, o.tiles, strict=False):
            if dim == target[axis]:
                parts[axis].append(known)
            elif tracer.fixed(dim) != 1 and isinstance(known, SSAValue):
                parts[axis].append(tracer.renamed_tile(known, target[axis]))
        values.append(place(tracer, o.ssa, target, placement))
    reduced = any(o.reduced for o in operands if len(dims_of(o.ssa)) == len(target))
    return values, tuple(map(tracer.joint_tile, parts)), reduced


def place(tracer: Tracer, value: SSAValue, target: Sequence[Dim], placement: Sequence[int]) -> SSAValue:
    """`value` with the dims `target`, its axes at `placement`; equal fixed sizes under other names are renamed.

    A block of 1 is a size of 1.
    """
    dims = dims_of(value)
    if any(dim not in (1, target[axis]) for axis, dim in zip(placement, dims, strict=True)):
        pairs = [(dim, target[axis]) for axis, dim in zip(placement, dims, strict=True)]
        renamed = [wanted if dim != 1 and same_dim(tracer, dim, wanted) else 1 for dim, wanted in pairs]
        value = tracer.builder.emit(ReshapeOp(value, renamed))
    return value if dims_of(value) == tuple(target) else tracer.builder.broadcast(value, target, placement)


def broadcast_to(tracer: Tracer, value: Operand, dims: Sequence[Dim]) -> SSAValue | None:
    """`value` with exactly `dims`; None where it does not fit."""
    source = dims_of(value.ssa)
    if source == tuple(dims):
        return value.ssa
    rank = len(dims)
    if len(source) > rank:
        return None
    for placement in (list(range(rank - len(source), rank)), _by_identity(dims, source)):
        if placement is None or (source and placement[0] != rank - len(source) and value.reduced):
            continue
        merged = _merge_dims(tracer, dims, source, placement)
        if merged is not None and all(same_dim(tracer, one, other) for one, other in zip(merged, dims, strict=True)):
            return place(tracer, value.ssa, dims, placement)
    for dim, wanted in zip(source, dims[rank - len(source) :], strict=True):
        if dim not in (1, wanted):
            tracer.must_equal(wanted, dim)
    return None


def device_tensor(tracer: Tracer, arg: Any) -> DeviceTensor:
    """`arg`, which must be a device value; a number becomes a scalar."""
    if isinstance(arg, DeviceTensor):
        return arg
    plain = isinstance(arg, torch.Tensor) and not hasattr(arg, "_wrapped_number")
    dtype = arg.dtype if plain else promote([arg])[1]
    return tracer.tensor(operand(tracer, arg, dtype).ssa, dtype)


def like(tracer: Tracer, ssa: SSAValue, source: DeviceTensor, dtype: torch.dtype | None = None) -> DeviceTensor:
    """A tensor with the axes of `source`."""
    return tracer.tensor(ssa, dtype or source.dtype, source.tiles, reduced=source.reduced)
