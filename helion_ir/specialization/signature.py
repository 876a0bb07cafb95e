"""The function that a kernel is made of: its parameters, what they are called in emitted code, what it captures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from .. import exc
from .checks import check_arguments
from .host_names import host_names
from .lookups import MISSING, content


class Signature:
    """The signature of a kernel's function, and the names of its host function in the emitted module."""

    def __init__(self, fn: FunctionType) -> None:
        """Raises `InvalidAPIUsage` for a function that cannot be a kernel, whatever it is called with."""
        self.fn = fn
        self.python = inspect.signature(fn)
        self.parameters = tuple(self.python.parameters)
        every = self.python.parameters.values()
        self.keyword_only = tuple(p.name for p in every if p.kind is p.KEYWORD_ONLY)
        self.host_names = host_names(fn)
        self.host_parameters = tuple(self.host_names.get(name, name) for name in self.parameters)
        """The parameters' names in the emitted host function, and in host expressions."""
        self.host_keyword_only = self.host_parameters[len(self.parameters) - len(self.keyword_only) :]
        """Those of the keyword-only parameters, which are the last."""
        self.arity = len(self.parameters)
        self.constants = frozenset(i for i, p in enumerate(every) if _is_constexpr(p.annotation))
        """The arguments annotated as `constexpr`: keyed by value."""
        self._defaults = tuple(p.default for p in every)
        self._required = sum(default is inspect.Parameter.empty for default in self._defaults)
        self._check()

    @property
    def place(self) -> exc.SourceLocation:
        """Where the function is defined."""
        return exc.SourceLocation.of_definition(self.fn)

    def _check(self) -> None:
        fn = self.fn
        for parameter in self.python.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise exc.InvalidAPIUsage(
                    f"{fn.__name__}: a kernel takes no {parameter}", hint="pass a tuple or a dict", location=self.place
                )
        if fn.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            raise exc.InvalidAPIUsage(f"{fn.__name__}: a kernel is no generator and no coroutine", location=self.place)

    def normalize(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[object, ...]:
        """The arguments of a call, all positional, with defaults filled in; TypeError as for any function."""
        if not kwargs and self._required <= len(args) <= self.arity and not self.keyword_only:
            return args + self._defaults[len(args) :]
        try:
            bound = self.python.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.fn.__name__}(): {error}") from None
        bound.apply_defaults()
        return tuple(bound.arguments[name] for name in self.parameters)

    def complete(self, args: Sequence[object]) -> tuple[object, ...]:
        """Example arguments as `bind` takes them: positional, with defaults filled in. Those of keyword-only parameters
        may follow at the end. InvalidAPIUsage for what is no tuple or list."""
        check_arguments(args, f"kernel {self.fn.__name__}")
        if self.keyword_only and len(args) == self.arity:
            return tuple(args)
        return self.normalize(tuple(args), {})

    def captured(self, names: Mapping[str, tuple[FunctionType | None, str]]) -> dict[str, Any]:
        """The values that names have now: those of the closures and modules of functions (None: this one's)."""
        users = {new: name for name, new in self.host_names.items()}
        found: dict[str, Any] = {}
        for new, (owner, name) in names.items():
            function, name = (self.fn, users.get(name, name)) if owner is None else (owner, name)
            cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
            value = content(cells[name]) if name in cells else function.__globals__.get(name, MISSING)
            if value is not MISSING:
                found[new] = value
        return found


def _is_constexpr(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.split("[")[0].split(".")[-1].strip() == "constexpr"
    return getattr(annotation, "__name__", None) == "constexpr"


__all__ = ["Signature"]
