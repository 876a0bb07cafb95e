"""resolve-padding: what would see the lanes past a tile's end gets them filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ..dialects.dims import dims_of, element_of
from ..dialects.neutral import neutral_element
from ..dialects.tile import ArgReduceOp, DotOp, KernelOp, LoadOp, PadOp, ReduceOp, ScanOp
from ..dialects.walk import ops_in
from .analysis.padding import Padding, constant_number, loads_behind
from .emit import Emitter, rebuild_access, replace
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
    fill: float | int

    @property
    def value(self) -> SSAValue:
        return self.op.operands[self.operand]


_CONSUMERS = frozenset((ReduceOp, ArgReduceOp, ScanOp, DotOp))
"""The ops along an axis. Most ops are none: they are told by class, as `isinstance` on xDSL's classes is slow."""


def needs(op: Operation) -> Iterator[Need]:
    """What an op along an axis needs of its padding lanes; a forward scan never reaches them."""
    if type(op) not in _CONSUMERS:
        return
    if isinstance(op, ReduceOp | ArgReduceOp) or (isinstance(op, ScanOp) and op.reverse is not None):
        fill = neutral_element(op.kind.data, element_of(op.input))
        yield Need(op, list(op.operands).index(op.input), op.axis.data, op.tile, fill)
    elif isinstance(op, DotOp):
        rank = len(dims_of(op.lhs))
        yield Need(op, 0, rank - 1, op.tile, 0)
        yield Need(op, 1, rank - 2, op.tile, 0)


class _Resolver:
    def __init__(self, kernel: KernelOp):
        self.kernel = kernel
        self.padding = Padding(kernel)
        self.pads: dict[tuple[SSAValue, int, SSAValue, float | int, Block | None], SSAValue] = {}

    def run(self) -> None:
        for op in ops_in(self.kernel):
            if type(op) is PadOp:
                self._drop_pad(op)
            for need in needs(op):
                if self.padding.exists(need.tile) and not self.met(need, self.padding) and not self._set_other(need):
                    self._pad(need)

    def _drop_pad(self, op: PadOp) -> None:
        """A pad that an earlier pass put in is not needed where its input holds the fill, or can be made to."""
        fill = constant_number(op.fill)
        if not self.padding.exists(op.tile):
            replace(op, [op.input])
        elif fill is not None:
            need = Need(op, list(op.operands).index(op.input), op.axis.data, op.tile, fill)
            if self.met(need, self.padding) or self._set_other(need):
                replace(op, [op.input])

    @staticmethod
    def met(need: Need, padding: Padding) -> bool:
        return padding.holds(need.value, need.axis, need.tile, need.fill)

    def _set_other(self, need: Need) -> bool:
        """Find an `other` for the loads behind the operand that meets the need: the fill itself, or zero."""
        loads = [op for op in loads_behind(need.value, need.axis) if op.other is None and not _by_descriptor(op)]
        if not loads:
            return False
        for fill in dict.fromkeys((need.fill, 0)):
            if self.met(need, self.padding.assuming([op.result for op in loads], fill)):
                for load in loads:
                    _with_other(load, fill)
                self.padding = self.padding.assuming([], 0)  # what was known of these loads is stale
                return True
        return False

    def _pad(self, need: Need) -> None:
        """Fill before the op; ops of one block share the fill."""
        key = (need.value, need.axis, need.tile, need.fill, need.op.parent)
        padded = self.pads.get(key)
        if padded is None:
            emit = Emitter(need.op)
            fill = emit.constant(need.fill, element_of(need.value))
            padded = emit.op(PadOp(need.value, fill, need.axis, need.tile), need.value).result
            self.pads[key] = padded
        need.op.operands[need.operand] = padded


def _by_descriptor(op: LoadOp) -> bool:
    return op.indexing is not None and op.indexing.data == "tensor_descriptor"


def _with_other(load: LoadOp, fill: float | int) -> None:
    emit = Emitter(load)
    other = emit.constant(fill, element_of(load.result))
    new = rebuild_access(load, indices=load.indices, tiles=load.tiles, mask=load.mask, values={"other": other})
    replace(load, emit.op(new).results)
