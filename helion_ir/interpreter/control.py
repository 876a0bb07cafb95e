"""`scf` on 0-d tensors."""

from __future__ import annotations

import torch
from xdsl.dialects import scf
from xdsl.interpreter import Interpreter, PythonValues, impl, register_impls
from xdsl.interpreters.scf import ScfFunctions

from .state import dtype_of


@register_impls
class ControlFunctions(ScfFunctions):
    """xDSL's own `scf`, whose branches work on 0-d tensors as they are; only the counter needs a type."""

    @impl(scf.ForOp)
    def run_for(self, interpreter: Interpreter, op: scf.ForOp, args: PythonValues) -> PythonValues:
        lower, upper, step, *carried = args
        dtype = dtype_of(op.lb.type)
        values = tuple(carried)
        for position in range(int(lower), int(upper), int(step)):
            values = interpreter.run_ssacfg_region(op.body, (torch.tensor(position, dtype=dtype), *values), "scf.for")
        return values
