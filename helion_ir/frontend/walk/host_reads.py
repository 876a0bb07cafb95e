"""Data that host code reads: `t.max().item()`, `int(t)`, `t.tolist()`; numbers of each call, as arguments are.

What is read has a name in the host function's text, under which the launch finds it: the variable that the statement
assigns it to, or an entry of a list that the text fills. Where tracing needs its value, for an `if` of the host's say,
that is computed from this call's arguments by the operators that made the tensor (its *origin*), and guarded so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from ... import exc
from ..source import Span, current_span, span_of
from ..storage import storage_of
from ..symbols.nodes import BoolNode, FloatNode, IntNode
from ..tensors import HostTensor
from ..tracer import Tracer

_PLACEHOLDER = re.compile(r"\b_read_(\d+)\[(\d+)\]")
_MOST = 64
"""How many numbers `tolist` may make: each may become an argument of the kernel."""
_UNREPEATABLE = (torch.Tag.nondeterministic_seeded,)


class ReadAfterLaunch(Exception):
    """Host code reads data after the last device loop: what it does there needs no tracing."""


@dataclass
class Site:
    """An expression of the host function that reads data: its executions, each with the origin of what it read."""

    span: Span
    origins: list[str] = field(default_factory=list)


class HostReads:
    """The reads of one trace, and where host tensors come from."""

    def __init__(self, tracer: Tracer, value_of: Callable[[str], Any]):
        self.tracer, self.value_of = tracer, value_of
        self.launched = False  # whether a device loop has been walked: it may have changed any tensor
        self.more_loops = False  # whether another follows
        self._sites: list[Site] = []
        self._origins: dict[int, tuple[Any, ...]] = {}  # id of a tensor → (expression,) or (func, args, kwargs, which)
        self._changed: set[Any] = set()  # storages that host code wrote into
        self._spans = {span_of(node) for node in ast.walk(tracer.source.tree) if isinstance(node, ast.expr)}

    def clear(self) -> None:
        """Forget all tensors."""
        self._origins.clear()

    # Where tensors come from

    def argument(self, tensor: HostTensor, expr: str) -> None:
        """Note a tensor among the arguments."""
        self._origins[id(tensor)] = (expr,)

    def made(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Note what an operator made of host tensors."""
        results = result if isinstance(result, list | tuple) else [result]
        if func._schema.is_mutable:
            self._changed.update(storage_of(each) for each in results if isinstance(each, HostTensor))
            return
        for which, each in enumerate(results):
            if isinstance(each, HostTensor) and id(each) not in self._origins:
                part = which if isinstance(result, list | tuple) else None
                self._origins[id(each)] = (func, args, kwargs, part)
                self.tracer.keep(each)

    def origin(self, tensor: torch.Tensor) -> str:
        """The expression of a tensor in terms of the arguments."""
        known = self._origins.get(id(tensor))
        if not isinstance(tensor, HostTensor):
            known = (self.tracer.find_real(tensor),)
        elif storage_of(tensor) in self._changed:
            known = None
        if known is None or known[0] is None:
            raise _no_data("its value is needed while the kernel is traced, and more than the arguments decides it")
        if len(known) == 1:
            return known[0]
        func, args, kwargs, which = known
        if any(tag in func.tags for tag in _UNREPEATABLE):
            raise _no_data("its value is needed while the kernel is traced, and it is random")
        if "device" in kwargs and isinstance(tensor, HostTensor):
            kwargs = {**kwargs, "device": tensor.user_device}
        call = self._call(func, args, kwargs)
        return call if which is None else f"{call}[{which}]"

    def _call(self, func: Any, args: Any, kwargs: Any) -> str:
        parts = [self._spelled(arg) for arg in args] + [f"{k}={self._spelled(v)}" for k, v in kwargs.items()]
        return f"__torch__.ops.{func._schema.name.replace('::', '.')}.{func._overloadname}({', '.join(parts)})"

    def _spelled(self, value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return self.origin(value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._spelled, value))}]"
        if isinstance(value, torch.SymInt):
            return self.tracer.spelled(value.node.poly)
        if isinstance(value, torch.dtype | torch.layout | torch.memory_format):
            return f"__torch__.{str(value).removeprefix('torch.')}"
        if isinstance(value, torch.device):
            return f"__torch__.device({str(value)!r})"
        return repr(value)

    # Reads

    def item(self, tensor: torch.Tensor, convert: Callable[[Any], Any] | None = None) -> Any:
        """The element of a tensor of one, as a number; `convert`: int, float or bool of it."""
        if tensor.numel() != 1:
            raise exc.DataDependentOutputShapeNotSupported(
                f"a tensor of {tensor.numel()} elements is no number", hint="read one element: t[0].item()"
            )
        spelled = "{}.item()" if convert is None else f"{convert.__name__}({{}}.item())"
        return self._read(spelled.format(self._origin_before_launch(tensor)))

    def converted(self, function: Callable[[Any], Any], value: Any) -> Any:
        """`int`, `float` or `bool` of a tensor, or of a number that was read; NotImplemented for anything else."""
        if isinstance(value, torch.Tensor):
            return self.item(value, function)
        if isinstance(value, torch.SymInt) and function is int and self.tracer.is_read(value.node.poly):
            return value
        if isinstance(value, torch.SymFloat) and function is int and _PLACEHOLDER.fullmatch(value.node.expr):
            return self._number(int(value.node.hint), f"int({value.node.expr})")
        return NotImplemented

    def tolist(self, tensor: torch.Tensor) -> Any:
        """The elements of a small tensor, as numbers in lists."""
        if tensor.numel() > _MOST:
            raise exc.DataDependentOutputShapeNotSupported(
                f"tolist() of {tensor.numel()} elements: each would be an argument of the kernel",
                hint=f"read at most {_MOST}; load from the tensor in device code",
            )
        return self._read(f"{self._origin_before_launch(tensor)}.tolist()")

    def constant(self, tensor: torch.Tensor) -> Any:
        """The element of a tensor, which Python needs: it joins the key."""
        return self._guarded(f"{self._origin_before_launch(tensor)}.item()")

    def equal(self, first: torch.Tensor, second: torch.Tensor) -> bool:
        """`torch.equal`."""
        operands = map(self._origin_before_launch, (first, second))
        return self._guarded(f"__torch__.equal({', '.join(operands)})")

    def sizes(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The sizes of what an operator makes whose result's shape depends on data: a number of each call, and, of
        further dimensions, what they are in this one."""
        if self.launched:
            self._origin_before_launch(args[0])
        call = self._call(func, args, kwargs)
        value, name = self._value(call), self._name(call)
        if isinstance(value, list | tuple):
            parts = enumerate(value)
            return [self._shape(each, f"{call}[{i}]", None if name is None else f"{name}[{i}]") for i, each in parts]
        return self._shape(value, call, name)

    def _shape(self, value: torch.Tensor, call: str, name: str | None) -> tuple[list[Any], torch.dtype]:
        sizes: list[Any] = list(value.shape)
        for i, size in enumerate(sizes):
            if i or name is None:
                self._guard(f"{call}.size({i})", size)
            else:
                sizes[0] = self._number(size, f"{name}.size(0)")
        return sizes, value.dtype

    def _guarded(self, origin: str) -> Any:
        return self._guard(origin, self._value(origin))

    def _guard(self, origin: str, value: Any) -> Any:
        self.tracer.guards[f"{origin} == {value!r}" if value == value else f"{origin} != {origin}"] = None
        return value

    def _origin_before_launch(self, tensor: torch.Tensor) -> str:
        if not self.launched:
            return self.origin(tensor)
        if self.more_loops:
            raise _no_data("between device loops, and they may have changed it", "read it before the first loop")
        raise ReadAfterLaunch

    def _read(self, origin: str) -> Any:
        """The numbers that are read by the expression that is evaluated."""
        name = self._name(origin)
        return self._guarded(origin) if name is None else self._numbers(self._value(origin), name)

    def _name(self, origin: str) -> str | None:
        """The name under which the launch finds what the expression reads that is evaluated; None where it is one of
        a function that the kernel calls."""
        span = current_span(self.tracer.source.file)
        if span is None or span not in self._spans:
            return None
        number = next((i for i, site in enumerate(self._sites) if site.span == span), len(self._sites))
        if number == len(self._sites):
            self._sites.append(Site(span))
        origins = self._sites[number].origins
        origins.append(origin)
        return f"_read_{number}[{len(origins) - 1}]"

    def _value(self, origin: str) -> Any:
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            return self.value_of(self.guard(origin))

    def _numbers(self, value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [self._numbers(each, f"{name}[{i}]") for i, each in enumerate(value)]
        return self._number(value, name)

    def _number(self, value: Any, name: str) -> Any:
        tracer = self.tracer
        if isinstance(value, bool):
            number: Any = torch.SymBool(BoolNode(tracer, None, hint=value, expr=name))
        elif isinstance(value, int):
            symbol = tracer.new_symbol(name, value, argument=True)
            tracer.read_symbols.add(str(symbol))
            return torch.SymInt(IntNode(tracer, symbol))
        else:
            number = torch.SymFloat(FloatNode(tracer, hint=value, expr=name))
        tracer.paths[id(number.node)] = name
        tracer.keep(number)
        return number

    # Names

    def guard(self, text: str) -> str:
        """A guard in terms of the arguments."""
        while _PLACEHOLDER.search(text):
            text = _PLACEHOLDER.sub(lambda m: f"({self._sites[int(m[1])].origins[int(m[2])]})", text)
        return re.sub(r"\b_(\w+)_argument\b", r"\1", text)

    def for_user(self, text: str) -> str:
        """A message in the names of the text."""
        names = self.names(self.tracer.source.tree)

        def name(found: re.Match[str]) -> str:
            given = names[self._sites[int(found[1])].span]
            return "a number that was read" if given.startswith("_read_") else given

        return _PLACEHOLDER.sub(name, text)

    def names(self, tree: ast.FunctionDef) -> Mapping[Span, str]:
        """What the text calls the reads, by place: the variable that one is assigned to, or the list that it fills."""
        stored = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        plain: dict[Span, str] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and len(node.targets) == 1:
                name = node.targets[0].id
                if stored.count(name) == 1 and name not in self.tracer.parameters:
                    plain[span_of(node.value)] = name
        return {site.span: plain.get(site.span, f"_read_{i}") for i, site in enumerate(self._sites)}

    def rename(self, names: Mapping[Span, str]) -> None:
        """Give the reads that are variables the variables' names, in all that the launch evaluates."""

        def name(found: re.Match[str]) -> str:
            given = names[self._sites[int(found[1])].span]
            return found[0] if given.startswith("_read_") else given

        tracer = self.tracer
        tracer.arg_exprs[:] = [_PLACEHOLDER.sub(name, expr) for expr in tracer.arg_exprs]
        tracer.checks = {_PLACEHOLDER.sub(name, check): None for check in tracer.checks}
        for table in (tracer.symbol_exprs, tracer.used_symbols):
            table.update({key: _PLACEHOLDER.sub(name, expr) for key, expr in table.items()})


def _no_data(why: str, hint: str = "compute it outside, and pass the number") -> exc.Base:
    return exc.DataDependentOutputShapeNotSupported(f"host code reads the data of a tensor: {why}", hint=hint)


def loop_follows(statements: Sequence[ast.stmt], done: ast.For, is_loop: Callable[[ast.AST], bool]) -> bool | None:
    """Whether a device loop may run after `done`; None where `done` is not among the statements."""
    for i, statement in enumerate(statements):
        arms = (statement.body, statement.orelse) if isinstance(statement, ast.If) else ()
        found = (
            False
            if statement is done
            else next((found for arm in arms if (found := loop_follows(arm, done, is_loop)) is not None), None)
        )
        if found is not None:
            return found or any(is_loop(node) for later in statements[i + 1 :] for node in ast.walk(later))
    return None


class ReadRewriter(ast.NodeTransformer):
    """The host function's text, with what it reads kept under the names that the launch asks for."""

    def __init__(self, names: Mapping[Span, str]):
        self.names = names

    def visit(self, node: ast.AST) -> Any:
        name = self.names.get(span_of(node)) if isinstance(node, ast.expr) else None
        if name is None or not name.startswith("_read_"):
            return self.generic_visit(node)
        kept = ast.parse(f"({name}.append(0), {name}[-1])[1]", mode="eval").body
        for part in ast.walk(kept):
            if isinstance(part, ast.Call):
                part.args = [node]  # type: ignore[list-item]
        return ast.copy_location(kept, node)
