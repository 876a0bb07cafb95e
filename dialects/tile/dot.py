"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    traits_def,
)

from ..axes import At, Axes, AxisFacts, Consumed, DeclaresAxes, Dropping, OpBuilder, OwnAxes, opaque_facts
from ..axis_kinds import tile_matches
from ..dims import dims_of, element_of
from ..value import DotBase
from .along_axis import OverTile


@irdl_op_definition
class DotOp(DotBase, OverTile, DeclaresAxes):
    """`acc + lhs @ rhs` for `[.., M, K]` and `[.., K, N]` or `[K, N]`; `tile` is that of K.

    ```mlir
    %r = tile.dot %x, %y, %acc over %tile_k {precision = "ieee"} : tensor<…>, tensor<…>, tensor<…>, !tile.tile<b2>
    ```
    The product is accumulated in the element type of `acc` (f32, or i32 for int8 operands).
    """

    name = "tile.dot"

    traits = traits_def(OwnAxes())
    assembly_format = (
        "$lhs `,` $rhs `,` $acc `over` $tile attr-dict `:` type($lhs) `,` type($rhs) `,` type($acc) `,` type($tile)"
    )

    def verify_(self) -> None:
        super().verify_()
        tile_matches(self, self.lhs, len(dims_of(self.lhs)) - 1, self.tile)

    def axis_facts(self) -> AxisFacts:
        """Lanes of a batch, of M and of N go together; none of these axes is cut, as loops would repeat the product."""
        rank = len(dims_of(self.lhs))
        m, n, k = rank - 2, rank - 1, rank - 1
        right = len(dims_of(self.rhs))
        factors = (0, 1, 2) if right == rank else (0, 2)
        lanes = [Axes(tuple([At(f, i) for f in factors]), (At(0, i),)) for i in range(rank - 2)]
        lanes += [Axes((At(0, m), At(2, m)), (At(0, m),)), Axes((At(1, right - 1), At(2, n)), (At(0, n),))]
        contracted = (At(0, k), At(1, right - 2))
        consumed = tuple([Consumed(at, 3, 0) for at in contracted])
        return AxisFacts(tuple(lanes), opaque_facts(self).whole, ((3, Axes(contracted)),), consumed)

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """M and N of one lane are put back as axes of dim 1, a batch of one goes; K of one lane makes a product."""
        build = dropping.build
        *_, m, k = dropping.operand_dims(0)
        unit_m, unit_n, unit_k = map(dropping.is_unit, (m, dropping.operand_dims(1)[-1], k))
        if unit_k or k == 1:
            return [product(self, build, unit_m=unit_m, unit_n=unit_n, has_k=not unit_k)]
        if not (unit_m or unit_n):
            return None
        lhs, rhs, acc = self.lhs, self.rhs, self.acc
        batch = len(dims_of(acc)) - (not unit_m) - (not unit_n)
        if unit_m:
            lhs, acc = build.expand(lhs, batch), build.expand(acc, batch)
        if unit_n:
            rhs, acc = build.expand(rhs, len(dims_of(rhs))), build.expand(acc, batch + 1)
        dot = build.op(DotOp(lhs, rhs, acc, self.tile, precision=self.precision.data), self.result).result
        return [build.reshape(dot, dims_of(self.result))]


def product(op: DotOp, build: OpBuilder, *, unit_m: bool = False, unit_n: bool = False, has_k: bool = True) -> SSAValue:
    """`acc + lhs * rhs` for a dot over one lane, in the accumulator's type.

    The operands have no axis for M or N of one lane, and one of dim 1 for K only if `has_k`.
    """
    dims, element = dims_of(op.acc), element_of(op.acc)
    factors: list[SSAValue] = []
    for operand, side, unit in ((op.lhs, "m", unit_m), (op.rhs, "n", unit_n)):
        value = build.cast(operand, element)
        kept = list(dims_of(value))
        batch = len(kept) - has_k - (not unit)
        if has_k:
            del kept[len(kept) - 1 if side == "m" else batch]
            value = build.reshape(value, kept)
        if not (unit_m or unit_n):
            value = build.expand(value, batch + 1 if side == "m" else batch)
        elif (side == "m" and not unit_n) or (side == "n" and not unit_m):
            value = build.expand(value, batch) if dims else value
        for _ in range(len(dims) - len(dims_of(value)) if dims_of(value) else 0):
            value = build.expand(value, 0)
        factors.append(build.broadcast(value, dims))
    lhs, rhs = factors
    if isinstance(element, IntegerType):
        return build.op(arith.AddiOp(op.acc, build.op(arith.MuliOp(lhs, rhs)).result), op.result).result
    return build.op(arith.AddfOp(op.acc, build.op(arith.MulfOp(lhs, rhs)).result), op.result).result


__all__ = ["DotOp", "product"]
