"""How values of different ranks meet: by their tiles where PyTorch would pair two different tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .memory import aligned
from .tiles import axes_of, mark

_LANE_WISE = frozenset((
    "add", "sub", "rsub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow", "float_power",
    "maximum", "minimum", "fmax", "fmin", "where", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or",
    "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "atan2",
    "hypot", "copysign", "lerp", "addcmul", "addcdiv", "clamp", "masked_fill", "logaddexp", "ldexp", "xlogy",
    "truediv", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift", "isclose", "nextafter",
))  # fmt: skip


def is_lane_wise(name: str) -> bool:
    """Whether a function of PyTorch works lane by lane on several operands."""
    bare = name.strip("_")
    return bare in _LANE_WISE or (bare[:1] in "ri" and bare[1:] in _LANE_WISE)


def align(args: Sequence[Any]) -> list[Any]:
    """The operands of a lane-wise function, with unit dimensions where tiles ask for them."""
    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
    if len({tensor.dim() for tensor in tensors}) < 2:
        return list(args)
    widest = max(tensors, key=torch.Tensor.dim)
    return [aligned(arg, axes_of(widest)) if isinstance(arg, torch.Tensor) else arg for arg in args]


def propagate(name: str, args: Sequence[Any], result: Any) -> Any:
    """`result` with what is known of its axes: those of an operand of its shape, of a lane-wise function's operands."""
    if not isinstance(result, torch.Tensor):
        return result
    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
    if not tensors or (any(result is each for each in tensors) and axes_of(result) != (None,) * result.dim()):
        return result
    axes: list[object] = [None] * result.dim()
    if name in ("matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm") and result.dim() >= 2:
        left, right = tensors[-2:]
        axes = [*axes_of(left)[:-1], *axes_of(right)[-1:]] if left.dim() == right.dim() == result.dim() else axes
    elif is_lane_wise(name):
        for tensor in tensors:
            for place, axis in enumerate(axes_of(tensor), result.dim() - tensor.dim()):
                if axis is not None and tensor.size(place - result.dim()) == result.size(place):
                    axes[place] = axis
    elif tensors[0].shape == result.shape and name not in ("permute", "transpose", "t", "flip", "sort"):
        axes = list(axes_of(tensors[0]))
    elif name == "__getitem__" and len(args) == 2:
        axes = _subscripted(tensors[0], args[1], axes)
    elif result.dim() < tensors[0].dim():
        axes = _reduced(tensors[0], result, axes)
    return mark(result, axes)


def _subscripted(value: torch.Tensor, index: Any, unknown: list[object]) -> list[object]:
    """The axes that `None` and `:` keep."""
    entries = index if isinstance(index, tuple) else (index,)
    if any(each is not None and each != slice(None) for each in entries):
        return unknown
    own = iter(axes_of(value))
    found = [None if each is None else next(own) for each in entries]
    return [*found, *own]


def _reduced(value: torch.Tensor, result: torch.Tensor, unknown: list[object]) -> list[object]:
    """The axes that are left, where their sizes say which."""
    left, sizes = list(axes_of(value)), list(value.shape)
    kept = [axis for axis, size in zip(left, sizes, strict=True) if sizes.count(size) == 1 and size in result.shape]
    return kept if len(kept) == result.dim() else unknown


__all__ = ["align", "is_lane_wise", "propagate"]
