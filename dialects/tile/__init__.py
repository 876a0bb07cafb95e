"""Dialect `tile`: what the user meant, with no config in it.

A device value is a builtin tensor whose dims may be symbolic (`DimsAttr`), or a plain scalar at rank 0; host
tensors are refs; a run of positions is a tile. Elementwise work is `arith` and `math`, control flow `scf`.
Which lanes of an axis are valid is found through the *tile* operands of loads, stores, reductions and dots.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..accessors import quicken
from ..dims import Dim, DimsAttr, dims_of, element_of, substitute, symbols_of, tensor_type, with_dims, with_element
from .memory import AccessBase, AtomicCASOp, AtomicRMWOp, LoadOp, StoreOp, access_tiles, loaded_element
from .structure import (
    BeginOp,
    CountOp,
    EndOp,
    ForOp,
    GridOp,
    IdOp,
    IndexOp,
    KernelOp,
    LoopBase,
    RangeOp,
    ShiftOp,
    SymbolOp,
    WholeOp,
    YieldOp,
)
from .subscript import Subscript, access_dims, are_joint
from .types import BlockAttr, RefType, TileType
from .values import (
    ArgReduceOp,
    BitcastOp,
    BroadcastOp,
    CastOp,
    CompareOp,
    DotOp,
    ExpandDimsOp,
    GatherOp,
    JoinOp,
    LibdeviceOp,
    PadOp,
    PermuteOp,
    ReduceOp,
    ReshapeOp,
    ScanOp,
    SelectOp,
    SplatOp,
    SplitOp,
)

Tile = Dialect(
    "tile",
    [
        KernelOp, GridOp, ForOp, YieldOp,
        WholeOp, RangeOp, ShiftOp, BeginOp, EndOp, IdOp, CountOp, IndexOp, SymbolOp,
        LoadOp, StoreOp, AtomicRMWOp, AtomicCASOp,
        SplatOp, BroadcastOp, ExpandDimsOp, PermuteOp, ReshapeOp, JoinOp, SplitOp,
        CompareOp, SelectOp, BitcastOp, CastOp, LibdeviceOp,
        PadOp, ReduceOp, ArgReduceOp, ScanOp, GatherOp, DotOp,
    ],
    [DimsAttr, TileType, RefType, BlockAttr],
)  # fmt: skip
quicken(Tile.operations)

__all__ = [
    "AccessBase", "ArgReduceOp", "AtomicCASOp", "AtomicRMWOp", "BeginOp", "BitcastOp", "BlockAttr", "BroadcastOp",
    "CastOp", "CompareOp", "CountOp", "Dim", "DimsAttr", "DotOp", "EndOp", "ExpandDimsOp", "ForOp", "GatherOp",
    "GridOp", "IdOp", "IndexOp", "JoinOp", "KernelOp", "LibdeviceOp", "LoadOp", "LoopBase", "PadOp", "PermuteOp",
    "RangeOp", "ReduceOp", "RefType", "ReshapeOp", "ScanOp", "SelectOp", "ShiftOp", "SplatOp", "SplitOp", "StoreOp",
    "Subscript", "SymbolOp", "Tile", "TileType", "WholeOp", "YieldOp", "access_dims", "access_tiles", "are_joint",
    "dims_of", "element_of", "loaded_element", "substitute", "symbols_of", "tensor_type", "with_dims",
    "with_element",
]  # fmt: skip
