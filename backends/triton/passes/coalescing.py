"""Which SSA values may share one mutable variable, so that structured control flow prints without copies.

A *variable* is a set of values of which no two are needed at the same time. Loop arguments and results share one
by definition; a loop's initial and yielded values, and what the arms of an `scf.if` yield, join it where that is safe.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, OpResult, SSAValue, Use

INLINE = "inline"


def is_inline(op: Operation) -> bool:
    """Whether `op` is printed inside its users, so that it reads its operands where they do."""
    return INLINE in op.attributes


def block_of(value: SSAValue) -> Block | None:
    """The block in which `value` is defined."""
    return value.op.parent if isinstance(value, OpResult) else value.owner  # pyright: ignore[reportReturnType]


def ancestor_in(block: Block, op: Operation | None) -> Operation | None:
    """The op of `block` that is or contains `op`."""
    while op is not None and op.parent is not block:
        op = op.parent_op()
    return op


def carried(op: Operation) -> Iterator[tuple[SSAValue, tuple[SSAValue, ...], SSAValue]]:
    """The loop-carried variables of a loop: initial value, the values that are one variable, yielded value."""
    if isinstance(op, scf.ForOp):
        yields = op.body.block.last_op
        assert yields is not None
        for init, arg, result, value in zip(
            op.iter_args, op.body.block.args[1:], op.results, yields.operands, strict=True
        ):
            yield init, (result, arg), value
    elif isinstance(op, scf.WhileOp):
        yields = op.after_region.block.last_op
        assert yields is not None
        for init, before, after, result, value in zip(
            op.arguments,
            op.before_region.block.args,
            op.after_region.block.args,
            op.results,
            yields.operands,
            strict=True,
        ):
            yield init, (result, before, after), value


class LiveRanges:
    """Positions of the ops in their blocks, and where each value is read last."""

    def __init__(self, root: Block):
        self.position: dict[Operation, int] = {}
        self._uses: dict[SSAValue, list[Use]] = {}
        blocks = [root]
        while blocks:
            for i, op in enumerate(blocks.pop().ops):
                self.position[op] = i
                blocks.extend(block for region in op.regions for block in region.blocks)

    def uses(self, value: SSAValue) -> list[Use]:
        """The uses of `value` by statements, through inlined ops."""
        found = self._uses.get(value)
        if found is None:
            found = self._uses[value] = []
            for use in value.uses:
                if is_inline(use.operation):
                    found.extend(again for result in use.operation.results for again in self.uses(result))
                else:
                    found.append(use)
        return found

    def start(self, value: SSAValue) -> int:
        """The position at which `value` is defined in its block; -1 for a block argument."""
        return self.position[value.op] if isinstance(value, OpResult) else -1

    def end(self, value: SSAValue, block: Block) -> int:
        """The last position of `block` at which `value` is read, nested regions included; -2 if none."""
        ancestors = (ancestor_in(block, use.operation) for use in self.uses(value))
        return max((self.position[op] for op in ancestors if op is not None), default=-2)

    def interfere(self, a: SSAValue, b: SSAValue) -> bool:
        """Whether writing one of the two values may destroy the other while it is still needed."""
        block_a, block_b = block_of(a), block_of(b)
        if block_a is None or block_b is None:
            return True
        if block_a is block_b:
            first, second = (a, b) if self.start(a) <= self.start(b) else (b, a)
            return self.start(a) == self.start(b) or self.end(first, block_a) > self.start(second)
        if ancestor_in(block_a, block_b.parent_op()) is not None:
            return self._live_into(a, b)
        if ancestor_in(block_b, block_a.parent_op()) is not None:
            return self._live_into(b, a)
        return False

    def _live_into(self, outer: SSAValue, inner: SSAValue) -> bool:
        """Whether `outer` is needed after `inner`, of a region below its block, is written."""
        block, target, start = block_of(outer), block_of(inner), self.start(outer)
        while block is not target:
            assert block is not None
            assert target is not None
            holder = ancestor_in(block, target.parent_op())
            assert holder is not None
            end, position = self.end(outer, block), self.position[holder]
            if start >= position or end != position:
                return start < position < end
            if not isinstance(holder, scf.IfOp):
                return self._needed_by_loop(outer, holder)
            block, start = _arm(holder, target), -2
        assert block is not None
        return self.end(outer, block) > self.start(inner)

    def _needed_by_loop(self, value: SSAValue, loop: Operation) -> bool:
        """Whether `loop` reads `value` other than as the initial value of a carried variable."""
        block, inits = loop.parent, len(loop.operands) - len(loop.results)
        assert block is not None
        return any(
            use.operation is not loop or use.index < inits
            for use in self.uses(value)
            if ancestor_in(block, use.operation) is loop
        )


def _arm(holder: Operation, block: Block) -> Block:
    """The block of `holder`'s regions that is or contains `block`."""
    while (parent := block.parent_op()) is not holder:
        assert parent is not None
        assert parent.parent is not None
        block = parent.parent
    return block


class Variables:
    """Sets of values that share a variable (a union-find whose sets know their members)."""

    def __init__(self, liveness: LiveRanges):
        self.liveness = liveness
        self._members: dict[SSAValue, list[SSAValue]] = {}

    def members(self, value: SSAValue) -> list[SSAValue]:
        """All values of the variable of `value`; the same list object for each of them."""
        return self._members.setdefault(value, [value])

    def same(self, a: SSAValue, b: SSAValue) -> bool:
        return self.members(a) is self.members(b)

    def join(self, a: SSAValue, b: SSAValue) -> None:
        """Make `a` and `b` one variable."""
        into, other = self.members(a), self.members(b)
        if into is not other:
            into.extend(other)
            for value in other:
                self._members[value] = into

    def try_join(self, a: SSAValue, b: SSAValue) -> None:
        """Make `a` and `b` one variable, unless some of their values are needed at the same time."""
        left, right = self.members(a), self.members(b)
        if left is not right and not any(self.liveness.interfere(x, y) for x in left for y in right):
            self.join(a, b)
