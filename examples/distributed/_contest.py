"""The contest of one shape: who takes part, under which configs, and the least time that the hardware allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
import triton
from _ranks import Ranks
from _symmetric import Shared, share
from gemm_one_shot_all_reduce import gemm_one_shot_all_reduce, kernel_args, operands, sync_blocks
from handwritten.gemm_one_shot_all_reduce_triton import gemm_one_shot_all_reduce as by_hand

import helion_ir

Run = Callable[[], torch.Tensor]
TOLERANCE = 1e-2
"""Of the relative error ‖actual − exact‖ / ‖exact‖ in bfloat16; libraries add up rounded products."""
FINALISTS = 3
"""Of our configs, the quickest of a short contest, which meet the rivals in the long one."""
SAME_BLOCKING: dict[str, Any] = {"block_sizes": [64, 64, 64], "l2_groupings": [8], "num_warps": 4, "num_stages": 3}
SAME, BEST = "ours, same blocking", "ours, best config"
HAND, ORDERED, UNORDERED = "by hand", "by hand, all released", "by hand, none released"
NCCL, ONE_SHOT = "torch.matmul + NCCL", "torch.matmul + symm_mem one shot"


def config(m: int, n: int, k: int, warps: int, stages: int, group: int = 8, **others: Any) -> dict[str, Any]:
    """A config by its blocks and launch options."""
    blocks = {"block_sizes": [m, n, k], "l2_groupings": [group], "num_warps": warps, "num_stages": stages}
    return {**blocks, **others}


LOADS_BY_TMA: dict[str, Any] = {"indexing": ["tensor_descriptor", "tensor_descriptor"]}
"""Operands only: what peers read and write must not go through the asynchronous proxy, which no barrier here orders."""
SAME_BLOCKINGS: list[dict[str, Any]] = [
    {**SAME_BLOCKING, **others, **limit}
    for others in ({}, LOADS_BY_TMA, {"range_unroll_factors": [0, 4]})
    for limit in ({}, {"maxnreg": 128})
]
"""The hand-written kernel's blocking. With a bound on registers, ptxas has all loads of a sum under way at once."""
PERSISTENT: dict[str, Any] = {"pid_type": "persistent_interleaved"}
SHAPES: dict[tuple[int, int, int], list[dict[str, Any]]] = {
    (64, 64, 64): [
        config(16, 16, 64, 1, 1, 1), config(16, 32, 64, 2, 1, 1), config(32, 32, 64, 4, 1, 1),
        config(32, 32, 64, 2, 1, 1), config(32, 64, 64, 4, 1, 1), config(64, 16, 64, 4, 1, 1),
        config(64, 32, 64, 4, 1, 1),
    ],
    (256, 256, 256): [
        config(16, 32, 128, 2, 3, 1), config(32, 32, 128, 4, 2, 1), config(32, 32, 64, 4, 4, 1),
        config(32, 64, 128, 4, 2, 1), config(64, 32, 128, 4, 2, 1), config(64, 32, 64, 4, 4, 1),
        config(64, 64, 128, 4, 2, 1), config(16, 64, 128, 4, 2, 1),
    ],
    (128, 2048, 2048): [
        config(64, 64, 128, 4, 4), config(64, 64, 64, 4, 5), config(64, 32, 128, 4, 4), config(64, 32, 64, 4, 6),
        config(32, 64, 128, 4, 4), config(128, 32, 64, 4, 5), config(64, 64, 64, 4, 5, **LOADS_BY_TMA),
        config(64, 32, 128, 4, 4, **LOADS_BY_TMA),
    ],
    (512, 1024, 4096): [
        config(64, 64, 128, 4, 4), config(64, 64, 64, 4, 5), config(64, 64, 128, 8, 4), config(64, 32, 128, 4, 4),
        config(128, 32, 128, 4, 4), config(128, 64, 64, 4, 4), config(64, 64, 128, 4, 4, **LOADS_BY_TMA),
        config(64, 64, 64, 4, 5, **LOADS_BY_TMA),
    ],
    (1024, 1024, 1024): [
        config(64, 64, 128, 4, 3), config(64, 64, 64, 4, 4), config(128, 64, 64, 4, 4), config(64, 128, 64, 4, 4),
        config(128, 64, 64, 8, 4), config(128, 128, 64, 8, 3), config(128, 64, 64, 4, 4, **LOADS_BY_TMA),
        config(64, 64, 64, 4, 4, **LOADS_BY_TMA),
    ],
    (2048, 2048, 2048): [
        config(128, 64, 64, 4, 3), config(64, 128, 64, 4, 3), config(128, 128, 64, 8, 3), config(128, 128, 64, 4, 3),
        config(128, 128, 64, 8, 3, **LOADS_BY_TMA), config(128, 64, 64, 4, 4, **LOADS_BY_TMA),
        config(128, 128, 64, 8, 3, **PERSISTENT), config(128, 256, 64, 8, 3),
    ],
    (4096, 4096, 1024): [
        config(128, 64, 64, 4, 3), config(64, 128, 64, 4, 3), config(128, 128, 64, 8, 3), config(128, 128, 64, 4, 3),
        config(128, 128, 64, 8, 3, **LOADS_BY_TMA), config(128, 64, 64, 4, 4, **LOADS_BY_TMA),
        config(128, 128, 64, 8, 3, **PERSISTENT), config(128, 256, 64, 8, 3),
    ],
}  # fmt: skip
"""(m, n, k), and what is tried beside the hand-written kernel's blocking."""


