"""Program ids: how the iterations of the grids are mapped to the programs of the launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import SSAValue

from ...dialects import tl
from ...dialects.tile import GridOp
from .emitter import Emitter

PERSISTENT = ("persistent_blocked", "persistent_interleaved")


@dataclass(frozen=True)
class ProgramMapping:
    """What map-program-ids decided for a grid."""

    pid_type: str
    l2_grouping: int
    multiplier: int

    @staticmethod
    def of(grid: GridOp) -> ProgramMapping:
        """The decisions recorded on `grid`; flat when there are none."""

        def number(name: str) -> int:
            value = grid.attributes.get(name)
            return value.data if isinstance(value, IntAttr) else 1

        kind = grid.attributes.get("pid_type")
        pid_type = kind.data if isinstance(kind, StringAttr) else "flat"
        return ProgramMapping(pid_type, number("l2_grouping"), number("num_sm_multiplier"))

    @property
    def persistent(self) -> bool:
        return self.pid_type in PERSISTENT


def total(emit: Emitter, counts: Sequence[SSAValue]) -> SSAValue:
    """The product of `counts`."""
    result = counts[0]
    for count in counts[1:]:
        result = emit.mul(result, count)
    return result


def launch_dims(
    emit: Emitter, mapping: ProgramMapping, counts: Sequence[SSAValue], programs: SSAValue | None
) -> list[SSAValue]:
    """The launch grid: `counts` tiles per dimension; `programs` is the number of a persistent kernel's programs."""
    if mapping.pid_type == "xyz":
        return list(reversed(counts))
    every = total(emit, counts)
    if programs is None:
        return [every]
    return [emit.binary(arith.MinSIOp, emit.cast_int(programs, every.type), every)]


def tile_ids(emit: Emitter, mapping: ProgramMapping, pid: SSAValue, counts: Sequence[SSAValue]) -> list[SSAValue]:
    """The tile number per dimension of the flat program number `pid`.

    The last dimension runs fastest. With an L2 grouping of G, the last two run in groups of G rows: consecutive
    programs walk down G rows before the next column, so that they share operands in L2.
    """
    ids: list[SSAValue] = []
    rest = pid
    outer, inner = list(counts[:-2]), list(counts[-2:])
    if mapping.l2_grouping == 1 or len(counts) < 2:
        outer, inner = list(counts[1:]), []
        for index in range(len(counts) - 1, 0, -1):
            ids.append(emit.binary(arith.RemSIOp, rest, counts[index]))
            rest = emit.binary(arith.DivSIOp, rest, counts[index])
        return [rest, *reversed(ids)]
    if outer:
        plane = total(emit, inner)
        rest = emit.binary(arith.RemSIOp, pid, plane)
        outer_pid = emit.binary(arith.DivSIOp, pid, plane)
        ids = tile_ids(emit, ProgramMapping("flat", 1, 1), outer_pid, outer)
    return [*ids, *_grouped(emit, mapping.l2_grouping, rest, inner[0], inner[1])]


def _grouped(emit: Emitter, size: int, pid: SSAValue, rows: SSAValue, columns: SSAValue) -> list[SSAValue]:
    """Row and column of `pid` when groups of `size` rows are walked column by column."""
    group_size = emit.constant(size, pid.type)
    with emit.named("pids_of_group"):
        in_group = emit.mul(group_size, columns)
    with emit.named("first_row"):
        first_row = emit.mul(emit.binary(arith.DivSIOp, pid, in_group), group_size)
    with emit.named("rows_of_group"):
        height = emit.binary(arith.MinSIOp, emit.sub(rows, first_row), group_size)
    with emit.named("pid_in_group"):
        within = emit.binary(arith.RemSIOp, pid, in_group)
    with emit.named("row"):
        row = emit.add(first_row, emit.binary(arith.RemSIOp, within, height))
    with emit.named("column"):
        return [row, emit.binary(arith.DivSIOp, within, height)]


def program_ids(emit: Emitter, count: int) -> list[SSAValue]:
    """`tl.program_id` of `count` launch dimensions, the last dimension of the loop nest first (axis 0)."""
    with emit.named("pid"):
        return [emit.op(tl.ProgramIdOp, (), axis).result for axis in reversed(range(count))]


def persistent_range(emit: Emitter, mapping: ProgramMapping, every: SSAValue) -> tuple[SSAValue, SSAValue, SSAValue]:
    """Begin, end and step of a persistent program's walk over `every` flat program numbers."""
    (program,) = program_ids(emit, 1)
    pid = emit.cast_int(program, every.type)
    programs = emit.cast_int(emit.op(tl.NumProgramsOp, (), 0).result, every.type)
    if mapping.pid_type == "persistent_interleaved":
        return pid, every, programs
    chunk = emit.op(tl.CdivOp, (every, programs)).result
    begin = emit.mul(pid, chunk)
    end = emit.binary(arith.MinSIOp, emit.add(begin, chunk), every)
    return begin, end, emit.constant(1, every.type)
