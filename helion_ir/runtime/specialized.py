"""`SpecializedKernel`: a kernel traced for one specialization, lowered and run under the configs that it is given."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from xdsl.dialects.builtin import ModuleOp

from .. import backends, exc
from ..config import Config
from ..dialects.quick import copy_module
from ..pipeline import CONVERSION, Pipeline
from ..plugins import NONE, Plugins
from ..settings import Settings
from ..space.config_spec import ConfigSpec
from ..specialization.in_place import checked_targets, names_in
from ..specialization.signature import Signature
from ..specialization.tensor_spec import describe, materialize, placed
from .bugs import bugs_reported
from .code_settings import record
from .execute import Mode, Run, interpret_tile, interpret_tl, mode_for, shapes_alone
from .repro import call_script
from .stages import Stages
from .structure import LoweredConfig, Structure, Structures, only_kernel
from .variants import Variants, choices_of, fits, guarded

if TYPE_CHECKING:
    from ..frontend import TracedKernel
    from ..frontend.choices import Choices

ConfigLike = Config | Mapping[str, object]
_SETTLING = 4
"""Traces at most until one holds for the default config that it leads to."""


class Owner(Protocol):
    """What a specialization, and the code that chooses its config, use of its kernel."""

    signature: Signature
    settings: Settings

    @property
    def configs(self) -> Sequence[Config]:
        """The configs that calls may use."""
        ...

    def compile(self, config: ConfigLike, args: Sequence[object] | None = None) -> Callable[..., Any]:
        """The kernel under one config, for arguments of any specialization."""
        ...

    def evaluator(self, guards: tuple[str, ...]) -> Callable[..., Hashable]:
        """A function of the arguments: the values of guards."""
        ...

    def say_untuned(self) -> None:
        """Print once that there is no GPU to tune on."""
        ...


class SpecializedKernel:
    """A kernel for one specialization, compiled with the plugins of its session at that time.

    `choices` is what the trace takes for granted of configs; with `first`, it is another trace of that specialization
    (`variants`). Raises what tracing raises, `BackendUnsupported`, `PluginError`, and `InternalError` when a
    config-free pass fails.
    """

    def __init__(
        self,
        kernel: Owner,
        args: Sequence[object],
        plugins: Plugins = NONE,
        choices: Choices | None = None,
        first: SpecializedKernel | None = None,
    ) -> None:
        self.kernel = kernel
        self.signature = kernel.signature
        self.settings: Settings = copy.copy(kernel.settings if first is None else first.settings)
        with exc.at_definition(self.signature.fn):
            self.backend = backends.get(self.settings.backend)
        self.pipeline = Pipeline(self.backend, plugins)
        self.args: tuple[object, ...] = tuple(describe(arg) for arg in args)
        self._trace(args, choices)
        self._variants = self._first_of_variants(args) if first is None else first._variants

    def _first_of_variants(self, args: Sequence[object]) -> Variants:
        """The traces of this specialization: this one, which is made to hold for the default config, and later ones."""
        for _ in range(_SETTLING if self.traced.answers else 0):
            default = self.config_spec.default_config()
            if fits(self, default):
                break
            choices = choices_of(self, default)
            del self.config_spec, self.structures
            self._trace(args, choices)
        stand_ins = tuple(map(placed, args)) if self.traced.chosen or self.traced.answers else ()
        plugins = self.pipeline.plugins
        return Variants(self, lambda choices: SpecializedKernel(self.kernel, stand_ins, plugins, choices, self))

    def _trace(self, args: Sequence[object], choices: Choices | None) -> None:
        from ..frontend import trace  # noqa: PLC0415 - PyTorch's decompositions take seconds to import
        from ..frontend.choices import DEFAULTS  # noqa: PLC0415 - see above

        plugins = self.pipeline.plugins
        with bugs_reported(self.signature.fn, self.args, users=True):
            traced = trace(
                self.signature.fn,
                tuple(materialize(arg) for arg in args),
                static_shapes=self.settings.static_shapes,
                index_dtype=self.settings.index_dtype,
                dot_precision=self.settings.dot_precision,
                auto_barrier=self.settings.auto_barrier,
                ignore_warnings=tuple(self.settings.ignore_warnings),
                backend=self.backend,
                operators=plugins.of("operator"),
                choices=choices or DEFAULTS,
            )
        self.traced: TracedKernel = traced
        self.name: str = traced.name
        self._stages = Stages(self.name, self.settings, plugins)
        interpreted = self.backend.interpreted() is not None
        record(
            self.settings, self.backend.device_target(self.device), only_kernel(traced.module), interpreted=interpreted
        )
        self._stages.show("trace", traced.module)
        with bugs_reported(self.signature.fn, self.args):
            self._stages.run(self.pipeline.config_free(), traced.module)
        self.tile_module: ModuleOp = traced.module
        """The config-free module; not to be changed."""
        self._lowered: dict[Config, LoweredConfig] = {}
        self._runs: dict[tuple[Config, Mode], Run] = {}
        self._printed: set[Config] = set()
        self._warned = False

    @cached_property
    def config_spec(self) -> ConfigSpec:
        """The search space of this specialization."""
        interpreted = self.device.type == "cpu"
        return ConfigSpec(self.tile_module, self.pipeline, self.traced.tunables, interpreted=interpreted)

    @cached_property
    def structures(self) -> Structures:
        return Structures(self.tile_module)

    @property
    def device(self) -> torch.device:
        """Where the kernel runs: with its tensors."""
        return self.traced.device

    def normalized(self, config: ConfigLike) -> Config:
        """The config with a legal value for every key. Raises `InvalidConfig`, at the kernel's definition."""
        return self._resolved(Config.from_dict(config))[1]

    def variant(self, config: ConfigLike) -> SpecializedKernel:
        """The trace that holds for a config: this one, unless Python needed to know something of the config."""
        return self._resolved(Config.from_dict(config))[0]

    def _resolved(self, config: Config) -> tuple[SpecializedKernel, Config]:
        with exc.at_definition(self.signature.fn):
            variant, full = self._variants.of(config)
        if not self._warned and "block_ptr" in _entries(full, "indexing", "atomic_indexing"):
            self._warned = True
            message = (
                f"{self.name}: indexing='block_ptr': there are no block pointers any more; plain pointers are used"
            )
            exc.warn(exc.BlockPtrIndexingUnavailable(message), tuple(self.settings.ignore_warnings))
        return variant, full

    # Compilation -----------------------------------------------------------------------------------------------

    def lower(self, config: ConfigLike) -> LoweredConfig:
        """The kernel for a config: from the cache, from one of equal structure, or by the passes.

        Raises `InvalidConfig`.
        """
        given = config if isinstance(config, Config) else Config.from_dict(config)
        if (known := self._lowered.get(given)) is not None:
            return known
        variant, full = self._resolved(given)
        lowered = self._lowered[given] = variant.lower_legal(full)
        return lowered

    def lower_legal(self, full: Config) -> LoweredConfig:
        """This trace for a normalized config that it holds for."""
        with bugs_reported(self.signature.fn, self.args, dict(full)):
            structure = self.structures.find(full) or self._lower(full)
        return LoweredConfig.of(structure, full, self.structures.sizes(full))

    def _lower(self, full: Config) -> Structure:
        module, sizes = copy_module(self.tile_module), self.structures.sizes(full)
        questions = self.structures.questions(module)
        passes = self.pipeline.scheduled(full, module)
        self._stages.run(passes, module, start=self.tile_module, after=self._check_taken)
        structure = Structure.of(module, tuple(sizes), self.backend)
        self._stages.check_source(lambda: self.backend.emit(module))
        if self.pipeline.plugins.passes() or not self.backend.notes_questions:
            questions.answers.update(self.structures.numbers(full))
        self.structures.add(full, questions, structure)
        self._stages.save("source.py", lambda: self.backend.emit(module))
        return structure

    def _check_taken(self, pass_: str, module: ModuleOp) -> None:
        """Raise `BackendUnsupported`, at the user's line, for what the backend does not take of a converted module."""
        if pass_ == CONVERSION and (refused := self.backend.refusal(module)) is not None:
            op, reason = refused
            raise exc.BackendUnsupported(
                f"{self.name}: backend {self.backend.name!r} cannot print this: {reason}",
                location=exc.SourceLocation.of_op(op) or exc.SourceLocation.of_definition(self.signature.fn),
            )

    def forget_lowered(self) -> None:
        """Drop what configs were lowered to; the trace stays."""
        for variant in self._variants:
            variant.structures.clear()
            variant._lowered.clear()
            variant._runs.clear()

    def scheduled_module(self, config: ConfigLike, after: str | None = None) -> ModuleOp:
        """A copy of the module after the schedule passes of `config`, or after the pass named `after`.

        Raises ValueError if no such pass runs.
        """
        variant, full = self._resolved(self.lower(config).config)
        if variant is not self:
            return variant.scheduled_module(full, after)
        module = copy_module(self.tile_module)
        passes = self.pipeline.scheduled(full, module)
        names = [pass_.name for pass_ in passes]
        stop = names.index(CONVERSION) if after is None else names.index(after) + 1 if after in names else -1
        if stop < 0:
            raise ValueError(f"no pass {after!r} runs; the passes are {', '.join(names)}")
        quiet = Stages(self.name, Settings(print_ir=(), dump_dir=None), self.pipeline.plugins)
        quiet.run(passes[:stop], module, start=self.tile_module)
        return module

    def script(self, source: str) -> str:
        """A script that recreates the arguments and runs an emitted module of this kernel."""
        return call_script(source, self.name, self.args, self.signature.host_keyword_only)

    def compiled(self, config: ConfigLike) -> Run:
        """The function that runs the kernel under a config; prints its code if a setting says so."""
        self._show_code(self.lower(config))
        return self.runner(config)

    def runner(self, config: ConfigLike) -> Run:
        """The function that `compiled` returns, without printing code."""
        variant = self.variant(config)
        return self._own_runner(config) if variant is self else self._guarded(variant, config)

    def _guarded(self, variant: SpecializedKernel, config: ConfigLike) -> Run:
        """The function that runs another trace, of which more may hang on the arguments than of this one."""
        run, known = variant.runner(config), self.traced.guards
        more = tuple(guard for guard in variant.traced.guards if guard not in known)
        if not more:
            return run
        owner, plugins = self.kernel, self.pipeline.plugins
        return guarded(
            run,
            owner.evaluator(more),
            variant.args,
            lambda args: SpecializedKernel(owner, args, plugins).runner(config),
        )

    def _own_runner(self, config: ConfigLike) -> Run:
        lowered = self.lower(config)
        mode = mode_for(self.device.type, self.backend)
        if mode == "device":
            return self._run(lowered, mode)

        def run(*args: object) -> Any:
            return self._run(lowered, mode_for(self.device.type, self.backend))(*args)

        self._run(lowered, mode)
        return run

    def _run(self, lowered: LoweredConfig, mode: Mode) -> Run:
        key = (lowered.config, mode)
        if (run := self._runs.get(key)) is None:
            run = self._capturing(self._make_run(lowered, mode))
            run = self._runs[key] = self._watching_targets(_taking_positions(run, self.signature.host_keyword_only))
        return run

    @cached_property
    def writes_into(self) -> Callable[..., tuple[torch.Tensor, ...]]:
        """The tensors of a call's arguments that device code writes into. Raises `InvalidAssignment` for those that
        PyTorch would not write into either."""
        own = {*self.signature.fn.__code__.co_freevars}  # cells cannot be reached from here
        written = [each for each in self.traced.written if not own & names_in(each.expr)]
        if not written:
            return lambda *args: ()
        found = "".join(f"{each.expr}, " for each in written)
        find = eval(f"lambda {', '.join(self.signature.host_parameters)}: ({found})", self.signature.fn.__globals__)
        return checked_targets(written, find, static=self.settings.static_shapes)

    def _watching_targets(self, run: Run) -> Run:
        """`run` after a check of the arguments that it writes into, if there are any."""
        if not self.traced.written:
            return run
        check = self.writes_into

        def checked(*args: object) -> Any:
            check(*args)
            return run(*args)

        return checked

    def shapes(self, config: ConfigLike, args: Sequence[object]) -> Any:
        """What the host function returns for tensors without data; nothing runs on a device."""
        return self._run(self.lower(config), "meta")(*args)

    def _make_run(self, lowered: LoweredConfig, mode: Mode) -> FunctionType:
        if mode == "tl":
            converted = None if self.backend.leaves_tl else self.scheduled_module(lowered.config, CONVERSION)
            return interpret_tl(converted or lowered.module())
        if mode == "tile":
            return interpret_tile(self.scheduled_module(lowered.config), self.structures.sizes(lowered.config))
        if mode == "meta":
            return shapes_alone(lowered.module())
        if mode == "device":
            explain = partial(self._explain_launch, lowered.config)
            return self.backend.launcher(lowered.source, self.name, self.device.index, explain)
        return self.backend.host(lowered.source, self.name)

    def _explain_launch(self, config: Config, error: Exception) -> Exception:
        explained = self.backend.explained(error, self.signature.fn, "compile it for this device")
        if self.backend.lacks_memory(error) and (parts := self.config_spec.shared_memory(config)):
            explained.hint = f"shared memory is for {parts}; keys that a config leaves out are chosen to fit"
        return explained

    def _capturing(self, host: FunctionType) -> Run:
        """The host function, which sees the current values of what the kernel captures."""
        names = self.traced.captures
        if not names:
            return host
        scope = dict(host.__globals__)
        for name, value in host.__globals__.items():
            if isinstance(value, FunctionType) and value.__globals__ is host.__globals__:
                scope[name] = _within(scope, value)
        run = _within(scope, host)

        def capture_and_run(*args: object, **kwargs: object) -> Any:
            scope.update(self.signature.captured(names))
            return run(*args, **kwargs)

        return capture_and_run

    def _show_code(self, lowered: LoweredConfig) -> None:
        """`print_output_code` and `print_repro`, once per config."""
        if lowered.config in self._printed:
            return
        self._printed.add(lowered.config)
        if self.settings.print_output_code:
            print(lowered.source, file=sys.stderr)
        if self.settings.print_repro:
            print(self.script(lowered.source), file=sys.stderr)


def _entries(config: Config, *keys: str) -> list[object]:
    """The values that keys of a normalized config have at their sites."""
    lists = (config.get(key, ()) for key in keys)
    return [value for values in lists for value in (values if isinstance(values, list | tuple) else [values])]


def _within(scope: dict[str, Any], function: FunctionType) -> FunctionType:
    """A copy of a function with other globals."""
    copy_ = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    copy_.__kwdefaults__ = function.__kwdefaults__
    return copy_


def _taking_positions(run: Run, keyword_only: tuple[str, ...]) -> Run:
    """`run` with its keyword-only parameters given by position, last."""
    if not keyword_only:
        return run
    count = len(keyword_only)
    return lambda *args: run(*args[:-count], **dict(zip(keyword_only, args[-count:], strict=True)))
