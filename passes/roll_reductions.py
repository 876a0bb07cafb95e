"""roll-reductions: a reduction over a full slice becomes a loop over chunks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..dialects.axes import FoldsChunks, axis_facts
from ..dialects.dims import Dim, dims_of, with_dims
from ..dialects.targets import MAX_LANES
from ..dialects.tile import BlockAttr, ForOp, KernelOp, TileType, YieldOp
from ..sizes import next_power_of_2
from .analysis.axes import axes_of
from .analysis.op_mix import DEFAULT_CHUNK, LARGEST_PERSISTENT
from .analysis.rolling import Roll, reduces, reduction_dims, rolls
from .fragments import Fragment, OptionalBlockFragment
from .inserter import Appender, Inserter
from .schedule import Fragments, Key, SchedulePass, decode_option, kernels


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
            dims = reduction_dims(kernel)
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
    top = max(next_power_of_2(dim) // 2, 1)
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
        emit = Inserter(before, location=roots[0].location)
        begin = emit.constant(0, self.kernel.index_type)
        end = emit.dim(self.roll.axis_class.dim, self.kernel.index_type)
        reductions = [op for op in roots if isinstance(op, FoldsChunks) and reduces(op, self.roll.members)]
        inits = [op.before_chunks(self._chunk_dims(op), emit) for op in reductions]
        block = Block(arg_types=[TileType(self.symbol), *(value.type for values in inits for value in values)])
        block.args[0].name_hint = "chunk"
        mapping = self._clone_slice(roots, block)
        found = _groups(block.args[1:], inits)
        results = [self._fold(op, mapping, values, block) for op, values in zip(reductions, found, strict=True)]
        block.add_op(YieldOp(*chain.from_iterable(results)))
        loop = emit.op(ForOp([begin], [end], [self.symbol], [*chain.from_iterable(inits)], Region(block)))
        site = next((op.attributes["site"] for op in reductions if "site" in op.attributes), None)
        if site is not None:
            loop.attributes["reduction"] = site
        for op, values in zip(reductions, _groups(loop.results, inits), strict=True):
            for result, value in zip(op.results, op.after_chunks(values, emit), strict=True):
                value.name_hint = result.name_hint
                result.replace_all_uses_with(value)

    def _chunk_dims(self, op: Operation) -> tuple[Dim, ...]:
        """The dims of the operand that `op` reduces, with a chunk of the axis."""
        (number, _), *_ = axis_facts(op).consumed[0]
        return dims_of(self._chunk_type(op.operands[number]))

    def _fold(
        self, op: Operation, mapping: dict[SSAValue, SSAValue], found: Sequence[SSAValue], block: Block
    ) -> list[SSAValue]:
        """Go on with this chunk, at the end of the loop's body."""
        assert isinstance(op, FoldsChunks)
        values = [op.operands[number] for (number, _), *_ in axis_facts(op).consumed]
        hint = op.results[0].name_hint
        if len(found) == 1:
            found[0].name_hint = f"{hint}_acc" if hint else "acc"
        body = Appender(block, op.location)
        chunks = [mapping.get(value, value) for value in values]
        return op.fold_chunk(chunks, found, block.args[0], self.kernel.index_type, body)

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
        for tile, axes in axis_facts(op).tiles:
            if any(self.roll.members.get(value) == axis for value, axis in axes_of(op, axes)):
                clone.operands[tile] = chunk


def _groups(values: Sequence[SSAValue], like: Sequence[Sequence[SSAValue]]) -> list[list[SSAValue]]:
    """`values` in groups as long as those of `like`."""
    rest = iter(values)
    return [list(islice(rest, len(group))) for group in like]
