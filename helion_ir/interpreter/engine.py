"""xDSL's interpreter for structured IR: blocks are planned once, and errors name the op and its source location."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from xdsl.dialects.builtin import FileLineColLoc
from xdsl.interpreter import Interpreter, OpImplResult, PythonValues, ReturnedValues
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import InterpretationError

from helion_ir.dialects.op_rules import interpreted

from .. import exc


class LocatedError(exc.Base, InterpretationError):
    """A kernel cannot be run on: an access out of bounds, a function that only a GPU has; the message begins with the
    op and its location."""


def describe_location(op: Operation) -> str:
    """`op.name at file:line:column`, or just the name where the location is unknown."""
    location = op.location
    if not isinstance(location, FileLineColLoc):
        return op.name
    return f"{op.name} at {location.filename.data}:{location.line.data}:{location.column.data}"


def place_of(op: Operation) -> exc.SourceLocation | None:
    """Where in the user's source an op comes from, if that is known."""
    location = op.location
    if not isinstance(location, FileLineColLoc):
        return None
    return exc.SourceLocation(location.filename.data, location.line.data, location.column.data)


class Step(NamedTuple):
    """An op of a block with all that running it needs."""

    op: Operation
    operands: tuple[SSAValue, ...]
    results: tuple[SSAValue, ...]
    run: Callable[..., OpImplResult]
    functions: Any


@dataclass
class BlockInterpreter(Interpreter):
    """Runs regions of one block with all values in one flat map.

    No op calls a function, so a value is live in one iteration at a time and a new one may replace it: scopes, which
    cost xDSL's own interpreter more than the ops do, are not needed. The verifier has checked dominance.
    """

    _values: dict[SSAValue, Any] = field(default_factory=dict)
    _steps: dict[Block, list[Step]] = field(default_factory=dict)

    def run_ssacfg_region(self, region: Region, args: PythonValues, name: str = "unknown") -> PythonValues:
        block = region.block
        self._values.update(zip(block.args, args, strict=True))
        return self._run_steps(self._steps_of(block))

    def run_in_turn(
        self, block: Block, args: PythonValues, splits: Callable[[Operation], bool], turns: Sequence[Callable[[], None]]
    ) -> None:
        """Run a block once for each of `turns`, which are called beforehand: all of them up to an op that `splits`,
        then all up to the next one."""
        steps = self._steps_of(block)
        cuts = [0, *[number for number, step in enumerate(steps) if splits(step.op)], len(steps)]
        self._values.update(zip(block.args, args, strict=True))
        own = [dict(self._values) for _ in turns] if len(cuts) > 2 else None
        for begin, end in pairwise(cuts):
            for number, turn in enumerate(turns):
                turn()
                if own is not None:
                    self._values = own[number]
                self._run_steps(steps[begin:end])

    def _steps_of(self, block: Block) -> list[Step]:
        steps = self._steps.get(block)
        if steps is None:
            steps = self._steps[block] = [self._plan(op) for op in block.ops]
        return steps

    def _run_steps(self, steps: Sequence[Step]) -> PythonValues:
        """What the terminator among the steps returns; nothing if there is none."""
        values = self._values
        for step in steps:
            try:
                inputs = tuple([values[operand] for operand in step.operands])
            except KeyError as error:
                raise LocatedError(f"{describe_location(step.op)}: used before its definition: {error}") from error
            result = self._run(step, inputs)
            if result.terminator_value is not None:
                if not isinstance(result.terminator_value, ReturnedValues):
                    raise LocatedError(f"{describe_location(step.op)}: branches between blocks are not supported")
                return result.terminator_value.values
            values.update(zip(step.results, result.values, strict=True))
        return ()

    def _plan(self, op: Operation) -> Step:
        entry = self._impls._impl_dict.get(type(op))  # pyright: ignore[reportPrivateUsage]
        if entry is None and (rule := interpreted(type(op))) is not None:
            entry = None, lambda functions, interpreter, op, args: OpImplResult(rule(op, args), None)
        if entry is None:
            raise LocatedError(f"{describe_location(op)}: the interpreter has no implementation of this op")
        functions, run = entry
        return Step(op, tuple(op.operands), tuple(op.results), run, functions)

    def _run(self, step: Step, inputs: PythonValues) -> OpImplResult:
        for listener in self.listeners:
            listener.will_interpret_op(step.op, inputs)
        try:
            result = step.run(step.functions, self, step.op, inputs)
        except LocatedError:
            raise
        except Exception as error:
            hint = "positions must lie within the tensor; mask what does not" if "out of bounds" in str(error) else None
            place = place_of(step.op)
            raise LocatedError(f"{describe_location(step.op)}: {error}", hint=hint, location=place) from error
        for listener in self.listeners:
            listener.did_interpret_op(step.op, result.values)
        return result
