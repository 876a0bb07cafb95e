"""Reductions and scans by a function of the user's.

The function is traced once, on scalars, into the region of an op; a function that is one operator of a known kind
(`lambda a, b: a + b`) becomes the reduction or scan of that kind, which PyTorch's own functions become, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import torch
import torch._higher_order_ops
from torch.utils._pytree import tree_flatten, tree_unflatten
from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, TypedAttribute

from ... import exc
from ...dialects import tile
from ...dialects.axis_kinds import is_lane_wise
from ...dialects.dims import dims_of
from ...dialects.effects import has_no_effects
from ...dialects.names import value_name
from ...dialects.tile.along_axis import combining_kind
from ...dialects.value import SCAN_KINDS, CombinedOp
from ..builder import element_type
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer
from . import jagged
from .reductions import axes_of
from .table import HALVES, broadcast, device_tensor, lowers_unseen, operand

Function = Callable[..., Any]


@dataclass(frozen=True)
class Inputs:
    """Values that are combined together, at common dims, in the dtypes that they are computed in."""

    values: tuple[SSAValue, ...]
    dtypes: tuple[torch.dtype, ...]
    computed: tuple[torch.dtype, ...]
    tiles: tuple[AxisTile, ...]

    @staticmethod
    def of(tracer: Tracer, tensors: Sequence[Any]) -> Inputs:
        """Half precision is computed in float32."""
        given = [device_tensor(tracer, tensor) for tensor in tensors]
        dtypes = tuple(tensor.dtype for tensor in given)
        computed = tuple(torch.float32 if dtype in HALVES else dtype for dtype in dtypes)
        pairs = zip(given, computed, strict=True)
        values, tiles, _ = broadcast(tracer, [operand(tracer, tensor, dtype) for tensor, dtype in pairs])
        return Inputs(tuple(values), dtypes, computed, tiles)


def reduce(
    tracer: Tracer, combine_fn: Function, x: Any, dim: Any = None, other: Any = 0, keep_dims: bool = False
) -> Any:
    """`hl.reduce`."""
    single = isinstance(x, torch.Tensor)
    inputs = Inputs.of(tracer, [x] if single else list(x))
    empty = _constants(tracer, other, inputs.computed)
    axes = axes_of(tracer.tensor(inputs.values[0], inputs.computed[0], inputs.tiles), dim)
    values, tiles = list(inputs.values), list(inputs.tiles)
    for axis in reversed(axes):
        body, outside = traced(tracer, combine_fn, inputs.computed, tupled=not single)
        kind = _kind_of(body)
        if kind is None:
            jagged.refuse(tracer, tracer.tensor(values[0], inputs.computed[0], tiles), [axis], "a function combines")
        else:
            values = [jagged.filled(tracer, values[0], tiles, [axis], kind[0])]
        over = tracer.axis_tile(dims_of(values[0])[axis], tiles.pop(axis))
        if kind is None:
            given = [*values, *_beside(tracer, outside, values[0])]
            nothing = [_constant(tracer, 0, value.type) for value in outside]
            op: Operation = tile.CombineReduceOp(given, axis, body, ArrayAttr([*empty, *nothing]), over)
        else:
            op = tile.ReduceOp(kind[0], values[0], axis, over, ignore_nan=kind[1])
        tracer.builder.append(op)
        values = list(op.results[: len(values)])
    for axis in axes if keep_dims else ():
        values = [tracer.builder.expand_dims(value, axis) for value in values]
        tiles.insert(axis, None)
    return _results(tracer, inputs, values, tiles, x, reduced=not keep_dims)


def associative_scan(tracer: Tracer, combine_fn: Function, x: Any, dim: Any, reverse: bool = False) -> Any:
    """`hl.associative_scan`."""
    single = isinstance(x, torch.Tensor)
    return _scan(tracer, combine_fn, [x] if single else list(x), x, dim, reverse, tupled=not single)


@lowers_unseen(torch._higher_order_ops.associative_scan)
def torch_associative_scan(
    tracer: Tracer, combine_fn: Function, xs: Any, dim: Any, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:
    """PyTorch's own: any structure of tensors, of which the function takes two."""
    leaves, structure = tree_flatten(xs)
    if xs is leaves[0] or (isinstance(xs, list | tuple) and len(xs) == len(leaves) and all(map(is_, xs, leaves))):
        return associative_scan(tracer, combine_fn, xs, dim, reverse)

    def of_leaves(left: Any, right: Any) -> Any:
        trees = (tree_unflatten(list(side), structure) for side in (left, right))
        return tuple(tree_flatten(combine_fn(*trees))[0])

    return tree_unflatten(list(_scan(tracer, of_leaves, leaves, tuple(leaves), dim, reverse, tupled=True)), structure)


