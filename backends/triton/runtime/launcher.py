"""Launches of compiled Triton kernels past the JIT, which spends more host time on a launch than a small kernel runs.

A `Launcher` stands for a kernel in the globals of an emitted host function: `kernel[grid](*args, **options)`. The
first launch of each specialization goes through `JITFunction.run`, which compiles and gives the compiled kernel; later
ones call that kernel's launcher as `JITFunction.run` of Triton 3.6 to 3.9 does. What it does not do goes through the
JIT: launches that hooks watch, keyword arguments, another driver. `knobs.runtime.debug` and
`knobs.compilation.instrumentation_mode` hold as they were at the first launch. A kernel launches where its tensors
are, on the current stream there, whichever device is the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from functools import partial
from types import FunctionType, SimpleNamespace
from typing import Any

import torch
import triton
from triton import knobs
from triton.errors import TritonError
from triton.runtime import driver
from triton.runtime.jit import native_specialize_impl

from ....dialects.targets import ALIGNMENT
from ...base import Explain

_INT32, _INT64 = 2**31, 2**63


def _of_int(value: int) -> Hashable:
    return (value == 1, value % 16 == 0, -_INT32 <= value < _INT32, value < _INT64)


class _Specialize(dict[type, Callable[[Any], Hashable]]):
    """Type of an argument → what of its value a compiled kernel depends on: as Triton says, for types not met yet."""

    def __init__(self, backend: Any) -> None:
        super().__init__({int: _of_int})
        self._backend = backend

    def __missing__(self, kind: type) -> Callable[[Any], Hashable]:
        backend = self._backend

        def as_triton_says(value: object) -> Hashable:
            return native_specialize_impl(backend, value, False, True, True)

        self[kind] = as_triton_says
        return as_triton_says


class Launcher:
    """One kernel of an emitted module, whose constexpr parameters come last.

    `device`: the index of the GPU that its tensors are on (None: the current one). `explain`: see `with_launchers`.
    """

    def __init__(self, jit: Any, device: int | None = None, explain: Explain | None = None) -> None:
        self._jit, self._place, self._explain = jit, device, explain
        self._count = len(jit.params)
        self._runtime = sum(not parameter.is_constexpr for parameter in jit.params)
        self._known: dict[Hashable, tuple[Callable[..., None], Any, Any, Any]] = {}
        self._driver: Any = None

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return partial(self._launch, grid)

    def _launch(self, grid: tuple[int, ...], *args: Any, **options: Any) -> None:
        if self._driver is not driver.active or len(args) != self._count or _watched() or self._jit.pre_run_hooks:
            self._first_launch(None, grid, args, options)
            return
        tensor, specialize, count, device = self._tensor, self._specialize, self._runtime, self._device()
        if device != self._place and self._place is not None:
            with torch.cuda.device(self._place):
                self._launch(grid, *args, **options)
            return
        key = (
            device, *args[count:], *[
                (arg.dtype, arg.data_ptr() % ALIGNMENT) if type(arg) is tensor else specialize[type(arg)](arg)
                for arg in args[:count]
            ], *options.items(),
        )  # fmt: skip
        known = self._known.get(key)
        if known is not None:
            run, function, metadata, _ = known
            x, y, z = (*grid, 1, 1)[:3]
            run(x, y, z, self._stream(device), function, metadata, None, None, None, *args)
        else:
            self._first_launch(key, grid, args, options)

    def _first_launch(
        self, key: Hashable, grid: tuple[int, ...], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        active: Any = driver.active
        here = self._place is None or active.get_current_device() == self._place
        with nullcontext() if here else torch.cuda.device(self._place):
            kernel = self._first(grid, args, options)
        if self._driver is not driver.active:
            self._meet(driver.active)
        elif key is not None and type(kernel) is triton.compiler.CompiledKernel:
            compiled: Any = kernel
            self._known[key] = compiled.run, compiled.function, compiled.packed_metadata, compiled

    def _first(self, grid: tuple[int, ...], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            return self._jit[grid](*args, **options)
        except Exception as error:
            if self._explain is None or not _is_compilers(error):
                raise
            raise self._explain(error) from error

    def _meet(self, active: Any) -> None:
        """Use a driver for launches from now on."""
        self._known.clear()
        target = active.get_current_target()
        self._specialize = _Specialize(triton.compiler.make_backend(target))
        self._tensor = torch.Tensor if target.backend == "cuda" else None  # AMD's depend on more than the alignment
        self._device: Callable[[], int] = active.get_current_device
        self._stream: Callable[[int], int] = active.get_current_stream
        self._driver = active


def _is_compilers(error: Exception) -> bool:
    """Whether Triton's compiler raised the error, rather than a launch."""
    return isinstance(error, TritonError) or (isinstance(error, RuntimeError) and "PassManager" in str(error))


def _watched() -> bool:
    """Whether hooks want to see launches, or change what is compiled for them."""
    runtime = knobs.runtime
    enter, leave = runtime.launch_enter_hook, runtime.launch_exit_hook
    return (
        (enter is not None and getattr(enter, "calls", True))
        or (leave is not None and getattr(leave, "calls", True))
        or runtime.add_stages_inspection_hook is not None
    )


def _cdiv(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


_HOST_TRITON = SimpleNamespace(**{**vars(triton), "cdiv": _cdiv})
"""Triton as host functions use it; its own `cdiv`, which device code can call too, takes as long as a launch."""


def with_launchers(host: FunctionType, device: int | None = None, explain: Explain | None = None) -> FunctionType:
    """The host function of an emitted module, launching by `Launcher`s; the module stays as it is.

    `device` is the index of the GPU that holds the tensors; `explain` gives the error to raise for one of Triton's
    compiler.
    """
    launchers = {
        name: Launcher(value, device, explain)
        for name, value in host.__globals__.items()
        if isinstance(value, triton.JITFunction) and _constants_last(value) and name in host.__code__.co_names
    }
    scope = {**host.__globals__, **launchers, "triton": _HOST_TRITON}
    copy = FunctionType(host.__code__, scope, host.__name__, host.__defaults__, host.__closure__)
    copy.__kwdefaults__ = host.__kwdefaults__
    return copy


def _constants_last(jit: Any) -> bool:
    kinds = [bool(parameter.is_constexpr) for parameter in jit.params]
    return kinds == sorted(kinds)


__all__ = ["Launcher", "with_launchers"]
