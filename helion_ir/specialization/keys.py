"""Specialization keys: what of the arguments a compiled kernel depends on.

- tensors: dtype, device, alignment of the base address, and, when shapes are static, sizes and strides (else the rank
  and what `mark_static` marked);
- ints, floats and bools: the type; str, dtype, device, None and `constexpr`: the value;
- containers and dataclasses: element by element, as these become run-time values in turn; so does what closures of
  functions hold;
- what tracing bakes in, by content (`contents`): the rest of functions, methods, modules, objects that are called.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Hashable, Mapping
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, NoneType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

from ..dialects.targets import ALIGNMENT
from ..exc import UnsupportedPythonType
from ..language.compile_time import constexpr
from .captures import Baked
from .contents import is_users
from .reads import is_library
from .tensor_spec import TensorSpec

Extractor = Callable[[Any], Hashable]


def _static_tensor(tensor: torch.Tensor) -> Hashable:
    return (tensor.dtype, tensor.device, tensor.shape, tensor.stride(), tensor.data_ptr() % ALIGNMENT == 0)


def _dynamic_tensor(tensor: torch.Tensor) -> Hashable:
    marked = getattr(tensor, "_dynamo_static_indices", None)
    sizes = tuple((dim, tensor.shape[dim]) for dim in sorted(marked)) if marked else None
    return (tensor.dtype, tensor.device, tensor.dim(), sizes, tensor.data_ptr() % ALIGNMENT == 0)


def _static_spec(spec: TensorSpec | FakeTensor) -> Hashable:
    return (spec.dtype, spec.device, spec.shape, spec.stride(), True)


def _dynamic_spec(spec: TensorSpec | FakeTensor) -> Hashable:
    return (spec.dtype, spec.device, len(spec.shape), None, True)


def _of_value(value: Hashable) -> Hashable:
    return (type(value), value)


class KeyMaker:
    """Makes keys for one setting of `static_shapes`; an extractor per type, found once. `function`: the kernel's.

    `calls`: the keys are those of calls, where fake tensors are no tensors; else they count as what they stand for.
    """

    def __init__(self, static_shapes: bool, function: FunctionType | None = None, *, calls: bool = False) -> None:
        tensor: Extractor = _static_tensor if static_shapes else _dynamic_tensor
        spec: Extractor = _static_spec if static_shapes else _dynamic_spec
        self._tensor = tensor
        self._baked = Baked(function)
        self._extractors: dict[type, Extractor] = {
            torch.Tensor: tensor,
            torch.nn.Parameter: tensor,
            FakeTensor: (lambda fake: (FakeTensor, spec(fake))) if calls else spec,
            FunctionalTensor: lambda _: FunctionalTensor,
            TensorSpec: spec,
            int: type,
            float: type,
            bool: type,
            complex: type,
            NoneType: type,
            torch.SymInt: lambda _: int,
            torch.SymFloat: lambda _: float,
            torch.SymBool: lambda _: bool,
            str: _of_value,
            torch.dtype: _of_value,
            torch.device: _of_value,
            list: self._sequence,
            tuple: self._sequence,
            torch.Size: self._sequence,
            dict: self._mapping,
            FunctionType: self._function,
            BuiltinFunctionType: _of_value,
            BuiltinMethodType: _of_value,
            constexpr: lambda constant: (constexpr, type(constant.value), constant.value),
        }

    def __call__(self, args: tuple[object, ...]) -> Hashable:
        """The key of the arguments of a call."""
        extractors = self._extractors
        try:
            return tuple([extractors[type(arg)](arg) for arg in args])
        except KeyError:
            return tuple([self.of(arg) for arg in args])

    def of(self, value: object) -> Hashable:
        """The key of one value; raises `UnsupportedPythonType` for what cannot be compared by value."""
        kind = type(value)
        extractor = self._extractors.get(kind)
        if extractor is None:
            extractor = self._extractors[kind] = self._choose(kind, value)
        return extractor(value)

    def _choose(self, kind: type, value: object) -> Extractor:
        """The extractor of a type that is met for the first time."""
        if issubclass(kind, torch.Tensor):
            return lambda tensor: (kind, self._tensor(tensor))
        if issubclass(kind, tuple | list):
            return self._sequence
        if issubclass(kind, Mapping):
            return self._mapping
        if dataclasses.is_dataclass(kind):
            return self._fields
        if issubclass(kind, enum.Enum):
            return _of_value
        if callable(value) or is_users(kind):
            return self._object
        try:
            hash(value)
        except TypeError:
            raise UnsupportedPythonType(f"an argument of type {kind.__module__}.{kind.__qualname__}") from None
        return _of_value

    def _sequence(self, values: tuple[object, ...] | list[object]) -> Hashable:
        return (type(values), *[self.of(value) for value in values])

    def _mapping(self, values: Mapping[Any, object]) -> Hashable:
        return (type(values), *[(key, self.of(value)) for key, value in values.items()])

    def _fields(self, value: Any) -> Hashable:
        """The fields; a user's class counts whole, as its constants and methods are baked in."""
        kind = type(value)
        fields = [self.of(getattr(value, each.name)) for each in dataclasses.fields(value)]
        return (kind if is_library(kind.__module__) else self._object(kind), *fields)

    def _object(self, value: object) -> Hashable:
        return self._baked.key(value, self.of)

    def _function(self, function: FunctionType) -> Hashable:
        return self._baked.key(function, self.of)


def contains_spec(value: object) -> bool:
    """Whether a `TensorSpec` or fake tensor is in `value`: then there is nothing to run on."""
    if isinstance(value, TensorSpec | FakeTensor):
        return True
    if isinstance(value, Mapping):
        return any(contains_spec(item) for item in value.values())
    return isinstance(value, list | tuple) and any(contains_spec(item) for item in value)


__all__ = ["KeyMaker", "contains_spec"]
