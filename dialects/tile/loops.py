"""Loops: grids, whose iterations are programs, and loops inside of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    UnitAttr,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    IRDLOperation,
    RangeOf,
    RangeVarConstraint,
    SameVariadicOperandSize,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import (
    HasParent,
    IsTerminator,
    Pure,
    RecursiveMemoryEffect,
    SingleBlockImplicitTerminator,
)
from xdsl.utils.exceptions import VerifyException

from ..axis_kinds import CarriesAxes
from ..dims import Dim, DimsAttr
from ..effects import ThreadBarrier, UnknownEffects
from .kernel import KernelOp
from .types import IndexInt, TileType


class LoopBase(IRDLOperation):
    """Base of grids and inner loops: bounds, block dims, and one block argument per loop dimension.

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
    """Ends the body of a loop; yields the loop-carried values."""

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
class BarrierOp(IRDLOperation):
    """Between top-level loops: all programs have ended the loops before it, and what these wrote is visible after it.

    ```mlir
    tile.grid … { … tile.store %v, %buffer[%tile] … }
    tile.barrier
    tile.grid … { … tile.load %buffer[%other] … }
    ```
    `hl.barrier()` is one, and `insert-grid-barriers` adds those that are missing. Effects: reads and writes
    everything.
    """

    name = "tile.barrier"

    traits = traits_def(UnknownEffects(), ThreadBarrier(), HasParent(KernelOp))
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__()


def grids_of(kernel: KernelOp) -> list[GridOp]:
    """The top-level loops of a kernel, in order."""
    return [op for op in kernel.body.block.ops if isinstance(op, GridOp)]


def has_barriers(kernel: KernelOp) -> bool:
    """Whether the top-level loops of a kernel are phases with barriers between them."""
    return any(isinstance(op, BarrierOp) for op in kernel.body.block.ops)


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


__all__ = ["MANY_PROGRAMS", "BarrierOp", "ForOp", "GridOp", "LoopBase", "YieldOp", "grids_of", "has_barriers"]
