"""assign-block-sizes: the sizes of the tiles that the config chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast
from weakref import WeakKeyDictionary

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..dialects.attributes import int_attr
from ..dialects.dims import Dim
from ..dialects.tile import BlockAttr, KernelOp
from .analysis.op_mix import MAX_LANES, OpMix, free_blocks, most_lanes
from .analysis.rolling import reduction_dims
from .fragments import Fragment, PowerOfTwoFragment
from .schedule import Fragments, Key, SchedulePass, kernels


@dataclass(frozen=True)
class AssignBlockSizesPass(SchedulePass):
    """Set `block_sizes` on each kernel: every block symbol with its size. Types stay symbolic.

    `block_sizes` has one entry for each symbol of `blocks` that the user did not fix, in order:
    `blocks = {b0 = #tile.block<1, none>}` → `block_sizes = {b0 = #builtin.int<64>}`.
    """

    name = "assign-block-sizes"
    keys: ClassVar = (Key("block_sizes", length="exact"),)

    block_sizes: tuple[int, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        """Any power of two within the symbol's limits; a search stops at the extent."""
        fragments: list[Fragment] = []
        for kernel in kernels(module):
            mix = OpMix.of(kernel)
            defaults = mix.default_blocks()
            fragments.extend(_fragment(mix, symbol, block, defaults[symbol]) for symbol, block in free_blocks(kernel))
        return {"block_sizes": fragments} if fragments else {}

    @classmethod
    def check(cls, module: ModuleOp, config: Mapping[str, object]) -> str | None:
        """No tensor may have more lanes than Triton allows; rolled reductions count with their chunk."""
        sizes = list(cast("list[int]", config.get("block_sizes", [])))
        loops = cast("list[int | None]", config.get("reduction_loops", []))
        for kernel, chosen in _per_kernel(module, sizes):
            chunks: dict[Dim, int] = {}
            if any(loops):
                chunks = {dim: chunk for dim, chunk in zip(reduction_dims(kernel), loops, strict=False) if chunk}
            lanes = most_lanes(_shapes(kernel), {**kernel.block_size_values, **chosen}, chunks)
            if lanes > MAX_LANES and chosen:
                return (
                    f"block_sizes={sizes} with reduction_loops={loops} makes a tensor of {lanes} elements; "
                    f"Triton's limit is {MAX_LANES}"
                )
        return None

    @classmethod
    def repair(cls, module: ModuleOp, config: dict[str, object]) -> dict[str, object]:
        """Halve the largest block until every tensor has few enough lanes."""
        sizes = list(cast("list[int]", config.get("block_sizes", [])))
        lows = [block.min.data for kernel in kernels(module) for _, block in free_blocks(kernel)]
        while cls.check(module, {**config, "block_sizes": sizes}):
            able = [i for i, low in enumerate(lows) if sizes[i] // 2 >= max(low, 1)]
            if not able:
                break
            largest = max(able, key=lambda i: sizes[i])
            sizes[largest] //= 2
        return {**config, "block_sizes": sizes} if sizes else config

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        wanted = sum(1 for kernel in kernels(op) for _ in free_blocks(kernel))
        if len(self.block_sizes) != wanted:
            raise PassFailedException(f"expected {wanted} block sizes, got {list(self.block_sizes)}")
        for kernel, chosen in _per_kernel(op, self.block_sizes):
            for symbol, size in chosen.items():
                block = kernel.blocks.data[symbol]
                assert isinstance(block, BlockAttr)
                high = getattr(block.max, "data", None)
                if size < max(block.min.data, 1) or (high is not None and size > high):
                    raise PassFailedException(f"{symbol} = {size} is outside {block}")
            sizes = {**kernel.block_size_values, **chosen}
            kernel.block_sizes = DictionaryAttr({name: int_attr(sizes[name]) for name in kernel.blocks.data})


_SHAPES: WeakKeyDictionary[KernelOp, set[tuple[Dim, ...]]] = WeakKeyDictionary()


def _shapes(kernel: KernelOp) -> set[tuple[Dim, ...]]:
    """The dims of all values of a config-free kernel, which nothing changes: found once, not for each config."""
    if (shapes := _SHAPES.get(kernel)) is None:
        shapes = _SHAPES[kernel] = OpMix.of(kernel).shapes
    return shapes


def _fragment(mix: OpMix, symbol: str, block: BlockAttr, default: int) -> PowerOfTwoFragment:
    low = max(block.min.data, 1)
    limit = max(mix.size_limit(symbol, block), low)
    high = getattr(block.max, "data", None)
    return PowerOfTwoFragment(
        low, min(limit, 4096), default, min_size=low, max_size=high, size_hint=mix.extents.get(symbol)
    )


def _per_kernel(module: ModuleOp, sizes: tuple[int, ...] | list[int]) -> list[tuple[KernelOp, dict[str, int]]]:
    values = iter(sizes)
    return [
        (kernel, dict(zip((symbol for symbol, _ in free_blocks(kernel)), values, strict=False)))
        for kernel in kernels(module)
    ]
