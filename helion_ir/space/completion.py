"""Completion: what a config leaves open is chosen so that the kernel as a whole fits the device.

Entries that were given are never changed. Each of the others has its default, which is lowered (warps: raised) step by
step while the estimate of `passes.analysis.footprint` says that the kernel does not fit. The one place for this: a
user's partial config, the default config and a search's candidates all come through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import ModuleOp

from ..dialects import targets as facts
from ..dialects.targets import DEFAULT, GPU, MAX_LANES, REGISTER_UNIT, REGISTERS, target_of
from ..dialects.tile import has_barriers
from ..passes.analysis.op_mix import lane_count
from ..passes.schedule import kernels
from .footprint import Footprint, FootprintChoice, Shape, blocks_in

Open: TypeAlias = Mapping[str, Set[int]]
"""Key → its entries that a config leaves open; scalar keys have the entry 0."""
Legal: TypeAlias = Callable[[str, int, object], bool]
"""Whether an entry of a key may have a value."""

MANY_WARPS = 8
"""Warps that leave each thread 255 registers."""
KEYS = (
    "block_sizes",
    "reduction_loops",
    "range_unroll_factors",
    "range_num_stages",
    "num_stages",
    "num_warps",
    "maxnreg",
    "num_sm_multiplier",
)
"""What completion chooses; everything else keeps its default."""
MAX_ROW_LANES = 1 << 15
"""Lanes of one tensor's full slices beyond which an untuned program takes chunks of them: 64 a thread of 16 warps."""
MAX_THREAD_LANES = 128
"""A thread's share of a tensor for which an untuned program has enough warps: half of its registers."""


@dataclass(frozen=True)
class _Lever:
    """An open entry that can be lowered: where it is, and what to."""

    key: str
    entry: int
    value: int