def _scan(
    tracer: Tracer, combine_fn: Function, tensors: Sequence[Any], like: Any, dim: Any, reverse: bool, *, tupled: bool
) -> Any:
    inputs = Inputs.of(tracer, tensors)
    axes = axes_of(tracer.tensor(inputs.values[0], inputs.computed[0], inputs.tiles), dim)
    if dim is None or isinstance(dim, list | tuple):
        raise exc.MultipleReductionDims("a scan goes along one dimension", hint="scan one after the other")
    (axis,) = axes
    over = tracer.axis_tile(dims_of(inputs.values[0])[axis], inputs.tiles[axis])
    body, outside = traced(tracer, combine_fn, inputs.computed, tupled=tupled)
    kind = _kind_of(body)
    if kind is not None and kind[0] in SCAN_KINDS and not kind[1]:
        terms = jagged.filled(tracer, inputs.values[0], inputs.tiles, [axis], kind[0])
        op: Operation = tile.ScanOp(kind[0], terms, axis, over, reverse=reverse)
    else:
        sample = tracer.tensor(inputs.values[0], inputs.computed[0], inputs.tiles)
        if reverse or jagged.jagged_tile(tracer, dims_of(sample.ssa)[axis], inputs.tiles[axis]) is None:
            jagged.refuse(tracer, sample, [axis], "a scan goes along")
        given = [*inputs.values, *_beside(tracer, outside, inputs.values[0])]
        op = tile.CombineScanOp(given, axis, body, reverse, over)
    tracer.builder.append(op)
    return _results(tracer, inputs, op.results[: len(inputs.values)], inputs.tiles, like, reduced=False)


def _beside(tracer: Tracer, outside: Sequence[SSAValue], value: SSAValue) -> list[SSAValue]:
    """Scalars of the kernel, in every lane of a value: a combine function takes them along, as it sees nothing else."""
    return [tracer.builder.splat(scalar, dims_of(value)) for scalar in outside]


def _results(
    tracer: Tracer, inputs: Inputs, values: Sequence[SSAValue], tiles: Sequence[AxisTile], x: Any, *, reduced: bool
) -> Any:
    """The results in the dtypes of the inputs, as a tensor or a tuple as those were given."""
    found = [
        tracer.tensor(tracer.builder.convert(value, computed, dtype, elidable=True), dtype, tiles, reduced=reduced)
        for value, computed, dtype in zip(values, inputs.computed, inputs.dtypes, strict=True)
    ]
    return found[0] if isinstance(x, torch.Tensor) else tuple(found)


def _constants(tracer: Tracer, other: Any, dtypes: Sequence[torch.dtype]) -> ArrayAttr[TypedAttribute]:
    """What a reduction of no lanes gives, for each value."""
    numbers = list(other) if isinstance(other, list | tuple) else [other] * len(dtypes)
    if len(numbers) != len(dtypes):
        raise exc.InvalidAPIUsage(f"hl.reduce: {len(numbers)} values of other= for {len(dtypes)} tensors")
    attributes: list[TypedAttribute] = []
    for number, dtype in zip(numbers, dtypes, strict=True):
        known = tracer.constant(number)
        if not isinstance(known, bool | int | float):
            raise exc.InvalidAPIUsage(f"hl.reduce: other= must be a number, got {type(known).__name__}")
        attributes.append(_constant(tracer, known, element_type(dtype)))
    return ArrayAttr(attributes)


def _constant(tracer: Tracer, number: float, element: Attribute) -> TypedAttribute:
    constant = tracer.builder.constant(number, element).owner
    assert isinstance(constant, arith.ConstantOp)
    return constant.value


# The function


