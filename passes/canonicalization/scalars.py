"""Scalars and neutral elements: symbols that are ints, tile properties that are known, `x + 0`, `x * 1`."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from ...dialects.constants import Number, constant_of
from ...dialects.tile import BeginOp, CountOp, EndOp, IdOp, ShiftOp, SymbolOp, TileType, WholeOp
from ...dialects.value import SplatOp
from ..analysis.bounds import constant_value


def _in_every_lane(value: SSAValue) -> Number | None:
    """The constant that a scalar, or every lane of a splat, holds; None if unknown."""
    return constant_of(value.owner.input if isinstance(value.owner, SplatOp) else value)


class FoldIntSymbol(RewritePattern):
    """`tile.symbol <64>` → `arith.constant 64`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SymbolOp, rewriter: PatternRewriter) -> None:
        if isinstance(op.value, int):
            rewriter.replace(op, arith.ConstantOp(IntegerAttr(op.value, op.result.type)))


class FoldWholeScalars(RewritePattern):
    """begin, end, id and count of a whole tile → 0, its extent, 0 and 1."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BeginOp | EndOp | IdOp | CountOp, rewriter: PatternRewriter) -> None:
        whole, type_ = op.tile.owner, op.result.type
        if not isinstance(whole, WholeOp):
            return
        assert isinstance(type_, IntegerType)
        assert isinstance(whole.result.type, TileType)
        if isinstance(op, EndOp):
            rewriter.replace(op, SymbolOp(whole.result.type.dim, type_))
        else:
            rewriter.replace(op, arith.ConstantOp(IntegerAttr(int(isinstance(op, CountOp)), type_)))


class DropZeroShift(RewritePattern):
    """A tile shifted by 0 → the tile."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ShiftOp, rewriter: PatternRewriter) -> None:
        if constant_value(op.offset) == 0:
            rewriter.replace(op, [], [op.tile])


class DropNeutralOperand(RewritePattern):
    """`x + 0`, `x - 0`, `x * 1` → `x`, lane by lane; of floats only `x * 1`, as `-0.0 + 0.0` is not `-0.0`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: arith.AddiOp | arith.SubiOp | arith.MuliOp | arith.MulfOp | arith.DivfOp, rewriter: PatternRewriter
    ) -> None:
        neutral = 1 if isinstance(op, arith.MuliOp | arith.MulfOp | arith.DivfOp) else 0
        if _in_every_lane(op.rhs) == neutral:
            rewriter.replace(op, [], [op.lhs])
        elif _in_every_lane(op.lhs) == neutral and not isinstance(op, arith.SubiOp | arith.DivfOp):
            rewriter.replace(op, [], [op.rhs])


SCALAR_PATTERNS: tuple[RewritePattern, ...] = (
    FoldIntSymbol(), FoldWholeScalars(), DropZeroShift(), DropNeutralOperand(),
)  # fmt: skip
