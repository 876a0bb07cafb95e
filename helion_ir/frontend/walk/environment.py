"""The user's variables while device code is walked: what control flow may change, and how to put it back.

A *leaf* is a device tensor or a number, found through lists, tuples, dicts and dataclasses; its *path* is the
variable's name and the keys on the way. Control flow compares the leaves before and after a body: where they
differ, the value is carried.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from xdsl.dialects.builtin import IntegerType, f64, i1
from xdsl.ir import Attribute, SSAValue

from ... import exc
from ...dialects.dims import Dim, dims_of, tensor_type
from ...language.tiles import Tile
from ..builder import element_type
from ..operators.table import broadcast_to, operand
from ..symbols.nodes import BoolNode, FloatNode, poly_of
from ..tensors import AxisTile, DeviceTensor
from ..tracer import Tracer

Path = tuple[Any, ...]
NUMBERS = (bool, int, float, torch.SymInt, torch.SymFloat, torch.SymBool)


def is_leaf(value: Any) -> bool:
    return isinstance(value, DeviceTensor) or (isinstance(value, NUMBERS) and not isinstance(value, Tile))


def is_runtime(value: Any) -> bool:
    """Whether a leaf is known at run time only."""
    return isinstance(value, DeviceTensor | torch.SymInt | torch.SymFloat | torch.SymBool)


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a container, each with its key."""
    if isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, dict):
        yield from value.items()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)


def _child(value: Any, key: Any) -> Any:
    """The part of a container with that key; None if it has none."""
    if isinstance(value, list | tuple):
        return value[key] if isinstance(key, int) and key < len(value) else None
    if isinstance(value, dict):
        return value.get(key)
    return next((child for each, child in children(value) if each == key), None)


def _with_child(value: Any, key: Any, child: Any) -> Any:
    """`value` with one child replaced: in place where that is possible."""
    if isinstance(value, list | dict):
        value[key] = child
        return value
    if isinstance(value, tuple):
        items = [child if i == key else item for i, item in enumerate(value)]
        make = getattr(value, "_make", tuple)
        return make(items)
    return dataclasses.replace(value, **{key: child})


CALLER = "^"
"""Before a variable's name in a path, once for each call between: a variable of the caller."""


def variable(path: Path) -> str:
    """The name of the variable of a path."""
    return path[0].lstrip(CALLER)


class Environment:
    """Variables by name: `names` holds all that expressions can see; the keys of `local` are the function's own, in
    the order in which they were first bound (a dict, so that traces are reproducible). Those of its `caller`s may
    change, too, as lists and tensors that are changed in place are shared."""

    def __init__(self, names: dict[str, Any], local: dict[str, None], caller: Environment | None = None):
        self.names = names
        self.local = local
        self.caller = caller

    def frames(self) -> Iterator[tuple[str, Environment]]:
        """The variables of this function and of its callers, each with what stands before their names in paths."""
        frame, prefix = self, ""
        while frame is not None:
            yield prefix, frame
            frame, prefix = frame.caller, prefix + CALLER

    def leaves(self) -> dict[Path, Any]:
        """Every leaf of the local variables by its path."""
        found: dict[Path, Any] = {}
        for prefix, frame in self.frames():
            for name in frame.local:
                if name in frame.names:
                    self._collect((prefix + name,), frame.names[name], found, 0)
        return found

    def _collect(self, path: Path, value: Any, found: dict[Path, Any], depth: int) -> None:
        if is_leaf(value):
            found[path] = value
        elif depth < 6 and not isinstance(value, str | torch.Tensor | Tile):
            for key, child in children(value):
                self._collect((*path, key), child, found, depth + 1)

    def get(self, path: Path) -> Any:
        """The leaf at `path`; None if there is nothing any more."""
        name, *keys = path
        if name.startswith(CALLER):
            assert self.caller is not None
            return self.caller.get((name[1:], *keys))
        value = self.names.get(name)
        for key in keys:
            value = _child(value, key)
        return value

    def put(self, path: Path, value: Any) -> None:
        """Replace the leaf at `path`."""
        name, *keys = path
        if name.startswith(CALLER):
            assert self.caller is not None
            self.caller.put((name[1:], *keys), value)
        else:
            self.names[name] = self._put(self.names.get(name), keys, value)

    def _put(self, container: Any, keys: list[Any], value: Any) -> Any:
        if not keys:
            return value
        child = dict(children(container))[keys[0]]
        return _with_child(container, keys[0], self._put(child, keys[1:], value))


