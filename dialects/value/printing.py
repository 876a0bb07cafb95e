"""Values shown while the kernel runs."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, prop_def, traits_def, var_operand_def

from ..effects import TouchesNoMemory, WritesConsole
from .types import ValueConstr


@irdl_op_definition
class PrintOp(IRDLOperation):
    """Print values after a text (`print`, `hl.device_print`): every lane, those past a tile's end, too.

    ```mlir
    value.print "x:"(%v, %i : tensor<64xf32>, i32)
    ```
    Effects: it writes the console, so it is neither dropped nor passes another; accesses to memory may pass it. It
    declares nothing of its axes: what is printed is what the user has, never a chunk.
    """

    name = "value.print"

    text = prop_def(StringAttr)
    args = var_operand_def(ValueConstr)

    traits = traits_def(WritesConsole(), TouchesNoMemory())
    assembly_format = "$text (`(` $args^ `:` type($args) `)`)? attr-dict"

    def __init__(self, text: str, args: Sequence[SSAValue]):
        super().__init__(operands=[args], properties={"text": StringAttr(text)})


__all__ = ["PrintOp"]
