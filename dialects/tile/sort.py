"""Order of the valid lanes of a tile."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition, traits_def

from ..axis_kinds import AlongAxis
from ..constants import Number, highest
from ..dims import element_of
from ..value import ArgsortBase
from .along_axis import OverTile


def _last(op: ArgsortOp) -> Number:
    """Padding comes last: behind equal keys, too, as its lanes have the higher numbers."""
    return highest(element_of(op.input))


@irdl_op_definition
class ArgsortOp(ArgsortBase, OverTile):
    """The lanes of an axis in ascending order of what they hold; equals keep their order.

    ```mlir
    %order = tile.argsort %keys over %all {axis = #builtin.int<1>} : tensor<...xi32>, !tile.tile<30> -> tensor<...xi32>
    ```
    """

    name = "tile.argsort"

    traits = traits_def(AlongAxis(keeps=True, fill=_last, one_lane=(False,)))
    assembly_format = "$input `over` $tile attr-dict `:` type($input) `,` type($tile) `->` type($result)"


__all__ = ["ArgsortOp"]
