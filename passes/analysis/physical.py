"""How many lanes a dim takes in registers: tensors of `tl` have power-of-two shapes and dots a minimum K."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects.builtin import FixedBitwidthType
from xdsl.ir import Block, SSAValue

from ...dialects.dims import Dim, dims_of, element_of, substitute, symbols_of
from ...dialects.quick import ops_in
from ...dialects.tile import DotOp, KernelOp, ShiftOp
from ...sizes import next_power_of_2
from ..fragments import is_power_of_two
from .bounds import tile_dim

MIN_CONTRACTION_BITS = 256
"""The least K of a `tl.dot`, in bits of an operand element: 16 lanes of 16 bits, 32 of 8; never below 16 lanes."""


class PhysicalDims:
    """The power-of-two lane count of each dim of a kernel whose block sizes are assigned.

    - A block symbol whose size is a power of two stays that symbol, and so does an expression of such.
    - A dim that a dot contracts has at least 16 lanes (32 for 8-bit elements); below that it becomes the int.
    - Other ints, and symbols of other sizes, become the next power of two.
    - A run-time extent `s0` becomes the call `lanes(s0, least)`, for the host to compute: the least power of two that
      is below neither; `least` is 1, as an extent of 0 has a lane, too, or the minimum of a dot.

    The count is one per dim and not per value, so values of equal dims always have equal shapes.
    """

    def __init__(self, kernel: KernelOp):
        self._sizes = kernel.block_size_values
        self._min_lanes: dict[Dim, int] = {}
        self._cache: dict[Dim, Dim] = {}
        for dim, lanes in contractions(kernel):
            self._min_lanes[dim] = max(lanes, self._min_lanes.get(dim, 0))

    def of(self, dim: Dim) -> Dim:
        """The lanes of `dim`."""
        if (lanes := self._cache.get(dim)) is None:
            lanes = self._cache[dim] = self._lanes(dim)
        return lanes

    def _lanes(self, dim: Dim) -> Dim:
        size = substitute(dim, self._sizes)
        if not isinstance(size, int):
            return f"lanes({size}, {self._min_lanes.get(dim, 1)})"
        least = self._min_lanes.get(dim, 1)
        if size >= least and is_power_of_two(size):
            blocks_alone = all(is_power_of_two(self._sizes[name]) for name in symbols_of(dim))
            return dim if blocks_alone else size
        return next_power_of_2(max(size, least))

    def lanes(self, dim: Dim) -> Dim:
        """The lanes of `dim` under this config: an int unless they depend on a run-time extent."""
        return substitute(self.of(dim), self._sizes)

    def reaches_next(self, tile: SSAValue) -> bool:
        """Whether lanes of a loop's tile may be positions of the next one: it has more lanes than its block size."""
        while isinstance(tile.owner, ShiftOp):
            tile = tile.owner.tile
        return isinstance(tile.owner, Block) and self.is_padded(tile_dim(tile))

    def is_padded(self, dim: Dim) -> bool:
        """Whether `dim` may have more lanes in registers than it says."""
        lanes = self.lanes(dim)
        return not isinstance(lanes, int) or lanes != substitute(dim, self._sizes)


def contractions(kernel: KernelOp) -> Iterable[tuple[Dim, int]]:
    """Each contracted dim with the least lanes it needs; a contraction over an int dim of 1 is no dot in the end."""
    for op in ops_in(kernel):
        if type(op) is DotOp and (dim := dims_of(op.lhs)[-1]) != 1:
            element = element_of(op.lhs)
            bits = element.bitwidth if isinstance(element, FixedBitwidthType) else 16
            yield dim, max(MIN_CONTRACTION_BITS // bits, 16)
