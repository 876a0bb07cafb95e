"""`BoundKernel`: one specialization of a kernel, traced once, lowered per config."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from importlib import import_module
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from xdsl.dialects.builtin import ModuleOp

from .. import exc
from ..autotuner.best_configs import recall
from ..backends.triton import emit
from ..config import Config
from ..dialects.copies import copy_module
from ..pipeline import ConfigSpec, config_free_passes, has_plugins, scheduled_passes
from ..runtime.code_settings import record
from ..runtime.execute import Mode, Run, interpret_tile, interpret_tl, mode_for, run_emitted, run_on_gpu, shapes_alone
from ..runtime.repro import call_script
from ..runtime.stages import Stages
from ..runtime.structure import Lowered, Structure, Structures, only_kernel
from ..runtime.triton_errors import triton_error
from ..settings import Settings
from ..specialization.in_place import names_in, writing
from ..specialization.specs import describe, materialize

if TYPE_CHECKING:
    from ..frontend import TracedKernel
    from .kernel import Kernel

ConfigLike = Config | Mapping[str, object]
CONVERSION = "convert-tile-to-tl"
"""The pass between the levels: what stands before it is the scheduled tile module."""


class BoundKernel:
    """A kernel for one specialization key; callable like the kernel. `Kernel.bind` makes it.

    Raises what tracing raises, `BackendUnsupported`, and `InternalError` when a config-free pass fails.
    """

    def __init__(self, kernel: Kernel, args: Sequence[object]) -> None:
        self.kernel = kernel
        self.settings: Settings = copy.copy(kernel.settings)
        if self.settings.backend != "triton":
            raise exc.BackendUnsupported(f"backend {self.settings.backend!r} is not there; the one backend is 'triton'")
        traced = _frontend().trace(
            kernel.fn,
            tuple(materialize(arg) for arg in args),
            static_shapes=self.settings.static_shapes,
            index_dtype=self.settings.index_dtype,
            dot_precision=self.settings.dot_precision,
            auto_barrier=self.settings.auto_barrier,
            ignore_warnings=tuple(self.settings.ignore_warnings),
        )
        self.traced: TracedKernel = traced
        self.name: str = traced.name
        self.args: tuple[object, ...] = tuple(describe(arg) for arg in args)
        self.serves: Callable[[tuple[object, ...]], bool] = lambda args: True
        """Whether arguments are of this specialization; `Kernel.bind`, which knows the key and the guards, sets it."""
        self._stages = Stages(self.name, self.settings)
        record(self.settings, self.device, only_kernel(traced.module))
        self._stages.show("trace", traced.module)
        self._stages.run(config_free_passes(), traced.module)
        self.tile_module: ModuleOp = traced.module
        """The config-free module; not to be changed."""
        self._config: Config | None = None
        self._found: tuple[Sequence[Config], Config] | None = None
        """What a call found by search, and the kernel's configs that it was to choose from."""
        self._lowered: dict[Config, Lowered] = {}
        self._runs: dict[tuple[Config, Mode], Run] = {}
        self._printed: set[Config] = set()
        self._warned = False

    def __reduce__(self) -> tuple[object, ...]:
        """By its kernel, what describes its arguments, and the config that was set; traced again where needed."""
        return (_bound_again, (self.kernel, self.args, self._config))

    @cached_property
    def config_spec(self) -> ConfigSpec:
        """The search space of this specialization."""
        interpreted = self.device.type == "cpu"
        return ConfigSpec(self.tile_module, getattr(self.traced, "tunables", None), interpreted=interpreted)

    @cached_property
    def _structures(self) -> Structures:
        return Structures(self.tile_module)

    @property
    def device(self) -> torch.device:
        """Where the kernel runs: with its tensors."""
        return self.traced.device

    # Configs ---------------------------------------------------------------------------------------------------

    def set_config(self, config: ConfigLike) -> None:
        """The config that calls use from now on. Raises `InvalidConfig`."""
        self._config = self._normalized(config)
        self.kernel.forget_runs()

    def _normalized(self, config: ConfigLike) -> Config:
        """The config with a legal value for every key. Raises `InvalidConfig`, at the kernel's definition."""
        try:
            full = self.config_spec.normalize(Config.from_dict(config))
        except exc.InvalidConfig as error:
            error.location = error.location or exc.SourceLocation.of_definition(self.kernel.fn)
            raise
        if not self._warned and "block_ptr" in _entries(full, "indexing", "atomic_indexing"):
            self._warned = True
            message = f"{self.name}: indexing='block_ptr': Triton has given block pointers up; plain pointers are used"
            exc.warn(exc.BlockPtrIndexingUnavailable(message), tuple(self.settings.ignore_warnings))
        return full

    def autotune(self, args: Sequence[object], force: bool = True, **options: object) -> Config:
        """Search the best config for these arguments, set it, keep it on disk and return it.

        Without `force`, a single given config is taken as it is, and so is one that an earlier search found.
        `options` are settings by name, for this search. Raises what `autotuner.tune` raises.
        """
        config = None if force else self._given_config() or self._known_config()
        if config is None:
            config = _autotuner().tune(self, args, **options).config
        self.set_config(config)
        return config

    def _known_config(self) -> Config | None:
        """The config that an earlier search kept on disk, if it is legal still."""
        known = recall(self)
        try:
            return known and self.config_spec.normalize(known)
        except exc.InvalidConfig:
            return None

    def _can_tune(self) -> bool:
        return self.device.type not in ("cpu", "meta") or self.settings.autotune_benchmark_fn is not None

    def _given_config(self) -> Config | None:
        """The config that was set, or found for the kernel's configs as they are, or its only one."""
        if self._config is not None:
            return self._config
        configs = self.kernel.configs
        if self._found is not None and self._found[0] is configs:
            return self._found[1]
        return configs[0] if len(configs) == 1 else None

    def _chosen_config(self, config: ConfigLike | None) -> ConfigLike:
        """`config`, or what stands for None when code is asked for."""
        if config is None:
            config = self._given_config()
        if config is None and self.settings.autotune_effort == "none":
            config = self.config_spec.default_config()
        if config is None:
            raise RuntimeError(
                f"{self.name}: no config provided; pass one, decorate with config=..., or ask for "
                "config_spec.default_config()"
            )
        return config

    # Compilation -----------------------------------------------------------------------------------------------

    def lower(self, config: ConfigLike) -> Lowered:
        """The kernel for a config: from the cache, from one of equal structure, or by the passes.

        Raises `InvalidConfig`.
        """
        given = config if isinstance(config, Config) else Config.from_dict(config)
        if (known := self._lowered.get(given)) is not None:
            return known
        full = self._normalized(given)
        structure = self._structures.find(full) or self._lower(full)
        lowered = self._lowered[given] = Lowered.of(structure, full, self._structures.sizes(full))
        return lowered

    def _lower(self, full: Config) -> Structure:
        module, sizes = copy_module(self.tile_module), self._structures.sizes(full)
        questions = self._structures.questions(module)
        self._stages.run(scheduled_passes(full, module), module, start=self.tile_module)
        structure = Structure.of(module, tuple(sizes))
        self._stages.check_source(lambda: emit(module))
        if has_plugins():
            questions.answers.update(sizes)
        self._structures.add(full, questions, structure)
        self._stages.save("source.py", lambda: emit(module))
        return structure

    def forget_lowered(self) -> None:
        """Drop what configs were lowered to; the trace stays."""
        self._structures.clear()
        self._lowered.clear()
        self._runs.clear()

    def scheduled_module(self, config: ConfigLike, after: str | None = None) -> ModuleOp:
        """A copy of the module after the schedule passes of `config`, or after the pass named `after`.

        Raises ValueError if no such pass runs.
        """
        full = self.lower(config).config
        module = copy_module(self.tile_module)
        passes = scheduled_passes(full, module)
        names = [pass_.name for pass_ in passes]
        stop = names.index(CONVERSION) if after is None else names.index(after) + 1 if after in names else -1
        if stop < 0:
            raise ValueError(f"no pass {after!r} runs; the passes are {', '.join(names)}")
        Stages(self.name, Settings(print_ir=(), dump_dir=None)).run(passes[:stop], module, start=self.tile_module)
        return module

    def to_triton_code(self, config: ConfigLike | None = None, *, emit_repro_caller: bool = False) -> str:
        """The emitted module; with `emit_repro_caller`, a script that also recreates the arguments and runs it.

        Without `config`: the one that was set, the kernel's only one, or the default at effort none; else a
        RuntimeError.
        """
        source = self.lower(self._chosen_config(config)).source
        return self._script(source) if emit_repro_caller else source

    to_code = to_triton_code

    def _script(self, source: str) -> str:
        return call_script(source, self.name, self.args, self._keyword_only)

    def compile_config(self, config: ConfigLike | None = None) -> Run:
        """What runs the kernel under a config; takes the kernel's positional arguments."""
        run = self.compiled(self._chosen_config(config))

        def checked(*args: object) -> Any:
            self._check(args)
            return run(*args)

        return checked

    def compiled(self, config: ConfigLike) -> Run:
        """What `compile_config` gives, for arguments that are known to be of this specialization."""
        self._show_code(self.lower(config))
        return self.runner(config)

    def _check(self, args: tuple[object, ...]) -> None:
        """Raise for arguments of another specialization: the code would misread them."""
        kernel = self.kernel
        if len(args) != len(kernel.parameters):
            raise TypeError(f"{self.name}(): takes {len(kernel.parameters)} arguments, got {len(args)}")
        if not self._serves(args):
            raise exc.InvalidAPIUsage(
                f"{self.name}: these arguments are of another specialization than those it is compiled for",
                hint=f"bind them, or call the kernel {kernel.fn.__name__} itself",
            )

    def _serves(self, args: tuple[object, ...]) -> bool:
        try:
            return self.serves(args)
        except ZeroDivisionError:  # a size of 0, by which a guard divides
            return False

    def runner(self, config: ConfigLike) -> Run:
        """What `compile_config` gives; shows nothing of it."""
        lowered = self.lower(config)
        mode = mode_for(self.device.type)
        if mode == "triton":
            return self._run(lowered, mode)

        def run(*args: object) -> Any:
            return self._run(lowered, mode_for(self.device.type))(*args)

        self._run(lowered, mode)
        return run

    def _run(self, lowered: Lowered, mode: Mode) -> Run:
        key = (lowered.config, mode)
        if (run := self._runs.get(key)) is None:
            run = self._capturing(self._make_run(lowered, mode))
            run = self._runs[key] = self._watching_targets(_taking_positions(run, self._keyword_only))
        return run

    @property
    def _keyword_only(self) -> tuple[str, ...]:
        """The keyword-only parameters of the host function, which are its last."""
        count = len(self.kernel.keyword_only)
        return self.kernel.host_parameters[-count:] if count else ()

    def _watching_targets(self, run: Run) -> Run:
        """`run`, looking at the arguments that it writes into, if there are any."""
        own = {*self.kernel.fn.__code__.co_freevars}  # cells cannot be reached from here
        written = [each for each in self.traced.written if not own & names_in(each.expr)]
        if not written:
            return run
        found = "".join(f"{each.expr}, " for each in written)
        find = eval(f"lambda {', '.join(self.kernel.host_parameters)}: ({found})", self.kernel.fn.__globals__)
        return writing(run, written, find, static=self.settings.static_shapes)

    def _make_run(self, lowered: Lowered, mode: Mode) -> FunctionType:
        if mode == "tl":
            return interpret_tl(lowered.module())
        if mode == "tile":
            return interpret_tile(self.scheduled_module(lowered.config), self._structures.sizes(lowered.config))
        if mode == "meta":
            return shapes_alone(lowered.module())
        if mode == "triton":
            explain = partial(self._explain_launch, lowered.config)
            return run_on_gpu(lowered.source, self.name, self.device.index, explain)
        return run_emitted(lowered.source, self.name)

    def _explain_launch(self, config: Config, error: Exception) -> Exception:
        explained = triton_error(error, self.kernel.fn, "compile it for this device")
        if type(error).__name__ == "OutOfResources" and (parts := self.config_spec.shared_memory(config)):
            explained.hint = f"shared memory is for {parts}; keys that a config leaves out are chosen to fit"
        return explained

    def _capturing(self, host: FunctionType) -> Run:
        """The host function, seeing what the kernel captures as it is at each call."""
        names = self.traced.captures
        if not names:
            return host
        scope = dict(host.__globals__)
        for name, value in host.__globals__.items():
            if isinstance(value, FunctionType) and value.__globals__ is host.__globals__:
                scope[name] = _within(scope, value)
        run = _within(scope, host)

        def capture_and_run(*args: object) -> Any:
            scope.update(self.kernel.captured(names))
            return run(*args)

        return capture_and_run

    def _show_code(self, lowered: Lowered) -> None:
        """`print_output_code` and `print_repro`, once per config."""
        if lowered.config in self._printed:
            return
        self._printed.add(lowered.config)
        if self.settings.print_output_code:
            print(lowered.source, file=sys.stderr)
        if self.settings.print_repro:
            print(self._script(lowered.source), file=sys.stderr)

    # Calls -----------------------------------------------------------------------------------------------------

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Run on arguments of this specialization."""
        args = self.kernel.normalize_args(*args, **kwargs)
        self._check(args)
        return self.run(args)(*args)

    def run(self, args: Sequence[object]) -> Run:
        """What calls do now, the first of them with `args`: under the given config, else under the best one of an
        earlier search, else after a search. Where nothing can be tuned, which is said once, or at effort none, it is
        the first of the kernel's configs, else the default one."""
        return self.compiled(self._config_to_run(args))

    def _config_to_run(self, args: Sequence[object]) -> Config:
        configs = self.kernel.configs
        forced = self.settings.force_autotune and self._can_tune() and self._config is None and self._found is None
        given = self._given_config()
        if given is not None and not forced:
            return given
        untuned = configs[0] if configs else self.config_spec.default_config()
        if self.settings.autotune_effort == "none":
            return untuned
        found = None if forced else self._known_config()
        if found is None and self._can_tune():
            found = _autotuner().tune(self, args).config
        if found is None:
            self.kernel.say_untuned()
            return untuned
        self._found = (configs, found)
        return found


