"""Walks the statements of device code; expressions are evaluated by Python itself, on traced values."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from types import FunctionType
from typing import Any

import torch
from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ... import exc
from ... import language as hl
from ..operators.table import UNSEEN
from ..rewriting import CALL, statement_code
from ..source import current_location, node_location, walks
from ..tracer import Tracer
from .boolean_operators import BooleanOperators
from .called_functions import (
    Helper,
    HelperCall,
    function_of_kernel,
    helper_call,
    helper_of,
    needs_values,
    part_of_kernel,
    rebinds,
)
from .environment import Environment, Snapshot
from .hl_functions import loop_range
from .liveness import liveness
from .loops import Loop
from .matching import Matching, captured
from .mutation import StructureChanged, watch_of_function
from .python_functions import known_values, python_function, with_values
from .statements import Statements
from .static_loops import StaticRange, drop_dead, reads_later, walk_once

LOOP_FUNCTIONS = (hl.tile, hl.grid, hl.jagged_tile)
_MOST_UNROLLED = 256
"""How many iterations a loop over `range` may have that must be unrolled."""
_NEED_UNROLLING = (StructureChanged, exc.ShapeSpecializingCall, exc.InvalidSequenceSubscription, TypeError)
"""What a body raises whose index, or whose changes, must be Python's own (a run-time index is no key of a dict)."""
_DEEPEST = 16
"""How often a function may be in its own call before that is taken for a recursion without end."""


def assigned_names(statements: Sequence[ast.stmt]) -> Mapping[str, None]:
    """The names that statements bind, in the order of the text."""
    return _assigned_names(tuple(statements))


