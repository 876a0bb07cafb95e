"""roll-reductions: a reduction over a full slice becomes a loop over chunks of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, IntegerType, ModuleOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import IRDLOperation
from xdsl.utils.exceptions import PassFailedException

from ..dialects.dims import Dim, dims_of, element_of, with_dims
from ..dialects.tile import (
    AccessBase,
    ArgReduceOp,
    BeginOp,
    BlockAttr,
    CompareOp,
    ForOp,
    IndexOp,
    KernelOp,
    PadOp,
    ReduceOp,
    SelectOp,
    TileType,
    WholeOp,
    YieldOp,
)
from .analysis.neutral import neutral_element
from .analysis.op_mix import DEFAULT_CHUNK, LARGEST_PERSISTENT, MAX_LANES
from .analysis.rolling import Roll, reduces, reduction_dims, rolls
from .emit import Appender, Emitter
from .fragments import Fragment, OptionalBlockFragment, next_power_of_two
from .schedule import Fragments, Key, SchedulePass, decode_option, kernels

_FLOAT_COMBINE: dict[str, type[IRDLOperation]] = {
    "sum": arith.AddfOp, "prod": arith.MulfOp, "max": arith.MaximumfOp, "min": arith.MinimumfOp,
}  # fmt: skip
_IGNORE_NAN: dict[str, type[IRDLOperation]] = {"max": arith.MaxnumfOp, "min": arith.MinnumfOp}
_INT_COMBINE: dict[str, type[IRDLOperation]] = {
    "sum": arith.AddiOp, "prod": arith.MuliOp, "max": arith.MaxSIOp, "min": arith.MinSIOp,
    "and": arith.AndIOp, "or": arith.OrIOp, "xor": arith.XOrIOp,
}  # fmt: skip
_BOOL_COMBINE: dict[str, type[IRDLOperation]] = {**_INT_COMBINE, "max": arith.OrIOp, "min": arith.AndIOp}


@dataclass(frozen=True)
class RollReductionsPass(SchedulePass):
    """Roll the reductions of each full-slice dim whose entry of `reduction_loops` is a chunk size.

    The ops are partitioned by how many reductions over the axis lie on the way to them, and each part becomes a
    `tile.for` over chunks with a new block symbol (`r0` for the first dim): loads and what is computed from them
    lane by lane are repeated in every part that needs them, a reduction carries an accumulator of chunk lanes that
    is reduced after the loop, stores are done chunk by chunk. softmax:

    ```
    x = load; m = max x; e = exp(x - m); s = sum e; store e / s
    ```
    →
    ```
    for r0: acc = max(acc, load)                m = max acc
    for r0: acc += exp(load - m)                s = sum acc
    for r0: store exp(load - m) / s
    ```
    None leaves the dim whole (persistent), and so does a chunk that covers it. Not rolled: an axis that a dot, a
    scan, a gather or a reshape takes as a whole, or that is carried by a loop.
    """

    name = "roll-reductions"
    keys: ClassVar = (Key("reduction_loops", idle="none"),)

    reduction_loops: tuple[int | str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Chunks from 64 lanes to half the extent; wide and run-time extents are rolled by default."""
        fragments: list[Fragment] = [_fragment(dim) for kernel in kernels(module) for dim in reduction_dims(kernel)]
        return {"reduction_loops": fragments} if fragments else {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        sizes = [decode_option(option) for option in self.reduction_loops]
        if all(size is None for size in sizes):
            return
        for kernel in kernels(op):
            pending = list(rolls(kernel))
            dims = list(dict.fromkeys(roll.axis_class.dim for roll in pending))
            if len(sizes) > len(dims):
                raise PassFailedException(f"{len(sizes)} reduction_loops for {len(dims)} dims {dims}")
            chunks = {
                dim: (f"r{site}", size)
                for site, (dim, size) in enumerate(zip(dims, sizes, strict=False))
                if isinstance(size, int) and (isinstance(dim, str) or size < dim)
            }
            _roll_all(kernel, pending, chunks)
            sizes = sizes[len(dims) :]


def _fragment(dim: Dim) -> OptionalBlockFragment:
    if isinstance(dim, str):
        return OptionalBlockFragment(64, 16384, DEFAULT_CHUNK, min_size=1, none_default=False)
    wide = dim > LARGEST_PERSISTENT
    top = max(next_power_of_two(dim) // 2, 1)
    return OptionalBlockFragment(
        min(64, top), min(top, 16384), min(DEFAULT_CHUNK, top), min_size=1, none_default=not wide, size_hint=dim
    )


def _roll_all(kernel: KernelOp, pending: list[Roll], chunks: dict[Dim, tuple[str, int]]) -> None:
    """Roll every class whose dim has a chunk: a symbol and a size."""
    for symbol, size in chunks.values():
        if not 1 <= size <= MAX_LANES:
            raise PassFailedException(f"a chunk of {size} lanes is not possible")
        kernel.blocks = DictionaryAttr({**kernel.blocks.data, symbol: BlockAttr(size, size)})
        chosen: dict[str, Attribute] = dict(kernel.block_sizes.data) if kernel.block_sizes is not None else {}
        kernel.block_sizes = DictionaryAttr({**chosen, symbol: IntAttr(size)})
    while (roll := next((r for r in pending if r.axis_class.dim in chunks), None)) is not None:
        _RollClass(kernel, roll, chunks[roll.axis_class.dim][0]).run()
        # rolling replaces ops that the analysis of the other classes may name
        pending = list(rolls(kernel)) if len(pending) > 1 else []


class _RollClass:
    """Replaces the ops of one class by a loop for each part."""

    def __init__(self, kernel: KernelOp, roll: Roll, symbol: str):
        self.kernel, self.roll, self.symbol = kernel, roll, symbol
        self.order = {op: i for i, op in enumerate(kernel.walk())}
        self.mine = [op for op in roll.block.ops if roll.has_axis(op)]

    def run(self) -> None:
        roll = self.roll
        end = roll.block.last_op
        assert end is not None
        others = [op for op in roll.block.ops if not roll.has_axis(op) and op is not end]
        last = max(max(roll.level[op] for op in others) if others else 0, max(roll.parts))
        for level in range(last + 1):
            for op in others:
                if roll.level[op] == level:
                    op.detach()
                    roll.block.insert_op_before(op, end)
            if roots := roll.parts.get(level):
                self._emit_part(roots, end)
        for op in reversed(self.mine):
            op.detach()
            op.erase()

    def _emit_part(self, roots: Sequence[Operation], before: Operation) -> None:
        """One loop over chunks that computes `roots`, and after it what their results stand for."""
        emit = Emitter(before, location=roots[0].location)
        begin = emit.constant(0, self.kernel.index_type)
        end = emit.dim(self.roll.axis_class.dim, self.kernel.index_type)
        reductions = [op for op in roots if reduces(op, self.roll.members)]
        inits = [value for op in reductions for value in self._initial(op, emit)]
        block = Block(arg_types=[TileType(self.symbol), *(value.type for value in inits)])
        block.args[0].name_hint = "chunk"
        mapping = self._clone_slice(roots, block)
        carried = iter(block.args[1:])
        results: list[SSAValue] = []
        for op in reductions:
            results += self._step(op, mapping, carried, block)
        block.add_op(YieldOp(*results))
        loop = emit.op(ForOp([begin], [end], [self.symbol], inits, Region(block)))
        site = next((op.attributes["site"] for op in reductions if "site" in op.attributes), None)
        if site is not None:
            loop.attributes["reduction"] = site
        outcomes = iter(loop.results)
        for op in reductions:
            self._finish(op, outcomes, emit)

    def _clone_slice(self, roots: Sequence[Operation], block: Block) -> dict[SSAValue, SSAValue]:
        """Clone what the roots need, retyped to chunks; the reductions themselves are left to `_step`."""
        mapping: dict[SSAValue, SSAValue] = {}
        for op in sorted(self.roll.slice_of(roots), key=self.order.__getitem__):
            if reduces(op, self.roll.members):
                continue
            clone = op.clone(mapping)
            for old, new in zip(op.results, clone.results, strict=True):
                new._type = self._chunk_type(old)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            self._chunk_tiles(op, clone, block.args[0])
            block.add_op(clone)
        return mapping

    def _chunk_type(self, value: SSAValue) -> Attribute:
        axis = self.roll.members.get(value)
        if axis is None:
            return value.type
        dims = list(dims_of(value))
        dims[axis] = self.symbol
        return with_dims(value.type, dims)

    def _chunk_tiles(self, op: Operation, clone: Operation, chunk: SSAValue) -> None:
        """Where the op names the tile of the axis, the clone names the chunk."""
        if isinstance(op, IndexOp):
            clone.operands[0] = chunk
        elif isinstance(op, PadOp) and self.roll.members[op.input] == op.axis.data:
            clone.operands[list(op.operands).index(op.tile)] = chunk
        elif isinstance(op, AccessBase):
            for axis in self._axes(op):
                clone.operands[op.subscript.tile_operands[axis]] = chunk

    def _axes(self, op: AccessBase) -> Iterable[int]:
        return {self.roll.members[v] for v in op.lane_values if v in self.roll.members}

    def _initial(self, op: Operation, emit: Emitter) -> list[SSAValue]:
        assert isinstance(op, ReduceOp | ArgReduceOp)
        neutral = neutral_element(op.kind.data, element_of(op.input))
        if isinstance(op, ReduceOp):
            return [emit.full(neutral, self._chunk_type(op.input))]
        return [emit.full(neutral, op.value.type), emit.full(0, op.index.type)]

    def _step(
        self, op: Operation, mapping: dict[SSAValue, SSAValue], carried: Iterable[SSAValue], block: Block
    ) -> list[SSAValue]:
        """Combine the accumulator with this chunk, at the end of the loop's body."""
        carried = iter(carried)
        chunk = block.args[0]
        if isinstance(op, ReduceOp):
            old, value = next(carried), mapping.get(op.input, op.input)
            old.name_hint = f"{op.result.name_hint}_acc" if op.result.name_hint else "acc"
            fill = neutral_element(op.kind.data, element_of(value))
            body = Appender(block, op.location)
            padded = body.op(PadOp(value, body.constant(fill, element_of(value)), op.axis.data, chunk), op.input).result
            combined = _combine(op).build(operands=[old, padded], result_types=[old.type])
            return [body.op(combined, old).results[0]]
        assert isinstance(op, ArgReduceOp)
        return self._arg_step(op, mapping.get(op.input, op.input), (next(carried), next(carried)), block)

    def _arg_step(
        self, op: ArgReduceOp, value: SSAValue, old: tuple[SSAValue, SSAValue], block: Block
    ) -> list[SSAValue]:
        """A later chunk wins only if it is strictly better, so the first occurrence stays; a NaN wins over all."""
        body, chunk = Appender(block, op.location), block.args[0]
        index_element = element_of(op.index)
        assert isinstance(index_element, IntegerType)
        local = body.op(ArgReduceOp(op.kind.data, value, op.axis.data, chunk, index_element))
        local.attributes.update(op.attributes)
        begin = body.cast(body.op(BeginOp(chunk, self.kernel.index_type)).result, index_element)
        position = body.op(arith.AddiOp(local.index, body.splat(begin, dims_of(local.index)))).result
        better = body.op(CompareOp("gt" if op.kind.data == "max" else "lt", local.value, old[0])).result
        if not isinstance(element_of(value), IntegerType):
            is_nan = body.op(CompareOp("ne", local.value, local.value)).result
            was_number = body.op(CompareOp("eq", old[0], old[0])).result
            better = body.op(arith.OrIOp(better, body.op(arith.AndIOp(is_nan, was_number)).result)).result
        return [
            body.op(SelectOp(better, local.value, old[0]), op.value).result,
            body.op(SelectOp(better, position, old[1]), op.index).result,
        ]

    def _finish(self, op: Operation, outcomes: Iterable[SSAValue], emit: Emitter) -> None:
        """After the loop: reduce the accumulator's lanes, all of which are valid, and replace the reduction."""
        outcomes = iter(outcomes)
        if isinstance(op, ReduceOp):
            accumulator = next(outcomes)
            ignore = op.ignore_nan is not None
            whole = emit.op(WholeOp(self.symbol)).result
            new = emit.op(ReduceOp(op.kind.data, accumulator, op.axis.data, whole, ignore_nan=ignore), op.result)
            new.attributes.update(op.attributes)
            op.result.replace_all_uses_with(new.result)
        else:
            for result in op.results:
                value = next(outcomes)
                value.name_hint = result.name_hint
                result.replace_all_uses_with(value)


def _combine(op: ReduceOp) -> type[IRDLOperation]:
    element = element_of(op.input)
    if isinstance(element, IntegerType):
        return (_BOOL_COMBINE if element.width.data == 1 else _INT_COMBINE)[op.kind.data]
    table = {**_FLOAT_COMBINE, **_IGNORE_NAN} if op.ignore_nan is not None else _FLOAT_COMBINE
    return table[op.kind.data]
