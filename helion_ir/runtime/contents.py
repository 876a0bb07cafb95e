"""Values that tracing bakes into a kernel, told apart by content: what functions and objects hold and read.

A function is its code, its defaults, its closure, and what its code reads of its module (`reads`), in turn; an object
is its class and its attributes; a container its elements; a tensor its dtype, device, sizes and strides (its address
and data are read anew at each call). Functions and modules of libraries are taken as they are.
"""

from __future__ import annotations

import argparse
import builtins
import enum
import functools
from collections.abc import Callable, Hashable, Mapping
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    NoneType,
    SimpleNamespace,
)
from typing import Any

import torch

from .reads import Read, is_library, reads_of

_ATOMS = (int, bool, str, bytes, NoneType, torch.dtype, torch.device, torch.layout, torch.memory_format, range, slice)
_NUMBERS = (float, complex)
_OPEN = (torch.nn.Module, SimpleNamespace, argparse.Namespace)
"""Classes of libraries whose objects hold what users put there."""
_BOOKKEEPING = frozenset((
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__dataclass_fields__",
    "__dataclass_params__", "__match_args__", "__firstlineno__", "__static_attributes__", "__slots__",
    "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__annotate__", "__annotate_func__",
))  # fmt: skip
_MISSING: Any = object()
_TORCH_TABLES = ("_parameters", "_buffers", "_modules")

Trail = list[tuple[Callable[[Any], Any], Any, Any]]


