"""Changes of Python's containers and objects that control flow cannot follow: they are refused where they happen.

A body that is walked once stands for many iterations, or for the arm that is taken. What it does to numbers and
tensors is carried; what it does to the structure of a list, dict or set, or to an object's attributes, would be done
once. A *watch* looks at all that can be reached and changed: after each statement of such a body it must be as it was.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

import torch

from ... import exc
from ...language.tiles import Tile
from ..tensors import DeviceTensor
from .called_functions import LIBRARIES
from .environment import Environment, children, is_leaf

_DEPTH = 8
_MUTABLE = (list, dict, set, deque)
Root = tuple[str, Any]


class StructureChanged(exc.CantCombineTypesInControlFlow):
    """A container or object changes in a body that is walked once."""


def attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of an object of a class of the user's; None for anything else."""
    cls = type(value)
    if isinstance(value, type) and (value.__module__ or "").partition(".")[0] not in LIBRARIES:
        plain = {name: child for name, child in vars(value).items() if not name.startswith("__")}
        return {name: child for name, child in plain.items() if not hasattr(type(child), "__get__")}
    if isinstance(value, type | FunctionType | torch.Tensor | Tile) or is_leaf(value):
        return None
    if (cls.__module__ or "").partition(".")[0] in LIBRARIES and not isinstance(value, torch.nn.Module):
        return None
    found = dict(getattr(value, "__dict__", {}))
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


class Watch:
    """The containers and objects that can be reached from `roots`, as they are now.

    The numbers and tensors in lists, tuples, dicts and dataclasses may change if they are `carried`.
    """

    def __init__(self, roots: Iterable[Root], refuse: Callable[[str, str], exc.Base], *, carried: bool):
        self._refuse = refuse
        self._seen: set[int] = set()
        self._watched: list[tuple[str, Any, bool, Any, Any]] = []
        for name, value in roots:
            self._collect(name, value, carried, 0)

    def _collect(self, name: str, value: Any, carried: bool, depth: int) -> None:
        if value is None or is_leaf(value) or isinstance(value, str | torch.Tensor) or depth > _DEPTH:
            return
        fields = None if isinstance(value, (*_MUTABLE, tuple, frozenset)) else attributes(value)
        if (fields is None and not isinstance(value, (*_MUTABLE, tuple, frozenset))) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        parts = [child for _, child in children(value)]
        carried = carried and (bool(parts) or isinstance(value, list | tuple | dict))
        if not isinstance(value, tuple | frozenset):
            self._watched.append((name, value, carried, _signature(value, carried), _content(value)))
        for child in parts or (fields.values() if fields is not None else value):
            self._collect(name, child, carried, depth + 1)

    def check(self) -> None:
        """Raise if something changed, after putting it back."""
        for name, value, carried, signature, _ in self._watched:
            if _signature(value, carried) != signature:
                self.restore()
                raise self._refuse(name, type(value).__name__)

    def restore(self) -> None:
        """Put the contents back."""
        for _, value, _, _, content in self._watched:
            _put_back(value, content)


def _signature(value: Any, carried: bool) -> Any:
    def mark(child: Any) -> Any:
        if not is_leaf(child):
            return id(child)
        if carried:
            return None
        return (id(child), id(child.ssa)) if isinstance(child, DeviceTensor) else id(child)

    if isinstance(value, dict):
        return [(id(key) if is_leaf(key) and not isinstance(key, int) else key, mark(v)) for key, v in value.items()]
    if isinstance(value, set):
        return {id(each) for each in value}
    if isinstance(value, list | deque):
        return [mark(child) for child in value]
    return [(name, mark(child)) for name, child in (attributes(value) or {}).items()]


def _content(value: Any) -> Any:
    return value.copy() if isinstance(value, _MUTABLE) else attributes(value)


def _put_back(value: Any, content: Any) -> None:
    if isinstance(value, list | deque):
        value.clear()
        value.extend(content)
    elif isinstance(value, dict | set):
        value.clear()
        value.update(content)
    else:
        base = type if isinstance(value, type) else object
        for name in (attributes(value) or {}).keys() - content.keys():
            base.__delattr__(value, name)
        for name, child in content.items():
            base.__setattr__(value, name, child)


def watch_of_body(environment: Environment) -> Watch:
    """What a body of control flow may not change: of the variables of the function and its callers."""
    roots = [(name, frame.names.get(name)) for _, frame in environment.frames() for name in frame.local]
    return Watch(roots, _in_a_body, carried=True)


def _in_a_body(name: str, kind: str) -> exc.Base:
    return StructureChanged(
        f"a {kind} that {name!r} reaches changes in a run-time loop or branch, which is walked once",
        hint="change it outside, or make the loop one over hl.static_range",
    )


