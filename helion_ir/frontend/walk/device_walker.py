"""Walks the statements of device code; expressions are evaluated by Python itself, on traced values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NoReturn

import torch
from xdsl.ir import SSAValue

from ... import exc
from ... import language as hl
from ...dialects.names import value_name
from ...language.tiles import Tile
from ..rewriting import CALL, expression_code, statement_code
from ..source import located, node_location, walks
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .boolean_operators import Logic
from .control_flow import ControlFlow
from .environment import Environment, Snapshot
from .helpers import Helper, HelperCall, helper_call, helper_of, needs_values, rebinds
from .hl_functions import loop_range
from .liveness import liveness
from .loops import Loop
from .modes import setitem
from .mutation import StructureChanged, attributes, watch_of_function
from .python_functions import inplace_floor_division, inplace_power, item, known_values, python_function, with_values
from .static_loops import StaticRange, drop_dead, reads_later, walk_once

_AUGMENTED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.Div: operator.itruediv,
    ast.FloorDiv: inplace_floor_division, ast.Mod: operator.imod, ast.Pow: inplace_power, ast.MatMult: operator.imatmul,
    ast.BitAnd: operator.iand, ast.BitOr: operator.ior, ast.BitXor: operator.ixor, ast.LShift: operator.ilshift,
    ast.RShift: operator.irshift,
}  # fmt: skip
_HINTS = {
    ast.Try: "device code has no exceptions",
    ast.With: "context managers belong into host code",
    ast.Break: "use a condition, or a while loop",
    ast.Continue: "use an if statement",
    ast.Raise: "use assert for static facts, or check on the host",
}
LOOP_FUNCTIONS = (hl.tile, hl.grid)
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
    return {
        node.id: None
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


class DeviceWalker:
    """Device code: one method per kind of statement."""

    def __init__(
        self,
        tracer: Tracer,
        environment: Environment,
        file: str,
        body: Sequence[ast.stmt],
        read_later: Collection[str] = (),
    ):
        self.tracer = tracer
        self.environment = environment
        self.control = ControlFlow(tracer, environment)
        self.file = file
        self.body = tuple(body)  # of the function that the walked statements are in
        self.host_names = read_later
        logic = Logic(tracer, environment)
        environment.names |= {**logic.operators(), CALL: self._call}
        for name, function in logic.builtins().items():
            environment.names.setdefault(name, function)

    # Statements

    def walk(self, statements: Sequence[ast.stmt]) -> None:
        """Walk statements in order."""
        for statement in statements:
            self.tracer.builder.at(node_location(statement, self.file))
            method = getattr(self, f"visit_{type(statement).__name__}", None)
            if method is None:
                self._unsupported(statement)
            with located(statement, self.file, self.tracer.files):
                method(statement)
                self.control.settle()

    def _unsupported(self, node: ast.AST) -> NoReturn:
        name = type(node).__name__.lower()
        raise exc.StatementNotSupported(
            f"a {name!r} statement is not supported in device code",
            hint=_HINTS.get(type(node)), location=node_location(node, self.file),
        )  # fmt: skip

    def evaluate(self, node: ast.expr) -> Any:
        """The value of an expression."""
        return eval(expression_code(node, self.file, device=True), self.environment.names)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        value = self.evaluate(node.value)
        if isinstance(value, Loop):
            self._loop_outside_for(node)

    def _loop_outside_for(self, node: ast.AST) -> NoReturn:
        raise exc.LoopFunctionNotInFor(
            "hl.tile and hl.grid only mean something in a for statement", location=node_location(node, self.file)
        )

    def visit_Pass(self, node: ast.Pass) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        truth = self.control.truth(self.evaluate(node.test))
        if truth is False:
            message = "" if node.msg is None else str(self.evaluate(node.msg))
            raise AssertionError(message)
        if truth is not True:
            raise exc.StatementNotSupported(
                "an assert in device code checks static facts, this one is known at run time only",
                location=node_location(node, self.file),
            )

    def visit_Assign(self, node: ast.Assign) -> None:
        if len(node.targets) > 1:
            raise exc.AssignmentMultipleTargets(
                "device code assigns one target at a time", location=node_location(node, self.file)
            )
        value = self.evaluate(node.value)
        if isinstance(value, Loop):
            self._loop_outside_for(node.value)
        self.assign(node.targets[0], value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        apply = _AUGMENTED[type(node.op)]
        if isinstance(node.target, ast.Subscript):
            container, index = self.evaluate(node.target.value), self.evaluate(node.target.slice)
            new = self._augmented(apply, item(self.tracer, container, index), node.value)
            self.set_item(node.target, container, index, new)
            return
        old = self.evaluate(node.target)
        self._warn_accumulation(node, old)
        self.assign(node.target, self._augmented(apply, old, node.value))

    def _augmented(self, apply: Callable[[Any, Any], Any], old: Any, value: ast.expr) -> Any:
        return with_values(self.tracer, apply, (old, self.evaluate(value)), {})

    def _warn_accumulation(self, node: ast.AugAssign, old: Any) -> None:
        product = isinstance(node.op, ast.Add) and isinstance(node.value, ast.BinOp)
        if product and isinstance(node.value.op, ast.MatMult) and isinstance(old, DeviceTensor):  # type: ignore[attr-defined]
            place = node_location(node, self.file)
            self.tracer.warn(
                exc.TiledKMatmulAccumulationWarning(
                    "`acc += a @ b` rounds the product to the operands' dtype in every step",
                    hint="acc = torch.addmm(acc, a, b) accumulates in float32", location=place,
                )
            )  # fmt: skip

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.environment.names.pop(target.id, None)
                continue
            owner = self.evaluate(target.value) if isinstance(target, ast.Subscript | ast.Attribute) else None
            if isinstance(target, ast.Subscript) and isinstance(owner, list | dict):
                with_values(self.tracer, operator.delitem, (owner, self.evaluate(target.slice)), {})
            elif isinstance(target, ast.Attribute) and attributes(owner) is not None:
                delattr(owner, target.attr)
            else:
                self._unsupported(node)

    def visit_Return(self, node: ast.Return) -> None:
        raise exc.NotAllowedOnDevice(
            "device code cannot return", hint="return after the loop", location=node_location(node, self.file)
        )

    def visit_Global(self, node: ast.Global) -> None:
        raise exc.GlobalMutation("device code cannot assign globals", location=node_location(node, self.file))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        raise exc.ClosureMutation(
            "device code cannot assign variables of an enclosing function", location=node_location(node, self.file)
        )

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        exec(statement_code(node, self.file), self.environment.names)
        self.environment.local[node.name] = None

    # Targets

    def assign(self, target: ast.expr, value: Any) -> None:
        """Bind a target."""
        if isinstance(target, ast.Name):
            self._assign_name(target, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value)
        elif isinstance(target, ast.Subscript):
            self.set_item(target, self.evaluate(target.value), self.evaluate(target.slice), value)
        elif isinstance(target, ast.Starred):
            raise exc.StarredArgsNotSupportedOnDevice(
                "a starred target is not supported in device code", location=node_location(target, self.file)
            )
        elif isinstance(target, ast.Attribute) and attributes(owner := self.evaluate(target.value)) is not None:
            setattr(owner, target.attr, value)
        else:
            raise exc.InvalidAssignment(
                "device code can assign variables, subscripts, and attributes of objects of the user's classes",
                location=node_location(target, self.file),
            )

    def _assign_name(self, target: ast.Name, value: Any) -> None:
        if target.id in self.host_names:
            raise exc.CannotModifyHostVariableOnDevice(
                f"device code assigns {target.id!r}, which host code reads after the loop, or the next tile",
                hint="store into a host tensor instead", location=node_location(target, self.file),
            )  # fmt: skip
        ssa = value.ssa if isinstance(value, DeviceTensor | Tile) else None
        if isinstance(ssa, SSAValue) and ssa.name_hint is None:
            ssa.name_hint = value_name(target.id)
        self.tracer.name_index(value, target.id)
        self.environment.names[target.id] = value
        self.environment.local[target.id] = None

    def _unpack(self, target: ast.Tuple | ast.List, value: Any) -> None:
        place = node_location(target, self.file)
        if any(isinstance(element, ast.Starred) for element in target.elts):
            raise exc.StarredArgsNotSupportedOnDevice("device code cannot assign a starred target", location=place)
        if isinstance(value, Tile):
            raise exc.FailedToUnpackTile(
                "a loop over one size yields one tile, which cannot be unpacked",
                hint="loop over a sequence of sizes: hl.tile([m, n])", location=place,
            )  # fmt: skip
        if isinstance(value, torch.SymInt | int | float):
            raise exc.InvalidAssignment(f"a {type(value).__name__} cannot be unpacked", location=place)
        values = list(value)
        if len(values) != len(target.elts):
            raise exc.InvalidAssignment(f"{len(values)} values for {len(target.elts)} targets", location=place)
        for element, part in zip(target.elts, values, strict=True):
            self.assign(element, part)

    def set_item(self, node: ast.Subscript, container: Any, index: Any, value: Any) -> None:
        """`container[index] = value`."""
        self.tracer.builder.at(node_location(node, self.file))
        with located(node, self.file, self.tracer.files):
            if isinstance(container, torch.Tensor):
                setitem(self.tracer, container, index, value)
            elif isinstance(container, list | dict):
                with_values(self.tracer, operator.setitem, (container, index, value), {})
            else:
                raise exc.NonTensorSubscriptAssign(f"a {type(container).__name__} has no items to assign")

    # Control flow

    def visit_If(self, node: ast.If) -> None:
        truth = self.control.truth(self.evaluate(node.test))
        self.tracer.builder.at(node_location(node.test, self.file))
        if isinstance(truth, bool):
            self.walk(node.body if truth else node.orelse)
        else:
            self.control.branch(truth, lambda: self.walk(node.body), lambda: self.walk(node.orelse))

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
        call = helper_call(function, args, kwargs)
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