class Same:
    """A key of an object that is itself and nothing else; it keeps the object alive, so that no other gets its id."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Same and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class Contents:
    """One look at some values.

    `trail`, if given, gets the places that were read: (look, where, what was found). As long as all of them give the
    same objects and nothing `changes` in place, a second look would find the same.
    """

    def __init__(self, trail: Trail | None = None) -> None:
        self.trail = trail
        self.changes = False
        self._inside: dict[int, int] = {}

    def of(self, value: Any) -> Hashable:
        """The content of a value, as a key."""
        kind = type(value)
        if kind in _ATOMS:
            return (kind, value)
        if kind in _NUMBERS:
            return (kind, repr(value))  # which tells 0.0 from -0.0, and takes NaN for NaN
        if id(value) in self._inside:
            return ("above", self._inside[id(value)])
        self._inside[id(value)] = len(self._inside)
        try:
            return self._whole(kind, value)
        finally:
            del self._inside[id(value)]

    def _whole(self, kind: type, value: Any) -> Hashable:
        for base, rule in _RULES:
            if issubclass(kind, base):
                return rule(self, value)
        if kind.__module__ == "numpy":
            self.changes = True
            return (kind, str(value.dtype), value.shape, value.tobytes()) if hasattr(value, "tobytes") else Same(value)
        if kind.__module__.startswith("triton.") and isinstance(getattr(value, "fn", None), FunctionType):
            return (kind, self.function(value.fn))
        if is_library(kind.__module__) and not (issubclass(kind, _OPEN) or kind.__name__ == "constexpr"):
            return Same(value)
        return self._object(value)

    # Functions -------------------------------------------------------------------------------------------------

    def function(self, function: FunctionType, held: Callable[[object], Hashable] | None = None) -> Hashable:
        """The content of a function; `held` makes the keys of what its closure holds (None: contents).

        Defaults count by value: they are constants of the function, and tracing takes them so.
        """
        if is_library(function.__module__):
            return Same(function)
        if self.trail is not None:
            for name in ("__code__", "__defaults__", "__kwdefaults__"):
                self._read(functools.partial(getattr, function), name)
        of = held or self.of
        cells, defaults, keywords = function.__closure__, function.__defaults__, function.__kwdefaults__
        return (
            Same(function.__code__),
            Same(function.__globals__),
            tuple([of(self._read(_content, cell)) for cell in cells]) if cells else (),
            self.of(defaults) if defaults else None,
            self.of(keywords) if keywords else None,
            self.reads(function),
        )

    def reads(self, function: FunctionType) -> Hashable:
        """The contents of what a function's code reads of its module; its closure counts whole."""
        found: list[Hashable] = []
        for read in reads_of(function.__code__):
            if not read.free and not _given(function, read):
                value = self._read(functools.partial(_name, function.__globals__), read.name)
                found.append(self._follow(value, read.attributes))
        return tuple(found)

    def closure_reads(self, function: FunctionType) -> Hashable:
        """The contents of what a function's code reads of its closure, and no more of an object than is asked for."""
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        found: list[Hashable] = []
        for read in reads_of(function.__code__):
            if read.free:
                found.append(self._follow(self._read(_content, cells[read.name]), read.attributes))
        return tuple(found)

    def _read(self, look: Callable[[Any], Any], where: Any) -> Any:
        value = look(where)
        if self.trail is not None:
            self.trail.append((look, where, value))
        return value

    def _follow(self, value: Any, attributes: tuple[str, ...]) -> Hashable:
        """The content of what a chain of attributes leads to, or of the object at which it becomes dynamic."""
        for name in attributes:
            if isinstance(value, ModuleType) and is_library(value.__name__):
                return Same(value)
            found = self._read(functools.partial(_attribute, value), name)
            if found is _MISSING:
                break
            value = found
        return self.of(value)

    # Objects ---------------------------------------------------------------------------------------------------

    def _tensor(self, tensor: torch.Tensor) -> Hashable:
        self.changes = True
        try:
            aligned = tensor.data_ptr() % 16 == 0
        except RuntimeError:  # a fake tensor
            aligned = True
        return (type(tensor), tensor.dtype, tensor.device, tensor.shape, tensor.stride(), aligned)

    def _mutable(self, values: Any) -> Hashable:
        self.changes = True
        return (type(values), *[self.of(value) for value in values])

    def _set(self, values: set[Any]) -> Hashable:
        self.changes = True
        return (type(values), frozenset([self.of(value) for value in values]))

    def _tuple(self, values: tuple[Any, ...]) -> Hashable:
        return (type(values), *[self.of(value) for value in values])

    def _mapping(self, values: Mapping[Any, Any]) -> Hashable:
        self.changes = True
        return (type(values), *[(self.of(key), self.of(value)) for key, value in values.items()])

    def _method(self, method: MethodType) -> Hashable:
        return (MethodType, self.of(method.__func__), self.of(method.__self__))

    def _partial(self, value: functools.partial[Any]) -> Hashable:
        return (type(value), self.of(value.func), self.of(value.args), self.of(value.keywords))

    def _member(self, member: enum.Enum) -> Hashable:
        return (Same(member), self.of(member.value))

    def _module(self, module: ModuleType) -> Hashable:
        """A module that is used as a value: its plain constants."""
        if is_library(module.__name__):
            return Same(module)
        self.changes = True
        plain = [(k, self.of(v)) for k, v in vars(module).items() if type(v) in _ATOMS + _NUMBERS and k[:2] != "__"]
        return (Same(module), *plain)

    def _class(self, kind: type) -> Hashable:
        """A class and the members of those of its bases that are the user's."""
        found: list[Hashable] = [Same(kind)]
        for base in kind.__mro__:
            if is_library(base.__module__) or base.__module__ == "builtins":
                continue
            self.changes = True
            found += [(k, self.of(v)) for k, v in vars(base).items() if k not in _BOOKKEEPING]
        return tuple(found)

    def _wrapped(self, value: Any) -> Hashable:
        return (type(value), self.of(value.__func__))

    def _property(self, value: property) -> Hashable:
        return (property, self.of(value.fget))

    def _graph(self, module: torch.fx.GraphModule) -> Hashable:
        state = [*module.named_parameters(), *module.named_buffers()]
        self.changes = True
        return (torch.fx.GraphModule, module.code, tuple([(name, self._tensor(tensor)) for name, tensor in state]))

    def _object(self, value: Any) -> Hashable:
        self.changes = True
        slots = [
            (name, self.of(getattr(value, name)))
            for base in type(value).__mro__
            for name, entry in vars(base).items()
            if isinstance(entry, MemberDescriptorType) and hasattr(value, name)
        ]
        named = getattr(value, "__dict__", None)
        if named is None and not slots and is_library(type(value).__module__):
            return Same(value)
        return (self._class(type(value)), *slots, *[(name, self.of(each)) for name, each in (named or {}).items()])


