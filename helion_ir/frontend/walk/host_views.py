"""Views of host tensors that device code makes, as `x.view(-1)[positions]`: the host makes them, at the launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._prims_common import canonicalize_dim

from ... import exc
from ..symbols.nodes import poly_of
from ..tensors import HostTensor
from ..tracer import Tracer

_METHODS = (
    "diagonal", "expand", "movedim", "narrow", "permute", "select", "squeeze", "swapaxes", "swapdims", "t",
    "transpose", "unflatten", "unfold", "unsqueeze", "view",
)  # fmt: skip
_PROPERTIES = ("T", "mT", "H", "mH")
VIEWS: Mapping[Any, str] = {
    **{getattr(torch.Tensor, name): f".{name}({{}})" for name in _METHODS},
    **{getattr(torch, name): f".{name}({{}})" for name in _METHODS if hasattr(torch, name)},
    **{getattr(torch.Tensor, name).__get__: f".{name}" for name in _PROPERTIES},
}
"""Functions whose result is a view of their first argument, and how the host spells them."""
_FLATTEN = (torch.flatten, torch.Tensor.flatten)
_RESHAPE = (torch.reshape, torch.Tensor.reshape)
OF_HOST_TENSORS = frozenset((*VIEWS, *_FLATTEN, *_RESHAPE))


def host_view(
    tracer: Tracer, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Callable[..., Any]
) -> Any:
    """What `func` of `OF_HOST_TENSORS` makes of a host tensor: an argument of the kernel, and the same memory.

    `call` calls a function as host code does. A reshape is a view: what device code stores into a copy would be lost.
    """
    func, args, kwargs = _as_view(func, args, kwargs)
    source, parts = args[0], list(map(_spelled(tracer), args[1:]))
    parts += [f"{key}={_spelled(tracer)(value)}" for key, value in kwargs.items()]
    path = tracer.paths.get(id(source))
    tracer.in_device = False
    try:
        result = call(func, args, kwargs)
    finally:
        tracer.in_device = True
    if path is not None and isinstance(result, HostTensor):
        expr = path + VIEWS[func].format(", ".join(parts))
        tracer.paths[id(result)] = expr
        tracer.host_views.setdefault(expr, result)
        tracer.keep(result)
    return result


def _as_view(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Sequence[Any], Mapping[str, Any]]:
    """The call, or that of `view` which a reshape stands for."""
    if func in _RESHAPE:
        return torch.Tensor.view, [args[0], *args[1:], *kwargs.values()], {}
    if func in _FLATTEN:
        x, (first, last) = args[0], _ends(*args[1:], **kwargs)
        first, last = canonicalize_dim(x.dim(), first), canonicalize_dim(x.dim(), last)
        return torch.Tensor.view, [x, [*x.shape[:first], -1, *x.shape[last + 1 :]]], {}
    return func, args, kwargs


def _ends(start_dim: int = 0, end_dim: int = -1) -> tuple[int, int]:
    return start_dim, end_dim


def _spelled(tracer: Tracer) -> Callable[[Any], str]:
    """How the host spells an argument of a view: numbers that it knows."""

    def spell(value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(spell, value))}]"
        if isinstance(value, torch.SymInt):
            poly = tracer.resolved(poly_of(value))
            if tracer.hint_of(poly) is not None:
                return tracer.spelled(poly)
        elif value is None or isinstance(value, bool | int | torch.dtype):
            return repr(value)
        raise exc.HostTensorDirectUsage(
            "a view of a host tensor whose shape only the device knows", hint="load what you need of it: x[tile]"
        )

    return spell