class Snapshot:
    """The variables as they are now: bindings, the contents of lists and dicts, and what tensors stand for."""

    def __init__(self, environment: Environment):
        self.environment = environment
        self._frames = [(frame, dict(frame.names), dict(frame.local)) for _, frame in environment.frames()]
        self.leaves = environment.leaves()
        self.states = {path: leaf.ssa if isinstance(leaf, DeviceTensor) else leaf for path, leaf in self.leaves.items()}
        self._containers: list[tuple[Any, Any]] = []
        self._tensors = [
            (leaf, leaf.ssa, leaf.tiles, leaf.reduced)
            for leaf in self.leaves.values()
            if isinstance(leaf, DeviceTensor)
        ]
        for _, names, local in self._frames:
            for name in local:
                self._keep(names.get(name), 0)

    def _keep(self, value: Any, depth: int) -> None:
        if isinstance(value, list | dict):
            self._containers.append((value, value.copy()))
        if depth < 6 and isinstance(value, list | dict | tuple):
            for _, child in children(value):
                self._keep(child, depth + 1)

    def restore(self) -> None:
        """Put everything back."""
        for frame, names, local in self._frames:
            frame.names.clear()
            frame.names.update(names)
            frame.local = dict(local)
        for container, content in self._containers:
            container.clear()
            container.extend(content) if isinstance(container, list) else container.update(content)
        for tensor, ssa, tiles, reduced in self._tensors:
            tensor.ssa, tensor.tiles, tensor.reduced = ssa, tiles, reduced

    def reduced(self, path: Path) -> bool:
        """Whether the tensor at `path` was made by a reduction."""
        leaf = self.leaves[path]
        return next((reduced for tensor, _, _, reduced in self._tensors if tensor is leaf), False)

    def changed(self) -> bool:
        """Whether a variable or a leaf is another now."""
        leaves = self.environment.leaves()
        return leaves.keys() != self.leaves.keys() or any(map(self.differs, leaves, leaves.values()))

    def differs(self, path: Path, value: Any) -> bool:
        """Whether the leaf at `path` is another now."""
        return not same(self.states[path], value)


def same(state: Any, value: Any) -> bool:
    """Whether a leaf is still what it was; `state` is the SSA value of a tensor, or a number."""
    if isinstance(state, SSAValue):
        return isinstance(value, DeviceTensor) and value.ssa is state
    if type(state) is not type(value):
        return False
    if isinstance(state, torch.SymInt):
        return poly_of(state) == poly_of(value)
    if isinstance(state, torch.SymFloat):
        return state.node is value.node or (state.node.ssa is not None and state.node.ssa is value.node.ssa)
    if isinstance(state, torch.SymBool):
        return state.node is value.node or (state.node.value is not None and state.node.value is value.node.value)
    return state == value


@dataclasses.dataclass(frozen=True)
class Carried:
    """The type under which a leaf crosses a boundary of control flow."""

    kind: str  # "tensor", "int", "float", "bool"
    dtype: torch.dtype
    dims: tuple[Dim, ...] = ()

    def type(self) -> Attribute:
        return tensor_type(element_type(self.dtype), *self.dims)

    def describe(self) -> str:
        return f"{self.dtype} {list(self.dims)}" if self.kind == "tensor" else f"a run-time {self.kind}"


def carried_as(tracer: Tracer, leaf: Any) -> Carried:
    """How a leaf is carried."""
    if isinstance(leaf, DeviceTensor):
        return Carried("tensor", leaf.dtype, dims_of(leaf.ssa))
    if isinstance(leaf, bool | torch.SymBool):
        return Carried("bool", torch.bool)
    if isinstance(leaf, float | torch.SymFloat):
        return Carried("float", torch.float64)
    wide = tracer.index_type.width.data == 64 or tracer.value_type(poly_of(leaf)).width.data == 64
    return Carried("int", torch.int64 if wide else torch.int32)


def join(name: str, first: Carried, second: Carried) -> Carried:
    """The type that both sides can have; numbers give way to tensors, ints to floats."""
    if first == second:
        return first
    kinds = {first.kind, second.kind}
    if kinds == {"tensor"}:
        if first.dtype == second.dtype and (not first.dims or not second.dims):
            return first if first.dims else second
    elif "tensor" in kinds:
        tensor, number = (first, second) if first.kind == "tensor" else (second, first)
        if (
            tensor.dtype.is_floating_point
            or number.kind == "bool"
            or (number.kind == "int" and tensor.dtype != torch.bool)
        ):
            return tensor
    elif kinds == {"int"}:
        return first if first.dtype == torch.int64 else second
    elif kinds == {"int", "bool"}:  # Python's truth values are integers
        return first if first.kind == "int" else second
    else:
        return Carried("float", torch.float64)
    raise exc.ControlFlowTensorMismatch(
        f"variable {name!r} is {first.describe()} on one path and {second.describe()} on another",
        hint="give it one shape and dtype before the branch or loop, for example with hl.zeros",
    )


def lift(tracer: Tracer, name: str, leaf: Any, carried: Carried) -> SSAValue:
    """The SSA value of a leaf under the type it is carried with."""
    value = operand(tracer, leaf, carried.dtype)
    if isinstance(leaf, DeviceTensor) and leaf.dtype != carried.dtype:
        raise exc.ControlFlowTensorMismatch(
            f"variable {name!r} changes its dtype from {carried.dtype} to {leaf.dtype}",
            hint=f"convert it back: .to({carried.dtype})",
        )
    result = broadcast_to(tracer, value, carried.dims)
    if result is None:
        raise exc.ControlFlowTensorMismatch(
            f"variable {name!r} changes its shape from {list(carried.dims)} to {list(dims_of(value.ssa))}"
        )
    return result


def lower(tracer: Tracer, ssa: SSAValue, carried: Carried, like: Any, tiles: Sequence[AxisTile] = ()) -> Any:
    """The user's view of a carried value whose axes have `tiles`; `like` is the leaf that it takes the place of."""
    if carried.kind == "tensor":
        result = tracer.tensor(ssa, carried.dtype, tiles if len(tiles) == len(carried.dims) else None)
        result.reduced = getattr(like, "reduced", False)
        return result
    if carried.kind == "bool":
        assert ssa.type == i1
        return torch.SymBool(BoolNode(tracer, ssa))
    if carried.kind == "float":
        assert ssa.type == f64
        return torch.SymFloat(FloatNode(tracer, ssa))
    assert isinstance(ssa.type, IntegerType)
    return tracer.device_scalar(lambda: ssa, element=ssa.type)
