"""Sample inputs of the database as calls of the generic kernels.

Samples that differ in the sizes of their tensors only are one call lane by lane: their elements are laid end to end. An
operator along an axis keeps the sizes of a sample, as rows and columns: the axes that it reduces become the columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.testing._internal.opinfo.core import SampleInput
from torch.utils._pytree import tree_map

from . import kernels
from .operators import ALONG_AXIS, COMBINES, DTYPES, Operator

WIDTH = 13
"""Columns of tensors that are laid out in two dimensions."""
MOST = 1000
"""Of more elements of a sample, some are taken, evenly."""
RESULTS = frozenset((*DTYPES, torch.float64, torch.int16, torch.int8))


@dataclass(frozen=True)
class Slot:
    """Where a tensor stands among the arguments."""

    number: int


@dataclass
class Call:
    """A call of an operator on tensors: what eager PyTorch runs, and a generic kernel."""

    body: kernels.Body
    inputs: tuple[torch.Tensor, ...]
    launches: list[tuple[str, Callable[..., Any], dict[str, Any]]] = field(default_factory=list)
    """Layout, kernel (of body, inputs, outs) and config."""


def filled(template: Any, tensors: Sequence[Any]) -> list[Any]:
    """The arguments with the tensors in their slots."""
    return [tensors[part.number] if isinstance(part, Slot) else part for part in template]


def body_of(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> kernels.Body:
    """The operator as a function of its tensors only, whose results are a tuple."""
    if not kwargs and all(isinstance(arg, Slot) for arg in args):
        return lambda *tensors: results_of(function(*tensors))
    slots = {name: value.number for name, value in kwargs.items() if isinstance(value, Slot)}
    plain = {name: value for name, value in kwargs.items() if name not in slots}
    return lambda *tensors: results_of(function(*filled(args, tensors), **plain, **named(slots, tensors)))


def named(slots: dict[str, int], tensors: Sequence[Any]) -> dict[str, Any]:
    """The tensors that are given by keyword."""
    return {name: tensors[number] for name, number in slots.items()}


def results_of(result: Any) -> tuple[Any, ...]:
    """One result or several as a tuple."""
    return result if type(result) is tuple else tuple(result) if isinstance(result, tuple | list) else (result,)


def slotted(sample: SampleInput) -> tuple[list[Any], dict[str, Any], list[torch.Tensor]]:
    """The arguments of a sample with slots for its tensors, and those."""
    tensors: list[torch.Tensor] = []

    def slot(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        tensors.append(value)
        return Slot(len(tensors) - 1)

    args, kwargs = tree_map(slot, ([sample.input, *sample.args], dict(sample.kwargs)))
    return list(args), kwargs, tensors


def calls(operator: Operator, samples: Sequence[SampleInput], most: int) -> Iterator[Call]:
    """Up to `most` different calls of an operator on the database's samples of a dtype."""
    make = lane_calls if operator.kind == "lanes" else axis_calls
    for number, call in enumerate(make(operator, samples)):
        if number == most:
            return
        yield call


# Lane by lane


