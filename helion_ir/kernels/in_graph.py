"""A call of a kernel while torch.compile makes a graph: not looked into, but run on the graph's fake tensors."""

from __future__ import annotations

from typing import Any

import torch._dynamo

from .operator import numbered, symbolic_call


@torch._dynamo.nonstrict_trace
def call(number: int, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    """The result of the kernel of that number, by a call of its operator."""
    kernel = numbered(number)
    return symbolic_call(kernel, kernel.normalize_args(*args, **kwargs))


__all__ = ["call"]
