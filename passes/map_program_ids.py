"""map-program-ids: how the iterations of a grid become programs of the launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr
from xdsl.ir import Block, SSAValue
from xdsl.utils.exceptions import PassFailedException

from .. import exc
from ..dialects.tile import BeginOp, EndOp, ForOp, GridOp, grids_of, has_barriers
from .analysis.bounds import bound_dim
from .analysis.op_mix import OpMix
from .fragments import EnumFragment, Fragment, PowerOfTwoFragment
from .schedule import Fragments, Key, SchedulePass, kernels

PERSISTENT = ("persistent_blocked", "persistent_interleaved")
PID_TYPES = ("flat", "xyz", *PERSISTENT)
RESIDENT = EnumFragment(PERSISTENT, also_legal=("flat", "xyz"))
"""Of kernels with barriers, whose programs must all run at once; `check` refuses the other types, and says why."""
MAX_GROUP = 64
MAX_MULTIPLIER = 128


@dataclass(frozen=True)
class MapProgramIdsPass(SchedulePass):
    """Record the program mapping on each `tile.grid`: `pid_type`, `l2_grouping`, `num_sm_multiplier`.

    - `flat`: one program a tile, numbered in row-major order; `xyz`: up to three launch axes.
    - persistent: as many programs as the device runs at once (`num_sm_multiplier` an SM), each walking over many
      tiles, a block of consecutive ones (`persistent_blocked`) or every n-th (`persistent_interleaved`).
    - `l2_grouping = g`: programs walk down `g` tiles of the first axis before the next of the second.

    Grid number i of those with two or more dimensions has `l2_groupings[i]`.
    """

    name = "map-program-ids"
    keys: ClassVar = (Key("pid_type", scalar=True), Key("l2_groupings", idle=1), Key("num_sm_multiplier", scalar=True))

    pid_type: str = "flat"
    l2_groupings: tuple[int, ...] = ()
    num_sm_multiplier: int = 1

    @classmethod
    def search_space(cls, module: ModuleOp) -> Fragments:
        grids = [grid for kernel in kernels(module) for grid in grids_of(kernel)]
        if not grids:
            return {}
        space: dict[str, list[Fragment]] = {
            "pid_type": [RESIDENT if _has_barriers(module) else _pid_types(grids)],
            "num_sm_multiplier": [PowerOfTwoFragment(1, 8, 1, max_size=MAX_MULTIPLIER)],
        }
        if groups := [
            PowerOfTwoFragment(1, MAX_GROUP, OpMix.of(kernel).default_group, max_size=MAX_GROUP)
            for kernel in kernels(module) for grid in grids_of(kernel) if len(grid.begins) > 1
        ]:  # fmt: skip
            space["l2_groupings"] = list(groups)
        return space

    @classmethod
    def check(cls, module: ModuleOp, config: Mapping[str, object]) -> str | None:
        pid_type, multiplier = config.get("pid_type", "flat"), config.get("num_sm_multiplier", 1)
        if pid_type not in PERSISTENT and _has_barriers(module):
            raise exc.BarrierRequiresPersistent(
                f"pid_type={pid_type!r}: the top-level loops depend on each other, so that all programs meet between "
                "them, for which all must run at once",
                hint=f"leave pid_type out, or choose one of {', '.join(PERSISTENT)}",
            )
        if multiplier != 1 and pid_type not in PERSISTENT:
            return (
                f"num_sm_multiplier={multiplier!r} needs a persistent grid, but pid_type={pid_type!r}; "
                f"legal: num_sm_multiplier=1, or pid_type one of {', '.join(PERSISTENT)}"
            )
        return None

    @classmethod
    def repair(cls, module: ModuleOp, config: dict[str, object]) -> dict[str, object]:
        if config.get("pid_type") not in PERSISTENT and _has_barriers(module):
            config = {**config, "pid_type": PERSISTENT[0]}
        return {**config, "num_sm_multiplier": 1} if cls.check(module, config) else config

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.pid_type not in PID_TYPES:
            raise PassFailedException(f"unknown pid_type {self.pid_type!r}, expected one of {', '.join(PID_TYPES)}")
        groups, barriers = iter(self.l2_groupings), _has_barriers(op)
        for grid in (grid for kernel in kernels(op) for grid in grids_of(kernel)):
            rank = len(grid.begins)
            if barriers and self.pid_type not in PERSISTENT:
                raise PassFailedException(f"a barrier between loops needs a persistent grid, got {self.pid_type!r}")
            if self.pid_type == "xyz" and rank > 3:
                raise PassFailedException(f"xyz takes up to 3 dimensions, this grid has {rank}")
            grid.attributes["pid_type"] = StringAttr(self.pid_type)
            grid.attributes["l2_grouping"] = IntAttr(next(groups, 1) if rank > 1 else 1)
            grid.attributes["num_sm_multiplier"] = IntAttr(self.num_sm_multiplier)


def _has_barriers(module: ModuleOp) -> bool:
    return any(has_barriers(kernel) for kernel in kernels(module))


def _pid_types(grids: list[GridOp]) -> EnumFragment:
    """Extents that only the device knows leave the persistent types; xyz is for one grid of 3 dimensions at most."""
    if not all(_known_on_host(grid) for grid in grids):
        return EnumFragment(PERSISTENT)
    ranks = [len(grid.begins) for grid in grids]
    if len(grids) > 1 or ranks[0] > 3:
        return EnumFragment(("flat", *PERSISTENT))
    if ranks[0] == 1:
        return EnumFragment(("flat", *PERSISTENT), also_legal=("xyz",))
    if _loops_to_a_tile(grids[0]):
        return EnumFragment(("xyz", "flat", *PERSISTENT))
    return EnumFragment(PID_TYPES)


def _loops_to_a_tile(grid: GridOp) -> bool:
    """Whether an inner loop begins or ends at a tile of the grid, as in causal attention.

    Divisions of a flat program number in such a bound make LLVM split the edge around the loop, after which ptxas
    runs wgmma one by one (its note C7515; causal attention took 1.1 to 1.25 times as long on an H100).
    """
    loops = (op for op in grid.walk() if isinstance(op, ForOp))
    return any(isinstance(b.owner, BeginOp | EndOp) for loop in loops for b in (*loop.begins, *loop.ends))


def _known_on_host(grid: GridOp) -> bool:
    """Whether the host can compute the bounds: constants, sizes, the kernel's scalar arguments, and what is made of
    them by integer operations that mean the same in Python."""
    return all(_computed_on_host(bound) for bound in (*grid.begins, *grid.ends))


_HOST_OPS = (
    arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.FloorDivSIOp, arith.MinSIOp, arith.MaxSIOp,
    arith.ExtSIOp, arith.TruncIOp,
)  # fmt: skip
"""Those that a backend can spell on the host."""


def _computed_on_host(value: SSAValue) -> bool:
    owner = value.owner
    if bound_dim(value) is not None or isinstance(owner, Block):
        return True
    return isinstance(owner, _HOST_OPS) and all(_computed_on_host(operand) for operand in owner.operands)
