"""Whether tensors of a call lie in the same memory: disjoint, one and the same, or partly over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

DISJOINT, SAME, PARTIAL = 0, 1, 2
_MOST_STEPS = 10_000


def address_of(tensor: torch.Tensor) -> int | None:
    """Where a tensor begins; None for a fake one, unless it stands for one that was there (`PlacedSpec`)."""
    return getattr(tensor, "address", None) if isinstance(tensor, FakeTensor) else tensor.data_ptr()


def storage_of(tensor: torch.Tensor) -> int:
    """The storage of a tensor and its views as a number, unique while a tensor of that storage lives."""
    return tensor.untyped_storage()._cdata


def overlap(one: Any, other: Any) -> int:
    """How the elements of two tensors lie: `DISJOINT`, `SAME` (one tensor, given twice) or `PARTIAL`.

    What is no real tensor (a `TensorSpec`, a fake tensor) is disjoint from all others. Where the question takes too
    long to answer, the answer is `PARTIAL`.
    """
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor) or one.device != other.device:
        return DISJOINT
    start, start_other = address_of(one), address_of(other)
    if start is None or start_other is None or not one.numel() or not other.numel():
        return DISJOINT
    if start == start_other and _layout(one) == _layout(other):
        return SAME
    if start + _bytes(one) <= start_other or start_other + _bytes(other) <= start:
        return DISJOINT
    size = one.element_size()
    if size != other.element_size() or (start - start_other) % size:
        return PARTIAL
    steps = [(n - 1, s) for n, s in zip(one.shape, one.stride(), strict=True) if n > 1]
    steps_other = [(n - 1, -s) for n, s in zip(other.shape, other.stride(), strict=True) if n > 1]
    return PARTIAL if _can_reach(steps + steps_other, (start_other - start) // size) else DISJOINT


def overlaps(one: Any, others: Sequence[Any]) -> int | tuple[int, ...]:
    """`overlap` of one tensor with each of others; 0 where it overlaps none, which is quick to see."""
    if type(one) in _REAL:
        start = one.data_ptr()
        end = start + _bytes(one)
        if all([type(other) in _REAL and _is_beside(other, start, end) for other in others]):
            return DISJOINT
    found = tuple([overlap(one, other) for other in others])
    return found if any(found) else DISJOINT


_REAL = frozenset((torch.Tensor, torch.nn.Parameter))


def _is_beside(tensor: torch.Tensor, start: int, end: int) -> bool:
    """Whether no address of a tensor lies between `start` and `end`."""
    first = tensor.data_ptr()
    return first >= end or first + _bytes(tensor) <= start


def _layout(tensor: torch.Tensor) -> tuple[object, ...]:
    return tensor.dtype, tensor.shape, tensor.stride()


def _bytes(tensor: torch.Tensor) -> int:
    """From the first byte of a tensor to behind its last one."""
    if tensor.is_contiguous():
        return tensor.nbytes
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    return (reach + 1) * tensor.element_size()


def _can_reach(steps: Sequence[tuple[int, int]], target: int) -> bool:
    """Whether `sum(i * step)`, each `i` between 0 and its count, can be `target`."""
    ordered = sorted(steps, key=lambda each: -abs(each[1]))
    above = [sum(max(n * s, 0) for n, s in ordered[k:]) for k in range(len(ordered) + 1)]
    below = [sum(min(n * s, 0) for n, s in ordered[k:]) for k in range(len(ordered) + 1)]
    stack, left = [(0, target)], _MOST_STEPS
    while stack:
        level, rest = stack.pop()
        if not below[level] <= rest <= above[level]:
            continue
        left -= 1
        if level == len(ordered) or left == 0:
            return True
        count, step = ordered[level]
        if step == 0:
            stack.append((level + 1, rest))
            continue
        bounds = sorted(((rest - above[level + 1]) / step, (rest - below[level + 1]) / step))
        first, last = max(0, int(bounds[0]) - 1), min(count, int(bounds[1]) + 1)
        if last - first > left:
            return True
        stack += [(level + 1, rest - i * step) for i in range(first, last + 1)]
    return False


__all__ = ["DISJOINT", "PARTIAL", "SAME", "address_of", "overlap", "overlaps", "storage_of"]
