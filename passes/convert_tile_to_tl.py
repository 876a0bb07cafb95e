"""Pass `convert-tile-to-tl`: one config's kernel with offsets, masks and program ids explicit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException
from xdsl.traits import get_effects

from ..dialects import tile, tl
from ..dialects.dims import dims_of, element_of
from ..dialects.effects import WRITE
from .analysis.physical import PhysicalDims
from .lowering import accesses, programs
from .lowering.context import Lowering, Signature
from .lowering.emitter import Emitter

LOOP_OPTIONS = ("num_stages", "unroll_factor", "flatten", "multi_buffer", "warp_specialize")
"""Attributes of annotate-ranges that a loop keeps."""


class KernelConverter:
    """Converts one `tile.kernel`; `ROWS` maps op classes to the method that lowers them."""

    def __init__(self, kernel: tile.KernelOp):
        self.kernel = kernel
        self.signature = Signature(kernel, PhysicalDims(kernel))
        args = [
            tl.PtrType(arg.type.element_type) if isinstance(arg.type, tile.RefType) else arg.type
            for arg in kernel.body.block.args
        ]
        names = [name.data for name in kernel.arg_names]
        exprs = [expr.data for expr in kernel.arg_exprs]
        options = (
            {k: v.data for k, v in kernel.options.data.items() if isinstance(v, IntAttr)} if kernel.options else {}
        )
        self.func = tl.FuncOp(
            kernel.sym_name.data, names, exprs, args, constexprs={}, host=kernel.host.data, options=options
        )
        self.func.location = kernel.location
        self._symbol_args: dict[str, int] = {}

    # --- the function ------------------------------------------------------------------------------------------

    def convert(self) -> tl.FuncOp:
        """The function that replaces the kernel."""
        grids = [op for op in self.kernel.body.block.ops if isinstance(op, tile.GridOp)]
        if not grids:
            raise PassFailedException(f"convert-tile-to-tl: kernel {self.kernel.sym_name.data} has no tile.grid")
        _check_independent(grids)
        mappings = [programs.Mapping.of(grid) for grid in grids]
        self._emit_body(grids, mappings)
        self._emit_grid(grids, mappings)
        names = [*(name.data for name in self.kernel.arg_names), *(_arg_name(self._host(s)) for s in self._symbol_args)]
        exprs = [*(expr.data for expr in self.kernel.arg_exprs), *(self._host(s) for s in self._symbol_args)]
        final = tl.FuncOp(
            self.kernel.sym_name.data,
            names,
            exprs,
            [],
            constexprs=self.signature.constexprs,
            host=self.kernel.host.data,
        )
        self.func.properties.update({k: final.properties[k] for k in ("arg_names", "arg_exprs", "constexprs")})
        return self.func

    def _host(self, symbol: str) -> str:
        return self.signature.host_expr(symbol)

    def _lowering(self, block: Block) -> Lowering:
        low = Lowering(self.signature, Emitter(block), lambda symbol: block.args[self._symbol_arg(symbol)])
        low.lower = lambda op: self._lower(low, op)
        for source, target in zip(self.kernel.body.block.args, block.args, strict=False):
            low.values[source] = target
            target.name_hint = source.name_hint
        return low

    def _symbol_arg(self, symbol: str) -> int:
        """The index of the argument that passes a size symbol; it is added to both regions at first use."""
        if symbol not in self._symbol_args:
            name = _arg_name(self._host(symbol))
            for block in (self.func.body.block, self.func.grid.block):
                arg = block.insert_arg(self.kernel.index_type, len(block.args))
                arg.name_hint = name
            self._symbol_args[symbol] = len(block.args) - 1
        return self._symbol_args[symbol]

    def _counts(self, low: Lowering, grid: tile.GridOp) -> list[SSAValue]:
        """The number of tiles in each dimension of a grid."""
        counts: list[SSAValue] = []
        for begin, end, block in zip(grid.begins, grid.ends, grid.blocks.as_tuple(), strict=True):
            span = low.emit.sub(low.value(end), low.value(begin))
            size = low.dim_value(block)
            counts.append(span if block == 1 else low.emit.op(tl.CdivOp, (span, size)).result)
        return counts

    def _programs(self, low: Lowering, mapping: programs.Mapping) -> SSAValue | None:
        """How many programs a persistent kernel launches; None for the others."""
        if not mapping.persistent:
            return None
        ref = next(
            (e.data for e, a in zip(self.kernel.arg_exprs, self.kernel.body.block.args, strict=True)
             if isinstance(a.type, tile.RefType)), None,
        )  # fmt: skip
        if ref is None:
            raise PassFailedException("convert-tile-to-tl: a persistent kernel needs a tensor argument")
        factor = "" if mapping.multiplier == 1 else f" * {mapping.multiplier}"
        self.signature.constexprs["_NUM_SM"] = (
            f"(torch.cuda.get_device_properties({ref}.device).multi_processor_count if {ref}.is_cuda else 4){factor}"
        )
        return low.emit.op(tl.ConstexprOp, (), "_NUM_SM", self.kernel.index_type).result

    def _emit_grid(self, grids: Sequence[tile.GridOp], mappings: Sequence[programs.Mapping]) -> None:
        block = self.func.grid.block
        low = self._lowering(block)
        low.emit.location = grids[0].location
        counts = [self._counts(low, grid) for grid in grids]
        workers = self._programs(low, mappings[0])
        if len(grids) == 1:
            dims = programs.launch_dims(low.emit, mappings[0], counts[0], workers)
        else:
            every = _sum(low.emit, [programs.total(low.emit, c) for c in counts])
            dims = programs.launch_dims(low.emit, mappings[0], [every], workers)
        low.emit.effect(tl.LaunchGridOp(dims))

    def _emit_body(self, grids: Sequence[tile.GridOp], mappings: Sequence[programs.Mapping]) -> None:
        low = self._lowering(self.func.body.block)
        emit = low.emit
        for op in self.kernel.body.block.ops:
            if not isinstance(op, tile.GridOp):
                self._lower(low, op)
        emit.location = grids[0].location
        counts = [self._counts(low, grid) for grid in grids]
        if mappings[0].persistent:
            totals = [programs.total(emit, c) for c in counts]
            begin, end, step = programs.persistent_range(emit, mappings[0], _sum(emit, totals))
            body = Block(arg_types=[begin.type])
            body.args[0].name_hint = "virtual_pid"
            with emit.nested(body, hoistable=True):
                self._phases(low, grids, mappings, counts, body.args[0])
                emit.location = grids[0].location
                emit.effect(scf.YieldOp())
            loop = emit.effect(scf.ForOp(begin, end, step, [], body))
            loop.attributes.update(_loop_options(grids[0]))
        elif mappings[0].pid_type == "xyz" and len(grids) == 1:
            ids = programs.program_ids(emit, len(counts[0]))
            self._program(low, grids[0], ids)
        else:
            self._phases(low, grids, mappings, counts, emit.op(tl.ProgramIdOp, (), 0).result)
        emit.effect(tl.ReturnOp())

    def _phases(
        self,
        low: Lowering,
        grids: Sequence[tile.GridOp],
        mappings: Sequence[programs.Mapping],
        counts: Sequence[Sequence[SSAValue]],
        pid: SSAValue,
    ) -> None:
        """Run program `pid` of the grids laid end to end."""
        emit = low.emit
        pid = emit.cast_int(pid, self.kernel.index_type)
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
            self._phases(low, grids[:1], mappings[:1], counts[:1], pid)
            emit.effect(scf.YieldOp())
        with emit.nested(arms[1], hoistable=False):
            self._phases(low, grids[1:], mappings[1:], counts[1:], emit.sub(pid, size))
            emit.effect(scf.YieldOp())
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
            self._bind_loop_arg(low, arg, start, low.value(end))
        self._lower_ops(low, grid.body.block)

    def _bind_loop_arg(self, low: Lowering, arg: SSAValue, start: SSAValue, end: SSAValue) -> None:
        if isinstance(arg.type, tile.TileType):
            low.make_tile(arg, start, end, stop=end)
        else:
            low.values[arg] = start

    # --- ops ---------------------------------------------------------------------------------------------------

    def _lower_ops(self, low: Lowering, block: Block) -> None:
        for op in block.ops:
            if not isinstance(op, tile.YieldOp | scf.YieldOp | scf.ConditionOp):
                self._lower(low, op)

    def _lower(self, low: Lowering, op: Operation) -> None:
        saved = low.emit.location
        low.emit.location = op.location
        row = ROWS.get(type(op), KernelConverter._generic)
        with low.emit.named(None):
            for source, result in zip(op.results, row(self, low, op), strict=False):
                low.values[source] = result
                result.name_hint = result.name_hint or source.name_hint
        low.emit.location = saved

    def _generic(self, low: Lowering, op: Operation) -> Sequence[SSAValue]:
        """An op of a dialect that both levels share: the same op on lowered operands."""
        if op.dialect_name() == "tile" or op.regions:
            raise PassFailedException(f"convert-tile-to-tl: no lowering for {op.name}")
        operands = [low.value(operand) for operand in op.operands]
        return low.emit.clone(op, operands, [low.type(result.type) for result in op.results]).results

    def _for(self, low: Lowering, op: tile.ForOp) -> Sequence[SSAValue]:
        return self._loop_nest(low, op, 0, [low.value(arg) for arg in op.iter_args])

    def _loop_nest(self, low: Lowering, op: tile.ForOp, dim: int, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
        """The loops over dimensions `dim`… of `op`, and its body inside the last of them."""
        emit = low.emit
        if dim == len(op.begins):
            low.values.update(zip(op.carried_args, carried, strict=True))
            self._lower_ops(low, op.body.block)
            last = op.body.block.last_op
            assert isinstance(last, tile.YieldOp)
            emit.location = op.location
            return [low.value(value) for value in last.operands]
        arg = op.loop_args[dim]
        begin, end = low.value(op.begins[dim]), low.value(op.ends[dim])
        step = low.dim_value(op.blocks.as_tuple()[dim])
        body = Block(arg_types=[begin.type, *(value.type for value in carried)])
        scalar = not isinstance(arg.type, tile.TileType)
        body.args[0].name_hint = (arg.name_hint or "i") if scalar else f"{arg.name_hint or 'tile'}_begin"
        for value, source in zip(body.args[1:], op.carried_args, strict=True):
            value.name_hint = source.name_hint
        with emit.named(None), emit.nested(body, hoistable=True):
            self._bind_loop_arg(low, arg, body.args[0], end)
            results = self._loop_nest(low, op, dim + 1, body.args[1:])
            emit.location = op.location
            emit.effect(scf.YieldOp(*results))
        loop = emit.effect(scf.ForOp(begin, end, step, carried, body))
        loop.attributes.update(_loop_options(op))
        for result, source in zip(loop.results, op.results, strict=True):
            result.name_hint = source.name_hint
        return loop.results

    def _region(self, low: Lowering, source: Block, arg_types: Sequence[Attribute]) -> Block:
        """The lowered copy of an arm or a loop region that ops must not leave; its terminator included."""
        block = Block(arg_types=arg_types)
        for old, new in zip(source.args, block.args, strict=True):
            low.values[old] = new
            new.name_hint = old.name_hint
        with low.emit.named(None), low.emit.nested(block, hoistable=False):
            self._lower_ops(low, source)
            last = source.last_op
            assert last is not None
            low.emit.location = last.location
            low.emit.effect(type(last).create(operands=[low.value(v) for v in last.operands]))
        return block

    def _if(self, low: Lowering, op: scf.IfOp) -> Sequence[SSAValue]:
        arms = [Region(self._region(low, r.block, [])) if r.blocks else Region() for r in op.regions]
        types = [low.type(result.type) for result in op.results]
        return low.emit.effect(scf.IfOp(low.value(op.cond), types, *arms)).results

    def _while(self, low: Lowering, op: scf.WhileOp) -> Sequence[SSAValue]:
        operands = [low.value(v) for v in op.operands]
        before = self._region(low, op.before_region.block, [v.type for v in operands])
        types = [low.type(result.type) for result in op.results]
        after = self._region(low, op.after_region.block, types)
        return low.emit.effect(scf.WhileOp(operands, types, Region(before), Region(after))).results

    def _whole(self, low: Lowering, op: tile.WholeOp) -> Sequence[SSAValue]:
        low.make_tile(op.result, low.emit.constant(0, low.index_type), None)
        return ()

    def _range(self, low: Lowering, op: tile.RangeOp) -> Sequence[SSAValue]:
        low.make_tile(op.result, low.value(op.begin), low.value(op.end), step=op.step.data)
        return ()

    def _shift(self, low: Lowering, op: tile.ShiftOp) -> Sequence[SSAValue]:
        offset = low.emit.cast_int(low.value(op.offset), low.index_type)
        low.tiles[op.result] = low.tile(op.tile).shifted(offset)
        return ()

    def _symbol(self, low: Lowering, op: tile.SymbolOp) -> Sequence[SSAValue]:
        return (low.emit.cast_int(low.dim_value(op.value), op.result.type),)

    def _begin(self, low: Lowering, op: tile.BeginOp) -> Sequence[SSAValue]:
        return (low.emit.cast_int(low.tile(op.tile).start, op.result.type),)

    def _end(self, low: Lowering, op: tile.EndOp) -> Sequence[SSAValue]:
        assert isinstance(op.tile.type, tile.TileType)
        last = low.tile(op.tile).last(low.dim_value(op.tile.type.dim))
        return (low.emit.cast_int(last, op.result.type),)

    def _id(self, low: Lowering, op: tile.IdOp) -> Sequence[SSAValue]:
        source = low.tile(op.tile)
        if source.first is None or source.block is None:
            return (low.emit.constant(0, op.result.type),)
        number = low.emit.binary(arith.DivSIOp, low.emit.sub(source.begin, source.first), source.block)
        return (low.emit.cast_int(number, op.result.type),)

    def _count(self, low: Lowering, op: tile.CountOp) -> Sequence[SSAValue]:
        source = low.tile(op.tile)
        if source.first is None or source.block is None or source.stop is None:
            return (low.emit.constant(1, op.result.type),)
        count = low.emit.op(tl.CdivOp, (low.emit.sub(source.stop, source.first), source.block)).result
        return (low.emit.cast_int(count, op.result.type),)

    def _index(self, low: Lowering, op: tile.IndexOp) -> Sequence[SSAValue]:
        return (low.emit.cast_int(low.tile(op.tile).positions, element_of(op.result)),)

    def _load(self, low: Lowering, op: tile.LoadOp) -> Sequence[SSAValue]:
        if op.indexing is not None and op.indexing.data == "tensor_descriptor":
            desc, offsets = accesses.descriptor(low, op)
            return low.emit.effect(tl.DescriptorLoadOp(desc, offsets)).results
        where = accesses.address(low, op)
        other = low.value(op.other) if op.other is not None and where.mask is not None else None
        load = tl.LoadOp(
            low.value(op.ref),
            where.offset,
            where.mask,
            other,
            eviction_policy=op.eviction_policy,
            cache_modifier=op.cache_modifier,
        )
        return low.emit.effect(load).results

    def _constant(self, low: Lowering, op: arith.ConstantOp) -> Sequence[SSAValue]:
        return (low.emit.scalar(op.value),)

    def _store(self, low: Lowering, op: tile.StoreOp) -> Sequence[SSAValue]:
        value = low.value(op.value)
        if op.indexing is not None and op.indexing.data == "tensor_descriptor":
            desc, offsets = accesses.descriptor(low, op)
            low.emit.effect(tl.DescriptorStoreOp(desc, offsets, value))
            return ()
        where = accesses.address(low, op)
        low.emit.effect(
            tl.StoreOp(low.value(op.ref), where.offset, value, where.mask, cache_modifier=op.cache_modifier)
        )
        return ()

    def _atomic_rmw(self, low: Lowering, op: tile.AtomicRMWOp) -> Sequence[SSAValue]:
        where = accesses.address(low, op)
        atomic = tl.AtomicRMWOp(
            op.kind.data, op.sem.data, low.value(op.ref), where.offset, low.value(op.value), where.mask
        )
        return low.emit.effect(atomic).results

    def _atomic_cas(self, low: Lowering, op: tile.AtomicCASOp) -> Sequence[SSAValue]:
        where = accesses.address(low, op)
        if where.mask is not None:
            raise PassFailedException("convert-tile-to-tl: tile.atomic_cas has no mask; its tiles must be exact")
        atomic = tl.AtomicCASOp(
            op.sem.data, low.value(op.ref), where.offset, low.value(op.expected), low.value(op.value)
        )
        return low.emit.effect(atomic).results

    def _broadcast(self, low: Lowering, op: tile.BroadcastOp) -> Sequence[SSAValue]:
        return (low.emit.broadcast(low.value(op.input), low.physical_dims(dims_of(op.result))),)

    def _splat(self, low: Lowering, op: tile.SplatOp) -> Sequence[SSAValue]:
        dims = low.physical_dims(dims_of(op.result))
        return (low.emit.op(tl.FullOp, (low.value(op.input),), dims).result,)

    def _expand_dims(self, low: Lowering, op: tile.ExpandDimsOp) -> Sequence[SSAValue]:
        value = low.value(op.input)
        if not dims_of(value):
            return (low.emit.op(tl.FullOp, (value,), (1,)).result,)
        return (low.emit.op(tl.ExpandDimsOp, (value,), op.axis.data).result,)

    def _reshape(self, low: Lowering, op: tile.ReshapeOp) -> Sequence[SSAValue]:
        source, target = ([d for d in dims_of(v) if d != 1] for v in (op.input, op.result))
        padded = low.signature.physical.is_padded
        if source != target and any(padded(dim) for dim in (*source, *target)):
            raise PassFailedException(
                f"convert-tile-to-tl: cannot reshape {source} to {target}: a dim that is no power of two has padding "
                "lanes, which a reshape would mix with the others"
            )
        value, dims = low.value(op.input), low.physical_dims(dims_of(op.result))
        if not dims_of(value):
            return (low.emit.op(tl.FullOp, (value,), dims).result,)
        if not dims:
            for _ in dims_of(value):
                value = _first(low.emit, value)
            return (value,)
        return (low.emit.op(tl.ReshapeOp, (value,), dims).result,)

    def _permute(self, low: Lowering, op: tile.PermuteOp) -> Sequence[SSAValue]:
        return (low.emit.op(tl.TransOp, (low.value(op.input),), op.permutation).result,)

    def _pad(self, low: Lowering, op: tile.PadOp) -> Sequence[SSAValue]:
        value, mask = low.value(op.input), low.tile(op.tile).valid
        if mask is None:
            return (value,)
        dims = dims_of(value)
        mask = low.emit.broadcast(low.emit.place(mask, op.axis.data, len(dims)), dims)
        return (low.emit.op(tl.WhereOp, (mask, value, low.emit.broadcast(low.value(op.fill), dims))).result,)

    def _reduce(self, low: Lowering, op: tile.ReduceOp) -> Sequence[SSAValue]:
        value, kind, axis, ignore = low.value(op.input), op.kind.data, op.axis.data, op.ignore_nan is not None
        return low.emit.pure(
            (tl.ReduceOp, kind, axis, ignore), (value,), lambda: tl.ReduceOp(kind, value, axis, ignore_nan=ignore)
        ).results

    def _arg_reduce(self, low: Lowering, op: tile.ArgReduceOp) -> Sequence[SSAValue]:
        value, kind, axis = low.value(op.input), op.kind.data, op.axis.data
        found = low.emit.pure((tl.ArgReduceOp, kind, axis), (value,), lambda: tl.ArgReduceOp(kind, value, axis))
        return found.value, low.emit.cast_int(found.index, element_of(op.index))

    def _scan(self, low: Lowering, op: tile.ScanOp) -> Sequence[SSAValue]:
        value, kind, axis, reverse = low.value(op.input), op.kind.data, op.axis.data, op.reverse is not None
        return low.emit.pure(
            (tl.ScanOp, kind, axis, reverse), (value,), lambda: tl.ScanOp(kind, value, axis, reverse=reverse)
        ).results

    def _gather(self, low: Lowering, op: tile.GatherOp) -> Sequence[SSAValue]:
        return low.emit.op(tl.GatherOp, (low.value(op.input), low.value(op.index)), op.axis.data).results

    def _dot(self, low: Lowering, op: tile.DotOp) -> Sequence[SSAValue]:
        operands = [low.value(v) for v in (op.lhs, op.rhs, op.acc)]
        return low.emit.op(tl.DotOp, operands, op.precision.data).results

    def _compare(self, low: Lowering, op: tile.CompareOp) -> Sequence[SSAValue]:
        return (low.emit.compare(op.predicate.data, low.value(op.lhs), low.value(op.rhs)),)

    def _select(self, low: Lowering, op: tile.SelectOp) -> Sequence[SSAValue]:
        return low.emit.op(tl.WhereOp, [low.value(v) for v in op.operands]).results

    def _bitcast(self, low: Lowering, op: tile.BitcastOp) -> Sequence[SSAValue]:
        return low.emit.op(tl.BitcastOp, (low.value(op.input),), element_of(op.result)).results

    def _libdevice(self, low: Lowering, op: tile.LibdeviceOp) -> Sequence[SSAValue]:
        args, function = [low.value(v) for v in op.args], op.function.data
        return low.emit.pure((tl.LibdeviceOp, function), args, lambda: tl.LibdeviceOp(function, args)).results

    def _join(self, low: Lowering, op: tile.JoinOp) -> Sequence[SSAValue]:
        return low.emit.op(tl.JoinOp, (low.value(op.lhs), low.value(op.rhs))).results

    def _split(self, low: Lowering, op: tile.SplitOp) -> Sequence[SSAValue]:
        return low.emit.op(tl.SplitOp, (low.value(op.input),)).results


Row = Callable[[KernelConverter, Lowering, Operation], Sequence[SSAValue]]

ROWS: dict[type[Operation], Row] = {
    tile.ForOp: KernelConverter._for, scf.IfOp: KernelConverter._if, scf.WhileOp: KernelConverter._while,
    arith.ConstantOp: KernelConverter._constant,
    tile.WholeOp: KernelConverter._whole, tile.RangeOp: KernelConverter._range, tile.ShiftOp: KernelConverter._shift,
    tile.SymbolOp: KernelConverter._symbol, tile.BeginOp: KernelConverter._begin, tile.EndOp: KernelConverter._end,
    tile.IdOp: KernelConverter._id, tile.CountOp: KernelConverter._count, tile.IndexOp: KernelConverter._index,
    tile.LoadOp: KernelConverter._load, tile.StoreOp: KernelConverter._store,
    tile.AtomicRMWOp: KernelConverter._atomic_rmw, tile.AtomicCASOp: KernelConverter._atomic_cas,
    tile.SplatOp: KernelConverter._splat, tile.BroadcastOp: KernelConverter._broadcast,
    tile.ExpandDimsOp: KernelConverter._expand_dims, tile.ReshapeOp: KernelConverter._reshape,
    tile.PermuteOp: KernelConverter._permute, tile.JoinOp: KernelConverter._join, tile.SplitOp: KernelConverter._split,
    tile.CompareOp: KernelConverter._compare, tile.SelectOp: KernelConverter._select,
    tile.BitcastOp: KernelConverter._bitcast, tile.LibdeviceOp: KernelConverter._libdevice,
    tile.PadOp: KernelConverter._pad, tile.ReduceOp: KernelConverter._reduce,
    tile.ArgReduceOp: KernelConverter._arg_reduce, tile.ScanOp: KernelConverter._scan,
    tile.GatherOp: KernelConverter._gather, tile.DotOp: KernelConverter._dot,
}  # fmt: skip
"""How each op lowers; ops of shared dialects (`arith`, `math`) go through `_generic`."""


def _first(emit: Emitter, value: SSAValue) -> SSAValue:
    """A tensor of one lane along its first axis, without that axis."""
    return emit.pure(
        (tl.ReduceOp, "max", 0, True), (value,), lambda: tl.ReduceOp("max", value, 0, ignore_nan=True)
    ).result


def _sum(emit: Emitter, values: Sequence[SSAValue]) -> SSAValue:
    result = values[0]
    for value in values[1:]:
        result = emit.add(result, value)
    return result


def _arg_name(expression: str) -> str:
    """A parameter name for a host expression: `x.size(0)` is `x_size_0`."""
    return re.sub(r"\W+", "_", expression).strip("_")


def _loop_options(op: Operation) -> dict[str, Attribute]:
    return {name: op.attributes[name] for name in LOOP_OPTIONS if name in op.attributes}


def _check_independent(grids: Sequence[tile.GridOp]) -> None:
    """Grids of one kernel run side by side: none may touch what another writes."""
    touched: set[SSAValue | None] = set()
    written: set[SSAValue | None] = set()
    for grid in grids:
        effects = get_effects(grid) or set()
        values = {e.value for e in effects if isinstance(e.value, SSAValue)}
        writes = {e.value for e in effects if e.kind is WRITE and isinstance(e.value, SSAValue)}
        if (values & written) or (writes & touched):
            raise PassFailedException(
                "convert-tile-to-tl: a top-level loop touches what another one writes, which needs a grid-wide barrier"
            )
        touched |= values
        written |= writes


@dataclass(frozen=True)
class ConvertTileToTlPass(ModulePass):
    """Re-emit every scheduled `tile.kernel` as a `tl.func`.

    Precondition: block sizes are assigned, padding is resolved, accesses have their indexing.

    `tile.load %x[%m]`  →  `%pos = begin + arange`, `%mask = pos < end`, `tl.load %x[%pos * stride] mask %mask`.
    """

    name = "convert-tile-to-tl"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in [op_ for op_ in op.body.block.ops if isinstance(op_, tile.KernelOp)]:
            missing = [name for name in kernel.blocks.data if name not in kernel.block_size_values]
            if missing:
                raise PassFailedException(f"convert-tile-to-tl: no block size for {', '.join(missing)}")
            func = KernelConverter(kernel).convert()
            op.body.block.insert_op_before(func, kernel)
            kernel.detach()
            kernel.erase()
