"""What a kernel takes of a device under a config, as far as it is known before it is compiled: lanes, shared memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from xdsl.dialects.builtin import FixedBitwidthType, Float64Type
from xdsl.ir import Operation, SSAValue

from ..dialects.dims import Dim, dims_of, element_of, symbols_of
from ..dialects.inline_triton import is_static_loop
from ..dialects.quick import ops_in
from ..dialects.targets import GPU, OTHER_REGISTERS, WGMMA_REGISTERS
from ..dialects.tile import DotOp, DotScaledOp, GridOp, KernelOp, LoadOp, LoopBase, StoreOp
from ..dialects.value import PermuteOp, ReshapeOp
from ..passes.analysis.bounds import loop_extent
from ..passes.analysis.op_mix import free_blocks, lane_count
from ..passes.analysis.physical import contractions
from ..passes.analysis.rolling import rolls
from ..passes.assign_indexing import DESCRIPTOR, accesses
from ..passes.number_sites import loop_sites, site_counts

Shape = tuple[Dim, ...]

WGMMA_ROWS = 64
"""Rows of a product from which tensor cores of sm_90 and later take operands from shared memory; its warps come in
groups of four. Source: PTX ISA, `wgmma.mma_async` and `tcgen05.mma`."""
ASYNC_BYTES = 4
"""The least bytes that a thread copies at a time into shared memory. Source: PTX ISA, `cp.async`."""


class FootprintChoice(NamedTuple):
    """The entries of a config that decide what a kernel takes."""

    blocks: Sequence[int]
    chunks: Sequence[int | None]
    stages: int
    warps: int
    loop_stages: Sequence[int]
    unrolled: Sequence[int]
    indexing: Sequence[str]
    persistent: bool


@dataclass(frozen=True)
class Buffer:
    """A block that passes through shared memory: on its way to a product, or because a descriptor moves it.

    `access` is its entry in `indexing`, None for a computed one. `staged`: a product needs it, and each step of a loop
    loads it ahead of its use. `needed`: a product needs it. `sure`: no config and no alignment keeps it out of shared
    memory; else it may stay in registers. `left`: it is computed, for the left of a product, which the tensor cores
    that read shared memory take from registers.
    """

    name: str
    shape: Shape
    element_bytes: int
    access: int | None = None
    staged: bool = False
    needed: bool = False
    sure: bool = False
    left: bool = False


@dataclass(frozen=True)
class Pool:
    """The buffers that are alive together: those of one loop, or of what is outside of loops.

    `entries`: the loop's entries in the `range_*` keys, `grid` that of the grid around it. `rows`: the dims that its
    products have for rows, 1 where tensor cores do not read the operands from shared memory; none where there is no
    product. `spans`: the extent and the block of each dimension of the loop, as far as all extents are known.
    """

    buffers: tuple[Buffer, ...]
    entries: tuple[int, ...]
    grid: tuple[int, ...]
    rows: tuple[Dim, ...]
    spans: tuple[tuple[int, Dim], ...] = ()

    @property
    def staged(self) -> bool:
        """Whether the stages of the launch decide how much it takes."""
        return any(buffer.staged for buffer in self.buffers)

    @cached_property
    def sure(self) -> bool:
        """Whether it certainly takes anything."""
        return any(buffer.sure for buffer in self.buffers)


class Taken(NamedTuple):
    """Bytes of shared memory, and in words which blocks take them."""

    size: int
    parts: str


class Footprint:
    """The facts of one config-free kernel, found once; what a config makes of them is arithmetic.

    An axis that rolling makes chunks of has the dim `r0`, `r1`, … (by its entry in `reduction_loops`) in `shapes`.
    """

    def __init__(self, kernel: KernelOp):
        self.kernel = kernel
        self.symbols = [symbol for symbol, _ in free_blocks(kernel)]
        self._fixed = kernel.block_size_values
        found = list(rolls(kernel))
        self.chunked: list[Dim] = list(dict.fromkeys(roll.axis_class.dim for roll in found))
        """The dim of each entry of `reduction_loops`."""
        self._rolled = {
            (value, axis): f"r{self.chunked.index(roll.axis_class.dim)}"
            for roll in found
            for value, axis in roll.members.items()
        }
        self._least: dict[Dim, int] = {}
        for dim, lanes in contractions(kernel):
            self._least[dim] = max(lanes, self._least.get(dim, 1))
        self.shapes: set[Shape] = {self.shape_of(result) for op in ops_in(kernel) for result in op.results}
        self._entries = _range_entries(kernel)
        self.loop_entries = sum(len(entries) for entries in self._entries.values())
        self._largest: dict[tuple[object, ...], tuple[int, Shape]] = {}
        self._access = {op: number for key, number, op in accesses(kernel) if key == "indexing"}
        self.accesses = site_counts(kernel)["load"] + site_counts(kernel)["store"]
        self._stores = [
            Buffer("a store", self.shape_of(op.value), _element_bytes(op.value), number)
            for op, number in self._access.items()
            if isinstance(op, StoreOp)
        ]
        dots = [op for op in ops_in(kernel) if isinstance(op, DotOp | DotScaledOp)]
        self._products = {(_rows_of(op), self.shape_of(op.result)) for op in dots}
        self.pools = list(self._pools())

    def shape_of(self, value: SSAValue) -> Shape:
        """The dims of a value, with `r…` for an axis that can be rolled."""
        return tuple(self._rolled.get((value, axis), dim) for axis, dim in enumerate(dims_of(value)))

    def loops_of(self, pool: Pool, choice: FootprintChoice) -> tuple[int, ...]:
        """The entries of `range_*` that say something about a pool: a grid is a loop where programs are persistent."""
        return (*pool.entries, *(pool.grid if choice.persistent else ()))

    def lanes(self, shape: Shape, sizes: Mapping[str, int]) -> int:
        """The lanes of a tensor: powers of two, and at least what a product needs of what it contracts."""
        return math.prod(max(lane_count((dim,), sizes), self._least.get(dim, 1)) for dim in shape)

    # Lanes -----------------------------------------------------------------------------------------------------

    def sizes(self, choice: FootprintChoice) -> dict[str, int]:
        """Symbol → size under a choice; a chunk that covers its axis is the axis, where that is known."""
        sizes = {**self._fixed, **dict(zip(self.symbols, choice.blocks, strict=False))}
        chunks = [*choice.chunks, *([None] * len(self.chunked))]
        for number, (dim, chunk) in enumerate(zip(self.chunked, chunks, strict=False)):
            known = [size for size in (dim, chunk) if isinstance(size, int)]
            if known:
                sizes[f"r{number}"] = min(known)
        return sizes

    def largest(self, choice: FootprintChoice) -> tuple[int, Shape]:
        """The lanes of the largest tensor, and its shape; extents of run time count as one."""
        key = (*choice.blocks, None, *choice.chunks)
        if (known := self._largest.get(key)) is None:
            sizes = self.sizes(choice)
            counts = [(self.lanes(shape, sizes), shape) for shape in self.shapes]
            known = self._largest[key] = max(counts, key=lambda pair: pair[0], default=(1, ()))
        return known

    def registers(self, choice: FootprintChoice, gpu: GPU) -> int:
        """The fewest registers of a thread that the kernel's products can do with; 0 where nothing is known."""
        if not gpu.wgmma or choice.warps % 4:
            return 0
        sizes, threads = self.sizes(choice), choice.warps * gpu.warp_size
        results = [self.lanes(shape, sizes) for row, shape in self._products if lane_count((row,), sizes) >= WGMMA_ROWS]
        return min(max(results) // threads, WGMMA_REGISTERS) + OTHER_REGISTERS if results else 0

    # Shared memory ---------------------------------------------------------------------------------------------

    def shared(self, choice: FootprintChoice, gpu: GPU, *, sure: bool = False) -> Taken:
        """What the largest pool takes with the largest block stored through a descriptor; with `sure`, only what it
        certainly does."""
        sizes = self.sizes(choice)
        largest = max((self._taken(pool, choice, sizes, gpu, sure) for pool in self.pools), default=Taken(0, ""))
        if sure:
            return largest
        return largest._replace(size=largest.size + self._moved(choice))

    def too_large(self, choice: FootprintChoice, gpu: GPU) -> list[Pool]:
        """The pools that shared memory does not hold, the largest first."""
        sizes, moved = self.sizes(choice), self._moved(choice)
        takings = [(self._taken(pool, choice, sizes, gpu, False).size + moved, pool) for pool in self.pools]
        over = [pair for pair in takings if pair[0] > gpu.shared_bytes]
        return [pool for _, pool in sorted(over, key=lambda pair: -pair[0])]

    def _moved(self, choice: FootprintChoice) -> int:
        """The bytes of the largest block stored through a descriptor."""
        sizes = self.sizes(choice)
        return max((self._bytes(store, sizes) for store in self._stores if _by_descriptor(store, choice)), default=0)

    def _taken(self, pool: Pool, choice: FootprintChoice, sizes: Mapping[str, int], gpu: GPU, sure: bool) -> Taken:
        if sure and not pool.sure:
            return Taken(0, "")
        loops = self.loops_of(pool, choice)
        if pool.spans and all(extent <= lane_count((block,), sizes) for extent, block in pool.spans):
            loops = loops[len(pool.entries) :]  # a loop of one step is none
        own = max((_at(choice.loop_stages, entry) for entry in loops), default=0)
        stages = max(own or choice.stages, 1) if loops and (own or pool.rows) else 1
        in_place = choice.warps % 4 == 0 and all(lane_count((row,), sizes) >= WGMMA_ROWS for row in pool.rows)
        if sure and stages == 1 and not in_place:
            return Taken(0, "")
        copies = max(stages - (gpu.spare_stages if in_place or not sure else 1), 1)
        steps = 1 if sure else math.prod(max(_at(choice.unrolled, e), 1) for e in loops)
        total, parts = 0, list[str]()
        for buffer in pool.buffers:
            moved = _by_descriptor(buffer, choice)
            staged = buffer.staged or bool(own and buffer.access is not None)
            if not (buffer.sure if sure else buffer.needed or staged or moved):
                continue
            if buffer.left and in_place and not gpu.spare_stages:
                continue
            if sure and not (buffer.staged or (in_place and pool.rows and not gpu.spare_stages)):
                continue
            count, size = steps * (copies if staged else 1), self._bytes(buffer, sizes)
            total += count * (size + (0 if sure or not (staged or moved) else gpu.stage_bytes))
            parts.append(f"{buffer.name} {self._spelled(buffer, sizes)} = {size} bytes × {count}")
        return Taken(total, " + ".join(parts))

    def _bytes(self, buffer: Buffer, sizes: Mapping[str, int]) -> int:
        return buffer.element_bytes * self.lanes(buffer.shape, sizes)

    def _spelled(self, buffer: Buffer, sizes: Mapping[str, int]) -> str:
        dims = "×".join(str(self.lanes((dim,), sizes)) for dim in buffer.shape)
        return f"[{dims}] of {buffer.element_bytes} bytes"

    def _pools(self) -> Iterator[Pool]:
        dots: dict[LoopBase | None, list[DotOp | DotScaledOp]] = {}
        loads: dict[LoopBase | None, list[LoadOp]] = {}
        for op in ops_in(self.kernel):
            if isinstance(op, DotOp | DotScaledOp):
                dots.setdefault(_loop_of(op), []).append(op)
            elif isinstance(op, LoadOp):
                loads.setdefault(_loop_of(op), []).append(op)
        for loop in dict.fromkeys((*dots, *loads)):
            buffers = self._operands(loop, dots.get(loop, ()))
            for load in loads.get(loop, ()):
                buffers.setdefault(load.result, self._loaded(load))
            grid = loop
            while grid is not None and not isinstance(grid, GridOp):
                grid = _loop_of(grid)
            entries = () if loop is None or loop is grid else self._entries.get(loop, ())
            around = () if grid is None else self._entries.get(grid, ())
            rows = tuple(map(_rows_of, dots.get(loop, ())))
            yield Pool(tuple(buffers.values()), entries, around, rows, _spans(loop) if entries else ())
            for dot in dots.get(loop, ()):  # what a product makes may change its layout before it is stored
                result = Buffer("a product", self.shape_of(dot.result), _element_bytes(dot.result), needed=True)
                yield Pool((result,), (), around, ())

    def _operands(self, loop: LoopBase | None, dots: Sequence[DotOp | DotScaledOp]) -> dict[SSAValue, Buffer]:
        """The blocks that the products in one iteration of a loop read, and the loads of that loop behind them."""
        stepped = None if isinstance(loop, GridOp) else loop
        buffers: dict[SSAValue, Buffer] = {}
        for operand, left in (pair for dot in dots for pair in ((dot.lhs, True), (dot.rhs, False))):
            source = _source(operand)
            if isinstance(load := source.owner, LoadOp):
                staged = stepped is not None and _loop_of(load) is stepped
                sure = _is_async(load) if staged else not left
                buffers[source] = self._loaded(load, needed=True, staged=staged, sure=sure)
                continue
            name = source.name_hint or "an operand"
            left = left and (source not in buffers or buffers[source].left)
            buffers[source] = Buffer(name, self.shape_of(source), _element_bytes(source), needed=True, left=left)
            for load in _loads_behind(source, stepped):
                buffers.setdefault(load.result, self._loaded(load, needed=True, staged=True))
        return buffers

    def _loaded(self, load: LoadOp, **how: bool) -> Buffer:
        name, access = load.ref.name_hint or "a load", self._access.get(load)
        return Buffer(name, self.shape_of(load.result), _element_bytes(load.result), access, **how)


def _range_entries(kernel: KernelOp) -> dict[LoopBase, tuple[int, ...]]:
    """Loop → its entries in the `range_*` keys, as annotate-ranges counts them."""
    found: dict[LoopBase, tuple[int, ...]] = {}
    first = 0
    for loops in loop_sites(kernel):
        if loops and is_static_loop(loops[0]):
            continue
        count = 1 if not loops or isinstance(loops[0], GridOp) else len(loops[0].begins)
        found.update(dict.fromkeys(loops, tuple(range(first, first + count))))
        first += count
    return found


def _spans(loop: LoopBase | None) -> tuple[tuple[int, Dim], ...]:
    """The extent and the block of each dimension of a loop; nothing if an extent is not known."""
    if loop is None:
        return ()
    extents = [loop_extent(loop, number) for number in range(len(loop.blocks))]
    known = [extent for extent in extents if extent is not None]
    return tuple(zip(known, loop.blocks.as_tuple(), strict=True)) if len(known) == len(extents) else ()


def _loop_of(op: Operation) -> LoopBase | None:
    """The loop whose body an op belongs to; static loops are skipped, as they are unrolled."""
    parent = op.parent_op()
    while parent is not None and (not isinstance(parent, LoopBase) or is_static_loop(parent)):
        parent = parent.parent_op()
    return parent


def _source(value: SSAValue) -> SSAValue:
    """The value that a product's operand is a view of."""
    while isinstance(value.owner, PermuteOp | ReshapeOp):
        value = value.owner.input
    return value


def _loads_behind(value: SSAValue, loop: LoopBase | None) -> Iterator[LoadOp]:
    """The loads of a loop's step that a value is computed from."""
    if loop is None:
        return
    pending, seen = [value], set[SSAValue]()
    while pending:
        current = pending.pop()
        owner = current.owner
        if current in seen or not isinstance(owner, Operation) or _loop_of(owner) is not loop:
            continue
        seen.add(current)
        if isinstance(owner, LoadOp):
            yield owner
        pending.extend(owner.operands)


def _is_async(load: LoadOp) -> bool:
    """Whether the load certainly is a copy into shared memory: each thread can copy enough bytes at a time."""
    return load.mask is None and _element_bytes(load.result) >= ASYNC_BYTES


def _element_bytes(value: SSAValue) -> int:
    element = element_of(value)
    return element.size if isinstance(element, FixedBitwidthType) else 4


def _rows_of(dot: DotOp | DotScaledOp) -> Dim:
    """The rows of a product whose operands tensor cores may read from shared memory, else 1."""
    return 1 if isinstance(element_of(dot.lhs), Float64Type) else dims_of(dot.lhs)[-2]


def _by_descriptor(buffer: Buffer, choice: FootprintChoice) -> bool:
    at = buffer.access
    return at is not None and at < len(choice.indexing) and choice.indexing[at] == DESCRIPTOR


def _at(values: Sequence[int], entry: int) -> int:
    return values[entry] if entry < len(values) else 0


def blocks_in(shape: Shape) -> frozenset[str]:
    """The symbols of a shape: blocks `b…` and chunks `r…`."""
    return frozenset(symbol for dim in shape for symbol in symbols_of(dim))