def lane_calls(operator: Operator, samples: Sequence[SampleInput]) -> Iterator[Call]:
    """Samples that differ in sizes only, end to end; each in one dimension and in two."""
    groups: dict[Any, tuple[kernels.Body, list[list[torch.Tensor]]]] = {}
    for number, sample in enumerate(samples):
        args, kwargs, tensors = slotted(sample)
        layout = kwargs.get("memory_format", torch.preserve_format)
        if not tensors or layout is not torch.preserve_format or not all(map(_is_plain, tensors)):
            continue
        body = body_of(operator.info.op, args, kwargs)
        columns = next(
            (columns for columns in _columns(tensors) if _is_lanewise(body, list(map(_twice, columns)))), None
        )
        if columns is None:
            continue
        own = number if any(x.dim() == 0 for x in columns) else None  # its scalars are not those of another sample
        key = repr((args, kwargs, [x.dtype for x in columns], own))
        step = -(-max(x.numel() for x in columns) // MOST)
        groups.setdefault(key, (body, []))[1].append([x[::step] if x.dim() else x for x in columns])
    for body, parts in groups.values():
        columns = tuple(torch.cat(part) if part[0].dim() else part[0] for part in zip(*parts, strict=True))
        yield Call(body, columns, [("1-D", kernels.one_dimension, {"block_sizes": [64]})])
        tiled = tuple(map(_tiled, columns))
        if _is_lanewise(body, tiled):
            yield Call(body, tiled, [("2-D", kernels.two_dimensions, {"block_sizes": [4, 8]})])


def _twice(column: torch.Tensor) -> torch.Tensor:
    return column.repeat(2) if column.dim() else column


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.dtype in RESULTS and tensor.layout == torch.strided


def _tiled(column: torch.Tensor) -> torch.Tensor:
    """The elements in rows of `WIDTH`; some again, to fill the last one."""
    if column.dim() == 0:
        return column
    count = -(-column.numel() // WIDTH) * WIDTH
    return column.repeat(-(-count // column.numel()))[:count].reshape(-1, WIDTH).contiguous()


def _columns(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """The tensors broadcast and laid out in one dimension: all of them, or those that have one.

    Tensors of no dimension are scalars to the rules of promotion, and for some operators must be.
    """
    try:
        every = [t.reshape(-1).contiguous() for t in torch.broadcast_tensors(*tensors)]
    except RuntimeError:
        return
    scalars = [t.dim() == 0 or (t.numel() == 1 and every[0].numel() != 1) for t in tensors]
    apart = [t.reshape(()) if scalar else e for t, e, scalar in zip(tensors, every, scalars, strict=True)]
    mixed = len({t.dtype for t in tensors}) > 1 and any(scalars)
    orders = [apart, every] if mixed else [every, apart]
    yield from (columns for columns in orders if any(column.dim() for column in columns))


def _is_lanewise(body: kernels.Body, columns: Sequence[torch.Tensor]) -> bool:
    """Whether there is a result for each element (a mean of losses has one)."""
    try:
        results = body(*columns)
    except (RuntimeError, ValueError, TypeError):
        return False
    shape = torch.broadcast_shapes(*(x.shape for x in columns))
    here = columns[0].device
    made = all(isinstance(r, torch.Tensor) and r.shape == shape and r.device == here for r in results)
    return made and math.prod(shape) > 0 and all(r.dtype in RESULTS for r in results)


# Along an axis


def axis_calls(operator: Operator, samples: Sequence[SampleInput]) -> Iterator[Call]:
    """Samples as rows and columns."""
    known: set[str] = set()
    for sample in samples:
        args, kwargs, tensors = slotted(sample)
        if not isinstance(sample.input, torch.Tensor) or any(t.dtype not in RESULTS for t in tensors):
            continue
        call = _axis_call(operator, sample.input.shape, args, kwargs, tensors)
        if call is None:
            continue
        key, made = call
        if key not in known:
            known.add(key)
            yield made


def _axis_call(
    operator: Operator, shape: torch.Size, args: list[Any], kwargs: dict[str, Any], tensors: list[torch.Tensor]
) -> tuple[str, Call] | None:
    position = ALONG_AXIS.get(operator.name, 0) + 1
    given = kwargs.get("dim", args[position] if position < len(args) else None)
    every = given is None or given == () or given == []
    if isinstance(given, bool | Slot) or 0 in shape:
        return None
    try:
        laid = [_laid_out(t.expand(shape), None if every else given) for t in tensors]
    except RuntimeError:
        return None
    if not every:
        along = -1 if isinstance(given, int) else (-1,)
        if "dim" in kwargs:
            kwargs = {**kwargs, "dim": along}
        else:
            args = [*args[:position], along, *args[position + 1 :]]
    body = body_of(operator.info.op, args, kwargs)
    try:
        results = results_of(body(*laid))
    except (RuntimeError, IndexError, ValueError):
        return None
    if not all(isinstance(r, torch.Tensor) and r.dtype in RESULTS for r in results):
        return None
    key = repr((args, kwargs, [(t.shape, t.dtype) for t in laid]))
    return key, Call(body, tuple(laid), list(_launches(operator, results, laid)))


def _laid_out(tensor: torch.Tensor, dim: Any) -> torch.Tensor:
    """A tensor as rows and columns, the axes of `dim` as columns; all in one row without one."""
    if dim is None:
        return tensor.reshape(-1).contiguous()
    if tensor.dim() == 0:
        return tensor.reshape(1, 1)
    reduced = [d % tensor.dim() for d in ([dim] if isinstance(dim, int) else dim)]
    kept = [d for d in range(tensor.dim()) if d not in reduced]
    columns = math.prod(tensor.shape[d] for d in reduced)
    return tensor.permute(*kept, *reduced).reshape(-1, columns).contiguous()


def _launches(
    operator: Operator, results: Sequence[torch.Tensor], laid: Sequence[torch.Tensor]
) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    if laid[0].dim() == 1:
        if all(r.dim() == 0 for r in results):
            yield "all", kernels.of_everything, {}
        return
    if all(r.dim() == 2 for r in results):
        yield "rows to rows", kernels.to_rows, {"block_sizes": [2]}
        return
    yield "slice", kernels.of_rows, {"block_sizes": [2]}
    if laid[0].size(1) > 2:
        yield "rolled slice", kernels.of_rows, {"block_sizes": [2], "reduction_loops": [2]}
    combine = COMBINES.get(operator.name)
    if combine is not None and laid[0].size(1) > 1:
        combined = partial(_with_combine, combine)
        yield "tile loop", combined, {"block_sizes": [2, 4]}


def _with_combine(combine: Callable[..., Any], body: kernels.Body, inputs: Any, outs: Any) -> Any:
    return kernels.of_tiles, (body, combine, inputs, outs)
