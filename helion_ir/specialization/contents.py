"""Values that tracing bakes into a kernel, told apart by content: what functions and objects hold and read.

A function is its code, its defaults, its closure, and what its code reads of its module (`reads`), in turn; an object
is its class and its attributes, as far as some code that was met can name them; a container its elements; a tensor its
dtype, device, sizes and strides (its address and data are read anew at each call). Functions and modules of libraries
are taken as they are.
"""

from __future__ import annotations

import argparse
import enum
import functools
from collections.abc import Callable, Hashable, Mapping
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch

from .lookups import ATOMS, MISSING, NUMBERS, attribute, content, entry, is_given
from .reads import is_library, names_in, reads_of
from .trail import Trail

_OPEN = (torch.nn.Module, SimpleNamespace, argparse.Namespace)
"""Classes of libraries whose objects hold what users put there."""


def is_users(kind: type) -> bool:
    """Whether what objects of a class hold is the user's."""
    return issubclass(kind, _OPEN) or not is_library(kind.__module__)


_DYNAMIC = frozenset(("__dict__", "vars", "getattr", "dir", "asdict", "astuple", "fields", "replace", "attrgetter"))
"""Names in code that may ask for attributes by names that are not in it."""
_BOOKKEEPING = frozenset((
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__dataclass_fields__",
    "__dataclass_params__", "__match_args__", "__firstlineno__", "__static_attributes__", "__slots__", "__hash__",
    "__abstractmethods__", "__parameters__", "__orig_bases__", "__annotate__", "__annotate_func__",
))  # fmt: skip
_MOST = 10_000
"""Objects of one content; what lies beyond is taken as it is."""


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
    """One reading of some values. `names` are those that the code met so far can ask for; what is met adds to them."""

    def __init__(self, names: set[str], home: str = "", trail: Trail | None = None) -> None:
        self.names = names
        self.chose = False
        """Whether attributes were left out because nothing names them."""
        self._home = home
        self._trail = trail
        self._met: dict[int, tuple[int, object]] = {}

    def of(self, value: Any) -> Hashable:
        """The content of a value, as a key."""
        kind = type(value)
        if kind in ATOMS:
            return (kind, value)
        if kind in NUMBERS:
            return (kind, repr(value))  # which tells 0.0 from -0.0, and takes NaN for NaN
        if kind is tuple:
            return self._tuple(value)
        if id(value) in self._met:
            return ("again", self._met[id(value)][0])
        self._met[id(value)] = len(self._met), value
        return Same(value) if len(self._met) > _MOST else self._whole(kind, value)

    def _whole(self, kind: type, value: Any) -> Hashable:
        for base, rule in _RULES:
            if issubclass(kind, base):
                return rule(self, value)
        if kind.__module__ == "numpy" and hasattr(value, "tobytes"):
            return self._fact(_numpy_key, value)
        called = getattr(value, "__device_function__", None)  # of a kernel
        if called is not None:
            return (kind, self.of(called))
        if kind.__module__.startswith("triton.") and isinstance(getattr(value, "fn", None), FunctionType):
            return (kind, self.function(value.fn))
        if self._is_library(kind.__module__) and not (issubclass(kind, _OPEN) or kind.__name__ == "constexpr"):
            return Same(value)
        return self._object(value)

    def _is_library(self, module: str | None) -> bool:
        return is_library(module, self._home)

    def _read(self, look: Callable[[Any], Any], where: Any) -> Any:
        found = look(where)
        if self._trail is not None:
            self._trail.objects.append((look, where, found))
        return found

    def _fact(self, look: Callable[[Any], Any], where: Any) -> Any:
        found = look(where)
        if self._trail is not None:
            self._trail.facts.append((look, where, found))
        return found

    # Functions -------------------------------------------------------------------------------------------------

    def function(self, function: FunctionType, held: Callable[[object], Hashable] | None = None) -> Hashable:
        """The content of a function; `held` makes the keys of what its closure holds (None: contents).

        Defaults count by value: they are constants of the function, and tracing takes them so.
        """
        if self._is_library(function.__module__):
            return Same(function)
        if self._trail is not None:
            for name in ("__code__", "__defaults__", "__kwdefaults__"):
                self._read(functools.partial(getattr, function), name)
        of = held or self.of
        cells, defaults, keywords = function.__closure__, function.__defaults__, function.__kwdefaults__
        return (
            Same(function.__code__),
            Same(function.__globals__),
            self.reads(function),
            tuple([of(self._read(content, cell)) for cell in cells]) if cells else (),
            self.of(defaults) if defaults else None,
            self.of(keywords) if keywords else None,
        )

    def reads(self, function: FunctionType) -> Hashable:
        """The contents of what a function's code reads of its module."""
        self.names |= names_in(function.__code__)
        scope = function.__globals__
        return tuple([
            self._follow(self._read(functools.partial(entry, scope), read.name), read.attributes)
            for read in reads_of(function.__code__)
            if not read.free and not is_given(function, read)
        ])  # fmt: skip

    def closure_reads(self, function: FunctionType) -> Hashable:
        """The contents of what a function's code reads of its closure, and no more of an object than is asked for."""
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        reads = [read for read in reads_of(function.__code__) if read.free]
        return tuple([self._follow(self._read(content, cells[read.name]), read.attributes) for read in reads])

    def _follow(self, value: Any, attributes: tuple[str, ...]) -> Hashable:
        """The content of what a chain of attributes leads to, or of the object at which it becomes dynamic."""
        for name in attributes:
            if isinstance(value, ModuleType) and self._is_library(value.__name__):
                return Same(value)
            found = self._read(functools.partial(attribute, value), name)
            if found is MISSING:
                break
            value = found
        return self.of(value)

    def _method(self, method: MethodType) -> Hashable:
        return (MethodType, self.of(method.__func__), self.of(method.__self__))

    def _partial(self, value: functools.partial[Any]) -> Hashable:
        return (type(value), self.of(value.func), self.of(value.args), self.of(value.keywords))

    def _slice(self, value: slice) -> Hashable:
        return (slice, self.of(value.start), self.of(value.stop), self.of(value.step))

    # Containers ------------------------------------------------------------------------------------------------

    def _tuple(self, values: tuple[Any, ...]) -> Hashable:
        return (type(values), *[self.of(value) for value in values])

    def _list(self, values: list[Any]) -> Hashable:
        count = self._fact(len, values)
        return (type(values), *[self.of(self._read(functools.partial(_item, values), i)) for i in range(count)])

    def _dict(self, values: dict[Any, Any]) -> Hashable:
        self._fact(len, values)
        look = functools.partial(entry, values)
        return (type(values), *[(self.of(key), self.of(self._read(look, key))) for key in values])

    def _unordered(self, values: Any) -> Hashable:
        if self._trail is not None:
            self._trail.complete = False
        if isinstance(values, Mapping):
            return (type(values), *[(self.of(key), self.of(value)) for key, value in values.items()])
        return (type(values), frozenset([self.of(value) for value in values]))

    # Objects ---------------------------------------------------------------------------------------------------

    def _tensor(self, tensor: torch.Tensor) -> Hashable:
        return self._fact(_tensor_key, tensor)

    def _module(self, module: ModuleType) -> Hashable:
        """A module that is used as a value: the constants in it that some code can name."""
        if self._is_library(module.__name__):
            return Same(module)
        return (Same(module), *self._named(vars(module), only=(*ATOMS, *NUMBERS, slice, FunctionType)))

    def _named(self, table: Mapping[str, Any], only: tuple[type, ...] | None = None) -> list[Hashable]:
        """The entries of a namespace that may be asked for."""
        self._fact(len, table)
        every = not _DYNAMIC.isdisjoint(self.names)
        self.chose = self.chose or not every
        look, found = functools.partial(entry, table), []
        for name in table:
            if name not in _BOOKKEEPING and (every or name in self.names or name[:2] == "__"):
                value = self._read(look, name)
                if only is None or type(value) in only:
                    found.append((name, self.of(value)))
        return found

    def _class(self, kind: type) -> Hashable:
        """A class, and what is in it and in those of its bases that are the user's."""
        bases = [base for base in kind.__mro__ if not self._is_library(base.__module__)]
        return (Same(kind), *[tuple(self._named(vars(base))) for base in bases])

    def _member(self, member: enum.Enum) -> Hashable:
        return (Same(member), self.of(member.value))

    def _wrapped(self, value: Any) -> Hashable:
        return (type(value), self.of(value.__func__))

    def _property(self, value: property) -> Hashable:
        return (property, self.of(value.fget))

    def _graph(self, module: torch.fx.GraphModule) -> Hashable:
        if self._trail is not None:
            self._trail.complete = False
        state = [*module.named_parameters(), *module.named_buffers()]
        return (torch.fx.GraphModule, module.code, tuple([(name, _tensor_key(tensor)) for name, tensor in state]))

    def _object(self, value: Any) -> Hashable:
        kind = type(value)
        slots = [
            (name, self.of(self._read(functools.partial(attribute, value), name)))
            for base in kind.__mro__
            for name, found in vars(base).items()
            if isinstance(found, MemberDescriptorType) and hasattr(value, name)
        ]
        own = getattr(value, "__dict__", None)
        if isinstance(value, torch.nn.Module):  # its methods are PyTorch's, too, and ask for what they like
            return (self.of(kind), self._dict(own or {}))
        return (self.of(kind), *slots, *(self._named(own) if own else ()))


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
    (slice, Contents._slice),
    (list, Contents._list),
    (dict, Contents._dict),
    ((set, frozenset, Mapping), Contents._unordered),  # type: ignore[type-abstract]
    (functools.partial, Contents._partial),
    ((staticmethod, classmethod), Contents._wrapped),
    (property, Contents._property),
    (torch.fx.GraphModule, Contents._graph),
)
"""What counts of a value of a class; the first that fits."""


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else MISSING


def _tensor_key(tensor: torch.Tensor) -> Hashable:
    try:
        aligned = tensor.data_ptr() % 16 == 0
    except RuntimeError:  # a fake tensor
        aligned = True
    return (type(tensor), tensor.dtype, tensor.device, tensor.shape, tensor.stride(), aligned)


def _numpy_key(value: Any) -> Hashable:
    return (type(value), str(value.dtype), value.shape, value.tobytes())


__all__ = ["Contents", "Same", "is_users"]
