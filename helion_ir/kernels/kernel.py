"""`Kernel`: what the decorator makes of a function; finds the specialization for a call."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import FunctionType
from typing import Any

import torch

from .. import backends, exc
from ..autotuner.best_configs import recall
from ..config import Config
from ..language.api import ACTIVE
from ..plugins import Plugins
from ..runtime.execute import Run
from ..runtime.specialized import ConfigLike
from ..runtime.variants import TRACING
from ..session import current, watch
from ..settings import RefMode, Settings
from ..specialization.captures import Captures
from ..specialization.checks import check_real, check_tensors, refuse_nested_call
from ..specialization.keys import KeyMaker
from ..specialization.overlap import overlaps
from ..specialization.signature import Signature
from ..specialization.tensor_spec import tensors_in, without_fakes
from .bound import BoundKernel
from .compiled import CompiledKernel
from .decorators import check_decorators
from .gradient import Backward, recording
from .methods import KernelMethod
from .operator import is_symbolic, number, symbolic_call

Evaluate = Callable[..., Hashable]
Guards = tuple[str, ...]
"""Host expressions over the arguments whose values a trace depends on: what it asked of them."""


@dataclass
class _Specializations:
    """The bound kernels of one basic key; a group holds those that the same guards tell apart."""

    groups: dict[Guards, tuple[Evaluate, dict[Hashable, BoundKernel]]] = field(default_factory=dict)

    def find(self, args: tuple[object, ...]) -> BoundKernel | None:
        for evaluate, kernels in self.groups.values():
            try:
                bound = kernels.get(evaluate(*args))
            except ZeroDivisionError:  # a size of 0, by which a guard divides: it is not what the guard asks for
                continue
            if bound is not None:
                return bound
        return None

    @property
    def only(self) -> BoundKernel | None:
        """The bound kernel, where the basic key decides alone."""
        return self.groups[()][1][()] if list(self.groups) == [()] else None


class Kernel:
    """A function with device loops, compiled per specialization of its arguments."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        configs: Sequence[ConfigLike] = (),
        key: Callable[..., Hashable] | None = None,
        settings: Settings | None = None,
    ) -> None:
        if isinstance(fn, Kernel):
            fn = fn.fn
        if not isinstance(fn, FunctionType):
            raise exc.InvalidAPIUsage(f"kernel() decorates a Python function, got {type(fn).__name__}")
        self.signature = Signature(fn)
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.settings = settings or Settings()
        self.__signature__ = self.signature.python
        self._complete = -1 if self.signature.keyword_only else self.signature.arity
        """As many positional arguments are a call as it is to be."""
        self._user_key = key
        self._said_untuned = False
        self._origin: Kernel | None = None
        self._number = number(self)
        self.backward: Backward | None = None
        self._configs = _as_configs(configs)
        self.reset()
        watch(self)

    @property
    def __device_function__(self) -> FunctionType:
        """What a call in device code of another kernel runs."""
        return self.fn

    def __get__(self, instance: object, owner: type | None = None) -> Kernel | KernelMethod:
        """A kernel in a class is a method, as a function there is."""
        return self if instance is None else KernelMethod(self, instance)

    def __repr__(self) -> str:
        return f"<helion_ir kernel {self.fn.__module__}.{self.fn.__qualname__}>"

    def __reduce__(self) -> tuple[object, ...]:
        """Kernels are pickled as functions are: by module and name, with the backend if that is another."""
        if self._origin is not None:
            return (Kernel.for_backend, (self._origin, self.settings.backend))
        return (_kernel_of, (self.fn.__module__, _name_of(self)))

    def __copy__(self) -> Kernel:
        return self

    def __deepcopy__(self, memo: object) -> Kernel:
        return self

    @property
    def configs(self) -> list[Config]:
        """The configs that calls may use: one is used as it is, several are tuned over, none leaves all open."""
        return self._configs

    @configs.setter
    def configs(self, configs: Sequence[ConfigLike]) -> None:
        self._configs = _as_configs(configs)
        self.forget_runs()

    def reset(self) -> None:
        """Forget every specialization; changed settings hold from here on."""
        self._specializations: dict[Hashable, _Specializations] = {}
        self._runs: dict[Hashable, Run] = {}
        self._elsewhere: dict[str, Kernel] = {}
        self._make_key = KeyMaker(self.settings.static_shapes, self.fn, calls=True)
        self._captures = Captures(self.fn)
        self._key: Callable[[tuple[object, ...]], Hashable] = self._first_key
        self._eager = self.settings.ref_mode is RefMode.EAGER

    def for_backend(self, name: str | None) -> Kernel:
        """This kernel with another backend; itself for None, and for its own."""
        if name is None or name == self.settings.backend:
            return self
        if name not in self._elsewhere:
            settings = copy.copy(self.settings)
            settings.backend = name
            other = Kernel(self.fn, configs=self._configs, key=self._user_key, settings=settings)
            other._origin, other.backward = self, self.backward
            self._elsewhere[name] = other
        return self._elsewhere[name]

    def forget_runs(self) -> None:
        """Let the next call decide anew which config it uses."""
        self._runs.clear()

    # Keys ------------------------------------------------------------------------------------------------------

    def normalize_args(self, *args: object, **kwargs: object) -> tuple[object, ...]:
        """The arguments of a call, all positional, with defaults filled in; TypeError as for any function."""
        return self.signature.normalize(args, kwargs)

    def specialization_key(self, args: Sequence[object]) -> Hashable:
        """The key of a bound kernel; calls with equal keys share one, except for values that `specialize` names."""
        return self._checked_key(without_fakes(self.signature.complete(args)))

    def call_key(self, args: tuple[object, ...]) -> Hashable:
        """The key of a call: the specialization's, unless there are fake tensors, on which nothing runs."""
        return self._checked_key(args)

    def _checked_key(self, args: tuple[object, ...]) -> Hashable:
        """The key; where there is none, the error says which argument is to blame."""
        try:
            key = self._key(args)
            hash(key)
        except Exception as error:
            self._explain(error, args)
            raise
        return key

    def _explain(self, error: Exception, args: tuple[object, ...]) -> None:
        """Raise a more specific error for a failed key, if there is one."""
        if ACTIVE and any(_is_traced(tensor) for tensor in tensors_in(args)):
            refuse_nested_call(self.fn.__name__)
        check_tensors(self.signature.parameters, args, self.signature.place)
        if isinstance(error, TypeError) and self._user_key is not None:
            raise exc.InvalidAPIUsage(
                f"{self.fn.__name__}: key= gave what cannot be hashed: {error}",
                location=self.signature.place,
            ) from error
        if isinstance(error, exc.UnsupportedPythonType) and error.location is None:
            error.location = self.signature.place

    def _first_key(self, args: tuple[object, ...]) -> Hashable:
        """The key of the first call, when the function's module is complete: what later keys are made of."""
        plain = self._user_key is None and not self.signature.constants and self._captures.empty
        self._key = self._make_key if plain else self._whole_key
        return self._key(args)

    def _whole_key(self, args: tuple[object, ...]) -> Hashable:
        """The key with constexpr arguments by value, what the kernel captures, and the user's addition."""
        of = self._make_key.of
        constants = self.signature.constants
        return (
            tuple([(type(arg), arg) if i in constants else of(arg) for i, arg in enumerate(args)]),
            self._captures.key(),
            self._user_key(*args) if self._user_key is not None else None,
        )

    # Specializations -------------------------------------------------------------------------------------------

    def bind(self, args: Sequence[object], plugins: Plugins | None = None) -> BoundKernel:
        """The specialization for these arguments (tensors, fake tensors, `TensorSpec`s); the same object for an
        equal key, and equal `plugins` (those of the current session). An error while it is made leaves nothing
        behind."""
        return self._bind(
            without_fakes(self.signature.complete(args)), current().plugins if plugins is None else plugins
        )

    def _bind(self, args: tuple[object, ...], plugins: Plugins) -> BoundKernel:
        of_args = self._checked_key(args)
        key = plugins, of_args
        known = self._specializations.get(key)
        if known is not None and (bound := known.find(args)) is not None:
            return bound
        with TRACING:
            known = self._specializations.get(key)
            if known is not None and (bound := known.find(args)) is not None:
                return bound
            if ACTIVE:  # being traced, by this thread: it holds the lock
                refuse_nested_call(self.fn.__name__)
            check_decorators(self.fn, kernel)
            check_tensors(self.signature.parameters, args, self.signature.place)
            bound = BoundKernel(self, args, plugins)
            guards = bound.traced.guards
            evaluate = self.evaluator(guards)
            values = evaluate(*args)
            bound.serves = lambda args: self.specialization_key(args) == of_args and evaluate(*args) == values
            known = self._specializations.setdefault(key, _Specializations())
            known.groups.setdefault(guards, (evaluate, {}))[1][values] = bound
        return bound

    def dispatch(
        self, args: tuple[object, ...], plugins: Plugins, run_of: Callable[[BoundKernel, tuple[object, ...]], Run]
    ) -> Run:
        """What runs every call of the key of `args`; `run_of` makes it for one specialization and its first arguments.

        Where a guard of the trace tells calls of the key apart, it looks at them again.
        """
        first = self._bind(args, plugins)
        known = self._specializations[plugins, self._key(args)]
        if known.only is not None:
            return run_of(first, args)
        runs: dict[int, Run] = {}

        def run(*args: object) -> Any:
            bound = known.find(args) or self._bind(args, plugins)
            chosen = runs.get(id(bound))
            if chosen is None:
                chosen = runs[id(bound)] = run_of(bound, args)
            return chosen(*args)

        return run

    def evaluator(self, guards: Guards) -> Evaluate:
        """A function of the arguments: the values of guards."""
        if not guards:
            return lambda *args: ()
        parameters, values = ", ".join(self.signature.host_parameters), "".join(f"({guard}), " for guard in guards)
        named = {self.signature.host_names.get(name, name): (None, name) for name in self.fn.__code__.co_freevars}
        own = {"__torch__": torch, "__overlaps__": overlaps}
        scope = {"torch": torch, **self.fn.__globals__, **self.signature.captured(named), **own}
        return eval(f"lambda {parameters}: ({values})", scope)

    # Calls -----------------------------------------------------------------------------------------------------

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Run; compiles at the first call of a specialization. In a graph that is being made, and for fake tensors, it
        is a call of the kernel's operator (`kernels/operator.py`)."""
        if torch.compiler.is_dynamo_compiling():
            from .in_graph import call  # noqa: PLC0415 - torch.compile is there when it asks

            return call(self._number, args, kwargs)
        if kwargs or len(args) != self._complete:
            args = self.normalize_args(*args, **kwargs)
        if self._eager:
            return self._run_eagerly(args)
        try:
            key = self._key(args)
            run = self._runs.get(key)
        except Exception as error:
            self._explain(error, args)
            raise
        if run is None:
            if any(is_symbolic(tensor) for tensor in tensors_in(args)):
                return symbolic_call(self, args)
            check_real(self.signature.parameters, args, self.signature.place)
            plugins = current().plugins
            run = self._runs[key] = self.dispatch(args, plugins, self._run_of)
            if current().plugins != plugins:  # another thread's doing, meanwhile
                self.forget_runs()
        return run(*args)

    def _run_of(self, bound: BoundKernel, args: tuple[object, ...]) -> Run:
        return recording(self, args, bound.run(args), bound.writes_into)

    def register_backward(
        self, backward: Callable[..., Any], *, setup_context: Callable[..., None] | None = None
    ) -> Callable[..., Any]:
        """Make the kernel differentiable: `backward(ctx, *gradients)` gets a gradient for each tensor that the kernel
        returns, and returns one for each argument (None where there is none; those at the end may be left out).

        `ctx.inputs` and `ctx.output` are the call's arguments and what it returned. To keep less than that, give
        `setup_context(ctx, inputs, output)`, which says what to keep, as for `torch.library.register_autograd`.
        Returns `backward`: it is a decorator, too.
        """
        self.backward = Backward(backward, setup_context)
        return backward

    def _run_eagerly(self, args: tuple[object, ...]) -> Any:
        if other := backends.get(self.settings.backend).interpreted():
            raise exc.IncompatibleInterpretModes(
                f"{self.fn.__name__}: ref_mode (HELION_INTERPRET=1) and {other} are both set",
                hint="the first runs the kernel's Python, the second the emitted module: set one of the two",
            )
        from ..eager import run_eagerly  # noqa: PLC0415 - few processes run kernels so

        check_real(self.signature.parameters, args, self.signature.place)
        return run_eagerly(self.fn, args, self.signature.keyword_only)

    def compile(self, config: ConfigLike, args: Sequence[object] | None = None) -> CompiledKernel:
        """The kernel under one config; see `compile`."""
        return CompiledKernel(self, config, args)

    def autotune(self, args: Sequence[object], force: bool = True, **options: object) -> Config:
        """Search the best config for these arguments; see `BoundKernel.autotune`."""
        return self.bind(args).autotune(args, force=force, **options)

    def to_triton_code(self, args: Sequence[object], config: ConfigLike | None = None) -> str:
        """The emitted module for these arguments."""
        return self.bind(args).to_triton_code(config)

    def say_untuned(self) -> None:
        """Print once that there is no GPU to tune on."""
        if self._said_untuned:
            return
        self._said_untuned = True
        config = "the first of its configs" if self.configs else "the default config"
        print(f"helion_ir: {self.fn.__name__}: no GPU: does not tune: runs {config}", file=sys.stderr)


