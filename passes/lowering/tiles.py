"""What a tile becomes at the `tl` level: a begin, positions, and the mask of its valid lanes."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.ir import Attribute, SSAValue

from ...dialects import tl
from ...dialects.dims import Dim
from .emitter import Emitter


@dataclass
class LoweredTile:
    """One tile value of the program being emitted.

    `lanes` is the physical dim, `size` the scalar value of the logical one (None where they are equal), `end` the
    first invalid position (None where every lane below `size` is valid). `first` and `stop` are the bounds of the
    loop that made it (for `id` and `count`), `block` its step.
    """

    emitter: Emitter
    index_type: Attribute
    name: str | None
    begin: SSAValue
    lanes: Dim
    size: SSAValue | None
    end: SSAValue | None
    step: int = 1
    shift: SSAValue | None = None
    first: SSAValue | None = None
    stop: SSAValue | None = None
    block: SSAValue | None = None

    def shifted(self, offset: SSAValue) -> LoweredTile:
        """The same lanes at positions `offset` higher."""
        total = offset if self.shift is None else self.emitter.add(self.shift, offset)
        return LoweredTile(
            self.emitter, self.index_type, self.name, self.begin, self.lanes, self.size, self.end, self.step, total,
            self.first, self.stop, self.block,
        )  # fmt: skip

    @property
    def start(self) -> SSAValue:
        """The first position."""
        return self.begin if self.shift is None else self.emitter.add(self.begin, self.shift)

    @property
    def _unshifted(self) -> SSAValue:
        emit = self.emitter
        with emit.named(None):
            lanes = emit.cast_int(emit.op(tl.ArangeOp, (), self.lanes).result, self.index_type)
            if self.step != 1:
                lanes = emit.mul(lanes, emit.constant(self.step, self.index_type))
        with emit.named(f"{self.name}_index" if self.name else None):
            return emit.add(self.begin, lanes)

    @property
    def positions(self) -> SSAValue:
        """The position of each lane."""
        return self._unshifted if self.shift is None else self.emitter.add(self._unshifted, self.shift)

    @property
    def valid(self) -> SSAValue | None:
        """Which lanes are in the tile; None when all are."""
        emit = self.emitter
        with emit.named("mask"):
            below_size = None
            if self.size is not None:
                lane = emit.cast_int(emit.op(tl.ArangeOp, (), self.lanes).result, self.index_type)
                below_size = emit.compare("lt", lane, self.size)
            below_end = None if self.end is None else emit.compare("lt", self._unshifted, self.end)
            return emit.both(below_size, below_end)

    def last(self, dim: SSAValue) -> SSAValue:
        """One past the last valid position, for a tile of logical size `dim`."""
        emit = self.emitter
        span = emit.mul(dim, emit.constant(self.step, self.index_type))
        end = emit.add(self.begin, span)
        if self.end is not None:
            end = emit.binary(arith.MinSIOp, end, self.end)
        return end if self.shift is None else emit.add(end, self.shift)
