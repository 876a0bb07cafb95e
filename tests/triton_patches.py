"""Corrections of Triton's own interpreter, in the test process that runs emitted sources with it.

The interpreter keeps bfloat16 numbers as 16-bit integers. Loads, stores and casts know this, but `tl.dot` multiplies
the integers (in Triton 3.6 to 3.9). The correction widens bfloat16 operands to float32, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter


def _widened(operand: Any) -> Any:
    """A bfloat16 operand in float32; any other as it is."""
    if operand.dtype.scalar != tl.bfloat16:
        return operand
    bits = operand.data.view(np.uint16).astype(np.uint32) << 16
    return interpreter.TensorHandle(bits.view(np.float32), tl.float32)


def correct_bfloat16_dots() -> None:
    """Make `tl.dot` of the interpreter right for bfloat16 operands."""
    builder: Any = interpreter.InterpreterBuilder
    original = builder.create_dot

    def create_dot(self: Any, lhs: Any, rhs: Any, *rest: Any) -> Any:
        return original(self, _widened(lhs), _widened(rhs), *rest)

    builder.create_dot = create_dot
