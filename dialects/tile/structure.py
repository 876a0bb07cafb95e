"""Kernels, loops and tile values: the skeleton of a `tile` module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntAttr,
    IntAttrConstraint,
    IntegerType,
    StringAttr,
    SymbolNameConstraint,
    UnitAttr,
    i32,
    i64,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, Region, SSAValue, TypeAttribute
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    BaseAttr,
    EqAttrConstraint,
    IntSetConstraint,
    IRDLOperation,
    ParamAttrConstraint,
    ParsePropInAttrDict,
    RangeOf,
    RangeVarConstraint,
    SameVariadicOperandSize,
    VarConstraint,
    irdl_op_definition,
    lazy_traits_def,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    NoTerminator,
    Pure,
    RecursiveMemoryEffect,
    SingleBlockImplicitTerminator,
    SymbolOpInterface,
)
from xdsl.utils.exceptions import VerifyException

from ..axes import At, Axes, AxisFacts, DeclaresAxes, Dropping, OwnAxes
from ..axis_kinds import CarriesAxes
from ..dims import Dim, DimsAttr, dims_of, element_of, tensor_type
from ..questions import questions_of
from .types import BlockAttr, MemoryAttr, TileType

IndexInt = ParamAttrConstraint(
    IntegerType, (IntAttrConstraint(IntSetConstraint(frozenset((32, 64)))), EqAttrConstraint(i32.signedness))
)
"""Positions and sizes: i32, or i64 under `index_dtype=torch.int64`."""


@irdl_op_definition
class KernelOp(IRDLOperation):
    """One GPU kernel, no config in it: top-level loops over host tensors and scalars.

    ```mlir
    tile.kernel @add attributes {arg_names = ["x", "out"], ...} {
    ^bb0(%x: !tile.ref<[1000], [1], f32, align 16>, %out: !tile.ref<[1000], [1], f32, align 16>):
      ...
    }
    ```

    - `arg_names[i]`: the parameter's name in the emitted kernel; `arg_exprs[i]`: the Python expression that the
      host function passes for it. Arguments are refs, scalars, and tuples of refs (`tuple<!tile.ref<…>, …>`).
    - `symbols`: size and stride symbols of the types (`s0`), each with the host expression that computes it.
    - `blocks`: every block symbol with its `BlockAttr`; `block_sizes`: the config's choice (assign-block-sizes).
    - `host`: source of the host function; the statement `__launch__()` stands where the kernel is launched.
    - `index_type`: i32 or i64, the type of positions.
    - `memory`: for each argument the memory of its refs (one; a tuple's elements; none for a scalar). Without it every
      argument, and every element of a tuple, is memory of its own.
    - `options`: launch options of the config (`num_warps`, `num_stages`, `maxnreg`).
    """

    name = "tile.kernel"

    sym_name = prop_def(SymbolNameConstraint())
    arg_names = prop_def(ArrayAttr[StringAttr])
    arg_exprs = prop_def(ArrayAttr[StringAttr])
    symbols = prop_def(DictionaryAttr)
    blocks = prop_def(DictionaryAttr)
    block_sizes = opt_prop_def(DictionaryAttr)
    host = prop_def(StringAttr)
    index_type = prop_def(IndexInt)
    memory = opt_prop_def(ArrayAttr[ArrayAttr[MemoryAttr]])
    options = opt_prop_def(DictionaryAttr)
    body = region_def("single_block")

    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface(), NoTerminator(), CarriesAxes())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict-with-keyword $body"

    def __init__(
        self,
        name: str,
        arg_names: Sequence[str],
        arg_exprs: Sequence[str],
        arg_types: Sequence[Attribute],
        *,
        symbols: Mapping[str, str] | None = None,
        blocks: Mapping[str, BlockAttr] | None = None,
        host: str = "",
        index_type: IntegerType = i32,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "arg_names": ArrayAttr([StringAttr(n) for n in arg_names]),
                "arg_exprs": ArrayAttr([StringAttr(e) for e in arg_exprs]),
                "symbols": DictionaryAttr({k: StringAttr(v) for k, v in (symbols or {}).items()}),
                "blocks": DictionaryAttr(dict(blocks or {})),
                "host": StringAttr(host),
                "index_type": index_type,
            },
            regions=[Region(Block(arg_types=arg_types))],
        )

    @property
    def block_size_values(self) -> dict[str, int]:
        """Block symbol → size, as far as the config or the user fixed it.

        What is asked of the sizes is noted where a caller of the passes wants to know it (`questions`).
        """
        sizes = {name: block.fixed for name, block in self.blocks.data.items() if isinstance(block, BlockAttr)}
        asked = questions_of(self)
        for name, size in self.block_sizes.data.items() if self.block_sizes else ():
            assert isinstance(size, IntAttr)
            sizes[name] = size.data if asked is None else asked.size(name, size.data)
        return {name: size for name, size in sizes.items() if size is not None}

    def verify_(self) -> None:
        count = len(self.body.block.args)
        if len(self.arg_names) != count or len(self.arg_exprs) != count:
            raise VerifyException(f"arg_names and arg_exprs must have one entry for each of the {count} arguments")
        if self.memory is not None and len(self.memory) != count:
            raise VerifyException(f"memory must have one entry for each of the {count} arguments")


class LoopBase(IRDLOperation):
    """What grids and inner loops share: bounds, block dims, and one block argument per loop dimension.

    A body argument of type `!tile.tile<d>` walks in blocks of `d`; one of the index type is a scalar index
    (`hl.grid`) that walks in steps of `d`, an int.
    """

    R: ClassVar = RangeVarConstraint("R", RangeOf(IndexInt))

    blocks = prop_def(DimsAttr)
    begins = var_operand_def(R)
    ends = var_operand_def(R)
    body = region_def("single_block")

    @property
    def loop_args(self) -> tuple[SSAValue, ...]:
        """The tiles or scalar indices, one a dimension."""
        return tuple(self.body.block.args[: len(self.blocks)])

    def bounds(self, dim: int) -> tuple[SSAValue, SSAValue]:
        """Begin and end of one dimension: operands begin with all begins, then all ends."""
        operands = self.operands
        return operands[dim], operands[len(self.blocks) + dim]

    def verify_loop(self, extra: Sequence[Attribute] = ()) -> None:
        """The checks of both loops; `extra` are the types of the block arguments after the loop's own."""
        dims, args = self.blocks.as_tuple(), self.body.block.args
        if len(dims) != len(self.begins):
            raise VerifyException(f"{len(self.begins)} bounds but {len(dims)} blocks")
        if not dims:
            raise VerifyException("a loop needs at least one dimension")
        if len(args) != len(dims) + len(extra):
            raise VerifyException(f"the body must have {len(dims) + len(extra)} arguments, got {len(args)}")
        for arg, dim, bound in zip(args, dims, self.begins, strict=False):
            if arg.type != TileType(dim) and arg.type != bound.type:
                raise VerifyException(
                    f"loop argument {arg.index} must be !tile.tile<{dim}> or {bound.type}, got {arg.type}"
                )
        for arg, type_ in zip(args[len(dims) :], extra, strict=True):
            if arg.type != type_:
                raise VerifyException(f"loop-carried argument {arg.index} must be {type_}, got {arg.type}")


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """Ends the body of a loop; hands on the loop-carried values."""

    name = "tile.yield"

    traits = lazy_traits_def(lambda: (IsTerminator(), HasParent(GridOp, ForOp), Pure()))


MANY_PROGRAMS = "many_programs"


@irdl_op_definition
class GridOp(LoopBase):
    """A top-level loop: its iterations are the programs of the kernel, in no order.

    ```mlir
    tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 {
    ^bb0(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
    }
    ```
    Schedule passes record the program mapping in `attributes` (`pid_type`, `l2_grouping`, …). `many_programs` says
    that the iterations may be more than 31 bits count.
    """

    name = "tile.grid"

    irdl_options = (SameVariadicOperandSize(),)
    traits = traits_def(
        SingleBlockImplicitTerminator(YieldOp), RecursiveMemoryEffect(), HasParent(KernelOp), CarriesAxes()
    )
    assembly_format = "`(` $begins `)` `to` `(` $ends `)` `by` $blocks `:` type($begins) attr-dict-with-keyword $body"

    def __init__(self, begins: Sequence[SSAValue], ends: Sequence[SSAValue], blocks: Sequence[Dim], body: Region):
        super().__init__(operands=[begins, ends], properties={"blocks": DimsAttr.get(*blocks)}, regions=[body])

    def verify_(self) -> None:
        self.verify_loop()


@irdl_op_definition
class ForOp(LoopBase):
    """An inner loop over tiles, in order (row-major when it has several dimensions), with carried values.

    ```mlir
    %r = tile.for (%c0) to (%k) by <b2> iter_args(%acc) : i32, tensor<...> -> tensor<...> {
    ^bb0(%tile_k: !tile.tile<b2>, %a: tensor<...>):
      tile.yield %next : tensor<...>
    }
    ```
    A `static` loop (`hl.static_range`) has one scalar index, constant bounds and an int step: its index is known at
    compile time, iteration by iteration: `tile.for static (%c0) to (%c4) by <1> : i32 { … }`.
    """

    name = "tile.for"

    begins = LoopBase.begins
    ends = LoopBase.ends

    S: ClassVar = RangeVarConstraint("S", RangeOf(AnyAttr()))

    iter_args = var_operand_def(S)
    res = var_result_def(S)
    static = opt_prop_def(UnitAttr)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(
        SingleBlockImplicitTerminator(YieldOp),
        RecursiveMemoryEffect(),
        CarriesAxes(lambda op: cast("ForOp", op).variables),
    )
    assembly_format = (
        "(`static` $static^)? `(` $begins `)` `to` `(` $ends `)` `by` $blocks `:` type($begins) "
        "(`iter_args` `(` $iter_args^ `)` `:` type($iter_args))? attr-dict-with-keyword $body"
    )

    def __init__(
        self,
        begins: Sequence[SSAValue],
        ends: Sequence[SSAValue],
        blocks: Sequence[Dim],
        iter_args: Sequence[SSAValue],
        body: Region,
        *,
        static: bool = False,
    ):
        super().__init__(
            operands=[begins, ends, iter_args],
            properties={"blocks": DimsAttr.get(*blocks), "static": UnitAttr() if static else None},
            result_types=[[arg.type for arg in iter_args]],
            regions=[body],
        )

    @property
    def carried_args(self) -> tuple[SSAValue, ...]:
        """The block arguments that hold the carried values."""
        return tuple(self.body.block.args[len(self.begins) :])

    @property
    def variables(self) -> list[tuple[SSAValue, ...]]:
        """What is one variable: its value before the loop, in an iteration, after that, and after the loop."""
        end = self.body.block.last_op
        assert end is not None
        return list(zip(self.iter_args, self.carried_args, end.operands, self.res, strict=True))

    def verify_(self) -> None:
        types = [arg.type for arg in self.iter_args]
        self.verify_loop(types)
        if (last := self.body.block.last_op) is not None and [v.type for v in last.operands] != types:
            raise VerifyException("tile.yield must hand on values of the loop-carried types")
        if self.static is not None:
            self._verify_static()

    def _verify_static(self) -> None:
        dims = self.blocks.as_tuple()
        if len(dims) != 1 or not isinstance(dims[0], int) or isinstance(self.loop_args[0].type, TileType):
            raise VerifyException("a static loop has one scalar index with an int step")
        if not all(isinstance(bound.owner, arith.ConstantOp) for bound in self.bounds(0)):
            raise VerifyException("the bounds of a static loop must be constants")


class _TileProducer(IRDLOperation):
    """A pure op whose result is a tile."""

    result = result_def(TileType)
    traits = traits_def(Pure())


@irdl_op_definition
class WholeOp(_TileProducer):
    """All of an extent as one tile, as `x[:]` selects it: `tile.whole : !tile.tile<1000>`; begin 0, end the dim."""

    name = "tile.whole"

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, dim: Dim):
        super().__init__(result_types=[TileType(dim)])


