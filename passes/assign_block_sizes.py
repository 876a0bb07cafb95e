"""assign-block-sizes: the sizes of the tiles that the config chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, IntAttr, ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..dialects.tile import BlockAttr, KernelOp
from .analysis.op_mix import OpMix, free_blocks
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
            kernel.block_sizes = DictionaryAttr({name: IntAttr(int(sizes[name])) for name in kernel.blocks.data})


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
