"""`and`, `or`, `not`, conditional expressions, `min` and `max` in device code: Python's own, or of run-time scalars."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.ir import Block, Operation, SSAValue

from ... import exc
from ...dialects.effects import has_no_effects
from ...dialects.value import SelectOp
from ..operators.printing import breakpoint_function, print_function
from ..operators.views import one_lane
from ..rewriting import CHOOSE, LAZY_AND, LAZY_OR, NOT
from ..symbols.nodes import BoolNode
from ..tracer import Tracer
from .control_flow import ControlFlow
from .environment import Environment, Snapshot, carried_as, is_leaf, join, lift, lower
from .python_functions import expression_functions


class BooleanOperators:
    """What `and`, `or`, `not` and conditional expressions do in the code of one function."""

    def __init__(self, tracer: Tracer, environment: Environment):
        self.tracer = tracer
        self.environment = environment
        self.control = ControlFlow(tracer, environment)
        self.results = 0

    def operators(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that expressions are rewritten to call."""
        return {
            LAZY_AND: lambda *parts: self._logic("and", parts), LAZY_OR: lambda *parts: self._logic("or", parts),
            NOT: self._not, CHOOSE: self._choose, **expression_functions(self.tracer),
        }  # fmt: skip

    def builtins(self) -> Mapping[str, Callable[..., Any]]:
        """Builtin functions of Python that also take run-time scalars."""
        return {
            "min": self._minimum, "max": self._maximum, "print": partial(print_function, self.tracer),
            "breakpoint": partial(breakpoint_function, self.tracer),
        }  # fmt: skip

    def _logic(self, name: str, parts: Sequence[Callable[[], Any]]) -> Any:
        """`and` / `or`, as Python's: a part is evaluated only if those before do not settle it.

        Where the truth of a part is known at run time only, the rest is a branch, or, if it does nothing but compute,
        evaluated in any case and selected.
        """
        value, rest = parts[0](), parts[1:]
        if not rest:
            return value
        truth = self.control.truth(value)
        if isinstance(truth, bool):
            return value if truth is (name == "or") else self._logic(name, rest)
        mark = self.tracer.mark()
        start = Snapshot(self.environment)
        with self.tracer.into(Block()) as block:
            other = self._logic(name, rest)
        if all(map(_only_computes, block.ops)) and not start.changed():
            for op in list(block.ops):
                op.detach()
                self.tracer.builder.block.add_op(op)
            return self._selected(name, truth, value, other)
        for op in block.ops:
            op.drop_all_references()
        start.restore()
        self.tracer.back_to(mark)
        arms = (lambda: self._logic(name, rest)), (lambda: value)
        return self._choose(value, *(arms if name == "and" else reversed(arms)))

    def _selected(self, name: str, truth: SSAValue, value: Any, other: Any) -> Any:
        """The value of `value and other`, or of `value or other`, where `truth` is that of `value`."""
        tracer, text = self.tracer, f"the value of {name!r}"
        value, other = (one_lane(tracer, part) for part in (value, other))
        if not (is_leaf(value) and is_leaf(other)):
            raise exc.ControlFlowTensorMismatch(
                f"{text} is a {type(value).__name__} or a {type(other).__name__}, as a run-time value decides",
                hint="compare what is no number: `k > 0 and len(items) > 0`",
            )
        carried = join(text, carried_as(tracer, value), carried_as(tracer, other))
        mine, others = (lift(tracer, text, leaf, carried) for leaf in (value, other))
        if mine is truth:
            op = (arith.AndIOp if name == "and" else arith.OrIOp)(truth, others)
        else:
            op = SelectOp(truth, others, mine) if name == "and" else SelectOp(truth, mine, others)
        return lower(tracer, tracer.builder.emit(op), carried, value)

    def _not(self, value: Any) -> Any:
        truth = self.control.truth(value)
        if isinstance(truth, bool):
            return not truth
        node = value.node if isinstance(value, torch.SymBool) else BoolNode(self.tracer, truth)
        return torch.SymBool(node.sym_not())

    def _choose(self, test: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        """A conditional expression."""
        truth = self.control.truth(test)
        if isinstance(truth, bool):
            return then() if truth else otherwise()
        name = f"__result_{self.results}"
        self.results += 1
        names = self.environment.names

        def arm(value: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                names[name] = value()
                self.environment.local[name] = None

            return run

        self.control.branch_on(test, truth, arm(then), arm(otherwise))
        self.environment.local.pop(name)
        return names.pop(name)

    def _minimum(self, *args: Any, **kwargs: Any) -> Any:
        return self._extremum(builtins.min, torch.sym_min, torch.minimum, args, kwargs)

    def _maximum(self, *args: Any, **kwargs: Any) -> Any:
        return self._extremum(builtins.max, torch.sym_max, torch.maximum, args, kwargs)

    def _extremum(self, plain: Any, symbolic: Any, tensor: Any, args: Any, kwargs: Any) -> Any:
        """Python's `min` and `max`, also of run-time scalars."""
        values = list(args[0]) if len(args) == 1 and not isinstance(args[0], torch.Tensor) else list(args)
        if kwargs or not any(isinstance(v, torch.Tensor | torch.SymInt | torch.SymFloat) for v in values):
            return plain(*args, **kwargs)
        result = values[0]
        for value in values[1:]:
            if isinstance(result, torch.Tensor) or isinstance(value, torch.Tensor):
                low = plain is builtins.min
                condition = result < value if low else result > value
                result = torch.where(condition, result, value)
            else:
                result = symbolic(result, value)
        return result


def _only_computes(op: Operation) -> bool:
    """Whether an op may run where its result is not needed: it reads and writes nothing, and cannot fail."""
    return has_no_effects(op) and not op.regions