@irdl_op_definition
class RangeOp(_TileProducer):
    """Positions `begin + i * step` for `i` in [0, dim), valid while below `end`; a slice `x[begin:end:step]`."""

    name = "tile.range"

    T: ClassVar = VarConstraint("T", IndexInt)

    begin = operand_def(T)
    end = operand_def(T)
    step = prop_def(IntAttr, default_value=IntAttr(1))

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$begin `to` $end attr-dict `:` type($begin) `->` type($result)"

    def __init__(self, begin: SSAValue, end: SSAValue, dim: Dim, step: int = 1):
        super().__init__(operands=[begin, end], properties={"step": IntAttr(step)}, result_types=[TileType(dim)])


@irdl_op_definition
class ShiftOp(_TileProducer):
    """The tile moved by a scalar: positions and end are `offset` higher; the same lanes are valid (`tile + 3`)."""

    name = "tile.shift"

    T: ClassVar = VarConstraint("T", BaseAttr(TileType))

    tile = operand_def(T)
    offset = operand_def(IndexInt)
    result = result_def(T)

    assembly_format = "$tile `,` $offset attr-dict `:` type($tile) `,` type($offset)"

    def __init__(self, tile: SSAValue, offset: SSAValue):
        super().__init__(operands=[tile, offset], result_types=[tile.type])


