"""unroll-static-range: short loops with constant bounds become straight code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, i64
from xdsl.ir import Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from ..dialects.constants import constant_of
from ..dialects.inline_triton import ElementOp
from ..dialects.quick import ops_in
from ..dialects.tile import CountOp, ForOp, IdOp, KernelOp, RangeOp, ShiftOp, TileType, kernel_around
from .analysis.bounds import constant_value, tile_dim
from .analysis.folding import FOLDS
from .analysis.rolling import note_reduction_dims
from .fragments import BooleanFragment, EnumFragment, Fragment
from .inserter import Inserter, replace
from .number_sites import UNROLLED
from .schedule import Fragments, Key, SchedulePass, kernels, site_of

MAX_ITERATIONS = 8
"""Loops of more iterations are not unrolled, unless they are static."""


@dataclass(frozen=True)
class UnrollStaticRangePass(SchedulePass):
    """Unroll the loops whose entry in `static_ranges` is True.

    One entry, in program order, for each loop of one dimension that is `static`, or whose bounds and step are known
    whatever the config is and that has few iterations. A static loop that stays prints as `tl.static_range`.

    ```mlir
    %s = tile.for static (%c0) to (%c2) by <1> : i32 iter_args(%init) : f32 {
    ^bb0(%i: i32, %acc: f32):
      %buf = inline_triton.element %bufs[%i] : …
      …
    ```
    →
    ```mlir
    %buf = inline_triton.element %bufs[%c0] : …
    …
    %buf_1 = inline_triton.element %bufs[%c1] : …
    ```
    Nothing refers to the index afterwards: scalars that follow from it are constants, branches on it are decided.
    """

    name = "unroll-static-range"
    keys: ClassVar = (Key("static_ranges", idle=False),)

    static_ranges: tuple[bool, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        fragments = [_fragment(loop) for kernel in kernels(module) for loop in unroll_sites(kernel)]
        return {"static_ranges": fragments} if fragments else {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        options = iter(self.static_ranges)
        for kernel in kernels(op) if self.static_ranges else ():
            chosen = [loop for loop in unroll_sites(kernel) if next(options, False)]
            if chosen:
                note_reduction_dims(kernel)
            for loop in reversed(chosen):  # inner ones first: outer ones copy what is left of them
                _Unroller(loop).run()
            if gone := [IntegerAttr(site, i64) for loop in chosen if (site := _counted_site(loop)) is not None]:
                kernel.attributes[UNROLLED] = ArrayAttr(gone)


def unroll_sites(kernel: KernelOp) -> list[ForOp]:
    """The loops that have an entry."""
    return [op for op in ops_in(kernel) if type(op) is ForOp and site_of(op) is not None and _is_site(kernel, op)]


def _counted_site(loop: ForOp) -> int | None:
    """The site of a loop that has options of `tl.range` where it stays."""
    return None if loop.static is not None else site_of(loop)


def _is_site(kernel: KernelOp, loop: ForOp) -> bool:
    if loop.static is not None:
        return True
    iterations = _iterations(loop) if len(loop.blocks) == 1 else None
    return iterations is not None and len(iterations) <= MAX_ITERATIONS and not _numbers_shifted(loop.loop_args[0])


def _iterations(loop: ForOp) -> range | None:
    """Where each iteration begins, if no config changes it."""
    kernel = kernel_around(loop)
    begin, end = map(constant_value, loop.bounds(0))
    step = loop.blocks.as_tuple()[0]
    if isinstance(step, str) and kernel is not None:
        step = getattr(kernel.blocks.data.get(step), "fixed", None)
    return range(begin, end, step) if begin is not None and end is not None and isinstance(step, int) else None


def _numbers_shifted(arg: SSAValue) -> bool:
    """Whether the number of a shifted copy of a loop's tile is asked for: a range has none."""
    shifts = [use.operation for use in arg.uses if isinstance(use.operation, ShiftOp)]
    return any(isinstance(use.operation, IdOp | CountOp | ShiftOp) for op in shifts for use in op.results[0].uses)


