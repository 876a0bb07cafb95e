"""Dialect `tile`: what the user meant, with no config in it.

A device value is a builtin tensor whose dims may be symbolic (`DimsAttr`), or a plain scalar at rank 0; host
tensors are refs; a run of positions is a tile. Elementwise work and views are `arith`, `math` and `value`; control flow
is `scf`. Which lanes of an axis are valid is found through the *tile* operands of loads, stores, reductions and dots.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..collect import ops_of
from ..dims import Dim, DimsAttr, dims_of, element_of, substitute, symbols_of, tensor_type, with_dims, with_element
from ..quick import quicken
from . import along_axis, combine, dot, dot_scaled, kernel, loops, memory, sort, tiles
from .along_axis import *
from .atomics import *
from .combine import CombineReduceOp, CombineScanOp
from .dot import *
from .dot_scaled import *
from .kernel import *
from .loops import *
from .memory import *
from .sort import ArgsortOp
from .subscript import Subscript, access_dims, are_joint
from .tiles import *
from .types import BlockAttr, IndexInt, MemoryAttr, RefType, TileType

Tile = Dialect(
    "tile",
    ops_of(kernel, loops, tiles, memory, atomics, along_axis, combine, sort, dot, dot_scaled),
    [DimsAttr, TileType, RefType, BlockAttr, MemoryAttr],
)
quicken(Tile.operations)

__all__ = [
    "MANY_PROGRAMS",
    "ArgsortOp",
    "BlockAttr",
    "CombineReduceOp",
    "CombineScanOp",
    "Dim",
    "DimsAttr",
    "IndexInt",
    "RefType",
    "Subscript",
    "Tile",
    "TileType",
    "access_dims",
    "are_joint",
    "dims_of",
    "element_of",
    "substitute",
    "symbols_of",
    "tensor_type",
    "with_dims",
    "with_element",
]  # fmt: skip
__all__ += kernel.__all__
__all__ += loops.__all__
__all__ += tiles.__all__
__all__ += memory.__all__
__all__ += atomics.__all__
__all__ += along_axis.__all__
__all__ += dot.__all__
__all__ += dot_scaled.__all__
