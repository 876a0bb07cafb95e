"""shield-carried-values: values that a loop carries have distinct initial values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import BoolAttr, ModuleOp, TensorType
from xdsl.ir import Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from ....dialects import tl
from ....dialects.dims import dims_of
from ....dialects.inline_triton import is_static_loop
from ....dialects.quick import ops_in
from ....dialects.value import SelectOp, SplatOp


@dataclass(frozen=True)
class ShieldCarriedValuesPass(ModulePass):
    """Give each value that a loop carries an initial value of its own.

    Triton 3.6 and 3.7 find what a loop carries by running its body once and comparing objects of Python: in

        b = a
        for …: a, b = b, f(a)

    the name `a` ends on the object that it began with, so that its changes are lost. `b = tl.where(True, a, a)` is
    another object, and nothing is left of it in the code. A static loop leaves objects as its last turn named them:
    what it yields must be of its body's own making, so that no later loop meets one object under two names.
    """

    name = "shield-carried-values"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for loop in ops_in(op):
            if isinstance(loop, scf.ForOp):
                _separate(loop, range(3, len(loop.operands)))
                if is_static_loop(loop) and (end := loop.body.block.last_op):
                    _separate(end, range(len(end.operands)), loop.body.block)
            elif isinstance(loop, scf.WhileOp):
                _separate(loop, range(len(loop.operands)))


def _separate(op: Operation, carried: Iterable[int], within: Block | None = None) -> None:
    """Make the operands `carried` of `op` distinct; with `within`, also make them results of ops of that block."""
    met: set[SSAValue] = set()
    for at in carried:
        value = op.operands[at]
        foreign = within is not None and (isinstance(value, BlockArgument) or value.owner.parent_block() is not within)
        if (value in met or foreign) and not _is_literal(value):
            op.operands[at] = _another(value, op)
        met.add(value)


def _another(value: SSAValue, user: Operation) -> SSAValue:
    """A second SSA value equal to the first, defined before `user`."""
    true = arith.ConstantOp(BoolAttr.from_bool(True))
    tensor = isinstance(value.type, TensorType)
    everywhere = [SplatOp(true.result, dims_of(value))] if tensor else []
    condition = everywhere[0].result if everywhere else true.result
    other = SelectOp(condition, value, value)
    for new in (true, *everywhere, other):
        new.location = user.location
        Rewriter.insert_op(new, InsertPoint.before(user))
    return other.result


def _is_literal(value: SSAValue) -> bool:
    """Whether each use of a value prints as an object of its own."""
    return isinstance(value, OpResult) and isinstance(value.op, arith.ConstantOp | tl.ConstexprOp)
