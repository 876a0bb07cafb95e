"""`BoundKernel`: one specialization of a kernel, as users hold it: called, tuned, asked for its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from .. import exc
from ..autotuner.choice import ConfigChoice
from ..config import Config
from ..plugins import NONE, Plugins
from ..runtime.execute import Run
from ..runtime.specialized import ConfigLike, SpecializedKernel
from .compiled import Binder
from .gradient import recording


class BoundKernel(SpecializedKernel):
    """A kernel for one specialization key; callable like the kernel. `Kernel.bind` makes it.

    Raises what tracing raises, `BackendUnsupported`, and `InternalError` when a config-free pass fails.
    """

    def __init__(self, kernel: Binder, args: Sequence[object], plugins: Plugins = NONE) -> None:
        super().__init__(kernel, args, plugins)
        self._forget_runs, self._choice = kernel.forget_runs, ConfigChoice(self)
        self.serves: Callable[[tuple[object, ...]], bool] = lambda args: True
        """Whether arguments are of this specialization; `Kernel.bind`, which knows the key and the guards, sets it."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as its kernel, its arguments' description, and the config that was set; traced again when needed."""
        return (_bound_again, (self.kernel, self.args, self._choice.chosen))

    # Configs ---------------------------------------------------------------------------------------------------

    def set_config(self, config: ConfigLike) -> None:
        """The config that calls use from now on. Raises `InvalidConfig`."""
        self._choice.chosen = self.normalized(config)
        self._forget_runs()

    def autotune(self, args: Sequence[object], force: bool = True, **options: object) -> Config:
        """Search the best config for these arguments, set it, keep it on disk and return it.

        Without `force`, a single given config is taken as it is, and so is one that an earlier search found.
        `options` are settings by name, for this search. Raises what `autotuner.tune` raises.
        """
        config = self._choice.tune(args, force, options)
        self.set_config(config)
        return config

    # Code ------------------------------------------------------------------------------------------------------

    def to_triton_code(
        self, config: ConfigLike | None = None, options: object = None, *, emit_repro_caller: bool = False
    ) -> str:
        """The emitted module; with `emit_repro_caller`, a script that also recreates the arguments and runs it.

        `options`: taken from callers that pass compile options to other backends; nothing of them matters here.

        Without `config`: the one that was set, the kernel's only one, or the default at effort none; else a
        RuntimeError.
        """
        source = self.lower(self._choice.for_code() if config is None else config).source
        return self.script(source) if emit_repro_caller else source

    to_code = to_triton_code

    # Calls -----------------------------------------------------------------------------------------------------

    def compile_config(self, config: ConfigLike | None = None) -> Run:
        """What runs the kernel under a config; takes the user's signature: defaults and keywords, too."""
        run = self.compiled(self._choice.for_code() if config is None else config)

        def checked(*args: object, **kwargs: object) -> Any:
            args = self.signature.normalize(args, kwargs) if kwargs else self.signature.complete(args)
            self._check(args)
            return run(*args)

        return checked

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Run on arguments of this specialization."""
        args = self.signature.normalize(args, kwargs)
        self._check(args)
        return recording(cast("Binder", self.kernel), args, self.run(args), self.writes_into)(*args)

    def run(self, args: Sequence[object]) -> Run:
        """What calls do now, the first of them with `args`: see `ConfigChoice.for_call`."""
        return self.compiled(self._choice.for_call(args))

    def result_shapes(self, args: Sequence[object]) -> Any:
        """What a call returns for tensors without data."""
        return self.shapes(self._choice.given() or self.config_spec.default_config(), args)

    def _check(self, args: tuple[object, ...]) -> None:
        """Raise for arguments of another specialization: the code would misread them."""
        if not self._serves(args):
            raise exc.InvalidAPIUsage(
                f"{self.name}: these arguments are of another specialization than those it is compiled for",
                hint=f"bind them, or call the kernel {self.signature.fn.__name__} itself",
            )

    def _serves(self, args: tuple[object, ...]) -> bool:
        try:
            return self.serves(args)
        except ZeroDivisionError:  # a size of 0, by which a guard divides
            return False


def _bound_again(kernel: Binder, args: tuple[object, ...], config: Config | None) -> BoundKernel:
    """Unpickles a bound kernel."""
    bound = cast("BoundKernel", kernel.bind(args))
    if config is not None:
        bound.set_config(config)
    return bound


__all__ = ["BoundKernel"]
