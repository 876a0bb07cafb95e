"""Pass `prepare-for-print`: what does not print one to one.

It leaves value-level IR in which every op is one Python statement, or part of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cache

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    UnitAttr,
    f32,
    i1,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue, Use
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ....dialects import tl
from ....dialects.dims import element_of, type_of, with_element
from ....dialects.effects import has_no_effects
from ....dialects.inline_triton import ElementOp, SnippetOp
from ....dialects.quick import build, ops_in
from ....dialects.value import PREDICATES, BroadcastOp, CompareOp, ExpandDimsOp, SplatOp
from ....passes.construction import copy_op
from .coalescing import INLINE, LiveRanges, Variables, carried, is_inline
from .printed_names import assign_names
from .printed_operands import accepts_bare, broadcasts_itself, is_weak

IMPLICIT = "implicit"
"""On `value.broadcast` and `value.splat`: Triton broadcasts by itself, only the input prints."""
TYPED = "typed"
"""On constants and constexprs: printed with their type, as nothing they meet gives it to them."""
MARK = UnitAttr()
MAX_LENGTH = 80
"""The length of an expression, in characters, above which its parts become statements."""

EXPRESSIONS = frozenset(("arith", "math", "value", "tl", "inline_triton"))
"""Dialects whose ops print as expressions."""
STATEMENTS = frozenset((tl.ProgramIdOp, tl.MakeTensorDescriptorOp, tl.DotOp, tl.DotScaledOp, tl.CopyOp, SnippetOp))
"""Ops that always get a name of their own: they are landmarks for the reader."""


# --- control flow ------------------------------------------------------------------------------------------------


def rotate_while(loop: scf.WhileOp) -> None:
    """Rotate a loop so that its `before` region only computes its condition.

    `while (before; cond(x)) { body }`  →  `before; while (cond) { body; before' }`, where cond is carried too.
    """
    condition = loop.before_region.block.last_op
    assert isinstance(condition, scf.ConditionOp)
    first: dict[SSAValue, SSAValue] = dict(zip(loop.before_region.block.args, loop.arguments, strict=True))
    for op in list(loop.before_region.block.ops)[:-1]:
        Rewriter.insert_op(_clone(op, first), InsertPoint.before(loop))
    inits = [first.get(value, value) for value in (*condition.args, condition.condition)]
    yields = loop.after_region.block.last_op
    assert isinstance(yields, scf.YieldOp)
    again: dict[SSAValue, SSAValue] = dict(zip(loop.before_region.block.args, yields.operands, strict=True))
    for op in list(loop.before_region.block.ops)[:-1]:
        Rewriter.insert_op(_clone(op, again), InsertPoint.before(yields))
    next_values = [again.get(value, value) for value in (*condition.args, condition.condition)]
    types = [value.type for value in inits]
    before = Block(arg_types=types)
    test = scf.ConditionOp(before.args[-1], *before.args)
    test.location = condition.location
    before.add_op(test)
    after = loop.detach_region(loop.after_region)
    after.block.insert_arg(types[-1], len(after.block.args))
    _replace(yields, scf.YieldOp(*next_values))
    new = scf.WhileOp(inits, types, Region(before), after)
    for target, source in zip((*new.results, *before.args), (*loop.results, None, *after.block.args), strict=True):
        target.name_hint = source.name_hint if source else None
    new.results[-1].name_hint = "condition"
    _replace(loop, new, new.results[:-1])


def _clone(op: Operation, values: dict[SSAValue, SSAValue]) -> Operation:
    """A copy of `op` on the mapped operands, with its location and names; its results are added to `values`."""
    new = op.clone(values, clone_name_hints=True)
    for old_op, new_op in zip(op.walk(), new.walk(), strict=True):
        new_op.location = old_op.location
    return new


def _replace(op: Operation, new: Operation, results: Sequence[SSAValue] | None = None) -> None:
    new.location = op.location
    new.attributes.update(op.attributes)
    Rewriter.replace_op(op, new, results if results is not None else new.results)


def is_rotated(loop: scf.WhileOp) -> bool:
    """Whether the `before` region only computes the condition, from values that it passes on as they are."""
    block = loop.before_region.block
    condition = block.last_op
    if not isinstance(condition, scf.ConditionOp):
        raise PassFailedException("prepare-for-print: the first region of scf.while must end in scf.condition")
    if tuple(condition.args) != tuple(block.args):
        return False
    return all(_is_part_of_an_expression(op, block) for op in block.ops if op is not condition)


def _is_part_of_an_expression(op: Operation, block: Block) -> bool:
    """Whether `op` can be printed inside its one user."""
    return has_no_effects(op) and not op.regions and len(op.results) == 1 and op.results[0].has_one_use()


# --- comparisons -------------------------------------------------------------------------------------------------

_CMPF = {1: "eq", 2: "gt", 3: "ge", 4: "lt", 5: "le", 13: "ne"}
"""The predicates of `arith.cmpf` that Python's operators have."""


