"""resolve-padding: what would see the lanes past a tile's end gets them filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ..dialects.axes import axis_facts
from ..dialects.axis_kinds import may_consume
from ..dialects.constants import Number, constant_of, exact, highest, lowest
from ..dialects.dims import element_of
from ..dialects.quick import ops_in
from ..dialects.tile import KeepOp, KernelOp, LoadOp, PadOp, TileType
from .analysis.folding import unseen
from .analysis.padding import Padding, loads_behind
from .inserter import Inserter, rebuild_access, replace
from .schedule import kernels


@dataclass(frozen=True)
class ResolvePaddingPass(ModulePass):
    """Make explicit that reductions, scans and dots never see padding.

    For each of them whose axis has padding lanes: nothing if they hold the neutral element anyway; else the loads
    behind it get an `other` from which that follows (`%x*%x` summed: 0); else a `tile.pad` goes before it.

    ```mlir
    %v = tile.load %x[%m, %n]            →  %v = tile.load %x[%m, %n] other %zero
    %s = tile.reduce "sum" %v over %n       %s = tile.reduce "sum" %v over %n
    ```
    A dot needs zeros on both sides, as zero times a NaN in the other's padding is a NaN.

    A `tile.keep` goes away where no lane is past the end, or where those of the new value hold the old one's
    anyway, or would with an `other` for the loads behind it (`acc + load`: 0). What is left becomes a select.
    A fill is one that the element type of the load, and of each value on the way, holds exactly.
    """

    name = "resolve-padding"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in kernels(op):
            _Resolver(kernel).run()


@dataclass(frozen=True)
class Need:
    """Operand number `operand` of `op` must hold `fill` in the lanes of `axis` past the end of `tile`."""

    op: Operation
    operand: int
    axis: int
    tile: SSAValue
    fill: Number

    @property
    def value(self) -> SSAValue:
        return self.op.operands[self.operand]


def needs(op: Operation) -> Iterator[Need]:
    """What an op says that it must find past the ends of the axes along which it works."""
    if not may_consume(type(op)):
        return
    operands = op.operands
    if not any([type(value.type) is TileType for value in operands]):
        return  # an axis is consumed with its tile
    for operand, tile, fill in axis_facts(op).consumed:
        if fill is not None:
            yield Need(op, operand.number, operand.axis, operands[tile], fill)


class _Resolver:
    def __init__(self, kernel: KernelOp):
        self.kernel = kernel
        self.padding = Padding(kernel)
        self.pads: dict[tuple[SSAValue, int, SSAValue, Number, Block | None], SSAValue] = {}

    def run(self) -> None:
        for op in ops_in(self.kernel):
            if type(op) is PadOp:
                self._drop_pad(op)
            elif type(op) is KeepOp:
                self._drop_keep(op)
            for need in needs(op):
                if self.padding.exists(need.tile) and not self.met(need, self.padding) and not self._fill_for(need):
                    self._pad(need)

    def _drop_pad(self, op: PadOp) -> None:
        """A pad that an earlier pass put in is not needed where its input holds the fill, or can be made to."""
        fill = constant_of(op.fill)
        if not self.padding.exists(op.tile):
            replace(op, [op.input])
        elif fill is not None:
            need = Need(op, list(op.operands).index(op.input), op.axis.data, op.tile, fill)
            if self.met(need, self.padding) or self._fill_for(need):
                replace(op, [op.input])

    def _drop_keep(self, op: KeepOp) -> None:
        """A keep is not needed where the new value's lanes past the end are the old ones, or can be made to be."""

        def met(padding: Padding) -> bool:
            return padding.keeps(op.new, op.old, op.axis.data, op.tile)

        if self.padding.exact(op.tile) or met(self.padding):
            replace(op, [op.new])
            return
        loads, between = loads_behind(op.new, op.axis.data)
        neutral = [unseen(each, number) for each in between for number in range(len(each.operands))]
        element = element_of(op.new)
        fills = [*(each for each in neutral if each is not None), 0, lowest(element), highest(element)]
        if self._set_other(loads, fills, met):
            replace(op, [op.new])

    @staticmethod
    def met(need: Need, padding: Padding) -> bool:
        return padding.holds(need.value, need.axis, need.tile, need.fill)

    def _fill_for(self, need: Need) -> bool:
        """Find an `other` for the loads behind the operand that satisfies the consumer: the fill itself, or zero."""
        loads, _ = loads_behind(need.value, need.axis)
        return self._set_other(loads, (need.fill, 0), lambda padding: self.met(need, padding))

    def _set_other(self, loads: Sequence[LoadOp], fills: Sequence[Number], met: Callable[[Padding], bool]) -> bool:
        """Set, as `other` of the loads that can have one, the first of `fills` that satisfies the consumer."""
        free = [op for op in loads if op.other is None and not _by_descriptor(op)]
        for fill in dict.fromkeys(fills):
            held = {op: exact(fill, element_of(op.result)) for op in free}
            chosen = {op: number for op, number in held.items() if number is not None}
            if chosen and met(self.padding.assuming({op.result: number for op, number in chosen.items()})):
                for load, number in chosen.items():
                    _with_other(load, number)
                self.padding = self.padding.assuming({})  # what was known of these loads is stale
                return True
        return False

    def _pad(self, need: Need) -> None:
        """Fill before the op; ops of one block share the fill."""
        key = (need.value, need.axis, need.tile, need.fill, need.op.parent)
        padded = self.pads.get(key)
        if padded is None:
            emit = Inserter(need.op)
            fill = emit.constant(need.fill, element_of(need.value))
            padded = emit.op(PadOp(need.value, fill, need.axis, need.tile), need.value).result
            self.pads[key] = padded
        need.op.operands[need.operand] = padded


def _by_descriptor(op: LoadOp) -> bool:
    return op.indexing is not None and op.indexing.data == "tensor_descriptor"


def _with_other(load: LoadOp, fill: Number) -> None:
    emit = Inserter(load)
    other = emit.constant(fill, element_of(load.result))
    new = rebuild_access(load, indices=load.indices, tiles=load.tiles, mask=load.mask, values={"other": other})
    replace(load, emit.op(new).results)
