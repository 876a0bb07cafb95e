"""How functions of the language reach the compiler: a signature here, an implementation registered by the frontend."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from .. import exc

F = TypeVar("F", bound=Callable[..., Any])


class Tracer(Protocol):
    """What the language needs of the tracer of a kernel."""

    @property
    def in_device(self) -> bool:
        """Whether the code that runs is device code."""
        ...

    def implementation(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """How a function of the language is done: a callable that takes the tracer and then the arguments."""
        ...

    def called(self) -> None:
        """Note the place of the call, for what it emits."""
        ...

    def constant(self, value: Any) -> Any:
        """The value of a number, which becomes part of the specialization."""
        ...


ACTIVE: list[Tracer] = []
"""The kernel being traced, innermost last."""

IMPLEMENTATIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""How the frontend does each function."""


def api(*, host: bool = False) -> Callable[[F], F]:
    """Make a signature a function of the language; `host` says whether host code may call it too."""

    def decorate(signature: F) -> F:
        @functools.wraps(signature)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not ACTIVE:
                raise exc.NotInsideKernel(
                    f"hl.{signature.__name__} is called outside of a kernel",
                    hint="decorate the function with @kernel()",
                    location=exc.SourceLocation.of_caller(),
                )
            tracer = ACTIVE[-1]
            if not tracer.in_device and not host:
                raise exc.DeviceAPIOnHost(
                    f"hl.{signature.__name__} is called in host code", hint="use it inside an hl.tile or hl.grid loop"
                )
            tracer.called()
            try:
                return tracer.implementation(call)(tracer, *args, **kwargs)
            except TypeError:
                _check_arguments(signature, args, kwargs)
                raise

        return call  # type: ignore[return-value]

    return decorate


def _check_arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise if a call does not fit the signature."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise exc.InvalidAPIUsage(f"hl.{function.__name__}{inspect.signature(function)}: {error}") from None


def implement(function: Callable[..., Any]) -> Callable[[F], F]:
    """Register how the frontend does `function`: a callable that takes the tracer and then the arguments."""

    def decorate(implementation: F) -> F:
        IMPLEMENTATIONS[function] = implementation
        return implementation

    return decorate
