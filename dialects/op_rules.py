"""Rules that an op class carries as traits (lowering, interpreter, printer), so that plugins edit no table.

```python
@irdl_op_definition
class AbsOp(IRDLOperation):
    name = "mine.abs"
    input, result = operand_def(), result_def()
    traits = traits_def(
        Pure(),
        Lowered(lambda low, op: low.emit.op(math.AbsFOp, (low.value(op.input),)).results),
        Interpreted(lambda op, args: (args[0].abs(),)),
    )
```

An op without `Lowered` is the same op in `tl`, on lowered operands. Axes are declared as ours are: `dialects/axes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from xdsl.ir import Operation, SSAValue
from xdsl.traits import OpTrait


@dataclass(frozen=True)
class Lowered(OpTrait):
    """`function(lowering, op)` emits the op's `tl` form and returns what its results became."""

    function: Callable[[Any, Any], Sequence[SSAValue]]


@dataclass(frozen=True)
class Interpreted(OpTrait):
    """`function(op, operands)` gives the results, of the op on torch tensors and numbers."""

    function: Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]


@dataclass(frozen=True)
class Printed(OpTrait):
    """`function(context, op)` is the op's row of a backend's printer: for Triton an `Expr`."""

    backend: str
    function: Callable[[Any, Any], Any]


@cache
def lowered(cls: type[Operation]) -> Callable[[Any, Any], Sequence[SSAValue]] | None:
    """The `Lowered` rule of a class, if it has one."""
    rule = cls.get_trait(Lowered)
    return None if rule is None else rule.function


def interpreted(cls: type[Operation]) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]] | None:
    """The `Interpreted` rule of a class, if it has one."""
    rule = cls.get_trait(Interpreted)
    return None if rule is None else rule.function


def printed(cls: type[Operation], backend: str) -> Callable[[Any, Any], Any] | None:
    """The `Printed` rule of a class for a backend, if it has one."""
    return next((rule.function for rule in cls.get_traits_of_type(Printed) if rule.backend == backend), None)
