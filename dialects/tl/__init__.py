"""Dialect `tl`: one config's kernel, one op per construct of `triton.language`.

Masks, offsets, descriptors, program ids and loop options are explicit; nothing is decided after this level.
Elementwise work and views are `arith`, `math` and `value`; control flow is `scf`. Every int dim is a power of two; a
symbolic dim is the name of a constexpr parameter.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..collect import ops_of
from ..quick import quicken
from . import combine, descriptors, dot_scaled, memory, program, sort, values
from .combine import CombineReduceOp, CombineScanOp
from .descriptors import *
from .dot_scaled import *
from .memory import *
from .program import *
from .sort import ArgsortOp
from .types import PtrType, TensorDescType
from .values import *

Tl = Dialect("tl", ops_of(program, memory, descriptors, values, combine, sort, dot_scaled), [PtrType, TensorDescType])
quicken(Tl.operations)

__all__ = ["ArgsortOp", "CombineReduceOp", "CombineScanOp", "PtrType", "TensorDescType", "Tl"]
__all__ += program.__all__
__all__ += memory.__all__
__all__ += descriptors.__all__
__all__ += values.__all__
__all__ += dot_scaled.__all__
