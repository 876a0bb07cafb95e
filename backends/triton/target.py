"""The output `helion-opt -t triton`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from .module import emit


@dataclass(frozen=True)
class TritonTarget(Target):
    """A complete Triton module of a module that went through `prepare-for-print`."""

    name = "triton"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(emit(module))
