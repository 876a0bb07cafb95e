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
    """A complete Triton module of a module that went through `prepare-for-print`.

    `-t "triton{comments=false}"` leaves out the comments that quote the user's source.
    """

    name = "triton"

    comments: bool = True

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(emit(module, comments=self.comments))
