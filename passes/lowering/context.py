"""The state of one conversion: values, tiles and symbols of the kernel being emitted."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import product

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, IntAttr, IntegerType, StringAttr, TupleType, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import tl
from ...dialects.dims import Dim, dims_of, substitute, symbols_of, with_dims
from ...dialects.names import block_param
from ...dialects.questions import parameter
from ...dialects.tile import BlockAttr, KernelOp, RefType
from ...sizes import NEXT_POWER_OF_2
from ..analysis.bounds import tile_bounds, tile_dim, tile_exact
from ..analysis.op_mix import MAX_LANES
from ..analysis.physical import PhysicalDims
from .emitter import Emitter
from .tiles import LoweredTile

Combine = Callable[[Emitter, SSAValue, SSAValue], SSAValue]


def _modulo(emit: Emitter, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
    return emit.sub(lhs, emit.mul(emit.binary(arith.FloorDivSIOp, lhs, rhs), rhs))


_OPERATORS: dict[type[ast.operator], Combine] = {
    ast.Add: Emitter.add,
    ast.Sub: Emitter.sub,
    ast.Mult: Emitter.mul,
    ast.FloorDiv: lambda emit, lhs, rhs: emit.binary(arith.FloorDivSIOp, lhs, rhs),
    ast.Mod: _modulo,
}
_OF_NATURALS: dict[type[ast.operator], Combine] = {
    ast.FloorDiv: lambda emit, lhs, rhs: emit.binary(arith.DivSIOp, lhs, rhs),
    ast.Mod: lambda emit, lhs, rhs: emit.binary(arith.RemSIOp, lhs, rhs),
}
"""The same for operands that are not negative: division truncates there."""


def _is_natural(node: ast.expr) -> bool:
    """Whether an expression of sizes is not negative whatever they are: nothing in it subtracts."""
    return not any(isinstance(part, ast.Sub | ast.UnaryOp) for part in ast.walk(node))


@lru_cache(maxsize=64)
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


@lru_cache(maxsize=1024)
def _parsed(dim: str) -> ast.expr:
    return ast.parse(dim, mode="eval").body


@lru_cache(maxsize=1024)
def pointer_type(type_: Attribute) -> Attribute:
    """The type of a scalar, a ref or a tuple of refs in `tl`: refs are pointers.

    One object a type: ops on values of types that were met before are built quickly.
    """
    if isinstance(type_, RefType):
        return tl.PtrType(type_.element_type)
    if isinstance(type_, TupleType):
        return TupleType(ArrayAttr([pointer_type(item) for item in type_.types]))  # pyright: ignore[reportArgumentType]
    return type_


def _extremes(block: Attribute) -> tuple[int, int]:
    """The least and the largest size of a block."""
    assert isinstance(block, BlockAttr)
    return block.min.data, block.max.data if isinstance(block.max, IntAttr) else MAX_LANES


def _refs_in(type_: Attribute) -> list[RefType]:
    """The refs of an argument: one, those of a tuple, or none."""
    if isinstance(type_, TupleType):
        return [ref for item in type_.types for ref in _refs_in(item)]
    return [type_] if isinstance(type_, RefType) else []


class KernelParameters:
    """The parameters of the emitted kernel: those of the tile kernel, then size symbols and constexprs as used."""

    def __init__(self, kernel: KernelOp, physical: PhysicalDims):
        self.kernel = kernel
        self.physical = physical
        self.sizes = kernel.block_size_values
        self.symbols: list[str] = []
        self.constexprs: dict[str, int | str] = {}
        self._lanes: dict[Dim, Dim] = {}
        self._offset_types: dict[int, tuple[RefType, IntegerType]] = {}

    def symbol_type(self, symbol: str) -> IntegerType:
        """The type of the parameter that passes a symbol: a stride is as wide as the offsets in its refs."""
        return i64 if symbol in self._wide_strides else self.kernel.index_type

    @cached_property
    def _wide_strides(self) -> frozenset[str]:
        """The symbols that are strides of refs with wide offsets, and no sizes: those are positions."""
        refs = [ref for arg in self.kernel.body.block.args for ref in _refs_in(arg.type)]
        strides = {symbol for ref in refs if ref.is_wide for dim in ref.stride_dims for symbol in symbols_of(dim)}
        return frozenset(
            strides.difference(symbol for ref in refs for dim in ref.size_dims for symbol in symbols_of(dim))
        )

    def offset_type(self, ref: RefType) -> IntegerType:
        """The type of offsets in a ref: i64 where it needs that, else the kernel's type of positions."""
        if (known := self._offset_types.get(id(ref))) is None:
            wide = ref.is_wide or self._blocks_reach_far(ref)
            known = self._offset_types[id(ref)] = (ref, i64 if wide else self.kernel.index_type)
        return known[1]

    def _blocks_reach_far(self, ref: RefType) -> bool:
        """Whether a tensor whose extents depend on block sizes has offsets of more than 31 bits under some config.

        Extents grow or shrink with each block size, so the least and the largest ones are asked.
        """
        dims = (*ref.size_dims, *ref.stride_dims)
        blocks = self.kernel.blocks.data
        symbols = sorted({symbol for dim in dims for symbol in symbols_of(dim) if symbol in blocks})
        if not symbols:
            return False
        for corner in product(*[_extremes(blocks[symbol]) for symbol in symbols]):
            known = [substitute(dim, dict(zip(symbols, corner, strict=True))) for dim in dims]
            if not all(isinstance(dim, int) for dim in known):
                return True
            sizes, strides = known[: ref.rank], known[ref.rank :]
            if sum((int(n) - 1) * int(s) for n, s in zip(sizes, strides, strict=True)) >= 1 << 31:
                return True
        return False

    def constexpr_name(self, symbol: str) -> str:
        """The constexpr parameter of a block symbol, which is one of the kernel from here on."""
        name = block_param(symbol)
        self.constexprs[name] = parameter(self.sizes[symbol])
        return name

    def own(self, base: str, value: str) -> str:
        """The constexpr parameter of a host expression: `base`, with a number if that is the name of another one."""
        name, count = base, 0
        while self.constexprs.get(name, value) != value:
            count += 1
            name = f"{base}_{count}"
        self.constexprs[name] = value
        return name

    def add_host_blocks(self) -> None:
        """Block sizes that the host function names are constexprs, too, even if no op has them."""
        named = _words(self.kernel.host.data)
        for symbol in self.sizes:
            if block_param(symbol) in named:
                self.constexpr_name(symbol)

    def lanes(self, dim: Dim) -> Dim:
        """The physical dim in terms of ints and constexpr parameters."""
        if (lanes := self._lanes.get(dim)) is None:
            lanes = self._lanes[dim] = self._spell_lanes(dim)
        return lanes

    def _spell_lanes(self, dim: Dim) -> Dim:
        lanes = self.physical.of(dim)
        if isinstance(lanes, int):
            return lanes
        if (match := re.fullmatch(r"lanes\((.*), (\d+)\)", lanes)) is not None:
            name = "_LANES_" + re.sub(r"\W+", "_", match[1]).strip("_").upper()
            return self.own(name, f"max({NEXT_POWER_OF_2}({self.host_expr(match[1])}), {match[2]})")
        return substitute(lanes, {symbol: self.constexpr_name(symbol) for symbol in symbols_of(lanes)})

    def host_expr(self, dim: str) -> str:
        """The Python expression by which the host computes a size."""
        for symbol in symbols_of(dim):
            expression = self.kernel.symbols.data.get(symbol)
            if not isinstance(expression, StringAttr):
                raise PassFailedException(f"convert-tile-to-tl: the size symbol {symbol!r} has no host expression")
            dim = re.sub(rf"\b{symbol}\b", f"({expression.data})", dim)
        return dim


