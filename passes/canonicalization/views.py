"""Views of views: what moves no lane goes away, what moves lanes twice moves them once."""

from __future__ import annotations

from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from ...dialects.dims import dims_of
from ...dialects.tile import DotOp, product
from ...dialects.value import BroadcastOp, ExpandDimsOp, PermuteOp, ReshapeOp, SelectOp, SplatOp
from ..inserter import Inserter


class DropIdentityView(RewritePattern):
    """A broadcast, permute, reshape or splat that changes neither dims nor order → its input."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BroadcastOp | PermuteOp | ReshapeOp | SplatOp, rewriter: PatternRewriter) -> None:
        if op.input.type != op.result.type:
            return
        if isinstance(op, PermuteOp) and op.permutation != tuple(range(len(op.permutation))):
            return
        rewriter.replace(op, [], [op.input])


class SinkSplat(RewritePattern):
    """`view(splat(x))` → `splat(x)` of the view's dims: every lane holds the same."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: BroadcastOp | ExpandDimsOp | PermuteOp | ReshapeOp, rewriter: PatternRewriter
    ) -> None:
        source = op.input.owner
        if isinstance(source, SplatOp):
            rewriter.replace(op, SplatOp(source.input, dims_of(op.result)))


class FusePermutes(RewritePattern):
    """`permute q (permute p x)` → `permute (p∘q) x`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: PermuteOp, rewriter: PatternRewriter) -> None:
        inner = op.input.owner
        if isinstance(inner, PermuteOp):
            rewriter.replace(op, PermuteOp(inner.input, [inner.permutation[i] for i in op.permutation]))


class FuseReshapes(RewritePattern):
    """`reshape (reshape x)` and `reshape (expand_dims x)` → one reshape, or `x` where the dims come back."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        inner = op.input.owner
        if not isinstance(inner, ReshapeOp | ExpandDimsOp):
            return
        source: SSAValue = inner.input
        if source.type == op.result.type:
            rewriter.replace(op, [], [source])
        elif dims_of(source) and dims_of(op.result):
            rewriter.replace(op, ReshapeOp(source, dims_of(op.result)))


class ReshapeToExpandDims(RewritePattern):
    """A reshape that only adds one axis of dim 1 → expand_dims, which keeps padding lanes where they are."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter) -> None:
        source, target = dims_of(op.input), dims_of(op.result)
        if len(target) != len(source) + 1:
            return
        for axis, dim in enumerate(target):
            if dim == 1 and target[:axis] + target[axis + 1 :] == source:
                rewriter.replace(op, ExpandDimsOp(op.input, axis))
                return


class FuseBroadcasts(RewritePattern):
    """`broadcast (broadcast x)` → one broadcast."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BroadcastOp, rewriter: PatternRewriter) -> None:
        inner = op.input.owner
        if isinstance(inner, BroadcastOp):
            rewriter.replace(op, BroadcastOp(inner.input, dims_of(op.result)))


class DropSelect(RewritePattern):
    """A select between one and the same value → that value."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SelectOp, rewriter: PatternRewriter) -> None:
        if op.on_true is op.on_false:
            rewriter.replace(op, [], [op.on_true])


class DotOverOneLane(RewritePattern):
    """A dot that contracts one lane → a product of broadcasts: tensor cores gain nothing there."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: DotOp, rewriter: PatternRewriter) -> None:
        if dims_of(op.lhs)[-1] == 1:
            rewriter.replace(op, [], [product(op, Inserter(op))])


VIEW_PATTERNS: tuple[RewritePattern, ...] = (
    DropIdentityView(), SinkSplat(), FusePermutes(), FuseReshapes(), ReshapeToExpandDims(),
    FuseBroadcasts(), DropSelect(), DotOverOneLane(),
)  # fmt: skip