def as_tl_compare(op: arith.CmpiOp | arith.CmpfOp) -> None:
    """`arith.cmpi` and `arith.cmpf` as `value.compare`, whose text has room for the attributes that this pass adds."""
    number, (lhs, rhs) = op.predicate.value.data, op.operands
    if isinstance(op, arith.CmpfOp):
        predicate = _CMPF.get(number)
    elif lhs.type == i1:  # value.compare orders false below true; signed, true is -1
        if number in range(2, 6):
            lhs, rhs = rhs, lhs
        predicate = PREDICATES[number].removeprefix("u")
    else:
        predicate = PREDICATES[number]
    if predicate is None:
        raise PassFailedException(f"prepare-for-print: {op.name} with predicate {number} has no Triton spelling")
    new = CompareOp(predicate, lhs, rhs)
    new.result.name_hint = op.result.name_hint
    _replace(op, new)


# --- conversions -------------------------------------------------------------------------------------------------


_THROUGH_FLOAT32 = (Float64Type, BFloat16Type)


def through_float32(op: arith.ExtFOp | arith.TruncFOp) -> None:
    """Convert between 8-bit floats and float64 or bfloat16 by way of float32.

    Triton 3.7 has no conversion of the first, and its conversion of float8_e4m3fn to bfloat16 makes -32 of -3 (3.6, on
    an H100). PyTorch's conversions go through float32, too.
    """
    elements = element_of(op.input), element_of(op.result)
    if not any(isinstance(e, _THROUGH_FLOAT32) for e in elements):
        return
    if not any(isinstance(e, AnyFloat) and e.bitwidth == 8 for e in elements):
        return
    middle = _converted(op.input, f32)
    middle.location = op.location
    Rewriter.insert_op(middle, InsertPoint.before(op))
    last = _converted(middle.result, elements[1])
    last.result.name_hint = op.result.name_hint
    _replace(op, last)


def _converted(value: SSAValue, element: Attribute) -> arith.ExtFOp | arith.TruncFOp:
    """A float conversion of a value's elements."""
    source, type_ = element_of(value), with_element(type_of(value), element)
    assert isinstance(source, AnyFloat)
    assert isinstance(element, AnyFloat)
    return arith.ExtFOp(value, type_) if element.bitwidth > source.bitwidth else arith.TruncFOp(value, type_)


# --- operands ----------------------------------------------------------------------------------------------------


def split_uses(op: Operation, mark: str, wanted: Callable[[Use, SSAValue], bool]) -> None:
    """Mark `op` with `mark` for the uses that are `wanted`; a copy without the mark serves the others, if any."""
    (result,) = op.results
    uses = list(result.uses)
    others = [use for use in uses if not wanted(use, result)]
    if len(others) == len(uses):
        return
    if others:
        plain = op.clone(clone_name_hints=True)
        plain.location = op.location
        Rewriter.insert_op(plain, InsertPoint.before(op))
        for use in others:
            use.operation.operands[use.index] = plain.results[0]
    op.attributes[mark] = MARK


def is_implicit(op: Operation) -> bool:
    """Whether only the operand of this broadcast prints."""
    return IMPLICIT in op.attributes


# --- inlining ----------------------------------------------------------------------------------------------------


@cache
def _prints_as_expression(cls: type[Operation]) -> bool:
    return cls.dialect_name() in EXPRESSIONS


def is_expression(op: Operation) -> bool:
    """Whether `op` may print inside another op: it has no effects, and its dialect's ops are expressions."""
    return has_no_effects(op) and _prints_as_expression(type(op))