def watch_of_function(function: Any) -> Watch | None:
    """What a call of a function may not change: its globals, what its closure holds, and its defaults."""
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    roots = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            roots.append((name, cell.cell_contents))
        except ValueError:  # the cell is still empty
            continue
    roots += [("a default", value) for value in (function.__defaults__ or ())]
    roots += list((function.__kwdefaults__ or {}).items())
    for name, value in roots:
        if isinstance(value, Iterator):
            raise exc.ClosureMutation(
                f"device code calls {function.__name__!r}, which reads the iterator {name!r} that it only captures",
                hint="an iterator moves on while the kernel is traced, once: pass the value as an argument",
            )
    watch = Watch(roots, _captured, carried=False)
    return watch if watch._watched else None


def _captured(name: str, kind: str) -> exc.Base:
    return exc.ClosureMutation(
        f"device code changes a {kind} that {name!r} reaches, which it only captures",
        hint="pass what changes as an argument, or store into a tensor",
    )


def watch_of_host(names: dict[str, Any], local: Iterable[str], captured: Iterable[str]) -> Watch:
    """What a top-level loop may not change: host variables, and what the kernel's code sees of its module."""
    own = set(local)

    def refuse(name: str, kind: str) -> exc.Base:
        if name in own:
            return exc.CannotModifyHostVariableOnDevice(
                f"device code changes a {kind} that the host variable {name!r} reaches",
                hint="make it inside of the loop, or store into a host tensor",
            )
        return exc.GlobalMutation(
            f"device code changes a {kind} that the global {name!r} reaches",
            hint="pass what changes as an argument, or store into a tensor",
        )

    roots = [(name, names[name]) for name in dict.fromkeys([*local, *captured]) if name in names]
    for name, value in roots:
        if name not in own and isinstance(value, Iterator):
            raise exc.GlobalMutation(
                f"the kernel reads the iterator {name!r}, which moves on while it is traced",
                hint="pass the value as an argument",
            )
    return Watch(roots, refuse, carried=False)


# Variables that are bound to other containers


class ValueStructure:
    """What the variables of a function and its callers are, apart from the numbers and tensors in them."""

    def __init__(self, environment: Environment, *, tiles: bool = False):
        self._environment = environment
        self._tiles = tiles  # tiles of one block count as equal
        self.shapes: dict[str, Any] = {}
        self._containers: dict[str, list[Any]] = {}
        for name, value in _variables(environment):
            self.shapes[name] = self._shape(value)
            self._containers[name] = list(_containers(value))
        self._held = Counter(id(each) for held in self._containers.values() for each in held)

    def check(self, dead: Iterable[str] = ()) -> None:
        """Raise if a variable that is not `dead` is bound to another kind of value, or to another variable's list."""
        skip = set(dead)
        for name, value in _variables(self._environment):
            if name not in self.shapes or name in skip:
                continue
            if self._shape(value) != self.shapes[name] or self._aliases(name, value):
                raise StructureChanged(
                    f"variable {name.lstrip('^')!r} changes its structure in a run-time loop or branch",
                    hint="only numbers and tensors change there; give it one structure before",
                )

    def _shape(self, value: Any) -> Any:
        return value.ssa.type if self._tiles and isinstance(value, Tile) else shape_of(value)

    def _aliases(self, name: str, value: Any) -> bool:
        before, after = self._containers[name], list(_containers(value))
        moved = [(old, new) for old, new in zip(before, after, strict=False) if old is not new]
        return any(self._held[id(old)] > 1 or self._held[id(new)] for old, new in moved)


def _variables(environment: Environment) -> Iterator[tuple[str, Any]]:
    for prefix, frame in environment.frames():
        for name in frame.local:
            if name in frame.names:
                yield prefix + name, frame.names[name]


def _containers(value: Any, depth: int = 0) -> Iterator[Any]:
    """The lists, dicts and dataclasses in a value, outermost first."""
    if is_leaf(value) or isinstance(value, str | torch.Tensor | Tile) or depth > 6:
        return
    parts = list(children(value))
    if (parts or isinstance(value, list | dict)) and not isinstance(value, tuple):
        yield value
    for _, child in parts:
        yield from _containers(child, depth + 1)


def shape_of(value: Any, depth: int = 0) -> Any:
    """A value with its leaves left out: containers by structure, anything else by identity."""
    if is_leaf(value):
        return None
    if not isinstance(value, str | torch.Tensor | Tile) and depth < 6:
        parts = list(children(value))
        if parts or isinstance(value, list | tuple | dict):
            return (type(value), [(key, shape_of(child, depth + 1)) for key, child in parts])
    return ("value", value) if isinstance(value, str | None | torch.dtype) else id(value)
