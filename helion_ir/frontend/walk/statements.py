"""Statements of device code without bodies: expressions, assignments, and what device code has none of."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

import torch
from xdsl.ir import SSAValue

from ... import exc
from ...dialects.names import value_name
from ...language.stack import StackTensor
from ...language.tiles import Tile
from ..rewriting import expression_code, statement_code
from ..source import located, node_location
from ..tensors import DeviceTensor
from ..tracer import Tracer
from .control_flow import ControlFlow
from .environment import Environment
from .loops import Loop
from .mutation import attributes
from .python_functions import inplace_floor_division, inplace_power, item, with_values
from .torch_modes import setitem

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


class Statements:
    """One method per kind of statement that has no body."""

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
        self.tracer.name_block(value, target.id)
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
            elif isinstance(container, StackTensor):
                container[index] = value
            elif isinstance(container, list | dict):
                with_values(self.tracer, operator.setitem, (container, index, value), {})
            else:
                raise exc.NonTensorSubscriptAssign(f"a {type(container).__name__} has no items to assign")
