"""`and`, `or`, `not`, conditional expressions, `min` and `max` in device code: Python's own, or of run-time scalars."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.ir import SSAValue

from .control_flow import ControlFlow
from .environment import Environment
from .source import CHOOSE, LAZY_AND, LAZY_OR, NOT
from .symbolic import BoolNode
from .tracer import Tracer


class Logic:
    """What the logic of expressions does, in one function's code."""

    def __init__(self, tracer: Tracer, environment: Environment):
        self.tracer = tracer
        self.environment = environment
        self.control = ControlFlow(tracer, environment)
        self.results = 0

    def operators(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that expressions are rewritten to call."""
        return {
            LAZY_AND: lambda *parts: self._logic("and", parts), LAZY_OR: lambda *parts: self._logic("or", parts),
            NOT: self._not, CHOOSE: self._choose,
        }  # fmt: skip

    def builtins(self) -> Mapping[str, Callable[..., Any]]:
        """Builtin functions of Python that also take run-time scalars."""
        return {"min": self._minimum, "max": self._maximum}

    def _logic(self, name: str, parts: Sequence[Callable[[], Any]]) -> Any:
        """`and` / `or`: as Python's while truths are known; run-time truths are all evaluated and combined."""
        stop = name == "or"
        result: SSAValue | None = None
        value: Any = None
        for part in parts:
            value = part()
            truth = self.control.truth(value)
            if truth is stop:
                return value if result is None else stop
            if not isinstance(truth, bool):
                op = arith.AndIOp if name == "and" else arith.OrIOp
                result = truth if result is None else self.tracer.builder.emit(op(result, truth))
        return value if result is None else torch.SymBool(BoolNode(self.tracer, result))

    def _not(self, value: Any) -> Any:
        truth = self.control.truth(value)
        if isinstance(truth, bool):
            return not truth
        return torch.SymBool(BoolNode(self.tracer, truth).sym_not())

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

        self.control.branch(truth, arm(then), arm(otherwise))
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
