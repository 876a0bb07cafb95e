"""Tensors that a kernel writes into in place, and which of them PyTorch would not write into either.

Of an argument that requires grad no gradient could follow the kernel's stores; of a tensor whose elements share memory
(`expand`) a store would write one place several times. Static layouts are looked at while the kernel is traced, the
rest at each call of a kernel that writes into arguments; other kernels have nothing to check.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..exc import InvalidAssignment, SourceLocation


@dataclass(frozen=True)
class Written:
    """A tensor of the caller's that device code writes into: the host expression of it, and where.

    `dims`: those whose elements a store writes apart from each other; empty for what atomics alone change. `tracked`:
    autograd would see it, as it is not reached through `.detach()` or `.data`.
    """

    expr: str
    dims: tuple[int, ...]
    tracked: bool
    location: SourceLocation | None


def names_in(expr: str) -> set[str]:
    """The names of a host expression."""
    return {node.id for node in ast.walk(ast.parse(expr, mode="eval")) if isinstance(node, ast.Name)}


def shares_elements(layout: Sequence[tuple[int, int]]) -> bool:
    """Whether two elements of a tensor, whose dimensions have these sizes and strides, are one place in memory.

    Exact but for tensors in which only three or more dimensions together overlap.
    """
    if any(size == 0 for size, _ in layout):
        return False
    dims = sorted((stride, size) for size, stride in layout if size > 1)
    apart: list[tuple[int, int]] = []
    reach = 0
    for stride, size in dims:
        if stride == 0:
            return True
        if stride <= reach and any(_meet(one, (stride, size)) for one in apart):
            return True
        apart.append((stride, size))
        reach += stride * (size - 1)
    return False


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether different steps along two dimensions of (stride, size) lead to one place."""
    common = math.gcd(one[0], other[0])
    return other[0] // common < one[1] and one[0] // common < other[1]


def checked_targets(
    written: Sequence[Written], find: Callable[..., tuple[torch.Tensor, ...]], static: bool
) -> Callable[..., tuple[torch.Tensor, ...]]:
    """`find`, which gives the tensors of `written` from the arguments, with an error for what PyTorch would not write
    into; `static`: their strides were looked at already."""

    def checked(*args: object) -> tuple[torch.Tensor, ...]:
        tensors = find(*args)
        for tensor, where in zip(tensors, written, strict=True):
            if where.tracked and tensor.requires_grad and torch.is_grad_enabled():
                refuse_gradient(where)
            if not static and where.dims and not tensor.is_contiguous():
                layout = [(tensor.size(dim), tensor.stride(dim)) for dim in where.dims]
                refuse_shared(where.expr, layout, where.location)
        return tensors

    return checked


def refuse_gradient(where: Written) -> None:
    """Raise for a tensor that requires grad."""
    raise InvalidAssignment(
        f"{where.expr} requires grad, and is written into where no gradient can follow",
        hint="call the kernel under torch.no_grad(), or pass .detach()",
        location=where.location,
    )


def refuse_shared(name: str, layout: Sequence[tuple[int, int]], location: SourceLocation | None) -> None:
    """Raise for a tensor of which a store along dimensions of these sizes and strides meets one place twice."""
    if shares_elements(layout):
        raise InvalidAssignment(
            f"{name} is written into, but several of its elements are one place in memory: its dimensions have the "
            f"(size, stride) {', '.join(map(str, layout))}",
            hint="pass .clone(), or .contiguous()",
            location=location,
        )