class _TileScalar(IRDLOperation):
    """A scalar property of a tile, of the kernel's index type."""

    tile = operand_def(TileType)
    result = result_def(IndexInt)

    traits = traits_def(Pure())
    assembly_format = "$tile attr-dict `:` type($tile) `->` type($result)"

    def __init__(self, tile: SSAValue, type_: TypeAttribute = i32):
        super().__init__(operands=[tile], result_types=[type_])


@irdl_op_definition
class BeginOp(_TileScalar):
    """The first position of a tile (`tile.begin`)."""

    name = "tile.begin"


@irdl_op_definition
class EndOp(_TileScalar):
    """One past the last valid position of a tile, clipped to the extent (`tile.end`)."""

    name = "tile.end"


@irdl_op_definition
class IdOp(_TileScalar):
    """The number of a loop's tile: 0 for the first (`tile.id`)."""

    name = "tile.id"


@irdl_op_definition
class CountOp(_TileScalar):
    """How many tiles the loop of a tile has (`tile.count`)."""

    name = "tile.count"


@irdl_op_definition
class IndexOp(IRDLOperation, DeclaresAxes):
    """The positions of a tile as a 1-D tensor (`tile.index`); padding lanes hold positions past the end."""

    name = "tile.index"

    tile = operand_def(TileType)
    result = result_def()

    traits = traits_def(Pure(), OwnAxes())
    assembly_format = "$tile attr-dict `:` type($tile) `->` type($result)"

    def __init__(self, tile: SSAValue, element: TypeAttribute = i32):
        assert isinstance(tile.type, TileType)
        super().__init__(operands=[tile], result_types=[tensor_type(element, tile.type.dim)])

    def verify_(self) -> None:
        assert isinstance(self.tile.type, TileType)
        if dims_of(self.result) != (self.tile.type.dim,) or element_of(self.result) not in (i32, i64):
            raise VerifyException("the result must be i32 or i64 of the tile's dim")

    def axis_facts(self) -> AxisFacts:
        return AxisFacts(tiles=((0, Axes((), (At(0, 0),))),))

    def drop_axes(self, dropping: Dropping) -> Sequence[SSAValue] | None:
        begin = dropping.build.op(BeginOp(self.tile, dropping.index_type), self.result).result
        return [dropping.build.cast(begin, element_of(self.result))]


@irdl_op_definition
class SymbolOp(IRDLOperation):
    """The run-time value of a dim: a size, a block size, or an expression of them: `tile.symbol <b0> : i32`."""

    name = "tile.symbol"

    dim = prop_def(DimsAttr)
    result = result_def(IndexInt)

    traits = traits_def(Pure())
    assembly_format = "$dim attr-dict `:` type($result)"

    def __init__(self, dim: Dim, type_: TypeAttribute = i32):
        super().__init__(properties={"dim": DimsAttr.get(dim)}, result_types=[type_])

    @property
    def value(self) -> Dim:
        return self.dim.as_tuple()[0]

    def verify_(self) -> None:
        if len(self.dim) != 1:
            raise VerifyException("tile.symbol names exactly one dim")


__all__ = [
    "MANY_PROGRAMS",
    "BeginOp",
    "CountOp",
    "EndOp",
    "ForOp",
    "GridOp",
    "IdOp",
    "IndexInt",
    "IndexOp",
    "KernelOp",
    "LoopBase",
    "RangeOp",
    "ShiftOp",
    "SymbolOp",
    "WholeOp",
    "YieldOp",
]  # fmt: skip