class Lowering:
    """Maps values of the `tile` level to those emitted so far; emits what sizes, positions and masks need."""

    def __init__(self, signature: KernelParameters, emit: Emitter, block_args: Callable[[str], SSAValue]):
        self.signature = signature
        self.emit = emit
        self.index_type: IntegerType = signature.kernel.index_type
        self.values: dict[SSAValue, SSAValue] = {}
        self.tiles: dict[SSAValue, LoweredTile] = {}
        self._block_args = block_args
        self.lower: Callable[[Operation], None] = lambda op: None

    def value(self, source: SSAValue) -> SSAValue:
        """What `source` became; a scalar of the kernel's top level is emitted when first asked for."""
        if (value := self.values.get(source)) is None:
            owner = source.owner
            if not isinstance(owner, Operation) or owner.parent_op() is not self.signature.kernel:
                raise PassFailedException(f"convert-tile-to-tl: {source.name_hint or source} is not available here")
            self.lower(owner)
            value = self.values[source]
        return value

    def type(self, source: Attribute) -> Attribute:
        """A value's type with physical dims; refs are pointers."""
        dims = dims_of(source)
        return with_dims(source, self.physical_dims(dims)) if dims else pointer_type(source)

    def physical_dims(self, dims: Sequence[Dim]) -> tuple[Dim, ...]:
        """`dims` as ints and constexpr names."""
        return tuple([self.signature.lanes(dim) for dim in dims])

    def dim_value(self, dim: Dim, type_: IntegerType | None = None) -> SSAValue:
        """The run-time value of a logical dim, computed in `type_` (by default that of positions)."""
        type_ = type_ or self.index_type
        if isinstance(dim, int):
            return self.emit.constant(dim, type_)
        return self._evaluate(_parsed(dim), type_)

    def _evaluate(self, node: ast.expr, type_: IntegerType) -> SSAValue:
        if isinstance(node, ast.Constant):
            return self.emit.constant(int(node.value), type_)  # pyright: ignore[reportArgumentType]
        if isinstance(node, ast.Name):
            if node.id not in self.signature.sizes:
                return self.emit.cast_int(self._block_args(node.id), type_)
            with self.emit.named(None):
                name = self.signature.constexpr_name(node.id)
                return self.emit.op(tl.ConstexprOp, (), name, type_).result
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.emit.sub(self.emit.constant(0, type_), self._evaluate(node.operand, type_))
        if isinstance(node, ast.BinOp):
            table = {**_OPERATORS, **_OF_NATURALS} if _is_natural(node) else _OPERATORS
            if (combine := table.get(type(node.op))) is not None:
                return combine(self.emit, self._evaluate(node.left, type_), self._evaluate(node.right, type_))
        raise PassFailedException(f"convert-tile-to-tl: cannot evaluate the dim {ast.unparse(node)!r}")

    def tile(self, source: SSAValue) -> LoweredTile:
        """What is known of a tile value."""
        if (tile := self.tiles.get(source)) is None:
            owner = source.owner
            assert isinstance(owner, Operation)
            self.lower(owner)
            tile = self.tiles[source]
        return tile

    def make_tile(
        self, source: SSAValue, begin: SSAValue, end: SSAValue | None, *, step: int = 1, stop: SSAValue | None = None
    ) -> LoweredTile:
        """Record the lowered form of the tile `source`, whose positions start at `begin` and end before `end`."""
        dim = tile_dim(source)
        exact = tile_exact(source, self.signature.sizes)
        padded = self.signature.physical.is_padded(dim)
        bounds = tile_bounds(source)
        tile = LoweredTile(
            self.emit,
            self.index_type,
            source.name_hint,
            begin,
            self.signature.lanes(dim),
            self.dim_value(dim) if padded else None,
            None if exact else end,
            step,
        )
        if bounds.loop is not None:
            tile.first, tile.stop, tile.block = self.value(bounds.begin), stop, self.dim_value(dim)  # pyright: ignore[reportArgumentType]
        self.tiles[source] = tile
        return tile
