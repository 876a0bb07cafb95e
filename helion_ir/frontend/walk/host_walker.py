"""Walks the host function: ordinary PyTorch on tensors without data, until a top-level device loop."""

from __future__ import annotations

import ast
import dataclasses
import types
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch

from ... import exc
from ...dialects.tile import BarrierOp
from ...language import barrier
from ..rewriting import CALL, expression_code, statement_code
from ..source import error_location, located, node_location
from ..tensors import HostTensor, TracedTensor
from ..tracer import Tracer
from ..tuples import TensorList, TensorTuple
from .called_functions import helper_call, needs_values
from .control_flow import ControlFlow
from .device_walker import LOOP_FUNCTIONS, DeviceWalker, assigned_names
from .environment import Environment
from .host_reads import ReadAfterLaunch, loop_follows
from .liveness import liveness
from .loops import Loop
from .mutation import watch_of_host
from .python_functions import expression_functions, python_function, with_values

_READING = (int, float, bool)
"""What makes a number of a tensor."""


class Returned(Exception):
    """The host function returned `value`."""

    def __init__(self, value: Any):
        super().__init__()
        self.value = value


class HostWalker:
    """Host code: statements are executed as they are; `if` around device loops and the loops themselves are walked."""

    def __init__(self, tracer: Tracer, names: dict[str, Any], local: dict[str, None], captures: set[str]):
        self.tracer = tracer
        self.names = names
        self.local = local
        self.captures = captures
        self.file = tracer.source.file
        self.launches: list[ast.For] = []
        self.device_names: set[str] = set()
        names |= {**expression_functions(tracer), CALL: self._call}
        self.between: ast.stmt | None = None

    def _call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if function in _READING and len(args) == 1:
            number = self.tracer.reads.converted(function, args[0])
            if number is not NotImplemented:
                return number
        result = python_function(self.tracer, function, args, kwargs)
        if result is not NotImplemented:
            return result
        call = helper_call(function, args, kwargs)
        if call is not None and needs_values(call.callee):
            args, kwargs = self.tracer.constant(args), {key: self.tracer.constant(v) for key, v in kwargs.items()}
        return with_values(self.tracer, function, args, kwargs)

    def run(self, statements: Sequence[ast.stmt]) -> Any:
        """Walk the function's body; what it returns."""
        try:
            self.walk(statements)
        except Returned as returned:
            return returned.value
        except ReadAfterLaunch:  # what is returned is known to be something only
            return any(isinstance(node, ast.Return) and node.value for each in statements for node in ast.walk(each))
        return None

    def walk(self, statements: Sequence[ast.stmt]) -> None:
        """Walk statements in order."""
        for statement in statements:
            with located(statement, self.file):
                self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if self.is_device_loop(node):
            assert isinstance(node, ast.For)
            self._device_loop(node)
            return
        if is_barrier(node, self.names):
            tracer = self.tracer
            tracer.builder.at(node_location(node, self.file))
            with tracer.inside_kernel():
                tracer.builder.append(BarrierOp())
            return
        if self.launches and self.between is None and not isinstance(node, ast.If | ast.Pass):
            self.between = node
        if isinstance(node, ast.Return):
            raise Returned(None if node.value is None else self.evaluate(node.value))
        if isinstance(node, ast.If):
            self.walk(node.body if self.evaluate(node.test) else node.orelse)
        elif not isinstance(node, ast.FunctionDef) and any(self.is_device_loop(n) for n in ast.walk(node)):
            loop = next(n for n in ast.walk(node) if self.is_device_loop(n))
            raise exc.NestedGridLoop(
                f"a top-level device loop inside a {type(node).__name__.lower()!r} statement of host code",
                hint="only `if` may stand around it: one call of a kernel is one launch",
                location=node_location(loop, self.file),
            )
        else:
            self._execute(node)

    def _execute(self, node: ast.stmt) -> None:
        if any(isinstance(n, ast.Return) for n in ast.walk(node)) and not isinstance(node, ast.FunctionDef):
            raise exc.StatementNotSupported(
                "host code returns from within a loop or a with statement", location=node_location(node, self.file)
            )
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        rebinding = next((n for n in ast.walk(node) if isinstance(n, ast.Nonlocal | ast.Global)), None)
        if rebinding is not None:
            error = exc.ClosureMutation if isinstance(rebinding, ast.Nonlocal) else exc.GlobalMutation
            raise error(
                f"a kernel, or a function that it defines, assigns {', '.join(rebinding.names)}, which is not its own",
                hint="return the value instead", location=node_location(rebinding, self.file),
            )  # fmt: skip
        before = set(self.names)
        try:
            exec(statement_code(node, self.file), self.names)
        except NameError as error:
            self._unknown_name(error)
        self._check_loops(node)
        new = [name for name in self.names if name not in before and name != "__builtins__"]
        self.local |= dict.fromkeys([*assigned_names([node]), *new])

    def _check_loops(self, node: ast.stmt) -> None:
        for name in assigned_names([node]):
            if isinstance(self.names.get(name), Loop):
                raise exc.LoopFunctionNotInFor(
                    "hl.tile and hl.grid only mean something in a for statement",
                    location=node_location(node, self.file),
                )

    def evaluate(self, node: ast.expr) -> Any:
        """The value of a host expression."""
        try:
            return eval(expression_code(node, self.file, device=False), self.names)
        except NameError as error:
            self._unknown_name(error)

    def _unknown_name(self, error: NameError) -> None:
        if error.name in self.device_names:
            raise exc.CannotReadDeviceVariableOnHost(
                f"host code reads {error.name!r}, which only device code assigned",
                hint="store it into a host tensor in the loop",
                location=error_location((self.file,), error.__traceback__),
            ) from error
        raise error

    def is_device_loop(self, node: ast.AST) -> bool:
        """Whether this is `for … in hl.tile(…)` or `hl.grid`."""
        if not isinstance(node, ast.For) or not isinstance(node.iter, ast.Call):
            return False
        return resolve(node.iter.func, self.names) in LOOP_FUNCTIONS

    # Device loops

    def _device_loop(self, node: ast.For) -> None:
        if node.orelse:
            raise exc.DeviceLoopElseBlock("a device loop has no else", location=node_location(node, self.file))
        if self.between is not None:
            raise exc.TopLevelStatementBetweenLoops(
                "a statement stands between top-level device loops",
                hint="move it before the first loop or after the last", location=node_location(self.between, self.file),
            )  # fmt: skip
        self.launches.append(node)
        tracer = self.tracer
        tracer.reads.launched = True
        tracer.reads.more_loops = loop_follows(tracer.source.tree.body, node, self.is_device_loop)
        self._name_host_values()
        host_names, host_local = dict(self.names), dict(self.local)
        environment = Environment(self.names, dict(self.local))
        tracer.in_device = True
        try:
            later = self._kept(node).intersection(self.local)
            watch = watch_of_host(self.names, self.local, _names_read(tracer.source.tree))
            walker = DeviceWalker(tracer, environment, self.file, tracer.source.tree.body, later)
            tracer.builder.at(node_location(node, self.file))
            control = ControlFlow(tracer, environment)
            with tracer.inside_kernel(), control.watched(watch):
                loop = walker.evaluate(node.iter)
                if not isinstance(loop, Loop):
                    raise exc.InvalidDeviceForLoop("a top-level device loop needs hl.tile or hl.grid")
                control.grid(loop, lambda index: self._body(walker, node, index))
        finally:
            tracer.in_device = False
        self.device_names |= set(self.names) - set(host_names)
        self.names.clear()
        self.names.update(host_names)
        self.local = host_local

    @staticmethod
    def _body(walker: DeviceWalker, node: ast.For, index: Any) -> None:
        walker.assign(node.target, index)
        walker.walk(node.body)

    def _kept(self, loop: ast.For) -> set[str]:
        """Variables that a loop may not assign: host code reads them after it, or the next tile what this one left."""
        live = liveness(tuple(self.tracer.source.tree.body))
        carried = live.begin.get(loop, frozenset()) & set(assigned_names(loop.body))
        return {*carried, *live.after.get(loop, frozenset())}

    # Names of host values

    def _name_host_values(self) -> None:
        """Every tensor, float and bool that a local variable reaches has that variable's name at the launch."""
        tuples: list[tuple[TensorTuple | TensorList, str]] = []
        for name in sorted(self.local, key=lambda name: name not in self.tracer.parameters):
            if name in self.names:
                self.tracer.name_block(self.names[name], name)
                self._name(self.names[name], name, 0, tuples)
        self.tracer.tuples.at_launch(tuples)

    def _name(self, value: Any, expr: str, depth: int, tuples: list[tuple[TensorTuple | TensorList, str]]) -> None:
        paths = self.tracer.paths
        if isinstance(value, TensorTuple | TensorList):
            tuples.append((value, expr))
        if isinstance(value, HostTensor):
            paths[id(value)] = expr
            self.tracer.keep(value)
        elif isinstance(value, torch.SymFloat | torch.SymBool):
            paths[id(value.node)] = expr
            self.tracer.keep(value)
        elif depth < 6 and not isinstance(value, str | torch.Tensor):
            for key, child in _parts(value, expr):
                self._name(child, key, depth + 1, tuples)

    def real_tensor(self, tensor: torch.Tensor) -> str | None:
        """The global or closure variable that holds a tensor which is no argument."""
        for name, value in self.names.items():
            if value is tensor and not isinstance(value, TracedTensor):
                self.captures.add(name)
                return name
        return None


def _parts(value: Any, expr: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"{expr}[{key!r}]", part) for key, part in value.items()]
    if hasattr(value, "_fields"):
        return [(f"{expr}.{f}", getattr(value, f)) for f in value._fields]
    if isinstance(value, list | tuple):
        return [(f"{expr}[{i}]", part) for i, part in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f"{expr}.{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, types.FunctionType) and value.__closure__:
        return [
            (f"{expr}.__closure__[{i}].cell_contents", cell.cell_contents)
            for i, cell in enumerate(value.__closure__)
            if _filled(cell)
        ]
    return []


@lru_cache(maxsize=256)
def _names_read(tree: ast.AST) -> tuple[str, ...]:
    found = dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return tuple(found)


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def is_barrier(node: ast.AST, names: Mapping[str, Any]) -> bool:
    """Whether this is the statement `hl.barrier()`."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or call.args or call.keywords:
        return False
    return resolve(call.func, names) is barrier


def resolve(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What a dotted name means, without running any code of the user's; None where it is no dotted name."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, names)
        return getattr(owner, node.attr, None) if isinstance(owner, types.ModuleType) else None
    return None
