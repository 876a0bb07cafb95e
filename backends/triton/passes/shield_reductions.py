"""shield-reductions: reductions that a pass of Triton would break are taken along another axis."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntAttr, IntegerType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from ....dialects import tl
from ....dialects.dims import dims_of, element_of
from ....dialects.inline_triton import is_static_loop
from ....dialects.value import BroadcastOp, ExpandDimsOp, PermuteOp
from ....passes.locations import rewrite


class TransposeReduction(RewritePattern):
    """`tl.reduce %x along the last axis`  →  `tl.reduce (tl.trans %x) along the first`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: tl.ReduceOp, rewriter: PatternRewriter) -> None:
        rank = len(dims_of(op.input))
        if rank < 2 or op.axis.data != rank - 1 or not isinstance(op.input.owner, tl.LoadOp):
            return
        if isinstance(element_of(op.input), IntegerType) or not is_broken(op):
            return
        turned = PermuteOp(op.input, [rank - 1, *range(rank - 1)])
        new = tl.ReduceOp(op.kind.data, turned.result, 0, ignore_nan=op.ignore_nan is not None)
        new.attributes.update(op.attributes)
        new.result.name_hint = op.result.name_hint
        rewriter.replace(op, [turned, new])


def is_broken(op: tl.ReduceOp) -> bool:
    """Whether a loop carries a reduction together with anything else than the plain total of all of them.

    For `acc = acc + sum(load)` Triton's `TritonGPUOptimizeThreadLocality` lets each thread add up its own lanes and
    reduces them after the loop. It does not look what the reduction is combined with, nor how: `max(acc, sum(load))`
    and `acc - sum(load)` become wrong in silence, `2 * acc + sum(load)` fails in the pass manager, and so does a loop
    that is unrolled, whose second copy adds to the first one's result, and one whose total has several uses (the pass
    asserts one). Source: `ttgir` of these for sm_80, sm_90 and gfx942, Triton 3.7.1
    (tests/triton/test_shield_reductions.py).
    """
    loop = op.parent_op()
    if not isinstance(loop, scf.ForOp):
        return False
    last = loop.body.block.last_op
    yielded = list(last.operands) if last is not None else []
    users = {use.operation for use in op.result.uses}
    totals = [(value.owner, number) for number, value in enumerate(yielded) if value.owner in users]
    if not totals:
        return False
    if _is_unrolled(loop) or any(_is_used_again(loop.results[at]) for _, at in totals):
        return True
    return not all(_adds(op, user, loop.body.block.args[1 + at]) for user, at in totals)


def _is_unrolled(loop: scf.ForOp) -> bool:
    factor = loop.attributes.get("unroll_factor")
    return isinstance(factor, IntAttr) and factor.data > 1


def _is_used_again(total: SSAValue) -> bool:
    """Whether a loop's result has several uses once later loops are unrolled; views print inside of their users."""
    uses = [use.operation for use in total.uses]
    if len(uses) != 1:
        return len(uses) > 1
    (user,) = uses
    around = user.parent_op()
    while around is not None and not isinstance(around, tl.FuncOp):
        if isinstance(around, scf.ForOp) and (_is_unrolled(around) or is_static_loop(around)):
            return True
        around = around.parent_op()
    return isinstance(user, ExpandDimsOp | BroadcastOp | PermuteOp) and _is_used_again(user.result)


def _adds(op: tl.ReduceOp, user: Operation | Block, carried: SSAValue) -> bool:
    """Whether the user combines the reduction with what the loop carries as the reduction combines lanes."""
    kind = op.kind.data if op.ignore_nan is None else f"{op.kind.data}, no nan"
    if not isinstance(user, Operation) or type(user) is not _COMBINES.get(kind):
        return False
    return set(user.operands) == {op.result, carried}


_COMBINES: dict[str, type[Operation]] = {
    "sum": arith.AddfOp,
    "prod": arith.MulfOp,
    "max": arith.MaximumfOp,
    "min": arith.MinimumfOp,
    "max, no nan": arith.MaxnumfOp,
    "min, no nan": arith.MinnumfOp,
}
"""Kind of reduction → the op that combines two lanes. Triton's pass is for floats only."""


@dataclass(frozen=True)
class ShieldReductionsPass(ModulePass):
    """Take a reduction of a load along its last axis along the first axis of the transposed load, where Triton's
    thread locality would break it.

    The threads and the order of the sum are the same; Triton leaves alone what is not along the last axis.
    """

    name = "shield-reductions"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, [TransposeReduction()], recursive=False)