_PRINTED = (arith.ConstantOp, arith.AddiOp, arith.SubiOp, arith.MuliOp)
"""What an index may be computed by in `tl.static_range`, where it must be known at compile time."""


def _fragment(loop: ForOp) -> Fragment:
    """Kept and unrolled; only unrolled for a static loop that indexes a tuple by what is unknown at compile time."""
    indices = [op.index for op in ops_in(loop) if isinstance(op, ElementOp)]
    if loop.static is not None and not all(_prints(index) for index in indices):
        return EnumFragment((True,))
    return BooleanFragment()


def _prints(index: SSAValue) -> bool:
    owner = index.owner
    return not isinstance(owner, Operation) or (isinstance(owner, _PRINTED) and all(map(_prints, owner.operands)))


class _Unroller:
    """Puts the iterations of one loop in its place."""

    def __init__(self, loop: ForOp):
        self.loop = loop
        self.emit = Inserter(loop)
        iterations = _iterations(loop)
        assert iterations is not None, "sites have known bounds"
        self.iterations = iterations

    def run(self) -> None:
        carried: list[SSAValue] = list(self.loop.iter_args)
        for number, position in enumerate(self.iterations):
            carried = self._iteration(number, position, carried)
        replace(self.loop, carried)

    def _iteration(self, number: int, position: int, carried: list[SSAValue]) -> list[SSAValue]:
        """Copy the body for one value of the index; the carried values that it leaves."""
        argument = self.loop.loop_args[0]
        index = self._index(argument, position)
        values: dict[SSAValue, SSAValue] = {argument: index, **dict(zip(self.loop.carried_args, carried, strict=True))}
        *body, end = self.loop.body.block.ops
        for op in body:
            new = op.clone(values, clone_name_hints=True)
            for old, copy in zip(op.walk(), new.walk(), strict=True):
                copy.location = old.location
            Rewriter.insert_op(new, InsertPoint.before(self.loop))
            results = simplified(new)
            values.update(zip(op.results, results, strict=True))
        self._number(index, number)
        return [values.get(value, value) for value in end.operands]

    def _index(self, argument: SSAValue, position: int) -> SSAValue:
        """What the loop's argument is in one iteration: a constant, or a tile with constant bounds."""
        type_ = self.loop.begins[0].type
        begin = self.emit.constant(position, type_)
        if not isinstance(argument.type, TileType):
            return begin
        end = self.emit.constant(self.iterations.stop, type_)
        return self.emit.op(RangeOp(begin, end, tile_dim(argument)), argument).result

    def _number(self, tile: SSAValue, number: int) -> None:
        """Make ids and counts of the loop's tile constants, as a range has neither."""
        known: dict[type[Operation], int] = {IdOp: number, CountOp: len(self.iterations)}
        for op in [use.operation for use in tile.uses]:
            if (value := known.get(type(op))) is not None:
                replace(op, [Inserter(op).constant(value, op.results[0].type)])


def simplified(op: Operation) -> list[SSAValue]:
    """Replace what is constant in `op` and below it, and branches that are decided; what its results are now."""
    if type(op) in FOLDS and (number := constant_value(op.results[0])) is not None:
        results = [Inserter(op).constant(number, op.results[0].type)]
        results[0].name_hint = op.results[0].name_hint
    elif isinstance(op, scf.IfOp) and (condition := constant_of(op.cond)) is not None:
        results = _taken(op, op.true_region if condition else op.false_region)
    else:
        for region in op.regions:
            for inner in [inner for block in region.blocks for inner in block.ops]:
                simplified(inner)
        return list(op.results)
    replace(op, results)
    return results


def _taken(op: scf.IfOp, arm: Region) -> list[SSAValue]:
    """Move the ops of an arm before its branch; what the arm yields."""
    if not arm.blocks:
        return []
    *body, end = arm.block.ops
    for inner in body:
        inner.detach()
        Rewriter.insert_op(inner, InsertPoint.before(op))
        simplified(inner)
    return list(end.operands)
