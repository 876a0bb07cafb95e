"""elide-precision-casts: keep intermediate values wide instead of rounding and widening them again.

Only conversions that the compiler added, which are marked `elidable`, give way; a user's conversion rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from ..dialects.dims import dims_of, element_of, with_element
from ..dialects.value import ELIDABLE, BroadcastOp, ExpandDimsOp, PermuteOp, ReshapeOp, SelectOp
from .locations import copy_location, rewrite

_VIEWS = (BroadcastOp, ExpandDimsOp, PermuteOp, ReshapeOp)


def _moves_lanes(op: Operation) -> tuple[int, ...]:
    """The operands of an op whose result lanes are lanes of theirs, unchanged; `()` for any other op."""
    if isinstance(op, _VIEWS):
        return (0,)
    return (1, 2) if isinstance(op, SelectOp) else ()


def _wide(value: SSAValue, element: object, depth: int = 8) -> bool:
    """Whether `value` is an elidable truncation of one of `element`, perhaps behind views and selects of single use."""
    op = value.owner
    if isinstance(op, arith.TruncFOp):
        return ELIDABLE in op.attributes and element_of(op.input) == element
    if depth == 0 or not isinstance(op, Operation) or not value.has_one_use():
        return False
    operands = _moves_lanes(op)
    return bool(operands) and all(_wide(op.operands[i], element, depth - 1) for i in operands)


class ElidePrecisionCasts(RewritePattern):
    """`extf(truncf(x))` → `x` when the types match, also with views and selects between the two.

    What a run of half-precision operators computes is then rounded once at its end, as Inductor does; the
    result is nearer to the exact one. Values that leave the register (stores, dots) are still rounded.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: arith.ExtFOp, rewriter: PatternRewriter) -> None:
        if _wide(op.input, element_of(op.result)):
            rewriter.replace(op, [], [_widened(op.input, rewriter, op)])


class DropWideningOfNarrow(RewritePattern):
    """`truncf(extf(x))` → `x` when the types match: widening is exact."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: arith.TruncFOp, rewriter: PatternRewriter) -> None:
        if isinstance(op.input.owner, arith.ExtFOp) and op.input.owner.input.type == op.result.type:
            rewriter.replace(op, [], [op.input.owner.input])


def _widened(value: SSAValue, rewriter: PatternRewriter, before: Operation) -> SSAValue:
    op = value.owner
    if isinstance(op, arith.TruncFOp):
        return op.input
    assert isinstance(op, Operation)
    operands = list(op.operands)
    for i in _moves_lanes(op):
        operands[i] = _widened(operands[i], rewriter, before)
    element = element_of(operands[_moves_lanes(op)[0]])
    clone = type(op).create(
        operands=operands,
        properties=dict(op.properties),
        attributes=dict(op.attributes),
        result_types=[with_element(op.results[0].type, element) if dims_of(op.results[0]) else element],
    )
    copy_location(op, clone)
    clone.results[0].name_hint = value.name_hint
    return rewriter.insert(clone).results[0]


@dataclass(frozen=True)
class ElidePrecisionCastsPass(ModulePass):
    """Remove pairs of casts of which the compiler added the rounding one; what becomes dead goes too.

    Precondition: `elidable` on the `arith.truncf` that the compiler added. Afterwards no op has that mark.
    """

    name = "elide-precision-casts"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [ElidePrecisionCasts()], dce=True)
        for cast in op.walk():
            if isinstance(cast, arith.TruncFOp):
                cast.attributes.pop(ELIDABLE, None)
        rewrite(op, [DropWideningOfNarrow()], dce=True)
