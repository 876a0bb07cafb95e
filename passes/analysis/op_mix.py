"""What a kernel is made of, and the choices that follow for an untuned config."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

from xdsl.dialects.builtin import FixedBitwidthType
from xdsl.ir import Operation, SSAValue

from ...dialects.dims import Dim, dims_of, element_of, substitute, symbols_of
from ...dialects.quick import ops_in
from ...dialects.targets import MAX_LANES, TARGETS, target_of
from ...dialects.tile import BeginOp, BlockAttr, DotOp, DotScaledOp, EndOp, ForOp, KernelOp, LoadOp, LoopBase, grids_of
from ...sizes import next_power_of_2
from .bounds import loop_extent, tile_dim

Role: TypeAlias = Literal["batch", "m", "n", "k"]

POINTWISE_LANES = 1024
"""Lanes of a program without dots: 8 a thread of 4 warps."""
DOT_BLOCKS: dict[Role, int] = {"batch": 1, "m": 64, "n": 64}
LARGE_DOT_BLOCK = 128
"""What blocks that dots make grow to, where `ENOUGH_PROGRAMS` are left."""
WIDE_DOT_BLOCK = 256
"""What the columns of one product of matrices grow to, likewise, on GPUs with `wgmma`: on an H100 128 × 256 took 188 µs
where 128 × 128 took 228, for 4096³ in bfloat16 (benchmarks/results/2026-11-25-h100-default-blocks.md)."""
ENOUGH_PROGRAMS = 128
"""About the cores of a device: fewer programs leave some idle."""
WALKERS = 4 * ENOUGH_PROGRAMS
"""Programs that divide up positions which each of them walks over: several a core hide its waits."""
CONTRACTED_BYTES = 128
"""Bytes of an operand's row that a step of a contraction covers: the widest swizzle of shared memory, a cache line."""
DOT_LANES = 128 * 128
"""Lanes of all dots' results together that an untuned program may have: float32 in half of the registers of 8 warps."""
DOT_GROUP = 8
"""Rows of tiles that the programs of a product of two matrices walk together, sharing operands in the L2 cache."""
SHARED_BYTES = 64 * 1024
"""Shared memory of an untuned pipeline but for the stage in use: fits every supported target."""
WIDE_SHARED_BYTES = 96 * 1024
"""The same for a program that has the registers of a multiprocessor alone."""
WIDE_ROW = 4096
"""Lanes of a row from which a program gets 8 warps; four times that gets 16, eight times that is rolled."""
LARGEST_PERSISTENT = 16384
"""Extents above this are rolled by default: the row would spill."""
DEFAULT_CHUNK = 2048
"""The chunk of a reduction that is rolled by default."""


