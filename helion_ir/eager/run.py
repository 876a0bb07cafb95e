"""One eager run of a kernel: the functions of `hl` and PyTorch's operators as they are while it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from types import CodeType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..language.api import ACTIVE
from ..specialization.tensor_spec import tensors_in
from .alignment import align, is_lane_wise, propagate
from .functions import FUNCTIONS, refuse
from .memory import load, special, store

_one_at_a_time = threading.RLock()


class EagerRun:
    """What the functions of the language see of a run."""

    def __init__(self, device: torch.device, *, lane_by_lane: bool) -> None:
        self.device, self._depth = device, 0
        self.lane_by_lane = lane_by_lane  # tiles of no given size have one lane

    @property
    def in_device(self) -> bool:
        """Whether the code that runs is device code: in a loop of `hl`."""
        return self._depth > 0

    def called(self) -> None:
        """Python itself knows where a call is."""

    def constant(self, value: Any) -> Any:
        """Numbers are numbers."""
        return value

    def implementation(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """How a function of the language runs."""
        found = FUNCTIONS.get(function.__name__)
        if found is None:
            return lambda run, *_, **__: refuse(run, function.__name__)

        def as_pytorch_has_it(*args: Any, **kwargs: Any) -> Any:
            with torch._C.DisableTorchFunction():
                return found(*args, **kwargs)

        return as_pytorch_has_it

    def loop(self, steps: Iterable[Any]) -> Iterator[Any]:
        """The steps of a device loop."""
        self._depth += 1
        try:
            yield from steps
        finally:
            self._depth -= 1


class _Operators(TorchFunctionMode):
    """PyTorch's operators, with the language's subscripts, alignment, and products that accumulate in float32."""

    def __init__(self, run: EagerRun) -> None:
        super().__init__()
        self._run = run

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if not self._run.in_device:
            return func(*args, **kwargs)
        if func is torch.Tensor.__getitem__ and _is_special(args[1]):
            return load(args[0], args[1])
        if func is torch.Tensor.__setitem__ and (_is_special(args[1]) or isinstance(args[2], torch.Tensor)):
            return store(args[0], args[1], args[2])
        name = getattr(func, "__name__", "")
        if is_lane_wise(name):
            args = tuple(align(args))
        elif name in ("addmm", "baddbmm") and len({arg.dtype for arg in args[:3]}) > 1:
            dtype = args[0].dtype
            args = (args[0], args[1].to(dtype), args[2].to(dtype), *args[3:])
        return propagate(name, args, func(*args, **kwargs))


def _is_special(index: Any) -> bool:
    return special(index if isinstance(index, tuple) else (index,))


def run_eagerly(function: Callable[..., Any], args: tuple[object, ...], names: tuple[str, ...]) -> Any:
    """What a kernel's function returns for real tensors; the parameters after `names` are keyword-only."""
    count = len(args) - len(names)
    call = partial(function, *args[:count], **dict(zip(names, args[count:], strict=True)))
    if ACTIVE and isinstance(ACTIVE[-1], EagerRun):
        return call()
    tensors = tensors_in(args)
    device = tensors[0].device if tensors else torch.device("cpu")
    with _one_at_a_time, torch.no_grad(), device if tensors else nullcontext():
        run = EagerRun(device, lane_by_lane=_names(function.__code__, "jagged_tile"))
        ACTIVE.append(run)
        try:
            with _Operators(run):
                return call()
        finally:
            ACTIVE.remove(run)


def _names(code: CodeType, name: str) -> bool:
    """Whether a function's code, or that of a function in it, names something."""
    return name in code.co_names or any(isinstance(each, CodeType) and _names(each, name) for each in code.co_consts)


__all__ = ["EagerRun", "run_eagerly"]
