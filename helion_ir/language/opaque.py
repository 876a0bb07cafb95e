"""Escape hatches: Triton text, Triton functions and assembly inside of a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .api import api


@api()
def inline_triton(source: str, args: Sequence[Any] | Mapping[str, Any], output_like: Any) -> Any:
    """Run a Triton snippet.

    Common indentation is removed. `{0}` or `{name}` stand for `args`: device values, scalars, tiles (their
    positions), whole host tensors (their pointers), tuples of those, and constants. With `output_like`, a device
    tensor or a tuple of them that gives shape and dtype, the last line is the value; with None there is none.
    """


@api()
def triton_kernel(fn_or_source_or_name: Any, args: Sequence[Any] | Mapping[str, Any], output_like: Any) -> Any:
    """Call a `@triton.jit` function: itself, its source, or its name in the kernel's module.

    It and what it uses are put into the emitted module once. `args` are as those of `inline_triton`, by position or,
    in a mapping, by parameter; `output_like` likewise.
    """


@api()
def inline_asm_elementwise(
    asm: str,
    constraints: str,
    args: Sequence[Any],
    dtype: torch.dtype | Sequence[torch.dtype],
    is_pure: bool,
    pack: int,
) -> Any:
    """Apply assembly to the elements of `args`, which broadcast, `pack` at a time; a tensor per dtype."""
