"""The kernel function, its launch, and the ops that belong to the program as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntAttr, StringAttr, SymbolNameConstraint, i32
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    RangeOf,
    RangeVarConstraint,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent, IsolatedFromAbove, IsTerminator, Pure, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from ..effects import ThreadBarrier, TouchesNoMemory, UnknownEffects
from ..tile.types import IndexInt
from .types import PtrType

COOPERATIVE = "launch_cooperative_grid"
"""The launch option under which all programs run at once, or the launch fails."""
EARLY_LAUNCH = "launch_pdl"
"""The launch option under which a kernel may start before the one before it has ended."""
EARLY = "_PDL"
"""The constexpr that says whether the device can do that, in kernels that ask for it."""


def constexprs_attr(values: Mapping[str, int | str]) -> DictionaryAttr:
    """The `constexprs` of a function: constants as ints, host expressions as strings."""
    return DictionaryAttr({k: IntAttr(int(v)) if isinstance(v, int) else StringAttr(v) for k, v in values.items()})


@irdl_op_definition
class FuncOp(IRDLOperation):
    """One emitted kernel with its launch.

    - The `body`'s arguments are pointers, scalars, and tuples of pointers; `arg_names` are the parameter names,
      `arg_exprs` the host expressions that the launch passes.
    - `constexprs`: constexpr parameters in order: an int, or the host expression (a string) that gives it.
    - `grid`: a second region over the same arguments that ends in `tl.launch_grid`: the grid's dimensions.
    - `host`: source of the host function; its statement `__launch__()` stands for the launch.
    - `options`: `num_warps`, `num_stages`, `maxnreg`, and flags of the launch.
    """

    name = "tl.func"

    sym_name = prop_def(SymbolNameConstraint())
    arg_names = prop_def(ArrayAttr[StringAttr])
    arg_exprs = prop_def(ArrayAttr[StringAttr])
    constexprs = prop_def(DictionaryAttr)
    host = prop_def(StringAttr)
    options = prop_def(DictionaryAttr)
    body = region_def("single_block")
    grid = region_def("single_block")

    traits = traits_def(IsolatedFromAbove(), SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict-with-keyword $body `grid` $grid"

    def __init__(
        self,
        name: str,
        arg_names: Sequence[str],
        arg_exprs: Sequence[str],
        arg_types: Sequence[Attribute],
        *,
        constexprs: Mapping[str, int | str],
        host: str = "",
        options: Mapping[str, int] | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "arg_names": ArrayAttr([StringAttr(n) for n in arg_names]),
                "arg_exprs": ArrayAttr([StringAttr(e) for e in arg_exprs]),
                "constexprs": constexprs_attr(constexprs),
                "host": StringAttr(host),
                "options": DictionaryAttr({k: IntAttr(int(v)) for k, v in (options or {}).items()}),
            },
            regions=[Region(Block(arg_types=arg_types)), Region(Block(arg_types=arg_types))],
        )

    def verify_(self) -> None:
        types = [arg.type for arg in self.body.block.args]
        if len(self.arg_names) != len(types) or len(self.arg_exprs) != len(types):
            raise VerifyException(f"arg_names and arg_exprs must have one entry for each of the {len(types)} arguments")
        if [arg.type for arg in self.grid.block.args] != types:
            raise VerifyException("the grid region must have the body's arguments")
        if not isinstance(self.grid.block.last_op, LaunchGridOp):
            raise VerifyException("the grid region must end in tl.launch_grid")


@irdl_op_definition
class ReturnOp(IRDLOperation):
    """Ends a kernel's body."""

    name = "tl.return"

    traits = traits_def(IsTerminator(), HasParent(FuncOp), Pure())
    assembly_format = "attr-dict"


@irdl_op_definition
class LaunchGridOp(IRDLOperation):
    """The launch grid's dimensions, one to three: `tl.launch_grid %n : i32`."""

    name = "tl.launch_grid"

    dims = var_operand_def(IndexInt)

    traits = traits_def(IsTerminator(), HasParent(FuncOp), Pure())
    assembly_format = "$dims attr-dict `:` type($dims)"

    def __init__(self, dims: Sequence[SSAValue]):
        super().__init__(operands=[dims])

    def verify_(self) -> None:
        if not 1 <= len(self.dims) <= 3:
            raise VerifyException(f"a launch grid has one to three dimensions, got {len(self.dims)}")


@irdl_op_definition
class ConstexprOp(IRDLOperation):
    """The value of a constexpr parameter: `tl.constexpr "_BLOCK_SIZE_0" : i32`."""

    name = "tl.constexpr"

    param = prop_def(StringAttr)
    result = result_def(IndexInt)

    traits = traits_def(Pure())
    assembly_format = "$param attr-dict `:` type($result)"

    def __init__(self, param: str, type_: Attribute = i32):
        super().__init__(properties={"param": StringAttr(param)}, result_types=[type_])


