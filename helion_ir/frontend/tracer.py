"""The state of one trace: numbers (`scalars`), the kernel's refs, its tiles, and device values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import FunctionType, MappingProxyType
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from xdsl.dialects import arith
from xdsl.ir import Block, Operation, SSAValue

from .. import exc
from ..backends.base import Backend, Opaque
from ..dialects import tile
from ..dialects.dims import Dim, dims_of
from ..dialects.tile.types import NARROW, WIDE
from ..language.api import IMPLEMENTATIONS
from ..language.tiles import Tile
from ..passes.analysis.positions import least_position
from .builder import ref_element_type
from .choices import DEFAULTS, Choices
from .placement import Placement
from .seeds import Seeds
from .source import FunctionSource
from .storage import Storages
from .symbols.expressions import Poly
from .symbols.nodes import IntNode, poly_of
from .symbols.scalars import Scalars
from .symbols.sizes import LARGEST_OFFSET, LARGEST_POSITION, Options
from .tensors import EVERY_LANE, AxisTile, DeviceTensor, HostTensor, MergedTiles
from .tuples import TupleArguments


@dataclass(frozen=True)
class Mark:
    """A state of a trace: the last op of the current block, the block sizes, the numbers of effects and of seeds."""

    last: Operation | None
    blocks: dict[str, tile.BlockAttr]
    effects: int
    seeds: int


class Tracer(Scalars):
    """One trace of one kernel."""

    def __init__(
        self,
        source: FunctionSource,
        options: Options,
        backend: Backend,
        operators: Mapping[Any, Callable[..., Any]] = MappingProxyType({}),
        choices: Choices = DEFAULTS,
    ):
        super().__init__(source, options, choices)
        self.backend, self.operators = backend, operators
        self.parameters: tuple[str, ...] = ()
        self.named_device: torch.device | None = None  # what the user gave to the factory that is running
        self.effects = 0  # ops with effects so far
        self.starts_early = False  # whether the kernel has programmatic dependent launch
        self.helpers: list[FunctionType] = []  # the user's functions being called, innermost last
        self.find_real: Callable[[torch.Tensor], str | None] = lambda _: None
        self.module_names: Callable[[], Mapping[str, Any]] = dict  # what the kernel's code sees of its module
        self.block_names: dict[str, str] = {}  # block symbol → the user's name of its tile, or of its size
        self.reads: Any = None  # the data that host code reads (walk.host_reads.HostReads)
        self.storages = Storages(self)
        self.tuples = TupleArguments(self, self.storages, self.ref_type)
        self.placement = Placement(self, self.tuples, self.captured)
        self.seeds = Seeds(self)
        self.host_views: dict[str, HostTensor] = {}  # by expression: views of host tensors that device code makes
        self._reals: dict[int, HostTensor] = {}
        self._ends: dict[SSAValue, Poly] = {}  # the end of each loop tile, where host sizes say it
        self.jagged: dict[SSAValue, DeviceTensor] = {}  # the tiles of jagged loops, and how far they go in each lane
        self.begins: dict[SSAValue, SSAValue] = {}  # where each loop's tiles and indices begin
        self.ends: dict[SSAValue, SSAValue] = {}  # and where they end
        self._open: list[Block] = []  # blocks around the one being filled
        self._scopes: list[list[SSAValue]] = []  # tiles of the loops around, innermost last
        self.watches: list[Any] = []  # what may not change in the bodies being walked (mutation.Watch)
        self.frames: list[Any] = []  # the bodies of control flow being walked (lanes.Frame), innermost last

    def implementation(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """How a function of the language is traced."""
        return IMPLEMENTATIONS[function]

    @cached_property
    def opaque(self) -> Opaque:
        """The functions and constants of the backend's language that the kernel uses."""
        return self.backend.opaque(self.source.tree.name)

    @property
    def device(self) -> torch.device:
        """Where the kernel runs, as far as that is known."""
        return self.placement.device

    def close(self) -> None:
        """Forget all tensors: their sizes refer to the tracer in ways that Python's garbage collector cannot see."""
        for table in (self._kept, self._reals, self.host_views, self._sizes, self._args, self._atoms):
            table.clear()
        self.tuples.clear()
        self.storages.clear()
        self.placement.clear()
        if self.reads is not None:
            self.reads.clear()
        self.find_real, self.module_names = (lambda _: None), dict

    def name_block(self, value: object, name: str) -> None:
        """Note what the user calls a tile, or a registered block size."""
        if isinstance(value, torch.SymInt) and (atom := poly_of(value).single) in self.blocks:
            self.block_names.setdefault(str(atom), name)
        elif isinstance(value, tuple):
            for i, part in enumerate(value):
                self.name_block(part, f"{name}[{i}]")

    def reads_named(self, text: str) -> str:
        """A message with the user's names for numbers that host code reads."""
        return text if self.reads is None else self.reads.for_user(text)

    def ref(self, tensor: HostTensor) -> SSAValue:
        """The ref of a host tensor: an argument of the kernel, or an element of one that is a tuple."""
        path = self._path(tensor)
        tensor = self.host_views.get(path, tensor)
        self.placement.check(tensor, path)
        element = self.tuples.element(tensor)
        if element is not None:
            return element
        value = self.argument(("tensor", id(tensor)), path, self.ref_type(tensor), tensor)
        self.storages.refs[value] = (tensor,)
        return value

    def may_share(self, result: HostTensor, source: HostTensor) -> None:
        """Note that whether `result` is a view of `source` may differ from call to call: strides are not in the key."""
        if not self.options.static_shapes:
            self.storages.join(source, result)
            self.keep(result)
            self.keep(source)

    def guard_order(self, tensor: HostTensor) -> None:
        """Make the order of a tensor's dimensions, by their strides in this call, a guard."""
        strides = [self.resolved(poly_of(stride)) for stride in tensor.meta_tensor.stride()]
        hints = [self.hint_of(stride) or 0 for stride in strides]
        order = sorted(range(len(strides)), key=lambda dimension: -hints[dimension])
        for outer, inner in pairwise(order):
            known = strides[outer].value is not None and strides[inner].value is not None
            if known or (outer < inner and strides[inner].value in (0, 1)):
                continue  # a stride of 0 counts as the larger one
            self.guard("ge" if outer < inner else "gt", strides[outer], strides[inner])

    def _path(self, tensor: HostTensor) -> str:
        expr = self.paths.get(id(tensor))
        if expr is None:
            raise exc.HostTensorDirectUsage(
                "a host tensor without a name is used in device code", hint="assign it to a variable in host code"
            )
        return expr

    def ref_type(self, tensor: HostTensor) -> tile.RefType:
        """The type of a host tensor's ref."""
        expr = self._path(tensor)
        sizes = [self.dim(d) for d in tensor.meta_tensor.size()]
        strides = [self._stride(s, f"{expr}.stride({i})") for i, s in enumerate(tensor.meta_tensor.stride())]
        offsets = WIDE if self._is_wide(tensor.meta_tensor) else NARROW
        return tile.RefType(sizes, strides, ref_element_type(tensor.dtype), self.storages.alignment(tensor), offsets)

    def check_positions(self, tensor: HostTensor) -> None:
        """Make sure that positions in a tensor, and where asked offsets, can be told in the kernel's index type."""
        meta = tensor.meta_tensor
        if not self._is_wide(meta) and meta._has_symbolic_sizes_strides:
            return  # a size is at most one more than the largest offset
        for size in meta.size():
            self.needs_position(size)
        if self.options.index_dtype_given and self._is_wide(meta):
            raise exc.IndexOffsetOutOfRangeForInt32(
                f"offsets in {self._path(tensor)} do not fit into index_dtype=torch.int32",
                hint="leave index_dtype out: offsets that need 64 bits are computed in 64",
            )

    def _is_wide(self, meta: torch.Tensor) -> bool:
        """Whether the offset of a tensor's last element, or a stride, takes more bits than the kernel's index type has.

        A dimension of size 1 may have any stride. Where block sizes say it, the lowering knows.
        """
        if self.index_type.width.data == 64:
            return False
        if not meta._has_symbolic_sizes_strides:
            sizes, strides = meta.size(), meta.stride()
            reaches = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) if 0 not in sizes else 0
            return max(reaches, *strides, 0) >= LARGEST_OFFSET
        reach = Poly.constant(0)
        for size, stride in zip(meta.size(), meta.stride(), strict=True):
            reach = reach + poly_of(size) * poly_of(stride)
        return self.below(reach, LARGEST_POSITION) is False

    def _stride(self, stride: int | torch.SymInt, expr: str) -> Dim:
        """The dim of a stride; where it depends on strides of arguments, it is asked of the tensor itself.

        Whether a reshape copies, say, may differ from call to call.
        """
        poly = poly_of(stride)
        if not any(atom in self.stride_symbols for atom in poly.atoms()):
            return self.dim(stride)
        symbol = next((name for name, known in self.symbol_exprs.items() if known == expr), None)
        if symbol is None:
            symbol = str(self.new_symbol(expr, self.hint_of(poly) or 1))
            self.stride_symbols.add(symbol)
        return self.dim(torch.SymInt(IntNode(self, Poly.atom(symbol))))

    def host_tensor(self, tensor: torch.Tensor) -> HostTensor:
        """The host tensor that stands for a tensor met in device code (one that a global or closure holds, too)."""
        if isinstance(tensor, HostTensor):
            return tensor
        if id(tensor) in self._reals:
            return self._reals[id(tensor)]
        expr = self.find_real(tensor)
        if expr is None:
            raise exc.HostTensorDirectUsage(
                "a tensor that is no argument, no variable of the kernel and no global is used in device code",
                hint="give it a name in host code first: table = TABLE.t",
            )
        result = HostTensor.make(meta_like(tensor.shape, tensor.stride(), tensor.dtype), tensor.device)
        self.paths[id(result)] = expr
        self._reals[id(tensor)] = result
        self._kept.append(tensor)
        return result

    def captured(self, tensor: HostTensor) -> str | None:
        """The name of a tensor that the kernel's module or closure holds; None for others."""
        return self.paths[id(tensor)] if any(tensor is real for real in self._reals.values()) else None

    @contextmanager
    def into(self, block: Block) -> Iterator[Block]:
        """Emit into `block`, nested in the current one."""
        outer, place = self.builder.block, self.builder.location
        self._open.append(outer)
        self.builder.block = block
        try:
            yield block
        except BaseException:
            for op in block.ops:  # what is given up must not count as a use of anything
                op.drop_all_references()
            raise
        finally:
            self.builder.block, self.builder.location = outer, place
            self._open.pop()

    def mark(self) -> Mark:
        """The state of the trace, for `back_to`."""
        return Mark(self.builder.block.last_op, dict(self.blocks), self.effects, self.seeds.count)

    def back_to(self, mark: Mark) -> None:
        """Undo what was emitted since `mark`, in the same block."""
        block = self.builder.block
        while (op := block.last_op) is not None and op is not mark.last:
            block.erase_op(op, safe_erase=False)
        self.blocks, self.effects, self.seeds.count = dict(mark.blocks), mark.effects, mark.seeds

    @contextmanager
    def tiles_active(self, tiles: Sequence[SSAValue]) -> Iterator[None]:
        """The body of a loop over `tiles`."""
        self._scopes.append(list(tiles))
        try:
            yield
        finally:
            self._scopes.pop()

    def set_end(self, value: SSAValue, end: Poly) -> None:
        """Note the end of a tile's loop."""
        self._ends[value] = end

    def end_of(self, value: SSAValue) -> Poly | None:
        """The end of a tile's loop; None where only the device knows it."""
        return self._ends.get(value)

    def ends_within(self, value: SSAValue, size: int | torch.SymInt) -> bool:
        """Whether a tile's valid lanes are known to lie within a dimension of `size`."""
        end = self._ends.get(value)
        return end is not None and self._known_at_most(end, size)

    def may_begin_before(self, value: SSAValue) -> bool:
        """Whether positions of a tile may be negative."""
        first = least_position(value, self.begins)
        return first is None or first < 0

    def at_most(self, value: int | torch.SymInt, size: int | torch.SymInt) -> bool:
        """Whether a number is known not to exceed a size."""
        return self._known_at_most(poly_of(value), size)

    def _known_at_most(self, value: Poly, size: int | torch.SymInt) -> bool:
        return self._settle("le", self.resolved(value) - self.resolved(poly_of(size))) is True

    def axis_tile(self, dim: Dim, known: AxisTile) -> SSAValue:
        """The tile of an axis: the one it came from; for one that lost it, the innermost of its block; else all."""
        if isinstance(known, MergedTiles):
            return self._tile_of_merged(dim, known)
        if isinstance(known, SSAValue) and self._in_scope(known):
            return known
        if known is not EVERY_LANE:
            if (walked := self.walked_tile(dim, None)) is not None:
                return walked
            blocks = self.poly_of_dim(dim).atoms() if isinstance(dim, str) else ()
            if dim not in self.blocks and any(atom in self.blocks for atom in blocks):
                raise exc.ReductionOnNonTile(f"an axis of size {dim} is neither a tile nor a full slice")
        return self.builder.emit(tile.WholeOp(dim))

    def partial_parts(self, merged: MergedTiles) -> list[int]:
        """Which of the axes that one was merged of may be partly filled."""
        return [i for i, part in enumerate(zip(merged.dims, merged.tiles, strict=True)) if self._is_partial(*part)]

    def _is_partial(self, dim: Dim, known: AxisTile) -> bool:
        if isinstance(known, SSAValue):
            return not isinstance(known.owner, tile.WholeOp)
        if isinstance(known, MergedTiles):
            return bool(self.partial_parts(known))
        blocks = self.poly_of_dim(dim).atoms() if isinstance(dim, str) and known is None else ()
        return any(atom in self.blocks for atom in blocks)

    def _tile_of_merged(self, dim: Dim, known: MergedTiles) -> SSAValue:
        """Valid lanes of a merged axis are the first ones where only the outermost part may be partly filled."""
        partial = self.partial_parts(known)
        if not partial:
            return self.builder.emit(tile.WholeOp(dim))
        if partial != [0]:
            raise exc.ReductionOnNonTile(
                f"an axis of size {dim} was merged of {list(known.dims)}, and its valid lanes are not in a row",
                hint="work along the axes before they are merged",
            )
        rows = self.lane_count(self.axis_tile(known.dims[0], known.tiles[0]))
        count = self.device_scalar(lambda: rows)
        for inner in known.dims[1:]:
            count = count * self.size(inner)
        return self.builder.emit(tile.RangeOp(self.builder.constant(0, self.index_type), self.integer(count), dim))

    def walked_tile(self, dim: Dim, known: AxisTile) -> SSAValue | None:
        """The tile that walks an axis: the one it came from, else that of the innermost loop over its block."""
        if isinstance(known, SSAValue) and not isinstance(known.owner, tile.WholeOp) and self._in_scope(known):
            return known
        walked = (value for scope in reversed(self._scopes) for value in scope)
        return next((v for v in walked if isinstance(v.type, tile.TileType) and v.type.dim == dim), None)

    def joint_tile(self, parts: Sequence[AxisTile]) -> AxisTile:
        """The tile of an axis that values with these tiles share: the lanes that all of them have."""
        merged = next((part for part in parts if isinstance(part, MergedTiles)), None)
        if merged is not None:
            return merged
        known = [part for part in parts if isinstance(part, SSAValue) and self._in_scope(part)]
        tiles = {lanes_of(part): part for part in reversed(known) if not isinstance(part.owner, tile.WholeOp)}
        if len(tiles) > 1:
            return self.first_lanes(list(reversed(tiles.values())))
        if tiles:
            return next(iter(tiles.values()))
        return known[0] if known else None if None in parts or not parts else EVERY_LANE

    def first_lanes(self, tiles: Sequence[SSAValue]) -> SSAValue:
        """A tile of the lanes that are valid in all of these: of as many as the shortest has."""
        first = tiles[0]
        assert isinstance(first.type, tile.TileType)
        count = self.lane_count(first)
        for other in tiles[1:]:
            count = self.builder.emit(arith.MinSIOp(count, self.lane_count(other)))
        return self.builder.emit(tile.RangeOp(self.builder.constant(0, self.index_type), count, first.type.dim))

    def lane_count(self, value: SSAValue) -> SSAValue:
        """How many lanes of a tile are valid, as a scalar of the index type; negative for a tile of none."""
        begin, end = (self.builder.emit(op(value, self.index_type)) for op in (tile.BeginOp, tile.EndOp))
        span = self.builder.emit(arith.SubiOp(end, begin))
        step = value.owner.step.data if isinstance(value.owner, tile.RangeOp) else 1
        if step == 1:
            return span
        rounded = self.builder.emit(arith.AddiOp(span, self.builder.constant(step - 1, self.index_type)))
        return self.builder.emit(arith.DivSIOp(rounded, self.builder.constant(step, self.index_type)))

    def renamed_tile(self, value: SSAValue, dim: Dim) -> SSAValue:
        """The same positions under another name of the dim: a fixed block, and the number that it is."""
        begin, end = (self.builder.emit(op(value, self.index_type)) for op in (tile.BeginOp, tile.EndOp))
        return self.builder.emit(tile.RangeOp(begin, end, dim))

    @property
    def depth(self) -> int:
        """How many blocks are around the one being filled."""
        return len(self._open)

    def level(self, value: SSAValue) -> int:
        """The depth of the block that defines a value; -1 if that is neither the current one nor around it."""
        owner = value.owner if isinstance(value.owner, Block) else value.owner.parent
        blocks = [*self._open, self.builder.block]
        return next((number for number, block in enumerate(blocks) if block is owner), -1)

    def scopes(self) -> list[SSAValue]:
        """The tiles and indices of the loops around, outermost first."""
        return [value for scope in self._scopes for value in scope]

    def _in_scope(self, value: SSAValue) -> bool:
        """Whether a value is defined in the current block or one around it."""
        owner = value.owner if isinstance(value.owner, Block) else value.owner.parent
        return owner is self.builder.block or any(owner is block for block in self._open)

    def make_tile(self, value: SSAValue) -> Tile:
        """The tile as the user's code sees it."""
        assert isinstance(value.type, tile.TileType)
        node = IntNode(self, self.poly_of_dim(value.type.dim))
        node.tile = value  # PyTorch passes the number's node along where the tile is the size of a shape
        result = Tile(node)
        result.ssa = value
        return result

    def tensor(
        self,
        ssa: SSAValue,
        dtype: torch.dtype,
        tiles: Sequence[AxisTile] | None = None,
        *,
        reduced: bool = False,
    ) -> DeviceTensor:
        """The tensor that PyTorch sees for an SSA value."""
        dims = dims_of(ssa)
        axis_tiles: tuple[AxisTile, ...] = (None,) * len(dims) if tiles is None else tuple(tiles)
        return DeviceTensor.make(ssa, [self.size(d) for d in dims], dtype, self.device, axis_tiles, reduced)


def lanes_of(value: SSAValue) -> object:
    """A key of a tile's valid lanes: equal keys mean the same valid lanes."""
    owner = value.owner
    if isinstance(owner, tile.ShiftOp):
        return lanes_of(owner.tile)
    if not isinstance(owner, tile.RangeOp):
        return value
    bounds = []
    for bound in owner.begin, owner.end:
        source = bound.owner
        constant = isinstance(source, arith.ConstantOp | tile.SymbolOp)
        bounds.append(
            source.properties["value" if isinstance(source, arith.ConstantOp) else "dim"] if constant else bound
        )
    return (*bounds, owner.step)


def meta_like(shape: Sequence[Any], strides: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
    """A meta tensor; call it outside of the modes of a trace."""
    with _disable_current_modes():
        return torch.empty_strided(tuple(shape), tuple(strides), dtype=dtype, device="meta")
