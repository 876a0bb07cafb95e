"""Seeds that each call draws from torch's generator: a tensor with one for each site of the kernel that needs one.

The tensor is made in the host function at the launch, so that `torch.manual_seed` repeats a call, and a CUDA graph
draws anew whenever it is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import UnitAttr, i64
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from ..dialects import tile
from ..dialects.tile.types import NARROW
from ..passes.number_sites import UNCOUNTED
from .symbols.integers import Integers

ALIGNMENT = 16
"""Of fresh memory, in bytes."""
_SPREAD = 6364136223846793005
"""A factor of full period modulo 2^64, so that iterations of nested loops have seeds of their own (Knuth, MMIX)."""


class Seeds:
    """The seeds of one trace. Sites are counted as the program is walked, and again where a body is walked again."""

    def __init__(self, numbers: Integers):
        self._numbers = numbers
        self.count = 0
        """How many sites drew so far; control flow that walks a body again sets it back."""
        self._ref: SSAValue | None = None
        self._counters: list[SSAValue] = []

    @contextmanager
    def counted(self, counter: SSAValue | None) -> Iterator[None]:
        """Within an iteration of a loop without an extent: draws depend on which one it is, an i64, too."""
        own = [] if counter is None else [counter]
        self._counters += own
        try:
            yield
        finally:
            del self._counters[len(self._counters) - len(own) :]

    def draw(self) -> SSAValue:
        """The seed of one more site, as an i64 scalar."""
        numbers = self._numbers
        self._ref = numbers.argument("seeds", "", _type(1), name="seeds")
        op = tile.LoadOp(self._ref, [numbers.integer(self.count)])
        op.attributes[UNCOUNTED] = UnitAttr()
        self.count += 1
        seed = numbers.builder.emit(op)
        for counter in self._counters:
            spread = numbers.builder.emit(arith.MuliOp(seed, numbers.builder.constant(_SPREAD, i64)))
            seed = numbers.builder.emit(arith.AddiOp(spread, counter))
        return seed

    def close(self) -> None:
        """Give the kernel's argument its size and its host expression, as all sites are known."""
        if self._ref is None:
            return
        numbers, args = self._numbers, self._numbers.kernel_block.args
        own = args.index(self._ref)
        tensor = tile.some_tensor(
            ((e, a.type) for e, a in zip(numbers.arg_exprs, args, strict=True) if a is not self._ref)
        )
        assert tensor is not None  # a kernel without effects is refused
        numbers.arg_exprs[own] = f"torch.randint(2**63 - 1, ({self.count},), device={tensor}.device)"
        self._ref = Rewriter.replace_value_with_new_type(self._ref, _type(self.count))


def _type(count: int) -> tile.RefType:
    return tile.RefType([count], [1], i64, ALIGNMENT, NARROW)
