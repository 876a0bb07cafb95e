"""Whether an access can go through a tensor descriptor (TMA on NVIDIA), as an analysis."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cached_property
from math import gcd, prod

from xdsl.dialects.builtin import FixedBitwidthType, IntegerType, bf16, f16, f32, i32, i64
from xdsl.ir import Operation, SSAValue
from xdsl.traits import MemoryEffectKind

from ...dialects.constants import constant_of
from ...dialects.dims import dims_of, signless, substitute
from ...dialects.effects import READ, WRITE, has_no_effects, ref_effects
from ...dialects.quick import ops_in
from ...dialects.settings import setting
from ...dialects.tile import (
    AccessBase,
    AtomicRMWOp,
    KernelOp,
    LoadOp,
    RefType,
    ShiftOp,
    StoreOp,
    TileType,
    has_barriers,
)
from .aliases import Location, Memory, may_alias, memory_of
from .bounds import Bound, bound_dim, constant_value, known_divisor, tile_bounds, tile_dim, tile_exact, tile_step
from .hazards import Hazards
from .phases import hazards_between
from .physical import PhysicalDims

ALIGNMENT = 16
"""Bytes: of the base address, of every stride but the last, and the least extent of a block's last dim."""
SHARED_ALIGNMENT = 128
"""Bytes: of where a block lies in shared memory (PTX ISA, `cp.async.bulk.tensor`). The stages of a pipeline lie one
after another, so that a smaller block has a misaligned second stage."""
MAX_RANK = 5


class Descriptors:
    """Answers for one kernel, config-free (`assigned=False`: what no config could make legal) or scheduled."""

    def __init__(self, kernel: KernelOp, *, assigned: bool):
        self.kernel = kernel
        self.assigned = assigned
        self._sizes = kernel.block_size_values

    @cached_property
    def _physical(self) -> PhysicalDims:
        return PhysicalDims(self.kernel)

    @cached_property
    def _read_and_written(self) -> Memory:
        """The memory that the kernel both reads and writes by ops of known effects."""
        touched: dict[MemoryEffectKind, set[Location]] = {READ: set(), WRITE: set()}
        for op in ops_in(self.kernel):
            if op.regions or has_no_effects(op):
                continue
            for kind, ref in ref_effects(op) or ():
                touched[kind].update(memory_of(ref))
        return tuple(place for place in touched[WRITE] if may_alias((place,), touched[READ]))

    @cached_property
    def _in_order(self) -> Memory:
        """The memory that ops of the kernel but relaxed atomics touch."""
        others = (op for op in ops_in(self.kernel) if not op.regions and type(op) is not AtomicRMWOp)
        return tuple(place for op in others for _, ref in ref_effects(op) or () for place in memory_of(ref))

    @cached_property
    def _hazards(self) -> Set[Operation]:
        """The accesses that barriers order with others: those of a program's threads, or of the whole grid."""
        between = hazards_between(self.kernel) if has_barriers(self.kernel) else ()
        return Hazards(self.kernel).ops.union(*[(h.earlier.op, h.later.op) for h in between])

    def refusal(self, op: AccessBase) -> str | None:
        """Why the access must use pointers; None if a descriptor does the same."""
        return next(self._refusals(op), None)

    def _refusals(self, op: AccessBase) -> Iterator[str]:
        yield from _ref_refusals(op.ref_type)
        if self.kernel.index_type == i64:
            yield "descriptors take 32-bit positions"
        if op.mask is not None:
            yield "it has a mask"
        indices = op.indices
        if any(dims_of(index) for index in indices):
            yield "an index is a tensor"
        if type(indices[-1].type) is not TileType:
            yield "the last index is no tile"
        yield from self._order_refusals(op)
        if isinstance(op, LoadOp) and _addresses(op):
            yield "what it loads addresses another access, which the pipeliner of Triton 3.7 cannot arrange"
        if op in self._hazards:
            yield "barriers do not order descriptors, which go through another proxy, with other accesses"
        for index, size in zip(indices, op.ref_type.size_dims, strict=True):
            if type(index.type) is TileType:
                yield from self._tile_refusals(op, index, size)
        if type(indices[-1].type) is TileType and self._first_byte(op) % ALIGNMENT:
            yield f"positions along the last dim are not known to be multiples of {ALIGNMENT} bytes"
        if self.assigned:
            yield from self._block_refusals(op)

    def _order_refusals(self, op: AccessBase) -> Iterator[str]:
        """Descriptors order nothing with other accesses to their memory."""
        if type(op) is AtomicRMWOp:
            yield from _atomic_refusals(op)
            if setting(self.kernel, "pointer_atomics"):
                yield "Triton's interpreter has no atomics by descriptors"
            if may_alias(memory_of(op.ref), self._in_order):
                yield "the ref is read or written by others than atomics, too"
        elif not isinstance(op, LoadOp | StoreOp):
            yield "descriptors have no such atomic"
        elif may_alias(memory_of(op.ref), self._read_and_written):
            yield "the ref is both read and written"

    def _first_byte(self, op: AccessBase) -> int:
        """What divides the position along the last dim, in bytes; 0: all does.

        Measured on an H100: a copy by TMA from a position of 40 bytes is an illegal instruction.
        Before block sizes are assigned, only constants count.
        """
        divisor, tile = 0, op.indices[-1]
        while isinstance(shift := tile.owner, ShiftOp):
            divisor, tile = gcd(divisor, self._divisor(shift.offset)), shift.tile
        bounds = tile_bounds(tile)
        divisor = gcd(divisor, self._divisor(bounds.begin))
        step = substitute(tile_dim(tile), self._sizes)
        if bounds.loop is not None and isinstance(step, int):
            divisor = gcd(divisor, step)
        return divisor * _bytes(op.ref_type)

    def _divisor(self, bound: Bound) -> int:
        if not self.assigned and (not isinstance(bound, SSAValue) or constant_value(bound) is None):
            return 0
        return known_divisor(bound, self._sizes)

    def _tile_refusals(self, op: AccessBase, tile: SSAValue, size: object) -> Iterator[str]:
        """What a descriptor does not touch is what is outside the ref; that must be what the tile says."""
        if tile_step(tile) != 1:
            yield "a slice has a step"
        bounds = tile_bounds(tile)
        ends_alike = bound_dim(bounds.end) == size and not bounds.shifted
        exact = self.assigned and tile_exact(tile, self._sizes) and not self._physical.is_padded(tile_dim(tile))
        may_be_exact = not self.assigned and isinstance(bound_dim(bounds.end), int)
        reaches_next = self.assigned and self._physical.reaches_next(tile)
        if (ends_alike and not reaches_next) or exact or may_be_exact:
            return
        if not isinstance(op, LoadOp):
            yield "a tile ends before the ref does"
        elif op.other is not None:
            yield "lanes before the ref's end must hold a given value"

    def _block_refusals(self, op: AccessBase) -> Iterator[str]:
        tiles = [index for index in op.indices if type(index.type) is TileType]
        lanes = [substitute(self._physical.of(tile_dim(tile)), self._sizes) for tile in tiles]
        known = [count for count in lanes if isinstance(count, int)]
        if len(known) < len(lanes):
            yield "a block's extent is known at run time only"
        elif known[-1] * _bytes(op.ref_type) < ALIGNMENT:
            yield f"the last dim of the block has less than {ALIGNMENT} bytes"
        elif prod(known) * _bytes(op.ref_type) < SHARED_ALIGNMENT:
            yield f"the block has less than {SHARED_ALIGNMENT} bytes"
        elif isinstance(op, LoadOp) and op.other is not None and constant_of(op.other) != 0:
            padded = (self._physical.is_padded(tile_dim(t)) or not tile_exact(t, self._sizes) for t in tiles)
            if any(padded):
                yield "lanes that are not read must hold something else than zero"


