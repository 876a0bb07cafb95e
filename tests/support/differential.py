"""Do two modules compute the same? The check that every pass's tests use.

```python
check_pass_agrees(before, after, lambda: [x.clone(), torch.zeros(37, 53)], tol=1e-5)
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from helion_ir.dialects import tl
from helion_ir.dialects.verify import verify_module
from torch import Tensor
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from helion_ir.interpreter import run_func, run_kernel
from helion_ir.interpreter.run_tile import Argument

MakeArgs = Callable[[], Sequence[Argument]]
"""Fresh arguments, equal at every call."""


def run_module(
    module: ModuleOp,
    args: Sequence[Argument],
    *,
    block_sizes: Mapping[str, int] | None = None,
    symbols: Mapping[str, int] | None = None,
    seed: int = 0,
) -> None:
    """Run a module of either level; a `tl.func` gets its block sizes from its own constexprs."""
    if any(isinstance(op, tl.FuncOp) for op in module.ops):
        run_func(module, args, seed=seed)
    else:
        run_kernel(module, args, symbols, block_sizes, seed=seed)


def check_pass_agrees(
    before: ModuleOp,
    after: ModuleOp,
    make_args: MakeArgs,
    tol: float = 0.0,
    *,
    block_sizes: Mapping[str, int] | None = None,
    symbols: Mapping[str, int] | None = None,
) -> list[Argument]:
    """Verify both modules, run both on equal arguments, and compare every tensor argument afterwards.

    `after` runs with both kinds of poison, NaN and garbage, so a lane of padding that reaches a result shows.

    Args:
        tol: absolute and relative tolerance; NaNs must be where NaNs are.
        block_sizes: for block symbols that `before` (and `after`, at the tile level) leaves open.

    Returns:
        The arguments as `before` left them.

    Raises:
        AssertionError: a result differs, or the results of `before` depend on the poison.
    """
    verify_module(before)
    verify_module(after)
    expected = list(make_args())
    run_module(before, expected, block_sizes=block_sizes, symbols=symbols, seed=0)
    for what, module, seed in (("before, with other poison", before, 1), ("after", after, 2), ("after", after, 3)):
        actual = list(make_args())
        run_module(module, actual, block_sizes=block_sizes, symbols=symbols, seed=seed)
        compare_args(what, actual, expected, tol)
    return expected


def compare_args(what: str, actual: Sequence[Argument], expected: Sequence[Argument], tol: float) -> None:
    """Compare all tensors of two argument lists.

    Raises:
        AssertionError: names the argument that differs.
    """
    for number, (ours, theirs) in enumerate(zip(actual, expected, strict=True)):
        if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
            torch.testing.assert_close(
                _comparable(ours), _comparable(theirs), atol=tol, rtol=tol, equal_nan=True,
                msg=lambda text, number=number: f"{what}: argument {number} differs: {text}",
            )  # fmt: skip


def _comparable(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def apply(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    """A copy of `module` after some passes."""
    clone = module.clone()
    context = Context()
    for pass_ in passes:
        pass_.apply(context, clone)
    return clone