class Inliner:
    """Marks ops that print inside their users, walking a block in order, so that lengths are known."""

    def __init__(self, indices: Set[Operation]) -> None:
        self._indices = indices
        """What must print inside an index of a tuple: assigned to a name, it would be known at run time only."""
        self._length: dict[int, int] = {}
        """Inlined values, by identity (hashing one runs Python code), and the length of their text."""

    def visit(self, op: Operation) -> None:
        """Decide for one op, after those it uses."""
        if len(op.results) != 1 or op.regions or not is_expression(op):
            return
        length = self._own_length(op) + sum([self._operand_length(value) for value in op.operands])
        (result,) = op.results
        forced = is_implicit(op) or is_weak(result) or _is_loop_condition(op) or op in self._indices
        if forced or self._fits(op, length):
            op.attributes[INLINE] = MARK
            self._length[id(result)] = length

    def _fits(self, op: Operation, length: int) -> bool:
        (result,) = op.results
        use = result.first_use
        if use is None or type(op) in STATEMENTS:
            return False
        if type(op) is ExpandDimsOp and _is_indexed_name(op.input):
            return True
        if type(op) is ElementOp and result.name_hint is None and isinstance(op.input, BlockArgument):
            return True
        user = use.operation
        if length > MAX_LENGTH or not result.has_one_use() or user.parent is not op.parent or _is_carried(use):
            return False
        return result.name_hint is None or (len(user.results) == 1 and user.results[0].name_hint == result.name_hint)

    def _operand_length(self, value: SSAValue) -> int:
        length = self._length.get(id(value))
        return len(value.name_hint or "v_10") if length is None else length

    def _own_length(self, op: Operation) -> int:
        if type(op) is arith.ConstantOp:
            value = op.value
            return len(str(value.value.data)) if isinstance(value, IntegerAttr | FloatAttr) else 8
        if type(op) is tl.ConstexprOp:
            return len(op.param.data)
        if is_implicit(op):
            return 0
        return 3 if op.name.startswith("arith.") and len(op.operands) == 2 else 14


def _static_indices(ops: Iterable[Operation]) -> Set[Operation]:
    """The ops that compute the indices of `inline_triton.element`."""
    found: set[Operation] = set()
    waiting = [op.index for op in ops if type(op) is ElementOp]
    while waiting:
        owner = waiting.pop().owner
        if isinstance(owner, Operation) and owner not in found:
            found.add(owner)
            waiting.extend(owner.operands)
    return found


def _is_loop_condition(op: Operation) -> bool:
    """Whether `op` is part of what `while` tests."""
    loop = op.parent_op()
    return type(loop) is scf.WhileOp and op.parent is loop.before_region.block


def _is_carried(use: Use) -> bool:
    """Whether the use enters or leaves a region as a variable, to which its definition had better assign."""
    op = use.operation
    if type(op) in (scf.ForOp, scf.WhileOp):
        return use.index >= len(op.operands) - len(op.results)
    return type(op) is scf.YieldOp


def _is_indexed_name(value: SSAValue) -> bool:
    """Whether `value` prints as a name, with nothing but `[:, None]` after it: that costs nothing to repeat."""
    op = value.owner
    return not isinstance(op, Operation) or not is_inline(op) or isinstance(op, ExpandDimsOp)


# --- out of SSA --------------------------------------------------------------------------------------------------


def merge(variables: Variables, ops: Iterable[Operation]) -> None:
    """Give loop-carried values and branch results one variable each, and others the same where that is safe."""
    loops = [op for op in ops if isinstance(op, scf.ForOp | scf.WhileOp)]
    for loop in loops:
        for _, shared, _ in carried(loop):
            for value in shared[1:]:
                variables.join(shared[0], value)
    for op in ops:
        for _, (result, *_), value in carried(op):
            if _is_variable(value):
                variables.try_join(result, value)
        for init, (result, *_), _ in carried(op):
            if _is_variable(init):
                variables.try_join(result, init)
        for result, value in _branch_yields(op):
            if _is_variable(value):
                variables.try_join(result, value)