def traced(
    tracer: Tracer, combine_fn: Function, dtypes: Sequence[torch.dtype], *, tupled: bool
) -> tuple[Region, list[SSAValue]]:
    """The region of a combine function for values of these dtypes, and the scalars that it takes behind them.

    Args:
        tupled: whether the values were given as a tuple; then a function of two parameters takes two tuples.
    """
    function, place = getattr(combine_fn, "fn", combine_fn), tracer.builder.location
    if (code := getattr(function, "__code__", None)) is not None:
        tracer.files.add(code.co_filename)
    elements = [element_type(dtype) for dtype in dtypes]
    block = Block(arg_types=elements * 2)
    with tracer.into(block):
        lanes = [tracer.tensor(arg, dtype) for arg, dtype in zip(block.args, (*dtypes, *dtypes), strict=True)]
        left, right = lanes[: len(dtypes)], lanes[len(dtypes) :]
        names = _parameters(function)
        as_tuples = tupled and len(names) == 2
        if len(names) == len(lanes):
            for arg, name in zip(block.args, names, strict=True):
                arg.name_hint = value_name(name)
        found = function(tuple(left), tuple(right)) if as_tuples else function(*left, *right)
        results = list(found) if isinstance(found, list | tuple) else [found]
        if len(results) != len(dtypes):
            raise exc.InvalidAPIUsage(
                f"the combine function gives {len(results)} values for {len(dtypes)} tensors",
                hint="return one value for each tensor, in their order",
            )
        values = [_scalar(tracer, value, dtype) for value, dtype in zip(results, dtypes, strict=True)]
        tracer.builder.location = place
        tracer.builder.append(CombinedOp(*values))
        moved, outside = _close(block, len(dtypes))
    for op in moved:
        tracer.builder.append(op)
    return Region(block), outside


def _parameters(function: Function) -> list[str]:
    """The positional arguments that a function needs; none if it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in positional and each.default is inspect.Parameter.empty]


def _scalar(tracer: Tracer, value: Any, dtype: torch.dtype) -> SSAValue:
    if isinstance(value, DeviceTensor) and value.dim():
        raise exc.ShapeMismatch(
            f"the combine function gives a value of shape {list(dims_of(value.ssa))}",
            hint="it combines two elements and gives one",
        )
    return operand(tracer, value, dtype).ssa


def _close(block: Block, count: int) -> tuple[list[Operation], list[SSAValue]]:
    """Make a block of lane-wise ops that sees nothing from outside.

    Constants are copied into it. Scalars of the kernel become arguments, behind the `count` of either lane, which it
    passes on as they are. What asks for a size or a position moves out.

    Returns:
        What moves out, and the scalars.

    Raises:
        NotAllowedInHelperFunction: something in the block is no arithmetic of two lanes.
    """
    own: dict[SSAValue, SSAValue] = dict(zip(block.args, block.args, strict=True))
    outside: dict[SSAValue, SSAValue] = {}
    moved: list[Operation] = []
    for op in list(block.ops):
        if not isinstance(op, arith.ConstantOp | CombinedOp) and not is_lane_wise(op):
            if op.regions or not has_no_effects(op) or any(value in own for value in op.operands):
                raise exc.NotAllowedInHelperFunction(
                    "a combine function computes with the elements it is given, without branches, loops and memory",
                    hint="use torch.where for a choice",
                )
            op.detach()
            moved.append(op)
            continue
        for index, value in enumerate(op.operands):
            if value not in own and isinstance(value.owner, arith.ConstantOp):
                copy = value.owner.clone()
                copy.location = value.owner.location
                block.insert_op_before(copy, op)
                own[value] = copy.result
            elif value not in own:
                own[value] = outside[value] = block.insert_arg(value.type, count + len(outside))
                block.insert_arg(value.type, len(block.args))
            op.operands[index] = own[value]
        own.update(zip(op.results, op.results, strict=True))
    if outside:
        end = block.last_op
        assert isinstance(end, CombinedOp)
        new = CombinedOp(*end.operands, *outside.values())
        new.location = end.location
        block.erase_op(end)
        block.add_op(new)
    return moved, list(outside)


def _kind_of(body: Region) -> tuple[str, bool] | None:
    """The kind of reduction that a combine function is, and whether it ignores NaN; None for any other function."""
    if len(body.block.args) != 2:
        return None
    ops = list(body.block.ops)
    if len(ops) != 2 or list(ops[1].operands) != list(ops[0].results) or set(ops[0].operands) != set(body.block.args):
        return None
    return combining_kind(ops[0])


__all__ = ["associative_scan", "reduce", "traced"]
