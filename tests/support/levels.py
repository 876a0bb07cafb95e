"""Runs a function as a kernel at both levels of the IR, and looks at its emitted text."""

from __future__ import annotations

import os
from typing import Any

import torch

import helion_ir as helion

from .executions import environment, poisoned_allocations


def run_levels(function: Any, config: helion.Config, *args: Any, triton: bool = False, **settings: Any) -> Any:
    """The results of a kernel on CPU tensors at the `tl` level, after comparing them with those of `tile`.

    Under TRITON_INTERPRET=1, both times those of the emitted text.

    Args:
        function: the kernel's function.
        triton: whether Triton compiles the emitted text, for sm_90.
        settings: of the kernel.
    """
    results = {}
    for level in ("tile", "tl"):
        kernel = helion.kernel(getattr(function, "fn", function), verify_each=True, **settings)
        with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
            compiled = helion.compile(kernel, config, args)
            copies = [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
            results[level] = compiled(*copies)
    torch.testing.assert_close(results["tile"], results["tl"], equal_nan=True)
    compile(compiled.source, "<emitted>", "exec")
    if triton and os.environ.get("TRITON_INTERPRET", "0") == "0":
        compiled.binary("sm_90")
    return results["tl"]
