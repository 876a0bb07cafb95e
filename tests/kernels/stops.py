"""A kernel with a breakpoint in device code."""

from torch import Tensor

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel()
def stops(x: Tensor) -> None:
    for t in hl.tile(x.size(0)):
        breakpoint()
        x[t] = x[t] + 1