def _as_it_is(_: Contents, value: object) -> Hashable:
    return Same(value)


_RULES: tuple[tuple[type | tuple[type, ...], Callable[[Contents, Any], Hashable]], ...] = (
    (torch.Tensor, Contents._tensor),
    (FunctionType, Contents.function),
    (MethodType, Contents._method),
    (BuiltinFunctionType, _as_it_is),
    (ModuleType, Contents._module),
    (enum.Enum, Contents._member),
    (type, Contents._class),
    (tuple, Contents._tuple),
    (list, Contents._mutable),
    ((set, frozenset), Contents._set),
    (Mapping, Contents._mapping),  # type: ignore[type-abstract]
    (functools.partial, Contents._partial),
    ((staticmethod, classmethod), Contents._wrapped),
    (property, Contents._property),
    (torch.fx.GraphModule, Contents._graph),
)
"""What counts of a value of a class; the first that fits."""


def _name(scope: Mapping[str, Any], name: str) -> Any:
    return scope.get(name, _MISSING)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return _MISSING


def _given(function: FunctionType, read: Read) -> bool:
    """Whether a name is Python's, or a library that a module imported: these stay what they are."""
    value = function.__globals__.get(read.name, _MISSING)
    if value is _MISSING:
        return hasattr(builtins, read.name)
    return isinstance(value, ModuleType) and is_library(value.__name__)


def _attribute(owner: Any, name: str) -> Any:
    """An attribute that is plainly there; `_MISSING` where asking for it may run code, or it is none of the user's."""
    if isinstance(owner, ModuleType):
        return vars(owner).get(name, _MISSING)
    if isinstance(owner, type):
        return _bound(_of_class(owner, name), None, owner)
    if isinstance(owner, FunctionType):
        return vars(owner).get(name, _MISSING)
    if isinstance(owner, (*_ATOMS, *_NUMBERS, torch.Tensor, list, tuple, Mapping, MethodType)):
        return _MISSING
    own = getattr(owner, "__dict__", {})
    if name in own:
        return own[name]
    if isinstance(owner, torch.nn.Module):
        for table in _TORCH_TABLES:
            if name in own.get(table, ()):
                return own[table][name]
    return _bound(_of_class(type(owner), name), owner, type(owner))


def _of_class(kind: type, name: str) -> Any:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING)


def _bound(entry: Any, owner: Any, kind: type) -> Any:
    """What an entry of a class gives when it is asked of `owner` (None: of the class itself)."""
    if isinstance(entry, FunctionType):
        return entry if owner is None else _MISSING
    if isinstance(entry, staticmethod):
        return entry.__func__
    if isinstance(entry, MemberDescriptorType) and owner is not None:
        return getattr(owner, entry.__name__, _MISSING)
    return _MISSING if hasattr(type(entry), "__get__") else entry


class Captures:
    """What a kernel's function holds and reads beside its arguments, as a key that is quick to make again."""

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._trail: Trail | None = None
        self._known: dict[Hashable, Hashable] = {}
        self._key: Hashable = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing: only names of Python and of libraries."""
        return all(not read.free and _given(self._function, read) for read in reads_of(self._function.__code__))

    def key(self) -> Hashable:
        """A key of all of it as it is now; equal keys are the same object."""
        trail = self._trail
        if trail is not None and all([look(where) is value for look, where, value in trail]):
            return self._key
        trail = []
        contents = Contents(trail)
        found = (contents.reads(self._function), contents.closure_reads(self._function))
        self._trail = None if contents.changes else trail
        self._key = self._known.setdefault(found, Same(found))
        return self._key


__all__ = ["Captures", "Contents", "Same"]