@dataclass
class OpMix:
    """The facts of one kernel that default configs rest on."""

    kernel: KernelOp
    extents: dict[str, int | None] = field(default_factory=dict)
    """Block symbol → constant extent of its loop (the largest), None when it is known at run time only."""
    roles: dict[str, set[Role]] = field(default_factory=dict)
    """Block symbol → what it is to the kernel's dots."""
    dots: set[tuple[Dim, ...]] = field(default_factory=set)
    """The dims of what dots make."""
    operand_bytes: int = 2
    """Bytes an element of the widest operand of a dot."""
    reduced: set[str] = field(default_factory=set)
    """Block symbols of inner loops, which carry values from block to block."""
    walked: set[str] = field(default_factory=set)
    """Block symbols of tiles that an inner loop walks over, from begin to end."""
    shapes: set[tuple[Dim, ...]] = field(default_factory=set)
    """The dims of all values."""
    loop_bytes: dict[ForOp, Counter[tuple[Dim, ...]]] = field(default_factory=dict)
    """Per inner loop the bytes an element, summed, of its loads, per dims: what a pipeline buffers."""

    phases: list[Self] = field(default_factory=list)
    """The mixes of its top-level loops, where it has several."""

    @classmethod
    def of(cls, kernel: KernelOp, part: Operation | None = None) -> Self:
        """The mix of `kernel`, or of a `part` of it, in one walk; of each top-level loop again if there are several."""
        mix = cls(kernel)
        for op in ops_in(part or kernel):
            mix._add(op)
        grids = grids_of(kernel)
        if part is None and len(grids) > 1:
            mix.phases = [cls.of(kernel, grid) for grid in grids]
        return mix

    def _add(self, op: Operation) -> None:
        if isinstance(op, LoopBase):
            for arg, dim in zip(op.loop_args, op.blocks.as_tuple(), strict=True):
                self._add_loop(op, arg, dim)
        elif isinstance(op, DotOp | DotScaledOp):
            self._add_dot(op)
        elif isinstance(op, LoadOp) and isinstance(loop := op.parent_op(), ForOp):
            self.loop_bytes.setdefault(loop, Counter())[op.dims] += _element_bytes(op.result)
        self.shapes.update(dims for result in op.results if (dims := dims_of(result)))

    def _add_loop(self, loop: LoopBase, arg: SSAValue, dim: Dim) -> None:
        if not isinstance(dim, str):
            return
        bounds = loop_extent(loop, loop.loop_args.index(arg))
        known = self.extents.get(dim, 0)
        self.extents[dim] = None if bounds is None or known is None else max(bounds, known)
        if isinstance(loop, ForOp):
            self.reduced.add(dim)
            begin, end = (getattr(bound, "owner", None) for bound in loop.bounds(loop.loop_args.index(arg)))
            if isinstance(begin, BeginOp) and isinstance(end, EndOp) and begin.tile is end.tile:
                self.walked.update(symbols_of(tile_dim(end.tile)))

    def _add_dot(self, op: DotOp | DotScaledOp) -> None:
        self.dots.add(dims_of(op.result))
        self.operand_bytes = max(_element_bytes(op.lhs), _element_bytes(op.rhs), self.operand_bytes)
        *batch, m, k = dims_of(op.lhs)
        named: list[tuple[Role, Dim]] = [("m", m), ("k", k), ("n", dims_of(op.rhs)[-1]), *(("batch", b) for b in batch)]
        for role, dim in named:
            for symbol in symbols_of(dim):
                self.roles.setdefault(symbol, set()).add(role)

    @property
    def has_dot(self) -> bool:
        return bool(self.dots)

    @property
    def multiplies_matrices(self) -> bool:
        """Whether the blocks of a two-dimensional grid are the rows and the columns of one product."""
        grid = [self.roles.get(symbol) for symbol in self.extents if symbol not in self.reduced]
        return grid == [{"m"}, {"n"}]

    def usual_lanes(self, dim: Dim) -> int:
        """The lanes that a full slice takes at a time by default; 1 for dims that block sizes decide."""
        if isinstance(dim, int):
            return next_power_of_2(dim) if dim <= LARGEST_PERSISTENT else DEFAULT_CHUNK
        return 1 if symbols_of(dim) & self.kernel.blocks.data.keys() else DEFAULT_CHUNK

    @property
    def row_lanes(self) -> int:
        """The lanes of full slices in the largest value, by default."""
        return max((math.prod(map(self.usual_lanes, dims)) for dims in self.shapes), default=1)

    def lanes(self, sizes: Mapping[str, int], chunks: Mapping[Dim, int] | None = None) -> int:
        """The lanes of the largest value under block `sizes`; run-time extents count as one.

        `chunks` are the dims that are rolled, with the lanes that are left of them.
        """
        known = chunks or {}
        return max((lane_count([known.get(d, d) for d in dims], sizes) for dims in self.shapes), default=1)

    def default_blocks(self) -> dict[str, int]:
        """A size for every block symbol that is not fixed: within its limits and at most the extent's power of two.

        Each of several top-level loops gets what it would have alone; what they share, the least of that.
        """
        sizes = self._own_blocks(list(free_blocks(self.kernel)))
        own = [phase._own_blocks(phase._used_blocks()) for phase in self.phases]
        for symbol in sizes:
            sizes[symbol] = min((each[symbol] for each in own if symbol in each), default=sizes[symbol])
        return sizes

    def _used_blocks(self) -> list[tuple[str, BlockAttr]]:
        """The free block symbols of the loops and values of a part."""
        used = self.extents.keys() | {symbol for dims in self.shapes for dim in dims for symbol in symbols_of(dim)}
        return [(symbol, block) for symbol, block in free_blocks(self.kernel) if symbol in used]

    def _own_blocks(self, blocks: Sequence[tuple[str, BlockAttr]]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        budget = max(POINTWISE_LANES // self.row_lanes, 1)
        inner = 1  # the most lanes of the loops that reduce, which share theirs with the blocks around them
        for symbol, block in sorted(reversed(blocks), key=lambda each: each[0] not in self.reduced):
            limit = self.size_limit(symbol, block)
            nested = self._nested(symbol, sizes)
            share = max(budget // (nested if symbol in self.reduced else inner), 1)
            wanted = self._dot_block(self.roles.get(symbol, set())) if self.has_dot else share
            if shared_out := self._is_shared_out(symbol):
                wanted = _floor_power((self.extents[symbol] or 0) // WALKERS)
            sizes[symbol] = max(min(wanted, limit), next_power_of_2(block.min.data))
            if symbol in self.reduced:
                inner = max(inner, nested * sizes[symbol])
            elif not shared_out:
                budget = max(budget // sizes[symbol], 1)
        self._grow(sizes, blocks)
        return {symbol: sizes[symbol] for symbol, _ in blocks}

    def _is_shared_out(self, symbol: str) -> bool:
        """Whether a block of the grid is no value's: it says only how many positions each program walks over."""
        return symbol in self.walked - self.reduced and not any(
            symbol in symbols_of(dim) for dims in self.shapes for dim in dims
        )

    def _nested(self, symbol: str, sizes: Mapping[str, int]) -> int:
        """The lanes that inner loops with `sizes` give a value which has the block `symbol`, too."""
        values = (dims for dims in self.shapes if symbol in dims)
        return max((math.prod(sizes.get(str(d), 1) for d in dims if d in self.reduced) for dims in values), default=1)

    def _dot_block(self, roles: set[Role]) -> int:
        """A dim that one dot makes and the next contracts (attention's keys) counts as made."""
        if roles == {"k"}:
            return min(max(CONTRACTED_BYTES // self.operand_bytes, 16), LARGE_DOT_BLOCK)
        return max((DOT_BLOCKS[role] for role in roles - {"k"}), default=1) if "batch" not in roles else 1

    def _grow(self, sizes: dict[str, int], blocks: Sequence[tuple[str, BlockAttr]]) -> None:
        """Enlarge the grid's blocks that dots make, where programs and registers suffice."""
        fixed = self.kernel.block_size_values
        for symbol, block in blocks:
            roles = self.roles.get(symbol, set())
            if symbol in self.reduced or roles not in ({"m"}, {"n"}):
                continue
            larger = {**fixed, **sizes, symbol: min(LARGE_DOT_BLOCK, self.size_limit(symbol, block))}
            lanes = sum(lane_count(dims, larger) for dims in self.dots)
            if larger[symbol] > sizes[symbol] and self._programs(larger) >= ENOUGH_PROGRAMS and lanes <= DOT_LANES:
                sizes[symbol] = larger[symbol]
        one_product = self.multiplies_matrices and len(self.dots) == 1 and self.operand_bytes <= 2
        if one_product and (gpu := TARGETS.get(target_of(self.kernel))) and gpu.wgmma:
            self._widen(sizes, blocks)

    def _widen(self, sizes: dict[str, int], blocks: Sequence[tuple[str, BlockAttr]]) -> None:
        """Enlarge the columns of one product of matrices, whose result then has all registers of 8 warps."""
        (dims,) = self.dots
        for symbol, block in blocks:
            larger = {**self.kernel.block_size_values, **sizes, symbol: WIDE_DOT_BLOCK}
            fits = self.size_limit(symbol, block) >= WIDE_DOT_BLOCK and lane_count(dims, larger) == 2 * DOT_LANES
            if self.roles.get(symbol) == {"n"} and fits and self._programs(larger) >= ENOUGH_PROGRAMS:
                sizes[symbol] = WIDE_DOT_BLOCK

    def _programs(self, sizes: Mapping[str, int]) -> int:
        """Tiles of the grid; 0 if that is known at run time only."""
        extents = {symbol: extent for symbol, extent in self.extents.items() if symbol not in self.reduced}
        return math.prod(-(-(extent or 0) // sizes.get(symbol, 1)) for symbol, extent in extents.items())

    def size_limit(self, symbol: str, block: BlockAttr) -> int:
        """The largest size worth trying: the maximum that the user gave, or the extent's next power of two."""
        extent = self.extents.get(symbol)
        limit = MAX_LANES if extent is None else next_power_of_2(max(extent, 1))
        given = getattr(block.max, "data", None)
        return limit if given is None else min(limit, _floor_power(given))

    def _sizes(self) -> dict[str, int]:
        return {**self.kernel.block_size_values, **self.default_blocks()}

    @property
    def default_warps(self) -> int:
        """4, and more for programs with wide rows or large products."""
        sizes = self._sizes()
        if self.has_dot:
            return 8 if max(lane_count(dims, sizes) for dims in self.dots) >= DOT_LANES else 4
        usual = {dim: self.usual_lanes(dim) for dims in self.shapes for dim in dims if self.usual_lanes(dim) > 1}
        lanes = self.lanes(sizes, usual)
        return 4 if lanes < WIDE_ROW else 8 if lanes < 4 * WIDE_ROW else 16

    @property
    def default_stages(self) -> int:
        """1 without a dot in a loop, else up to 3 as far as the operands' buffers fit, with what one dot makes and the
        next contracts, which some targets pass through shared memory."""
        if not self.loop_bytes or not self.has_dot:
            return 1
        sizes = self._sizes()
        stages = (
            sum(size * lane_count(dims, sizes) for dims, size in loads.items()) for loads in self.loop_bytes.values()
        )
        again = (dims for dims in self.dots if self.roles.get(str(dims[-1]), set()) >= {"n", "k"})
        exchanged = max((lane_count(dims, sizes) * self.operand_bytes for dims in again), default=0)
        alone = max(lane_count(dims, sizes) for dims in self.dots) > DOT_LANES
        shared = WIDE_SHARED_BYTES if alone else SHARED_BYTES
        return min(3, 1 + max(shared - exchanged, 0) // max(*stages, 1))

    @property
    def default_group(self) -> int:
        """The L2 grouping of a grid of more than one dimension."""
        return DOT_GROUP if self.multiplies_matrices else 1


def lane_count(dims: Iterable[Dim], sizes: Mapping[str, int]) -> int:
    """The lanes of a value in registers, as far as its dims are known."""
    known = (substitute(dim, sizes) for dim in dims)
    return math.prod(next_power_of_2(dim) for dim in known if isinstance(dim, int))


def free_blocks(kernel: KernelOp) -> Iterable[tuple[str, BlockAttr]]:
    """The block symbols that a config chooses, in order."""
    for symbol, block in kernel.blocks.data.items():
        if isinstance(block, BlockAttr) and block.fixed is None:
            yield symbol, block


def _element_bytes(value: SSAValue) -> int:
    element = element_of(value)
    return element.size if isinstance(element, FixedBitwidthType) else 4


def _floor_power(number: int) -> int:
    return 1 << max(number.bit_length() - 1, 0)