@irdl_op_definition
class AddressZeroOp(IRDLOperation):
    """The pointer to address 0, from which offsets reach all memory: `tl.address_zero : !tl.ptr<f32>`."""

    name = "tl.address_zero"

    result = result_def(PtrType)

    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, type_: Attribute):
        super().__init__(result_types=[type_])


class _ProgramQuery(IRDLOperation):
    axis = prop_def(IntAttr)
    result = result_def(i32)

    traits = traits_def(Pure())
    assembly_format = "$axis attr-dict"

    def __init__(self, axis: int):
        super().__init__(properties={"axis": IntAttr(axis)}, result_types=[i32])

    def verify_(self) -> None:
        if self.axis.data not in (0, 1, 2):
            raise VerifyException(f"axis must be 0, 1 or 2, got {self.axis.data}")


@irdl_op_definition
class ProgramIdOp(_ProgramQuery):
    """`tl.program_id(axis)`."""

    name = "tl.program_id"


@irdl_op_definition
class NumProgramsOp(_ProgramQuery):
    """`tl.num_programs(axis)`."""

    name = "tl.num_programs"


@irdl_op_definition
class CdivOp(IRDLOperation):
    """Ceiling division of positive integers (`tl.cdiv`)."""

    name = "tl.cdiv"

    T: ClassVar = VarConstraint("T", IndexInt)

    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($result)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[lhs, rhs], result_types=[lhs.type])


@irdl_op_definition
class CopyOp(IRDLOperation):
    """Give values new names, all at once: `a, b = x, y`; only prepare-for-print makes it, for loop-carried values."""

    name = "tl.copy"

    S: ClassVar = RangeVarConstraint("S", RangeOf(AnyAttr()))

    inputs = var_operand_def(S)
    outputs = var_result_def(S)

    traits = traits_def(Pure())
    assembly_format = "$inputs attr-dict `:` type($inputs)"

    def __init__(self, inputs: Sequence[SSAValue]):
        super().__init__(operands=[inputs], result_types=[[v.type for v in inputs]])


@irdl_op_definition
class DebugBarrierOp(IRDLOperation):
    """`tl.debug_barrier()`: all threads of the program meet; effects on everything, so that no access crosses it."""

    name = "tl.debug_barrier"

    traits = traits_def(UnknownEffects(), ThreadBarrier())
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__()


@irdl_op_definition
class GridBarrierOp(IRDLOperation):
    """All programs of the launch meet; what any of them wrote before is visible to all of them after it.

    ```mlir
    tl.grid_barrier %state : !tl.ptr<i32>
    ```
    `state` is a counter in memory, of which each barrier flips the sign and leaves the rest 0: it serves any number
    of barriers and of launches, one after the other. All programs must run at once, and each must come to every
    barrier: it stands in the body of the function. Effects: reads and writes everything.
    """

    name = "tl.grid_barrier"

    state = operand_def(PtrType)

    traits = traits_def(UnknownEffects(), ThreadBarrier(), HasParent(FuncOp))
    assembly_format = "$state attr-dict `:` type($state)"

    def __init__(self, state: SSAValue):
        super().__init__(operands=[state])


class _EarlyLaunch(IRDLOperation):
    traits = traits_def(UnknownEffects(), TouchesNoMemory())
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__()


@irdl_op_definition
class PdlWaitOp(_EarlyLaunch):
    """Wait until the kernel before this one has ended, and see what it wrote: `tl.pdl_wait`.

    A kernel with one may start early, when that kernel says so (programmatic dependent launch, sm_90 and later; a
    kernel of another GPU has nothing to wait for). Effects: reads and writes everything, so that nothing crosses it.
    """

    name = "tl.pdl_wait"


@irdl_op_definition
class PdlLaunchDependentsOp(_EarlyLaunch):
    """The kernel after this one may start when all programs have come here or ended: `tl.pdl_launch_dependents`.

    It sees what this one writes by its own `tl.pdl_wait` only. Effects: reads and writes everything.
    """

    name = "tl.pdl_launch_dependents"


__all__ = [
    "COOPERATIVE", "EARLY", "EARLY_LAUNCH", "AddressZeroOp", "CdivOp", "ConstexprOp", "CopyOp", "DebugBarrierOp",
    "FuncOp", "GridBarrierOp", "LaunchGridOp", "NumProgramsOp", "PdlLaunchDependentsOp", "PdlWaitOp", "ProgramIdOp",
    "ReturnOp", "constexprs_attr",
]  # fmt: skip
