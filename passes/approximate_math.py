"""approximate-math: what `fast_math` allows: approximate functions, and reciprocals in place of divisions."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, math
from xdsl.dialects.arith import FastMathFlagsAttr
from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.dialects.utils import FastMathFlag
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from ..dialects.dims import dims_of, element_of
from ..dialects.settings import setting
from ..dialects.value import BroadcastOp
from .inserter import Inserter
from .locations import rewrite
from .schedule import kernels

APPROXIMATE = FastMathFlagsAttr([FastMathFlag.APPROX_FUNC])


class MultiplyByReciprocal(RewritePattern):
    """`divf %x, (value.broadcast %y)`  →  `mulf %x, (value.broadcast (divf 1, %y))`: fewer divisions."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: arith.DivfOp, rewriter: PatternRewriter) -> None:
        wide = op.rhs.owner
        if not isinstance(wide, BroadcastOp) or not isinstance(element_of(op.result), Float32Type):
            return
        emit = Inserter(op)
        inverse = emit.op(arith.DivfOp(emit.full(1.0, wide.input.type), wide.input), wide.input).result
        factor = emit.broadcast(inverse, dims_of(op.result))
        rewriter.replace(op, arith.MulfOp(op.lhs, factor))


class TanhByExponential(RewritePattern):
    """`math.tanh %x`  →  `1 - 2 / (exp(2 x) + 1)`: right in the limits, NaN stays."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: math.TanhOp, rewriter: PatternRewriter) -> None:
        if not isinstance(element_of(op.result), Float32Type):
            return
        emit = Inserter(op)
        one, two = (emit.full(number, op.result.type) for number in (1.0, 2.0))
        power = emit.op(math.ExpOp(emit.op(arith.MulfOp(op.operand, two)).result)).result
        part = emit.op(arith.DivfOp(two, emit.op(arith.AddfOp(power, one)).result)).result
        rewriter.replace(op, arith.SubfOp(one, part))


class ApproximateRoot(RewritePattern):
    """`math.sqrt %x`  →  `math.sqrt %x fastmath<afn>`, which prints as the approximate instruction."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: math.SqrtOp, rewriter: PatternRewriter) -> None:
        if op.fastmath != APPROXIMATE:
            op.properties["fastmath"] = APPROXIMATE


@dataclass(frozen=True)
class ApproximateMathPass(ModulePass):
    """Rewrite the float32 math of kernels whose settings say `fast_math`; leave the others alone.

    What changes is in the last places: division and square root to 2 units, `tanh` to an absolute 2e-7. Quotients of
    denormal numbers may be infinite.
    """

    name = "approximate-math"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if any(setting(kernel, "fast_math") for kernel in kernels(op)):
            rewrite(op, [MultiplyByReciprocal(), TanhByExponential(), ApproximateRoot()], dce=True)
