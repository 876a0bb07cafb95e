"""Source locations through rewrites: xDSL's `PatternRewriter.replace` drops them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Operation, Region, SSAValue
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriterListener,
    PatternRewriteWalker,
    RewritePattern,
)
from xdsl.transforms.dead_code_elimination import region_dce


def copy_location(source: Operation, *targets: Operation) -> None:
    """Give `targets` that have no location that of `source`."""
    for target in targets:
        if isinstance(target.location, UnknownLoc):
            target.location = source.location


def _on_replacement(op: Operation, new_results: Sequence[SSAValue | None]) -> None:
    """The ops that replace `op` stand right before it, and are the only ones there without a location."""
    previous = op.prev_op
    while previous is not None and isinstance(previous.location, UnknownLoc):
        copy_location(op, previous)
        previous = previous.prev_op
    for result in new_results:
        if result is not None and isinstance(result.owner, Operation):
            copy_location(op, result.owner)


class LocationListener(PatternRewriterListener):
    """Copies the location of a replaced op to the ops that replace it."""

    def __init__(self) -> None:
        super().__init__(operation_replacement_handler=[_on_replacement])


def _dce(region: Region, listener: PatternRewriterListener) -> bool:
    return region_dce(region, listener)


def rewrite(module: ModuleOp, patterns: Sequence[RewritePattern], *, recursive: bool = True, dce: bool = False) -> bool:
    """Apply `patterns` greedily to `module`, keeping locations; with `dce`, what becomes dead goes too."""
    walker = PatternRewriteWalker(
        GreedyRewritePatternApplier(list(patterns)),
        apply_recursively=recursive,
        listener=LocationListener(),
        post_walk_func=_dce if dce else None,
    )
    return walker.rewrite_module(module)
