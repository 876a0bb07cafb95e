"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, Builder, Consumed, DeclaresAxes, Dropping, OwnAxes, opaque_facts
from ..dims import dims_of, element_of
from ..elementwise import ValueConstr
from .along_axis import axis_tile_matches
from .types import TileType

PRECISIONS = ("tf32", "tf32x3", "ieee")


@irdl_op_definition
class DotOp(IRDLOperation, DeclaresAxes):
    """`acc + lhs @ rhs` for `[M, K]` and `[K, N]`, or with one leading batch axis; `tile` is that of K.

    ```mlir
    %r = tile.dot %x, %y, %acc over %tile_k {precision = "ieee"} : tensor<…>, tensor<…>, tensor<…>, !tile.tile<b2>
    ```
    The product is accumulated in the element type of `acc` (f32, or i32 for int8 operands).
    """

    name = "tile.dot"

    T: ClassVar = VarConstraint("T", ValueConstr)

    precision = prop_def(StringAttr, default_value=StringAttr("tf32"))
    lhs = operand_def(ValueConstr)
    rhs = operand_def(ValueConstr)
    acc = operand_def(T)
    tile = operand_def(TileType)
    result = result_def(T)

    traits = traits_def(Pure(), OwnAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$lhs `,` $rhs `,` $acc `over` $tile attr-dict `:` type($lhs) `,` type($rhs) `,` type($acc) `,` type($tile)"
    )

    def __init__(self, lhs: SSAValue, rhs: SSAValue, acc: SSAValue, tile: SSAValue, precision: str = "tf32"):
        super().__init__(
            operands=[lhs, rhs, acc, tile],
            properties={"precision": StringAttr(precision)},
            result_types=[acc.type],
        )

    def verify_(self) -> None:
        lhs, rhs, acc = dims_of(self.lhs), dims_of(self.rhs), dims_of(self.acc)
        if len(lhs) not in (2, 3) or len(rhs) != len(lhs):
            raise VerifyException(f"dot operands must both have rank 2 or 3, got {len(lhs)} and {len(rhs)}")
        if lhs[:-2] != rhs[:-2] or lhs[-1] != rhs[-2]:
            raise VerifyException(f"dot operands do not match: {lhs} and {rhs}")
        if acc != (*lhs[:-1], rhs[-1]):
            raise VerifyException(f"the accumulator must have dims {(*lhs[:-1], rhs[-1])}, got {acc}")
        axis_tile_matches(self, self.lhs, len(lhs) - 1, self.tile)
        if self.precision.data not in PRECISIONS:
            raise VerifyException(f"unknown precision {self.precision.data!r}, expected one of {', '.join(PRECISIONS)}")

    def axis_facts(self) -> AxisFacts:
        """Lanes of a batch, of M and of N go together; none of these axes is cut, as loops would repeat the product."""
        rank = len(dims_of(self.lhs))
        m, n, k = rank - 2, rank - 1, rank - 1
        lanes = [Axes((At(0, i), At(1, i), At(2, i)), (At(0, i),)) for i in range(rank - 2)]
        lanes += [Axes((At(0, m), At(2, m)), (At(0, m),)), Axes((At(1, n), At(2, n)), (At(0, n),))]
        contracted = (At(0, k), At(1, rank - 2))
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
            rhs, acc = build.expand(rhs, batch + 1), build.expand(acc, batch + 1)
        dot = build.op(DotOp(lhs, rhs, acc, self.tile, self.precision.data), self.result).result
        return [build.reshape(dot, dims_of(self.result))]


def product(op: DotOp, build: Builder, *, unit_m: bool = False, unit_n: bool = False, has_k: bool = True) -> SSAValue:
    """`acc + lhs * rhs` for a dot over one lane, in the accumulator's type.

    The operands have no axis for M or N of one lane, and one of dim 1 for K only if `has_k`.
    """
    dims, element = dims_of(op.acc), element_of(op.acc)
    batch = len(dims) - (not unit_m) - (not unit_n)
    factors: list[SSAValue] = []
    for operand, side in ((op.lhs, "m"), (op.rhs, "n")):
        value = build.cast(operand, element)
        kept = list(dims_of(value))
        if has_k:
            del kept[len(kept) - 1 if side == "m" else batch]
            value = build.reshape(value, kept)
        if not (unit_m or unit_n):
            value = build.expand(value, batch + 1 if side == "m" else batch)
        elif (side == "m" and not unit_n) or (side == "n" and not unit_m):
            value = build.expand(value, batch) if dims else value
        factors.append(build.broadcast(value, dims))
    lhs, rhs = factors
    if isinstance(element, IntegerType):
        return build.op(arith.AddiOp(op.acc, build.op(arith.MuliOp(lhs, rhs)).result), op.result).result
    return build.op(arith.AddfOp(op.acc, build.op(arith.MulfOp(lhs, rhs)).result), op.result).result


__all__ = ["PRECISIONS", "DotOp", "product"]