@triton.jit
def meet_twice(pads_ptr, RANK: triton.language.constexpr, WORLD_SIZE: triton.language.constexpr):
    """What remains of the fused kernel without its products and its memory traffic."""
    sync_blocks(pads_ptr, None, RANK, WORLD_SIZE, True, True)
    sync_blocks(pads_ptr, None, RANK, WORLD_SIZE, True, False)


@dataclass
class Rates:
    """What the machine does at its best, measured in this run."""

    link: float
    """Bytes per second that a rank reads from a peer while the peer does the same."""
    flops: float
    """Operations per second of a large bf16 product."""

    @classmethod
    def measured(cls, ranks: Ranks) -> Rates:
        """By a copy of 256 MiB from the next rank, by copy engine or by threads, and by a product of 8192³."""
        side = 8192
        shared = share(side, side)
        peer = shared.buffers[(ranks.rank + 1) % ranks.world_size]
        own = torch.empty_like(peer)
        copies = {"engine": lambda: own.copy_(peer), "threads": lambda: torch.add(peer, 0, out=own)}
        quickest = min(ranks.compare(copies, rounds=2, repeats=5).values())
        x, y = (torch.randn(side, side, dtype=torch.bfloat16, device="cuda") for _ in range(2))
        product = ranks.compare({"product": lambda: x @ y}, rounds=2, repeats=5)["product"]
        return cls(own.numel() * own.element_size() / (quickest * 1e-6), 2 * side**3 / (product * 1e-6))


