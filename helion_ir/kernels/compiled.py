"""`CompiledKernel`: a kernel under one config, open at every level."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from xdsl.dialects.builtin import ModuleOp, StringAttr

from .. import exc
from ..backends.base import CompiledBinary
from ..config import Config
from ..dialects.tl import PtrType
from ..pipeline import pipeline_string
from ..plugins import Plugins
from ..runtime.dry_run import LaunchValues, launch_values
from ..runtime.execute import Run
from ..runtime.specialized import ConfigLike, Owner, SpecializedKernel
from ..runtime.stages import ir_text
from ..runtime.structure import only_func
from ..session import current
from ..specialization.checks import check_real
from ..specialization.tensor_spec import describe
from .gradient import Backward, recording


class Binder(Owner, Protocol):
    """The interface of a kernel that compiled kernels use."""

    backward: Backward | None

    def bind(self, args: Sequence[object], plugins: Plugins | None = None) -> SpecializedKernel:
        """The specialization for arguments, with the current plugins or others."""
        ...

    def specialization_key(self, args: Sequence[object]) -> Hashable:
        """The key of a specialization."""
        ...

    def call_key(self, args: tuple[object, ...]) -> Hashable:
        """The key of a call."""
        ...

    def dispatch(
        self, args: tuple[object, ...], plugins: Plugins, run_of: Callable[[Any, tuple[object, ...]], Run]
    ) -> Run:
        """The function that runs every call with the key of `args`."""
        ...

    def forget_runs(self) -> None:
        """Let the next call decide anew which config it uses."""
        ...


class CompiledKernel:
    """A kernel under one config; callable like the kernel.

    Its texts and binaries are those of the arguments it was compiled for, else of its first call. A call with
    arguments of another specialization compiles for that one, with the same config and plugins.
    """

    def __init__(self, kernel: Binder, config: ConfigLike, args: Sequence[object] | None = None) -> None:
        """Raises `InvalidConfig` and what binding raises; without `args` these come at the first call."""
        self.kernel = kernel
        self._given, self._plugins = Config.from_dict(config), current().plugins
        self._bound: SpecializedKernel | None = None
        self._runs: dict[Hashable, Run] = {}
        self._args: tuple[object, ...] | None = None
        if args is not None:
            self._args = tuple(describe(arg) for arg in kernel.signature.complete(args))
            self._bound = kernel.bind(args, self._plugins).variant(self._given)
            self._bound.lower(self._given)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Run on real tensors."""
        args = self.kernel.signature.normalize(args, kwargs)
        key = self.kernel.call_key(args)
        run = self._runs.get(key)
        if run is None:
            check_real(self.kernel.signature.parameters, args, self.kernel.signature.place)
            run = self._runs[key] = self.kernel.dispatch(args, self._plugins, self._run_of)
            self._bound = self._bound or self.kernel.bind(args, self._plugins).variant(self._given)
        return run(*args)

    def _run_of(self, bound: SpecializedKernel, args: tuple[object, ...]) -> Run:
        return recording(self.kernel, args, bound.compiled(self._given), bound.writes_into)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as its kernel, its config, and the description of its arguments; compiled again after unpickling."""
        return (CompiledKernel, (self.kernel, self._given, None if self._bound is None else self._bound.args))

    @property
    def bound(self) -> SpecializedKernel:
        """The specialization that this object describes; InvalidAPIUsage before there is one."""
        if self._bound is None:
            raise exc.InvalidAPIUsage(
                f"{self.kernel.signature.fn.__name__} is not specialized yet: give compile() arguments, or call it"
            )
        return self._bound

    @property
    def config(self) -> Config:
        """The config, with every key of the kernel once it is specialized."""
        return self._given if self._bound is None else self._bound.lower(self._given).config

    @property
    def source(self) -> str:
        """The emitted module."""
        return self.bound.lower(self._given).source

    @property
    def pipeline(self) -> str:
        """What `helion-opt -p` replays on `ir("tile")`, giving `source` with the backend's name as `-t`."""
        bound = self.bound
        return pipeline_string(bound.pipeline.scheduled(self.config, bound.tile_module))

    def ir(self, stage: str = "tile") -> str:
        """The IR as text with locations: `"tile"` (config-free), `"scheduled"` (the config applied), `"tl"` (what is
        printed), or what the pass of that name left. Raises ValueError for a name that is none of these."""
        bound = self.bound
        if stage == "tile":
            return ir_text(bound.tile_module)
        if stage == "tl":
            return ir_text(bound.lower(self._given).module())
        return ir_text(bound.scheduled_module(self._given, None if stage == "scheduled" else stage))

    def binary(self, target: str = "sm_90") -> CompiledBinary:
        """The compiled kernel for a target (`sm_80`, `sm_90`, `sm_100`, `gfx942`, `gfx950`), which need not be
        here; its `.asm` holds every stage.

        Raises InvalidAPIUsage for another target, BackendUnsupported for a kernel with text for another kind of GPU,
        and TritonError if its compiler fails."""
        backend = self.bound.backend
        if target not in backend.targets:
            raise exc.InvalidAPIUsage(
                f"unknown target {target!r}", hint=f"the targets are {', '.join(backend.targets)}"
            )
        lowered = self.bound.lower(self._given)
        module = lowered.module()
        values = self._launch_values(module)
        try:
            return backend.compile(lowered.source, module, target, values.constexprs, values.divisible)
        except exc.BackendUnsupported:
            raise
        except Exception as error:
            raise backend.explained(error, self.kernel.signature.fn, f"compile it for {target}") from error

    def _launch_values(self, module: ModuleOp) -> LaunchValues:
        """What a launch for the arguments given to `compile`, else for those of the first bind, passes."""
        if not _computes(module):
            return LaunchValues({}, ())
        args = self.bound.args if self._args is None else self._args
        return launch_values(module, args, self.kernel.signature.captured(self.bound.traced.captures))

    def resources(self, target: str = "sm_90") -> CompiledBinary:
        """The binary of the kernel for a target, which has `shared_bytes`, `registers` and `spills`."""
        return self.binary(target)


def _computes(module: ModuleOp) -> bool:
    """Whether a launch passes anything but tensors and the config's own values."""
    func = only_func(module)
    scalars = any(not isinstance(arg.type, PtrType) for arg in func.body.block.args)
    return scalars or any(isinstance(value, StringAttr) for value in func.constexprs.data.values())


__all__ = ["Binder", "CompiledKernel"]
