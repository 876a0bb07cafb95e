"""Products of scaled numbers of few bits over the valid lanes of tiles."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, traits_def

from ..axes import At, Axes, AxisFacts, Consumed, DeclaresAxes, Dropping, OwnAxes, opaque_facts
from ..axis_kinds import tile_matches
from ..value import DotScaledBase
from .types import TileType


class OverTilesOfK(IRDLOperation):
    """An op that sees the valid lanes of the contracted axis of each factor; the tiles are its last operands."""

    lhs_tile = operand_def(TileType)
    lhs_scale_tile = operand_def(TileType)
    rhs_tile = operand_def(TileType)
    rhs_scale_tile = operand_def(TileType)


@irdl_op_definition
class DotScaledOp(DotScaledBase, OverTilesOfK, DeclaresAxes):
    """`acc + (lhs · lhs_scale) @ (rhs · rhs_scale)`; each operand has a tile of its own along K.

    ```mlir
    %r = tile.dot_scaled %x scale %xs, %y scale %ys, %acc over %k, %kx, %k, %ky : …
    ```
    Past the tiles' ends all operands must hold 0: a scale there would be a NaN else, and zero times a NaN is one.
    """

    name = "tile.dot_scaled"

    traits = traits_def(OwnAxes())
    assembly_format = (
        "$lhs `scale` $lhs_scale `,` $rhs `scale` $rhs_scale `,` $acc "
        "`over` $lhs_tile `,` $lhs_scale_tile `,` $rhs_tile `,` $rhs_scale_tile attr-dict "
        "`:` type($lhs) `,` type($lhs_scale) `,` type($rhs) `,` type($rhs_scale) `,` type($acc) "
        "`over` type($lhs_tile) `,` type($lhs_scale_tile) `,` type($rhs_tile) `,` type($rhs_scale_tile)"
    )

    def verify_(self) -> None:
        super().verify_()
        tile_matches(self, self.lhs, 1, self.lhs_tile)
        tile_matches(self, self.lhs_scale, 1, self.lhs_scale_tile)
        tile_matches(self, self.rhs, 0, self.rhs_tile)
        tile_matches(self, self.rhs_scale, 1, self.rhs_scale_tile)

    def axis_facts(self) -> AxisFacts:
        """Lanes of M and of N go together; none of these axes is cut, as loops would repeat the product."""
        rows = Axes((At(0, 0), At(1, 0), At(4, 0)), (At(0, 0),))
        columns = Axes((At(2, 1), At(3, 0), At(4, 1)), (At(0, 1),))
        contracted = ((At(0, 1), 5), (At(1, 1), 6), (At(2, 0), 7), (At(3, 1), 8))
        tiles = tuple([(over, Axes((at,))) for at, over in contracted])
        consumed = tuple([Consumed(at, over, 0) for at, over in contracted])
        return AxisFacts((rows, columns), opaque_facts(self).whole, tiles, consumed)

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        """Matrices of one row stay matrices."""
        dropping.wrap()


__all__ = ["DotScaledOp"]