def _is_variable(value: SSAValue) -> bool:
    """Whether `value` is an assigned name: no expression, no parameter of the function, no induction variable."""
    if isinstance(value.owner, Operation):
        return not is_inline(value.owner)
    loop = value.owner.parent_op()
    return isinstance(loop, scf.WhileOp) or (isinstance(loop, scf.ForOp) and value is not value.owner.args[0])


def _branch_yields(op: Operation) -> Iterable[tuple[SSAValue, SSAValue]]:
    if isinstance(op, scf.IfOp) and op.results:
        for region in op.regions:
            if (last := region.block.last_op) is not None:
                yield from zip(op.results, last.operands, strict=True)


def insert_copies(variables: Variables, op: Operation) -> None:
    """Assign, in one parallel copy, what enters or leaves a region of `op` under another name."""
    inits = [(init, result) for init, (result, *_), _ in carried(op)]
    first = len(op.operands) - len(inits)
    _copy(variables, op, first, inits)
    ends = [(value, result) for _, (result, *_), value in carried(op)]
    if isinstance(op, scf.ForOp):
        _copy(variables, op.body.block.last_op, 0, ends)
    elif isinstance(op, scf.WhileOp):
        _copy(variables, op.after_region.block.last_op, 0, ends)
    elif isinstance(op, scf.IfOp) and op.results:
        for region in op.regions:
            last = region.block.last_op
            assert last is not None
            _copy(variables, last, 0, list(zip(last.operands, op.results, strict=True)))


def _copy(variables: Variables, user: Operation | None, first: int, pairs: Sequence[tuple[SSAValue, SSAValue]]) -> None:
    """Copy operands `first`… of `user` before it, into the variables that `pairs` give."""
    assert user is not None
    moved = [(i, value, target) for i, (value, target) in enumerate(pairs, first) if not variables.same(value, target)]
    if not moved:
        return
    copy = build(copy_op, [value for _, value, _ in moved], ())
    copy.location = user.location
    Rewriter.insert_op(copy, InsertPoint.before(user))
    for (i, _, target), output in zip(moved, copy.results, strict=True):
        user.operands[i] = output
        variables.join(target, output)


@dataclass(frozen=True)
class PrepareForPrintPass(ModulePass):
    """Leave value-level IR in which every op prints as exactly one statement, or inside one.

    - Every op with results has `names`, loops also `arg_names`; loop-carried values and branch results share a
      variable, and `tl.copy` assigns in parallel (`a, b = x, y`) where they cannot.
    - Ops marked `inline` print inside their users: pure, used once, in the same block, up to `MAX_LENGTH`.
    - Broadcasts marked `implicit` do not print: Triton broadcasts in their users.
    - Constants marked `typed` print with their type; others take it from what they meet.

    Precondition: a `tl` module.
    """

    name = "prepare-for-print"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in op.body.block.ops:
            if isinstance(func, tl.FuncOp):
                prepare(func)


def prepare(func: tl.FuncOp) -> None:
    """Prepare one function's body; its grid is one expression and stays as it is."""
    body = func.body.block
    ops = ops_in(body)
    loops = [op for op in reversed(ops) if type(op) is scf.WhileOp and not is_rotated(op)]
    for op in loops:
        rotate_while(op)
    for op in reversed(ops_in(body) if loops else ops):
        if type(op) is arith.CmpiOp or type(op) is arith.CmpfOp:
            as_tl_compare(op)
        elif type(op) is arith.ExtFOp or type(op) is arith.TruncFOp:
            through_float32(op)
        elif type(op) is BroadcastOp or type(op) is SplatOp:
            split_uses(op, IMPLICIT, broadcasts_itself)
        elif type(op) is arith.ConstantOp or type(op) is tl.ConstexprOp:
            # its users come later, so what they are is settled
            split_uses(op, TYPED, _needs_type)
    ops = ops_in(body)
    inliner = Inliner(_static_indices(ops))
    for op in ops:
        inliner.visit(op)
    variables = Variables(LiveRanges(body))
    inner_first = [op for op in reversed(ops) if op.regions]
    merge(variables, inner_first)
    for op in inner_first:
        insert_copies(variables, op)
    assign_names(func, variables)


def _needs_type(use: Use, value: SSAValue) -> bool:
    return not accepts_bare(use, value) and not is_implicit(use.operation)
