"""Products of scaled numbers of few bits over all lanes."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from ..value import DotScaledBase


@irdl_op_definition
class DotScaledOp(DotScaledBase):
    """`tl.dot_scaled(lhs, lhs_scale, format, rhs, rhs_scale, format, acc)`; element types tell the formats."""

    name = "tl.dot_scaled"

    assembly_format = (
        "$lhs `scale` $lhs_scale `,` $rhs `scale` $rhs_scale `,` $acc attr-dict "
        "`:` type($lhs) `,` type($lhs_scale) `,` type($rhs) `,` type($rhs_scale) `,` type($acc)"
    )


__all__ = ["DotScaledOp"]