def compile(
    kernel: Kernel, config: ConfigLike, args: Sequence[object] | None = None, *, backend: str | None = None
) -> CompiledKernel:
    """Compile `kernel` with `config` for example arguments, or for those of its first call.

    `args` are the positional arguments: real tensors, `TensorSpec`s or fake tensors; nothing need be on a GPU. Those of
    keyword-only parameters may follow, in the order of the parameters. `backend`: another than the kernel's, by name;
    binding raises `BackendUnsupported` where there is none.
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"compile() takes a kernel, got {type(kernel).__name__}")
    return kernel.for_backend(backend).compile(config, args)


def kernel(
    fn: Callable[..., Any] | None = None,
    *,
    config: ConfigLike | None = None,
    configs: Sequence[ConfigLike] | None = None,
    key: Callable[..., Hashable] | None = None,
    **settings: object,
) -> Any:
    """Make a `Kernel` of a function, with or without parentheses.

    `config`: run with this one. `configs`: tune over these. `key(*args)`: an addition to the specialization key.
    `settings`: see `Settings`; TypeError for an unknown name.
    """
    if config is not None and configs is not None:
        raise exc.InvalidAPIUsage("give config or configs, not both")
    given = [config] if config is not None else list(configs or ())

    def decorate(function: Callable[..., Any]) -> Kernel:
        return Kernel(function, configs=given, key=key, settings=made)

    made = Settings(**settings)
    return decorate if fn is None else decorate(fn)


def from_cache(kernel: Kernel, args: Sequence[object]) -> Config | None:
    """The best config that tuning found for these arguments on this machine, or None."""
    return recall(kernel.bind(args))


def _as_configs(configs: Sequence[ConfigLike]) -> list[Config]:
    return [config if isinstance(config, Config) else Config.from_dict(config) for config in configs]


def _kernel_of(module: str, name: str) -> Kernel:
    """The kernel that `name` is in a module: what unpickling gives."""
    value: Any = import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    if not isinstance(value, Kernel):
        raise pickle.UnpicklingError(f"{module}.{name} is no kernel (any more)")
    return value


def _name_of(kernel: Kernel) -> str:
    """A name under which the module of a kernel's function has the kernel. PicklingError if there is none."""
    fn = kernel.fn
    module: Any = sys.modules.get(fn.__module__)
    value = module
    for part in fn.__qualname__.split("."):
        value = getattr(value, part, None)
    if value is kernel:
        return fn.__qualname__
    found = next((name for name, each in vars(module).items() if each is kernel), None) if module else None
    if found is None:
        raise pickle.PicklingError(
            f"a kernel is pickled by module and name: {fn.__module__}.{fn.__qualname__} is not {kernel!r}"
        )
    return found


def _is_traced(tensor: torch.Tensor) -> bool:
    from ..frontend.tensors import TracedTensor  # noqa: PLC0415 - asked while a kernel is traced only

    return isinstance(tensor, TracedTensor)


__all__ = ["Kernel", "compile", "from_cache", "kernel"]
