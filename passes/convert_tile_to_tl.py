"""Pass `convert-tile-to-tl`: one config's kernel with offsets, masks and program ids explicit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntAttr, IntegerType, ModuleOp, StringAttr, i32, i64
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..dialects import tile, tl
from ..dialects.effects import has_no_effects
from ..dialects.inline_triton import CallOp
from ..dialects.names import NameScope, identifier
from ..dialects.quick import ops_in
from ..dialects.settings import SETTINGS, setting
from ..sizes import BARRIER_STATE, EARLY_LAUNCH, MULTIPROCESSORS, TOGETHER
from .analysis.phases import phases_of, uncut
from .analysis.physical import PhysicalDims
from .construction import launch_grid_op
from .lowering import (
    combine,
    dots,
    dots_scaled,
    gathers,
    joins,
    memory,
    opaque,
    programs,
    reshapes,
    sort,
    symm_mem,
    tile_queries,
    values,
)
from .lowering.context import KernelParameters, Lowering, pointer_type
from .lowering.control import bind_loop_arg, loop_options
from .lowering.emitter import Emitter
from .lowering.registry import lower, lower_ops
from .schedule import kernels

_ROW_MODULES = (
    combine,
    dots,
    dots_scaled,
    gathers,
    joins,
    memory,
    opaque,
    reshapes,
    sort,
    symm_mem,
    tile_queries,
    values,
)
"""Importing them fills the table of lowerings."""


class _Phase(NamedTuple):
    """The grids of a phase with the mappings of their programs, and what stands beside them, the barrier first."""

    grids: Sequence[tile.GridOp]
    mappings: Sequence[programs.ProgramMapping]
    beside: Sequence[Operation]

    @staticmethod
    def of(ops: Sequence[Operation]) -> _Phase:
        grids = [op for op in ops if isinstance(op, tile.GridOp)]
        beside = [op for op in ops if not isinstance(op, tile.GridOp)]
        return _Phase(grids, [*map(programs.ProgramMapping.of, grids)], beside)


class KernelConverter:
    """Converts one `tile.kernel`: its signature, its launch grid, and the mapping of programs to tiles."""

    def __init__(self, kernel: tile.KernelOp):
        self.kernel = kernel
        self.signature = KernelParameters(kernel, PhysicalDims(kernel))
        args = [pointer_type(arg.type) for arg in kernel.body.block.args]
        self.scope = NameScope(op.function.data for op in ops_in(kernel) if type(op) is CallOp)
        names = [self.scope.fresh(identifier(name.data)) for name in kernel.arg_names]
        exprs = [expr.data for expr in kernel.arg_exprs]
        options = (
            {k: v.data for k, v in kernel.options.data.items() if isinstance(v, IntAttr)} if kernel.options else {}
        )
        self.func = tl.FuncOp(
            kernel.sym_name.data, names, exprs, args, constexprs={}, host=kernel.host.data, options=options
        )
        self.func.location = kernel.location
        if SETTINGS in kernel.attributes:
            self.func.attributes[SETTINGS] = kernel.attributes[SETTINGS]
        self._symbol_args: dict[str, int] = {}
        self._symbol_names: list[str] = []
        self.number_type: IntegerType = kernel.index_type
        """Of program numbers, and of how many there are."""

    # --- the function ------------------------------------------------------------------------------------------

    def convert(self) -> tl.FuncOp:
        """The function that replaces the kernel."""
        phases = [_Phase.of(ops) for ops in phases_of(self.kernel)]
        grids = [grid for phase in phases for grid in phase.grids]
        if not grids:
            raise PassFailedException(f"convert-tile-to-tl: kernel {self.kernel.sym_name.data} has no tile.grid")
        _check_independent(self.kernel)
        if any(tile.MANY_PROGRAMS in grid.attributes for grid in grids):
            self.number_type = i64
        if len(phases) > 1:
            self._add_barrier_state()
        self._allow_early_launch()
        self._emit_body(phases)
        self._emit_grid(phases)
        _erase_unused(self.func)
        self.signature.add_host_blocks()
        exprs = [*(expr.data for expr in self.func.arg_exprs), *(self._host(s) for s in self._symbol_args)]
        self.func.properties["arg_names"] = ArrayAttr([*self.func.arg_names, *map(StringAttr, self._symbol_names)])
        self.func.properties["arg_exprs"] = ArrayAttr([StringAttr(expr) for expr in exprs])
        self.func.properties["constexprs"] = tl.constexprs_attr(self.signature.constexprs)
        return self.func

    def _allow_early_launch(self) -> None:
        """A kernel that waits for the one before it may start early, where devices can do that."""
        ops = [op for op in ops_in(self.kernel) if isinstance(op, tl.PdlWaitOp | tl.PdlLaunchDependentsOp)]
        if ops:
            self.signature.constexprs[tl.EARLY] = f"{EARLY_LAUNCH}({self._some_tensor()})"
        if any(isinstance(op, tl.PdlWaitOp) for op in ops):
            self.func.properties["options"] = DictionaryAttr({**self.func.options.data, tl.EARLY_LAUNCH: IntAttr(1)})

    def _add_barrier_state(self) -> None:
        """The argument by which programs meet, and a launch that fails where they would not all run at once."""
        name, expr = self.scope.fresh("barrier_state"), f"{BARRIER_STATE}({self._some_tensor()})"
        self.func.properties["arg_names"] = ArrayAttr([*self.func.arg_names, StringAttr(name)])
        self.func.properties["arg_exprs"] = ArrayAttr([*self.func.arg_exprs, StringAttr(expr)])
        self.func.properties["options"] = DictionaryAttr({**self.func.options.data, tl.COOPERATIVE: IntAttr(1)})
        for block in (self.func.body.block, self.func.grid.block):
            block.insert_arg(tl.PtrType(i32), len(block.args)).name_hint = name

    def _host(self, symbol: str) -> str:
        return self.signature.host_expr(symbol)

    def _lowering(self, block: Block) -> Lowering:
        low = Lowering(self.signature, Emitter(block), lambda symbol: self._symbol_arg(symbol, block))
        low.lower = lambda op: lower(low, op)
        for source, target in zip(self.kernel.body.block.args, block.args, strict=False):
            low.values[source] = target
            target.name_hint = source.name_hint
        return low

    def _symbol_arg(self, symbol: str, where: Block) -> SSAValue:
        """The argument of `where` that passes a size symbol; it is added to both regions at first use."""
        if symbol not in self._symbol_args:
            name = self.scope.fresh(identifier(_arg_name(self._host(symbol))))
            self._symbol_names.append(name)
            self._symbol_args[symbol] = len(where.args)
            for block in (self.func.body.block, self.func.grid.block):
                arg = block.insert_arg(self.signature.symbol_type(symbol), len(block.args))
                arg.name_hint = name
        return where.args[self._symbol_args[symbol]]

    def _counts(self, low: Lowering, grid: tile.GridOp) -> list[SSAValue]:
        """The number of tiles in each dimension of a grid."""
        counts: list[SSAValue] = []
        for begin, end, block in zip(grid.begins, grid.ends, grid.blocks.as_tuple(), strict=True):
            span = low.emit.sub(low.value(end), low.value(begin))
            size = low.dim_value(block)
            count = span if block == 1 else low.emit.op(tl.CdivOp, (span, size)).result
            counts.append(low.emit.cast_int(count, self.number_type))
        return counts

    def _some_tensor(self) -> str:
        """The host expression of a tensor that the kernel is given."""
        args = zip(self.kernel.arg_exprs, self.kernel.body.block.args, strict=True)
        found = tile.some_tensor((expr.data, arg.type) for expr, arg in args)
        if found is None:
            raise PassFailedException("convert-tile-to-tl: a persistent kernel needs a tensor argument")
        return found

    def _programs(self, low: Lowering, mapping: programs.ProgramMapping, *, meet: bool) -> SSAValue | None:
        """How many programs a persistent kernel launches, which `meet` at barriers; None for the others."""
        if not mapping.persistent:
            return None
        ref = self._some_tensor()
        count = f"{MULTIPROCESSORS}({ref})"
        if reserved := setting(self.kernel, "reserved_sms"):
            count = f"max({count} - {reserved}, 1)"
        count += "" if mapping.multiplier == 1 else f" * {mapping.multiplier}"
        self.signature.constexprs["_NUM_SM"] = f"{TOGETHER}({ref}, {count})" if meet else count
        return low.emit.op(tl.ConstexprOp, (), "_NUM_SM", self.number_type).result

    def _emit_grid(self, phases: Sequence[_Phase]) -> None:
        block = self.func.grid.block
        low = self._lowering(block)
        first = next(phase for phase in phases if phase.grids)
        low.emit.location = first.grids[0].location
        workers: SSAValue | None = None
        counts = [[self._counts(low, grid) for grid in phase.grids] for phase in phases]
        workers = self._programs(low, first.mappings[0], meet=len(phases) > 1)
        if len(phases) == len(first.grids) == 1:
            dims = programs.launch_dims(low.emit, first.mappings[0], counts[0][0], workers)
        else:
            every = [_sum(low.emit, [programs.total(low.emit, c) for c in each]) for each in counts if each]
            most = reduce(partial(low.emit.binary, arith.MaxSIOp), every)
            dims = programs.launch_dims(low.emit, first.mappings[0], [most], workers)
        if workers is not None and not all(map(has_no_effects, block.ops)):
            dims = [workers]  # only the device knows how many tiles there are
            for op in [op for op in reversed(block.ops) if op is not workers.owner]:
                op.detach()
                op.erase(safe_erase=False)
        low.emit.effect_op(launch_grid_op, dims)

    def _emit_body(self, phases: Sequence[_Phase]) -> None:
        low = self._lowering(self.func.body.block)
        for phase in phases:
            for op in phase.beside:
                if isinstance(op, tile.BarrierOp):
                    low.emit.location = op.location
                    low.emit.effect_op(tl.GridBarrierOp, (self.func.body.block.args[len(self.kernel.arg_names)],))
                else:
                    lower(low, op)
            if phase.grids:
                self._emit_phase(low, phase.grids, phase.mappings)
        low.emit.effect_op(tl.ReturnOp, ())

    def _emit_phase(
        self, low: Lowering, grids: Sequence[tile.GridOp], mappings: Sequence[programs.ProgramMapping]
    ) -> None:
        emit = low.emit
        emit.location = grids[0].location
        counts = [self._counts(low, grid) for grid in grids]
        if mappings[0].persistent:
            totals = [programs.total(emit, c) for c in counts]
            begin, end, step = programs.persistent_range(emit, mappings[0], _sum(emit, totals))
            if any(isinstance(op, tl.PdlWaitOp) for grid in grids for op in grid.body.block.ops):
                emit.effect_op(tl.PdlWaitOp, ())  # once, and where no pipeline can move loads across it
            body = Block(arg_types=[begin.type])
            body.args[0].name_hint = "virtual_pid"
            with emit.nested(body, hoistable=True):
                self._loops(low, grids, mappings, counts, body.args[0])
                emit.location = grids[0].location
                emit.effect_op(scf.YieldOp, ())
            loop = emit.effect(scf.ForOp(begin, end, step, [], body))
            loop.attributes.update(loop_options(grids[0]))
        elif mappings[0].pid_type == "xyz" and len(grids) == 1:
            ids = programs.program_ids(emit, len(counts[0]))
            self._program(low, grids[0], ids)
        else:
            (pid,) = programs.program_ids(emit, 1)
            self._loops(low, grids, mappings, counts, pid)

    def _loops(
        self,
        low: Lowering,
        grids: Sequence[tile.GridOp],
        mappings: Sequence[programs.ProgramMapping],
        counts: Sequence[Sequence[SSAValue]],
        pid: SSAValue,
    ) -> None:
        """Run program `pid` of the grids laid end to end."""
        emit = low.emit
        pid = emit.cast_int(pid, self.number_type)
        if len(grids) == 1:
            emit.location = grids[0].location
            with emit.named("pid"):
                ids = programs.tile_ids(emit, mappings[0], pid, counts[0])
            self._program(low, grids[0], ids)
            return
        size = programs.total(emit, counts[0])
        arms = [Block(), Block()]
        inside = emit.compare("lt", pid, size)
        with emit.nested(arms[0], hoistable=False):
            self._loops(low, grids[:1], mappings[:1], counts[:1], pid)
            emit.effect_op(scf.YieldOp, ())
        with emit.nested(arms[1], hoistable=False):
            self._loops(low, grids[1:], mappings[1:], counts[1:], emit.sub(pid, size))
            emit.effect_op(scf.YieldOp, ())
        emit.effect(scf.IfOp(inside, [], Region(arms[0]), Region(arms[1])))

    def _program(self, low: Lowering, grid: tile.GridOp, ids: Sequence[SSAValue]) -> None:
        """The body of a grid for the tile numbers `ids`."""
        emit = low.emit
        for arg, tile_id, begin, end, block in zip(
            grid.body.block.args, ids, grid.begins, grid.ends, grid.blocks.as_tuple(), strict=True
        ):
            emit.location = grid.location
            with emit.named(f"{arg.name_hint}_begin" if arg.name_hint else "begin"):
                start = emit.mul(emit.cast_int(tile_id, low.index_type), low.dim_value(block))
                start = emit.add(low.value(begin), start)
            bind_loop_arg(low, arg, start, low.value(end))
        lower_ops(low, grid.body.block)


def _erase_unused(op: Operation) -> None:
    """Drop the pure ops below `op` that nothing uses, such as the counts of a grid of one dimension."""
    for region in op.regions:
        for block in region.blocks:
            for inner in reversed(block.ops):
                _erase_unused(inner)
                if inner.results and not any(r.first_use for r in inner.results) and has_no_effects(inner):
                    block.erase_op(inner)


def _sum(emit: Emitter, values: Sequence[SSAValue]) -> SSAValue:
    result = values[0]
    for value in values[1:]:
        result = emit.add(result, value)
    return result


def _arg_name(expression: str) -> str:
    """A parameter name for a host expression: `x.size(0)` is `x_size_0`."""
    return re.sub(r"\W+", "_", expression).strip("_")


def _check_independent(kernel: tile.KernelOp) -> None:
    """Grids of one phase run side by side: none may touch what another writes."""
    for hazard in uncut(kernel):
        raise PassFailedException(
            f"convert-tile-to-tl: {hazard.later.op.name} in a top-level loop and {hazard.earlier.op.name} in an "
            "earlier one may touch the same memory, which needs a grid-wide barrier"
        )


@dataclass(frozen=True)
class ConvertTileToTlPass(ModulePass):
    """Re-emit every scheduled `tile.kernel` as a `tl.func`.

    Precondition: block sizes are assigned, padding is resolved, accesses have their indexing.

    `tile.load %x[%m]`  →  `%pos = begin + arange`, `%mask = pos < end`, `tl.load %x[%pos * stride] mask %mask`.
    """

    name = "convert-tile-to-tl"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in list(kernels(op)):
            missing = [name for name in kernel.blocks.data if name not in kernel.block_size_values]
            if missing:
                raise PassFailedException(f"convert-tile-to-tl: no block size for {', '.join(missing)}")
            func = KernelConverter(kernel).convert()
            op.body.block.insert_op_before(func, kernel)
            kernel.detach()
            kernel.erase()