@lru_cache(maxsize=4096)
def _assigned_names(statements: tuple[ast.stmt, ...]) -> Mapping[str, None]:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    names = (n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    patterns = (name for n in nodes if isinstance(n, ast.match_case) for name in captured(n.pattern))
    return dict.fromkeys((*names, *patterns))


class DeviceWalker(Statements):
    """Device code: one method per kind of statement."""

    def __init__(
        self,
        tracer: Tracer,
        environment: Environment,
        file: str,
        body: Sequence[ast.stmt],
        read_later: Collection[str] = (),
    ):
        super().__init__(tracer, environment, file, body, read_later)
        logic = BooleanOperators(tracer, environment)
        environment.names |= {**logic.operators(), CALL: self._call}
        for name, function in logic.builtins().items():
            environment.names.setdefault(name, function)

    def visit_If(self, node: ast.If) -> None:
        value = self.evaluate(node.test)
        truth = self.control.truth(value)
        self.tracer.builder.at(node_location(node.test, self.file))
        if isinstance(truth, bool):
            self.walk(node.body if truth else node.orelse)
        else:
            self.control.branch_on(value, truth, lambda: self.walk(node.body), lambda: self.walk(node.orelse))

    def visit_Match(self, node: ast.Match) -> None:
        matching = Matching(self.tracer, self.environment, self.file, self.evaluate(node.subject))
        self._cases(matching, node.cases)

    def _cases(self, matching: Matching, cases: Sequence[ast.match_case]) -> None:
        """The first case that fits; where that is known at run time only, it or the others."""
        for i, case in enumerate(cases):
            truth = self.control.truth(matching.matches(case.pattern))
            if truth is not False and case.guard is not None:
                guard = self.control.truth(self.evaluate(case.guard))
                truth = guard if truth is True else self._both(truth, guard)
            if truth is True:
                return self.walk(case.body)
            if truth is not False:
                self.tracer.builder.at(node_location(case.pattern, self.file))
                rest = cases[i + 1 :]
                return self.control.branch(
                    truth, lambda body=case.body: self.walk(body), lambda rest=rest: self._cases(matching, rest)
                )
        return None

    def _both(self, first: SSAValue, second: bool | SSAValue) -> bool | SSAValue:
        if isinstance(second, bool):
            return first if second else False
        return self.tracer.builder.emit(arith.AndIOp(first, second))

    def visit_While(self, node: ast.While) -> None:
        if node.orelse:
            raise exc.StatementNotSupported(
                "`while … else` is not supported in device code", location=node_location(node, self.file)
            )
        self.control.while_loop(
            assigned_names(node.body),
            lambda: self.control.truth(self.evaluate(node.test)),
            lambda: self.walk(node.body),
        )

    def visit_For(self, node: ast.For) -> None:
        if node.orelse:
            raise exc.DeviceLoopElseBlock("a loop in device code has no else", location=node_location(node, self.file))
        iterable = self.iterable(node.iter)
        if isinstance(iterable, Loop):
            self._run_time_loop(node, iterable)
            return
        if isinstance(iterable, StaticRange):
            self._static_loop(node, iterable.values)
            return
        for value in iterable:
            self._loop_body(node, value)

    def _run_time_loop(self, node: ast.For, loop: Loop) -> None:
        """A loop of the IR; one of few constant iterations is unrolled where its body changes Python's structures."""
        names, values = assigned_names([node]), loop.constants
        live = liveness(self.body)
        used = live.before.get(node, frozenset(names)) | live.after.get(node, frozenset(names))
        unrolls = values is not None and len(values) <= _MOST_UNROLLED
        start, mark = Snapshot(self.environment) if unrolls else None, self.tracer.mark()
        self.tracer.builder.at(node_location(node, self.file))
        try:
            dead = [name for name in names if name not in used]
            self.control.inner(loop, names, lambda index: self._loop_body(node, index), dead)
        except _NEED_UNROLLING:
            if start is None:
                raise
            start.restore()
            self.tracer.back_to(mark)
            for value in values or ():
                self._loop_body(node, value)
            return
        self._forget(names)

    def _static_loop(self, node: ast.For, values: range) -> None:
        names, live = assigned_names([node]), liveness(self.body)
        if not reads_later(live, node, names, self.environment):
            drop_dead(live, node, names, self.environment)
            if walk_once(self.control, self.environment, values, names, lambda index: self._loop_body(node, index)):
                self._forget(names)
                return
        for value in values:
            self._loop_body(node, value)

    def _forget(self, names: Iterable[str]) -> None:
        """What a loop's body bound first is gone after the loop."""
        for name in names:
            if name not in self.environment.local:
                self.environment.names.pop(name, None)

    def _loop_body(self, node: ast.For, index: Any) -> None:
        self.assign(node.target, index)
        self.walk(node.body)

    def iterable(self, node: ast.expr) -> Any:
        """What a `for` statement iterates over: a device loop, or Python values to unroll over."""
        if isinstance(node, ast.Call) and self.evaluate(node.func) is range and not node.keywords:
            self.tracer.builder.at(node_location(node, self.file))
            return loop_range(self.tracer, *map(self.evaluate, node.args))
        value = self.evaluate(node)
        if isinstance(value, Loop | StaticRange | range | list | tuple | zip | enumerate | reversed):
            return value
        if isinstance(value, torch.Tensor | dict | str | torch.SymInt) or not hasattr(value, "__iter__"):
            raise exc.InvalidDeviceForLoop(
                f"device code cannot loop over a {type(value).__name__}",
                hint="loop over hl.tile, hl.grid, range, hl.static_range, or a tuple",
                location=node_location(node, self.file),
            )  # fmt: skip
        return list(value)

    # Functions of the user's

    def _call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call: functions of the user's that may have run-time branches or loops are walked."""
        if (of_kernel := function_of_kernel(function)) is not None:
            place = current_location(self.tracer.files)
            with part_of_kernel(inspect.unwrap(of_kernel), place):
                return self._call(of_kernel, *args, **kwargs)
        call = helper_call(function, args, kwargs)
        if call is None and isinstance(function, FunctionType) and (lowering := UNSEEN.get(function)) is not None:
            self.tracer.called()
            return lowering(self.tracer, *args, **kwargs)
        if call is None:
            result = python_function(self.tracer, function, args, kwargs)
            return with_values(self.tracer, function, args, kwargs) if result is NotImplemented else result
        if sum(called is call.callee for called in self.tracer.helpers) >= _DEEPEST:
            raise exc.NotAllowedInHelperFunction(
                f"{call.callee.__name__!r} calls itself: there is no recursion in device code",
                hint="write a loop; only what ends at compile time may call itself, a few times",
            )
        if names := rebinds(call.callee):
            error = exc.ClosureMutation if set(names) & {*call.callee.__code__.co_freevars} else exc.GlobalMutation
            raise error(
                f"device code calls {call.callee.__name__!r}, which assigns {', '.join(names)} outside of itself",
                hint="it would happen once, while the kernel is traced: return the value instead",
            )
        self.tracer.files.add(call.callee.__code__.co_filename)
        helper = helper_of(call.callee)
        place = self.tracer.builder.location
        self.tracer.helpers.append(call.callee)
        watch = watch_of_function(call.callee) if call.callee.__globals__ is not self.environment.names else None
        try:
            with nullcontext() if watch is None else self.control.watched(watch):
                if helper is not None:
                    return self._walk_helper(helper, call)
                if needs_values(call.callee):
                    args, kwargs = known_values(self.tracer, args), known_values(self.tracer, kwargs)
                return with_values(self.tracer, function, args, kwargs)
        finally:
            self.tracer.helpers.pop()
            self.tracer.builder.location = place

    @walks
    def _walk_helper(self, helper: Helper, call: HelperCall) -> Any:
        environment = Environment(call.names(), call.parameters, caller=self.environment)
        walker = HelperWalker(self.tracer, environment, helper.file, helper.body)
        walker.walk(helper.body)
        return walker.result(helper)


class HelperWalker(DeviceWalker):
    """The body of a function that device code calls: it may return."""

    RESULT = "__returned__"
    returns_value = False

    def visit_Return(self, node: ast.Return) -> None:
        value = None if node.value is None else self.evaluate(node.value)
        self.returns_value = self.returns_value or value is not None
        self.environment.names[self.RESULT] = value
        self.environment.local[self.RESULT] = None

    def visit_Raise(self, node: ast.Raise) -> None:
        exec(statement_code(node, self.file), self.environment.names)

    def result(self, helper: Helper) -> Any:
        """What the function returned."""
        names = self.environment.names
        if self.RESULT not in names and self.returns_value:
            raise exc.ControlFlowTensorMismatch(
                f"{helper.name!r} returns different kinds of values on the two paths of a run-time branch",
                hint="return a value of one shape and dtype on each path", location=self._last_return(helper),
            )  # fmt: skip
        return names.get(self.RESULT)

    def _last_return(self, helper: Helper) -> exc.SourceLocation:
        returns = [node for part in helper.body for node in ast.walk(part) if isinstance(node, ast.Return)]
        return node_location(max(returns, key=lambda node: node.lineno), helper.file)