@dataclass
class Contest:
    """One shape in bf16: the operands of this rank, the memory it shares, and our kernel under each config."""

    sizes: tuple[int, int, int]
    ranks: Ranks
    shared: Shared = field(init=False)
    ours: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Contenders that take no part, and why."""
    wrong: dict[str, float] = field(default_factory=dict)
    """Those of ours that computed something else, and this rank's relative error."""

    def __post_init__(self) -> None:
        m, n, _ = self.sizes
        self.shared = share(m, n)
        self.a, self.b = operands(self.sizes, self.ranks.rank, torch.bfloat16, "cuda")
        self.args = kernel_args(self.a, self.b, self.shared)
        self.configs = {str(options): options for options in (*SAME_BLOCKINGS, *SHAPES[self.sizes])}
        for name, options in self.configs.items():
            try:
                compiled = helion_ir.compile(gemm_one_shot_all_reduce, helion_ir.Config(**options), self.args)
                self.ours[name] = compiled
            except Exception as failed:  # The same on all ranks.
                self.failed[name] = f"{type(failed).__name__}: {failed}"[:300]
                self.ranks.say(f"{self.sizes}, {name}: {self.failed[name]}")

    def _others(self) -> dict[str, Run]:
        """The rivals."""
        import torch.distributed._symmetric_memory as symm_mem  # noqa: PLC0415

        a, b, group = self.a, self.b, self.ranks.group
        product = symm_mem.empty(a.shape[0], b.shape[1], dtype=a.dtype, device=a.device)
        symm_mem.rendezvous(product, group)

        def library() -> torch.Tensor:
            out = torch.matmul(a, b)
            dist.all_reduce(out)
            return out

        def one_shot() -> torch.Tensor:
            torch.matmul(a, b, out=product)
            return torch.ops.symm_mem.one_shot_all_reduce(product, "sum", group)

        fused = self.args[:6]
        return {
            HAND: lambda: by_hand(*fused),
            ORDERED: lambda: by_hand(*fused, first_releases=True),
            UNORDERED: lambda: by_hand(*fused, last_releases=False),
            NCCL: library,
            ONE_SHOT: one_shot,
        }

    def _right_ones(self, runs: dict[str, Run], exact: torch.Tensor) -> dict[str, Run]:
        """The contenders that are right on all ranks; the others are noted."""
        right: dict[str, Run] = {}
        for name, run in runs.items():
            error, why = float("nan"), ""
            try:
                error = ((run().double() - exact).norm() / exact.norm()).item()
            except Exception as failed:  # What cannot be compiled cannot be on any rank.
                why = f"{type(failed).__name__}: {failed}"[:300]
            if self.ranks.all_true(error <= TOLERANCE):
                right[name] = run
                continue
            if name in self.ours and not why:
                self.wrong[name] = error
            self.failed[name] = why or f"relative error {error:.2e}"
            self.ranks.say(f"{self.sizes}, {name}: {self.failed[name]}")
        return right

    def run(self, rates: Rates) -> dict[str, Any]:
        """The row of this shape: microseconds of each contender, and bounds."""
        exact = self.ranks.total(self.a.double() @ self.b.double())
        ours: dict[str, Run] = {name: lambda run=run: run(*self.args) for name, run in self.ours.items()}
        ours = self._right_ones(ours, exact)
        tried = self.ranks.compare(ours, rounds=2, repeats=10)
        quickest = sorted(tried, key=tried.__getitem__)
        same = next((name for name in quickest if self.configs[name] in SAME_BLOCKINGS), "")
        final = {name: ours[name] for name in dict.fromkeys([*quickest[:FINALISTS], *([same] if same else [])])}
        times = self.ranks.compare(final | self._right_ones(self._others(), exact), rounds=8, repeats=25)
        best = min(final, key=times.__getitem__, default="")
        named = {title: times[name] for title, name in ((SAME, same), (BEST, best)) if name in times}
        bounds = self._bounds(rates)
        return {
            "sizes": self.sizes, "us": named | times, "best_config": self.configs.get(best),
            "same_config": self.configs.get(same), "tried": tried,
            "failed": self.failed, "wrong": self.wrong, "bounds_us": bounds,
            "bound_by": max(bounds, key=bounds.__getitem__), "bound_us": max(bounds.values()),
        }  # fmt: skip

    def _bounds(self, rates: Rates) -> dict[str, float]:
        """Microseconds that each of links, arithmetic and meeting takes alone."""
        m, n, k = self.sizes
        blocks = triton.cdiv(m, 64) * triton.cdiv(n, 64)
        pads, rank, world_size = self.shared.pads, self.ranks.rank, self.ranks.world_size
        meetings = {
            f"launch and two meetings, grid {grid}": lambda grid=grid: meet_twice[(grid,)](pads, rank, world_size)
            for grid in dict.fromkeys((1, blocks))
        }
        floors = self.ranks.compare(meetings, 3, 15)
        return {
            "links": (world_size - 1) * m * n * 4 / rates.link * 1e6, "arithmetic": 2 * m * n * k / rates.flops * 1e6,
            **floors,
        }  # fmt: skip
