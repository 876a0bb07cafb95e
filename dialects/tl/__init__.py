"""Dialect `tl`: one config's kernel, one op per construct of `triton.language`.

Masks, offsets, descriptors, program ids and loop options are explicit; nothing is decided after this level.
Elementwise work is `arith` and `math`; control flow `scf`. Every int dim is a power of two; a symbolic dim is the
name of a constexpr parameter.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..accessors import quicken
from .memory import (
    AddPtrOp,
    AtomicCASOp,
    AtomicRMWOp,
    DescriptorLoadOp,
    DescriptorStoreOp,
    LoadOp,
    MakeTensorDescriptorOp,
    StoreOp,
    signless,
)
from .program import (
    CdivOp,
    ConstexprOp,
    CopyOp,
    DebugBarrierOp,
    FuncOp,
    LaunchGridOp,
    NumProgramsOp,
    ProgramIdOp,
    ReturnOp,
    constexprs_attr,
)
from .types import PtrType, TensorDescType
from .values import (
    ArangeOp,
    ArgReduceOp,
    BitcastOp,
    BroadcastOp,
    CastOp,
    CompareOp,
    DotOp,
    ExpandDimsOp,
    FullOp,
    GatherOp,
    JoinOp,
    LibdeviceOp,
    ReduceOp,
    ReshapeOp,
    ScanOp,
    SplitOp,
    TransOp,
    WhereOp,
)

Tl = Dialect(
    "tl",
    [
        FuncOp, ReturnOp, LaunchGridOp, ConstexprOp, ProgramIdOp, NumProgramsOp, CdivOp, CopyOp, DebugBarrierOp,
        LoadOp, StoreOp, AtomicRMWOp, AtomicCASOp, AddPtrOp,
        MakeTensorDescriptorOp, DescriptorLoadOp, DescriptorStoreOp,
        ArangeOp, FullOp, BroadcastOp, ExpandDimsOp, TransOp, ReshapeOp, JoinOp, SplitOp,
        CompareOp, WhereOp, BitcastOp, CastOp, LibdeviceOp, ReduceOp, ArgReduceOp, ScanOp, GatherOp, DotOp,
    ],
    [PtrType, TensorDescType],
)  # fmt: skip
quicken(Tl.operations)

__all__ = [
    "AddPtrOp", "ArangeOp", "ArgReduceOp", "AtomicCASOp", "AtomicRMWOp", "BitcastOp", "BroadcastOp", "CastOp", "CdivOp",
    "CompareOp", "ConstexprOp", "CopyOp", "DebugBarrierOp", "DescriptorLoadOp", "DescriptorStoreOp", "DotOp",
    "ExpandDimsOp", "FullOp", "FuncOp", "GatherOp", "JoinOp", "LaunchGridOp", "LibdeviceOp", "LoadOp",
    "MakeTensorDescriptorOp", "NumProgramsOp", "ProgramIdOp", "PtrType", "ReduceOp", "ReshapeOp", "ReturnOp", "ScanOp",
    "SplitOp", "StoreOp", "TensorDescType", "Tl", "TransOp", "WhereOp", "constexprs_attr", "signless",
]  # fmt: skip