class Completion:
    """The completion of configs of one config-free module, for the target that its kernels name."""

    def __init__(self, module: ModuleOp, targets: Mapping[str, GPU], legal: Legal):
        self._footprints = [Footprint(kernel) for kernel in kernels(module)]
        self._legal = legal
        self._meet = any(has_barriers(kernel) for kernel in kernels(module))
        target = target_of(next(kernels(module), None))
        self.target = target if target in targets else DEFAULT
        self.gpu = targets[self.target]

    # The steps -------------------------------------------------------------------------------------------------

    def complete(self, values: dict[str, object], open_: Open, *, untuned: bool = True) -> dict[str, object]:
        """`values` with open entries changed so that the kernel fits; what was given, or cannot be helped, stays.

        `untuned`: open entries are chosen well, too, not only legal as a search needs them.
        """
        if not any(open_.get(key) for key in KEYS):
            return values
        values = {key: list(value) if isinstance(value, list) else value for key, value in values.items()}
        for number, footprint in enumerate(self._footprints):
            for step in (self._rows, self._lanes, partial(self._shared, gpu=self._share(values))):
                if step == self._rows and not untuned:
                    continue
                for _ in range(256):  # every step halves or decrements an entry
                    lever = next(step(footprint, self._choice(number, values), number, open_), None)
                    if lever is None:
                        break
                    _set(values, lever)
        self._warps(values, open_, untuned)
        self._residents(values, open_)
        return values

    def _residents(self, values: dict[str, object], open_: Open) -> None:
        """Other registers, then fewer programs, where a multiprocessor cannot run all at once that meet there."""
        limits = [None, *range(self.gpu.registers, 0, -1)]
        while self._meet and not (self._threads_exist(values) and self._launches(values)):
            if open_.get("maxnreg"):
                legal = (limit for limit in limits if self._legal("maxnreg", 0, limit))
                fitting = (limit for limit in legal if self._launches({**values, "maxnreg": limit}))
                values["maxnreg"] = next(fitting, values.get("maxnreg"))
            fits = self._threads_exist(values) and self._launches(values)
            if fits or self._together(values) == 1 or not open_.get("num_sm_multiplier"):
                break
            values["num_sm_multiplier"] = self._together(values) // 2

    def _rows(self, footprint: Footprint, choice: FootprintChoice, number: int, open_: Open) -> Iterator[_Lever]:
        """Chunks for full slices that together are too long to be whole."""
        ones = {**footprint.sizes(choice), **dict.fromkeys(footprint.symbols, 1)}
        shape = max(footprint.shapes, key=lambda shape: lane_count(shape, ones), default=())
        if lane_count(shape, ones) > MAX_ROW_LANES:
            yield from self._chunk_levers(footprint, choice, number, shape, open_)

    def _lanes(self, footprint: Footprint, choice: FootprintChoice, number: int, open_: Open) -> Iterator[_Lever]:
        """Smaller chunks, then smaller blocks, for a tensor that has too many."""
        lanes, shape = footprint.largest(choice)
        if lanes > MAX_LANES:
            yield from self._chunk_levers(footprint, choice, number, shape, open_)
            yield from self._block_levers(footprint, choice, number, blocks_in(shape), open_)

    def _share(self, values: Mapping[str, object]) -> GPU:
        """What of the device a program may take: where programs meet, all of a multiprocessor's run at once."""
        together = self._together(values)
        if together == 1:
            return self.gpu
        shared = (self.gpu.shared_bytes + facts.RESERVED_BYTES) // together - facts.RESERVED_BYTES
        threads = min(self.gpu.max_threads, facts.MOST_THREADS // together)
        return replace(self.gpu, shared_bytes=shared, max_threads=threads)

    def _together(self, values: Mapping[str, object]) -> int:
        """How many programs of a multiprocessor must run at once; 1 where programs do not meet."""
        return cast("int", values.get("num_sm_multiplier", 1)) if self._meet else 1

    def _shared(
        self, footprint: Footprint, choice: FootprintChoice, number: int, open_: Open, gpu: GPU
    ) -> Iterator[_Lever]:
        """Fewer copies and stages, then smaller blocks, for buffers that shared memory does not hold."""
        first = self._first(number, lambda other: other.loop_entries)
        for pool in footprint.too_large(choice, gpu):
            for key, entries in (("range_unroll_factors", choice.unrolled), ("range_num_stages", choice.loop_stages)):
                for entry in footprint.loops_of(pool, choice):
                    if entry < len(entries) and entries[entry] > 1 and first + entry in open_.get(key, ()):
                        yield _Lever(key, first + entry, entries[entry] - 1)
            if pool.staged and choice.stages > 1 and open_.get("num_stages"):
                yield _Lever("num_stages", 0, choice.stages - 1)
            symbols = frozenset().union(*(blocks_in(buffer.shape) for buffer in pool.buffers))
            yield from self._block_levers(footprint, choice, number, symbols, open_)

    def _warps(self, values: dict[str, object], open_: Open, untuned: bool) -> None:
        """As many warps as the largest tensor needs, no more than the device has threads for, and none whose share of
        the registers does not hold the results of products."""
        if not open_.get("num_warps"):
            return
        most = self._share(values).max_threads // self.gpu.warp_size
        warps = min(cast("int", values["num_warps"]), most)
        largest = max((each.largest(self._choice(i, values))[0] for i, each in enumerate(self._footprints)), default=1)
        while untuned and warps < most and largest > MAX_THREAD_LANES * warps * self.gpu.warp_size:
            warps *= 2
        values["num_warps"] = warps
        if self._launches(values):
            return
        if open_.get("maxnreg"):
            values["maxnreg"] = None
        fewer = [warps >> shift for shift in range(warps.bit_length()) if warps >> shift >= MANY_WARPS]
        values["num_warps"] = next((w for w in fewer if self._launches({**values, "num_warps": w})), warps)

    def _registers_suffice(self, values: Mapping[str, object]) -> bool:
        """Whether a thread has registers for its part of the products: tensor cores cannot spill those."""
        return self._registers_needed(values) <= self._registers_left(values)

    def _registers_exist(self, values: Mapping[str, object]) -> bool:
        """Whether a multiprocessor has as many registers as `maxnreg` lets the threads take that run at once."""
        limit, together = cast("int | None", values.get("maxnreg")), self._together(values)
        if limit is None and (together == 1 or self.gpu.platform != "cuda"):  # others know no limit
            return True
        threads = cast("int", values["num_warps"]) * self.gpu.warp_size * together
        return -(-(limit or self.gpu.registers) // REGISTER_UNIT) * REGISTER_UNIT * threads <= REGISTERS

    def _threads_exist(self, values: Mapping[str, object]) -> bool:
        """Whether a device has the threads of a program, as often as it must run at once."""
        return cast("int", values.get("num_warps", 1)) * self.gpu.warp_size <= self._share(values).max_threads

    def _launches(self, values: Mapping[str, object]) -> bool:
        return self._registers_suffice(values) and self._registers_exist(values)

    def _registers_needed(self, values: Mapping[str, object]) -> int:
        return max(
            (each.registers(self._choice(i, values), self.gpu) for i, each in enumerate(self._footprints)), default=0
        )

    def _registers_left(self, values: Mapping[str, object]) -> int:
        limit, threads = (
            cast("int | None", values.get("maxnreg")),
            cast("int", values["num_warps"]) * self.gpu.warp_size,
        )
        return min(limit or self.gpu.registers, REGISTERS // threads)

    # Levers ----------------------------------------------------------------------------------------------------

    def _chunk_levers(
        self, footprint: Footprint, choice: FootprintChoice, number: int, shape: Shape, open_: Open
    ) -> Iterator[_Lever]:
        """Half of the largest chunk in a shape, the outermost of equals."""
        sizes = footprint.sizes(choice)
        first = self._first(number, lambda other: len(other.chunked))
        entries = [int(dim[1:]) for dim in shape if isinstance(dim, str) and dim.startswith("r") and dim[1:].isdigit()]
        for entry in sorted(dict.fromkeys(entries), key=lambda entry: -lane_count((f"r{entry}",), sizes)):
            half = lane_count((f"r{entry}",), sizes) // 2
            if first + entry in open_.get("reduction_loops", ()) and self._legal(
                "reduction_loops", first + entry, half
            ):
                yield _Lever("reduction_loops", first + entry, half)

    def _block_levers(
        self, footprint: Footprint, choice: FootprintChoice, number: int, symbols: Set[str], open_: Open
    ) -> Iterator[_Lever]:
        """Half of the largest block among `symbols`."""
        first = self._first(number, lambda other: len(other.symbols))
        found = [(size, i) for i, size in enumerate(choice.blocks) if footprint.symbols[i] in symbols]
        for size, entry in sorted(found, key=lambda pair: (-pair[0], pair[1])):
            half, at = size // 2, first + entry
            if at in open_.get("block_sizes", ()) and self._legal("block_sizes", at, half):
                yield _Lever("block_sizes", at, half)

    # What a config says of one kernel --------------------------------------------------------------------------

    def _first(self, number: int, count: Callable[[Footprint], int]) -> int:
        """The first entry of kernel `number` in a key of which each kernel has `count` entries."""
        return sum(count(other) for other in self._footprints[:number])

    def _choice(self, number: int, values: Mapping[str, object]) -> FootprintChoice:
        footprint = self._footprints[number]

        def own(key: str, count: Callable[[Footprint], int]) -> list[Any]:
            first = self._first(number, count)
            return list(cast("Sequence[Any]", values.get(key, ())))[first : first + count(footprint)]

        return FootprintChoice(
            own("block_sizes", lambda other: len(other.symbols)),
            own("reduction_loops", lambda other: len(other.chunked)),
            cast("int", values.get("num_stages", 1)),
            cast("int", values.get("num_warps", 4)),
            own("range_num_stages", lambda other: other.loop_entries),
            own("range_unroll_factors", lambda other: other.loop_entries),
            own("indexing", lambda other: other.accesses),
            str(values.get("pid_type", "")).startswith("persistent"),
        )

    def parts(self, values: Mapping[str, object]) -> str:
        """The blocks that take shared memory under a complete config, with their bytes."""
        taken = [each.shared(self._choice(i, values), self.gpu).parts for i, each in enumerate(self._footprints)]
        return "; ".join(part for part in taken if part)

    # What cannot be --------------------------------------------------------------------------------------------

    def refusal(self, values: Mapping[str, object], *, lanes_only: bool = False) -> str | None:
        """Why the kernel cannot fit under a complete config, in bytes and blocks; None if it may. With `lanes_only`,
        why no target at all could have it."""
        share, together = self._share(values), self._together(values)
        each = "" if together == 1 else f" for each of num_sm_multiplier={together} programs that run at once"
        for number, footprint in enumerate(self._footprints):
            choice = self._choice(number, values)
            lanes, _ = footprint.largest(choice)
            if lanes > MAX_LANES and (footprint.symbols or footprint.chunked):
                return (
                    f"block_sizes={list(choice.blocks)} with reduction_loops={list(choice.chunks)} makes a tensor of "
                    f"{lanes} elements; the limit is {MAX_LANES}"
                )
            if lanes_only:
                continue
            taken = footprint.shared(choice, self.gpu, sure=True)
            if taken.size > share.shared_bytes:
                return (
                    f"block_sizes={list(choice.blocks)} with num_stages={choice.stages} takes {taken.size} bytes of "
                    f"shared memory ({taken.parts}); {self.target} has {share.shared_bytes}{each}"
                )
        threads = cast("int", values.get("num_warps", 1)) * self.gpu.warp_size
        if not self._threads_exist(values) and not lanes_only:
            return f"num_warps={values['num_warps']} are {threads} threads; {self.target} has {share.max_threads}{each}"
        if not lanes_only and not self._registers_exist(values):
            limit = cast("int | None", values["maxnreg"])
            return (
                f"maxnreg={limit} with num_warps={values['num_warps']} lets {threads} threads take "
                f"{(limit or self.gpu.registers) * threads} registers; a multiprocessor has "
                f"{REGISTERS // self._together(values)}{each}"
            )
        if not lanes_only and not self._registers_suffice(values):
            return (
                f"num_warps={values['num_warps']} with maxnreg={values.get('maxnreg')} leaves a thread "
                f"{self._registers_left(values)} registers, its part of the products needs "
                f"{self._registers_needed(values)}"
            )
        return None


def _set(values: dict[str, object], lever: _Lever) -> None:
    entries = values[lever.key]
    if isinstance(entries, list):
        entries[lever.entry] = lever.value
    else:
        values[lever.key] = lever.value
