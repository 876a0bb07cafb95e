"""Corrections of Triton's own interpreter, in the test process that runs emitted sources with it.

Some of its operations are in the way of tests (in Triton 3.6 to 3.9):

- It keeps bfloat16 numbers as 16-bit integers. Loads, stores and casts know this, but `tl.dot` multiplies the integers.
  Operands are widened to float32, which is exact (float16 ones too, for which NumPy's product is slow).
- `tl.reduce` with a function of ours takes Python through the elements one by one, minutes for a small matrix.
  It is called on whole arrays instead, neighbours with neighbours, which asks of it no more than to be associative.
- In 3.9 `tl.full` of a bool makes integers, which loads and stores then refuse as a mask. Their masks are made bool.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter


def _widened(operand: Any) -> Any:
    """A half-precision operand in float32; any other as it is."""
    data = operand.data
    if operand.dtype.scalar == tl.bfloat16:
        data = (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif operand.dtype.scalar == tl.float16:
        data = data.view(np.float16).astype(np.float32)
    return operand if data is operand.data else interpreter.TensorHandle(data, tl.float32)


def correct_dots() -> None:
    """Make `tl.dot` right for bfloat16 operands."""
    builder: Any = interpreter.InterpreterBuilder
    original = builder.create_dot

    def create_dot(self: Any, lhs: Any, rhs: Any, *rest: Any) -> Any:
        return original(self, _widened(lhs), _widened(rhs), *rest)

    builder.create_dot = create_dot


def vectorize_reductions() -> None:
    """Make `tl.reduce` call its function on arrays."""
    operations: Any = interpreter.ReduceOps
    original = operations.generic_reduce

    def generic_reduce(self: Any, input: tuple[Any, ...]) -> Any:
        axis = self.axis
        if axis is None:
            return original(self, input)
        dtypes = [each.dtype for each in input]
        values = [np.moveaxis(each.handle.data, axis, -1) for each in input]
        while (size := values[0].shape[-1]) > 1:
            assert size % 2 == 0, "Triton's sizes are powers of two"
            typed = list(zip(values, dtypes, strict=True))
            combined = self.combine_fn.fn(*(self.to_tensor(v[..., side::2], t) for side in (0, 1) for v, t in typed))
            values = [each.handle.data for each in (combined if isinstance(combined, tuple) else (combined,))]
        values = [np.moveaxis(v, -1, axis) if self.keep_dims else v[..., 0] for v in values]
        return [self.to_tensor(value, dtype) for value, dtype in zip(values, dtypes, strict=True)]

    operations.generic_reduce = generic_reduce


def _with_bool_mask(original: Any, position: int) -> Any:
    """`original`, whose argument number `position` is a mask."""

    def masked(self: Any, *args: Any, **options: Any) -> Any:
        mask = args[position]
        if isinstance(mask, interpreter.TensorHandle):
            mask = interpreter.TensorHandle(mask.data.astype(np.bool_), tl.int1)
        return original(self, *args[:position], mask, *args[position + 1 :], **options)

    return masked


def correct_masks() -> None:
    """Make loads and stores take a mask that `tl.full` made."""
    builder: Any = interpreter.InterpreterBuilder
    for name, position in (("create_masked_load", 1), ("create_masked_store", 2)):
        setattr(builder, name, _with_bool_mask(getattr(builder, name), position))


def correct_interpreter() -> None:
    """Apply all of them."""
    correct_dots()
    vectorize_reductions()
    correct_masks()
