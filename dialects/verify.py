"""What `Operation.verify` does not check: dominance and scoping, and the rules of our levels.

xDSL's verifier, and its parser, accept a value used before its definition or outside the loop that defines it.
"""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import DYNAMIC_INDEX, FileLineColLoc, IntegerType, ModuleOp, TensorType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.traits import IsolatedFromAbove
from xdsl.utils.exceptions import VerifyException

from .dims import Dim, DimsAttr, dims_of, element_of

SCALAR_ONLY: dict[type[Operation], str] = {
    arith.CmpfOp: "compare", arith.CmpiOp: "compare", arith.SelectOp: "select", arith.BitcastOp: "bitcast",
    arith.ConstantOp: "splat",
}  # fmt: skip
"""`arith` ops that must not touch tensors, and what `value` has instead."""

ELEMENTWISE_DIALECTS = ("arith", "math")


def verify_module(module: ModuleOp) -> None:
    """Verify a module of any level: each op alone, dominance and scoping, and the level's rules.

    The rules: no op of `SCALAR_ONLY` on tensors; the operands and results of `arith` and `math` have equal dims; no
    tensor of rank 0; a tensor with a symbolic dim has a `DimsAttr`; integers of values are signless.

    Raises:
        VerifyException: names the op, its location, and the value.
    """
    _Walk().block(module.body.block)
    module.verify()


def describe_op(op: Operation) -> str:
    """The op's name, and its source location if it is known."""
    location = op.location
    if not isinstance(location, FileLineColLoc):
        return op.name
    return f"{op.name} at {location.filename.data}:{location.line.data}:{location.column.data}"


def describe_value(value: SSAValue) -> str:
    """A value by its name, its defining op and its type."""
    name = f"%{value.name_hint}" if value.name_hint else "a value"
    owner = value.owner
    origin = f"argument {value.index}" if isinstance(value, BlockArgument) else "a result"
    origin = f"result of {owner.name}" if isinstance(owner, Operation) else origin
    return f"{name} ({origin}, {value.type})"


class _Walk:
    """One walk in program order with the set of values that are in scope."""

    def __init__(self) -> None:
        self.visible: set[SSAValue] = set()
        self.checked: set[Attribute] = set()

    def region(self, op: Operation, region: Region) -> None:
        if len(region.blocks) > 1:
            raise VerifyException(f"{describe_op(op)}: control flow between blocks is not supported")
        for block in region.blocks:
            self.block(block)

    def block(self, block: Block) -> None:
        for argument in block.args:
            self.type_rules(argument)
        defined: list[SSAValue] = list(block.args)
        self.visible.update(block.args)
        for op in block.ops:
            self.op(op)
            defined.extend(op.results)
            self.visible.update(op.results)
        self.visible.difference_update(defined)

    def op(self, op: Operation) -> None:
        for operand in op.operands:
            if operand not in self.visible:
                raise VerifyException(f"{describe_op(op)}: {describe_value(operand)} {_why_hidden(operand, op)}")
        for result in op.results:
            self.type_rules(result)
        if op.dialect_name() in ELEMENTWISE_DIALECTS:
            elementwise_rules(op)
        if not op.regions:
            return
        outer = self.visible
        if op.has_trait(IsolatedFromAbove):
            self.visible = set()
        for region in op.regions:
            self.region(op, region)
        self.visible = outer

    def type_rules(self, value: SSAValue) -> None:
        type_ = value.type
        if type_ in self.checked:
            return
        if (problem := type_problem(type_)) is not None:
            raise VerifyException(f"{_describe_owner(value)}: {describe_value(value)} {problem}")
        self.checked.add(type_)


def type_problem(type_: Attribute) -> str | None:
    """What is wrong with the type of a value at our levels, if anything."""
    element = element_of(type_)
    if isinstance(element, IntegerType) and element != IntegerType(element.width.data):
        return "must have a signless element type: only refs and pointers have unsigned ones"
    if not isinstance(type_, TensorType):
        return None
    shape, encoding = type_.get_shape(), type_.encoding
    if not shape:
        return "must not be a tensor of rank 0: at rank 0 a value has the element type itself"
    if not isinstance(encoding, DimsAttr):
        return "needs its dims as encoding, as one is symbolic" if DYNAMIC_INDEX in shape else None
    named: tuple[Dim, ...] = encoding.as_tuple()
    if shape != tuple(dim if isinstance(dim, int) else DYNAMIC_INDEX for dim in named):
        return "has a shape that does not fit its dims"
    return None


def elementwise_rules(op: Operation) -> None:
    """Check an op of `arith` or `math`: no tensors where it takes scalars only, and equal dims everywhere.

    Raises:
        VerifyException: names the op and the value.
    """
    values = (*op.operands, *op.results)
    tensors = [value for value in values if isinstance(value.type, TensorType)]
    if not tensors:
        return
    if (instead := SCALAR_ONLY.get(type(op))) is not None:
        raise VerifyException(
            f"{describe_op(op)}: {describe_value(tensors[0])} is a tensor; use value.{instead} for tensors"
        )
    dims = dims_of(tensors[0])
    for value in values:
        if dims_of(value) != dims:
            raise VerifyException(
                f"{describe_op(op)}: {describe_value(value)} must have the dims {list(dims)} of the other operands"
            )


def _describe_owner(value: SSAValue) -> str:
    owner = value.owner
    if isinstance(owner, Block):
        parent = owner.parent_op()
        return "a block" if parent is None else describe_op(parent)
    return describe_op(owner)


def _why_hidden(value: SSAValue, user: Operation) -> str:
    """Why a value is not in scope at an op that uses it."""
    block = value.owner if isinstance(value, BlockArgument) else value.owner.parent_block()
    isolating: Operation | None = None
    ancestor: Operation | None = user
    while ancestor is not None and block is not None:
        if ancestor.parent_block() is block:
            return f"is defined above the isolated {isolating.name}" if isolating else "is used before its definition"
        ancestor = ancestor.parent_op()
        if isolating is None and ancestor is not None and ancestor.has_trait(IsolatedFromAbove):
            isolating = ancestor
    parent = block.parent_op() if isinstance(block, Block) else None
    return f"is used outside the {parent.name} that defines it" if parent is not None else "is not part of the module"