_REDUCED = {
    "add": (i32, f32, f16, bf16), "max": (i32, i64), "min": (i32, i64), "and": (i32,), "or": (i32,), "xor": (i32,),
}  # fmt: skip
"""What Triton reduces through descriptors on every target (`TritonSemantic.descriptor_atomic_*`, 3.6 and 3.7), of the
types that memory is described as: signless. Each was right on an H100; bits of 64 were an illegal instruction there."""


def _atomic_refusals(op: AtomicRMWOp) -> Iterator[str]:
    element = op.ref_type.element_type
    if op.result is not None and op.result.first_use is not None:
        yield "what was there is asked for"
    if op.sem.data != "relaxed" or (op.scope is not None and op.scope.data != "gpu"):
        yield "it orders other accesses, or reaches other devices"
    if signless(element) not in _REDUCED.get(op.kind.data, ()):
        yield f"descriptors have no atomic {op.kind.data} of {element}"
    if op.kind.data in ("max", "min") and element != signless(element):
        yield "descriptors compare signed integers"


def _addresses(op: LoadOp) -> bool:
    """Whether an index of another access is computed from what a load gives."""
    pending: list[SSAValue] = [op.result]
    seen: set[SSAValue] = set()
    while pending:
        value = pending.pop()
        for use in value.uses:
            user = use.operation
            if isinstance(user, AccessBase):
                if value in user.indices:
                    return True
            elif not user.regions:
                pending.extend(result for result in user.results if result not in seen)
                seen.update(user.results)
    return False


def _bytes(ref: RefType) -> int:
    return ref.element_type.size if isinstance(ref.element_type, FixedBitwidthType) else 1


def _ref_refusals(ref: RefType) -> Iterator[str]:
    if not 1 <= ref.rank <= MAX_RANK:
        yield f"the ref has rank {ref.rank}"
        return
    element = ref.element_type
    if isinstance(element, IntegerType) and element.width.data == 1:
        yield "booleans have no descriptor"
    if ref.align.data % ALIGNMENT:
        yield f"the base is aligned to {ref.align.data} bytes only"
    *outer, last = ref.stride_dims
    if last != 1:
        yield "the last stride is not 1"
    if any(not isinstance(stride, int) or stride <= 0 or stride * _bytes(ref) % ALIGNMENT for stride in outer):
        yield f"a stride is not a known multiple of {ALIGNMENT} bytes"
    if any(isinstance(size, int) and size == 0 for size in ref.size_dims):
        yield "the ref is empty"