def _entries(config: Config, *keys: str) -> list[object]:
    """The values that keys of a normalized config have at their sites."""
    lists = (config.get(key, ()) for key in keys)
    return [value for values in lists for value in (values if isinstance(values, list | tuple) else [values])]


def _bound_again(kernel: Kernel, args: tuple[object, ...], config: Config | None) -> BoundKernel:
    """What unpickling a bound kernel gives."""
    bound = kernel.bind(args)
    if config is not None:
        bound.set_config(config)
    return bound


@cache
def _frontend() -> ModuleType:
    """The frontend, imported when something is traced: PyTorch's decompositions take seconds to import."""
    return import_module("..frontend", __package__)


@cache
def _autotuner() -> ModuleType:
    """The autotuner's entry, imported when something is tuned."""
    return import_module("..autotuner.tuning", __package__)


def _within(scope: dict[str, Any], function: FunctionType) -> FunctionType:
    """A copy of a function that sees other globals."""
    copy_ = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    copy_.__kwdefaults__ = function.__kwdefaults__
    return copy_


def _taking_positions(run: Run, keyword_only: tuple[str, ...]) -> Run:
    """`run` with its keyword-only parameters given by position, last."""
    if not keyword_only:
        return run
    count = len(keyword_only)
    return lambda *args: run(*args[:-count], **dict(zip(keyword_only, args[-count:], strict=True)))
