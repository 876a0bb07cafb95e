"""reorder-loops: the order in which a grid or an inner loop walks its dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..dialects.dims import DimsAttr
from ..dialects.tile import KernelOp, LoopBase
from .fragments import PermutationFragment
from .number_sites import loop_sites
from .schedule import Fragments, Key, Option, SchedulePass, decode_permutation, kernels


@dataclass(frozen=True)
class ReorderLoopsPass(SchedulePass):
    """Permute the dimensions of each loop over tiles with two or more: dimension `order[i]` becomes the i-th.

    ```mlir
    tile.grid (%a, %b) to (%m, %n) by <b0, b1> { ^bb0(%i: !tile.tile<b0>, %j: !tile.tile<b1>): … }
    ```
    → (`loop_orders = [[1, 0]]`)
    ```mlir
    tile.grid (%b, %a) to (%n, %m) by <b1, b0> { ^bb0(%j: !tile.tile<b1>, %i: !tile.tile<b0>): … }
    ```
    The order of a grid's programs, and that of an inner loop's tiles, is the scheduler's: `hl.tile` promises none.
    """

    name = "reorder-loops"
    keys: ClassVar = (Key("loop_orders"),)

    loop_orders: tuple[str, ...] = ()

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        ranks = [len(loop.begins) for kernel in kernels(module) for loop, *_ in order_sites(kernel)]
        return {"loop_orders": [PermutationFragment(rank) for rank in ranks]} if ranks else {}

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not self.loop_orders:
            return
        sites = [loops for kernel in kernels(op) for loops in order_sites(kernel)]
        for loops, option in zip(sites, self.loop_orders, strict=False):
            for loop in loops:
                _reorder(loop, _order(loop, option))


def order_sites(kernel: KernelOp) -> Iterator[Sequence[LoopBase]]:
    """The loops of each site with more than one dimension: several where one was copied."""
    return (loops for loops in loop_sites(kernel) if loops and len(loops[0].begins) > 1)


def _order(loop: LoopBase, option: Option) -> tuple[int, ...]:
    order = decode_permutation(option)
    if sorted(order) != list(range(len(loop.begins))):
        raise PassFailedException(f"{option!r} is no order of {len(loop.begins)} dimensions of {loop.name}")
    return order


def _reorder(loop: LoopBase, order: tuple[int, ...]) -> None:
    rank = len(order)
    begins, ends, dims = list(loop.begins), list(loop.ends), loop.blocks.as_tuple()
    for position, source in enumerate(order):
        loop.operands[position] = begins[source]
        loop.operands[rank + position] = ends[source]
    loop.blocks = DimsAttr.get(*(dims[source] for source in order))
    _permute_arguments(loop.body.block, order)


def _permute_arguments(block: Block, order: tuple[int, ...]) -> None:
    """Put the first arguments of a block in another order, keeping their types and names."""
    old: list[SSAValue] = list(block.args[: len(order)])
    for position, source in enumerate(order):
        new = block.insert_arg(old[source].type, len(order) + position)
        new.name_hint = old[source].name_hint
        old[source].replace_all_uses_with(new)
    for argument in old:
        block.erase_arg(argument)  # pyright: ignore[reportArgumentType]
