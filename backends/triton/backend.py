"""The Triton backend; each part is imported at its first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation
from xdsl.utils.target import Target

from ... import exc
from ...dialects.targets import GPU
from ..base import Backend, CompiledBinary, Explain, Opaque, PassClass, Passes, Resources, Text
from ..load import load_source
from .targets import TARGETS

if TYPE_CHECKING:
    import torch


def _passes(*files: str) -> Passes:
    """Passes by file name: file `a_b.py` = pass `a-b` = class `ABPass`."""

    def factory(file: str) -> Callable[[], PassClass]:
        name = "".join(word.capitalize() for word in file.split("_")) + "Pass"
        return lambda: getattr(import_module(f".passes.{file}", __package__), name)

    return MappingProxyType({file.replace("_", "-"): factory(file) for file in files})


class TritonBackend(Backend):
    """See `Backend`."""

    name = "triton"
    targets = TARGETS
    tile_passes = _passes("specialize_warps")
    tl_passes = _passes("shield_reductions", "shield_descriptors", "shield_carried_values", "prepare_for_print")
    notes_questions = True
    worker = f"{__package__}.runtime.precompile"

    @property
    def ops(self) -> Collection[type[Operation]]:  # type: ignore[override]
        from .printer import PRINTED

        return PRINTED

    @property
    def dtypes(self) -> Collection[type[Attribute]]:  # type: ignore[override]
        from .expressions import ELEMENTS

        return ELEMENTS

    # Text ------------------------------------------------------------------------------------------------------

    def emit(self, module: ModuleOp) -> str:
        from .module import emit

        return emit(module)

    def text(self, module: ModuleOp) -> Text:
        from .reprint import TritonText

        return TritonText.of(module)

    def opaque(self, kernel: str) -> Opaque:
        from .jit_sources import JitSources

        return JitSources(kernel)

    def target(self) -> type[Target]:
        from .opt_target import TritonTarget

        return TritonTarget

    # Running ---------------------------------------------------------------------------------------------------

    def version(self) -> str:
        import triton

        return triton.__version__

    def device_target(self, device: torch.device) -> str:
        from .runtime.device import target_name

        return target_name(device)

    def device_gpu(self, device: torch.device | None) -> GPU | None:
        from .runtime.device import gpu_of

        return gpu_of(device)

    def interpreted(self) -> str | None:
        return "TRITON_INTERPRET=1" if os.environ.get("TRITON_INTERPRET", "0") == "1" else None

    def host(self, source: str, name: str) -> FunctionType:
        return getattr(load_source(source, name), name)

    def launcher(
        self, source: str, name: str, device: int | None = None, explain: Explain | None = None
    ) -> FunctionType:
        from .runtime.launcher import with_launchers

        return with_launchers(self.host(source, name), device, explain)

    def modules(self) -> Mapping[str, Any]:
        from .runtime.interpreter import MODULES

        return MODULES

    def text_runner(self) -> Callable[..., list[torch.Tensor]]:
        from .runtime.interpreter import run

        return run

    def explained(self, error: Exception, fn: FunctionType, doing: str) -> exc.Base:
        from .runtime.errors import triton_error

        return triton_error(error, fn, doing)

    def lacks_memory(self, error: Exception) -> bool:
        return type(error).__name__ == "OutOfResources"

    # Compiling -------------------------------------------------------------------------------------------------

    def compile(
        self, source: str, module: ModuleOp, target: str, constexprs: Mapping[str, int], divisible: Collection[str]
    ) -> CompiledBinary:
        from .runtime.aot import compile_for

        return compile_for(source, module, target, constexprs=constexprs, divisible=divisible)

    def capture(self, source: str, name: str, run: Callable[..., Any], args: Sequence[object]) -> object | None:
        from .runtime.precompile import capture

        return capture(source, name, run, args)

    def precompile(self, launch: Any, gpu: GPU) -> Resources:
        from .runtime.precompile import compile_launch

        return compile_launch(launch, gpu)


BACKEND = TritonBackend()
