"""Arguments as the host function sees them while it is traced: no data, and a name for everything."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import exc
from ..language import constexpr
from ..specialization.contents import is_users
from .builder import element_type
from .storage import Argument, storage_of
from .symbols.nodes import BoolNode, FloatNode, IntNode
from .tensors import HostTensor
from .tracer import Tracer, meta_like
from .tuples import is_tensors

_CONSTANTS = (str, bytes, torch.dtype, torch.device, type(None), type, torch.memory_format, torch.layout, enum.Enum)


class Arguments:
    """Wraps arguments; `expr` is always the host expression of what is wrapped."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.tensors: list[tuple[str, HostTensor]] = []
        """Every tensor in the arguments, with the host expression that reaches it."""
        self._named: torch.device | None = None
        self._functions: dict[int, Any] = {}  # by id: functions and objects, as they are traced

    @property
    def device(self) -> torch.device | None:
        """Where the kernel runs: at its first tensor that is not on the CPU, else with its tensors, else where a
        `torch.device` argument says."""
        devices = [tensor.user_device for _, tensor in self.tensors]
        return next((device for device in devices if device.type != "cpu"), devices[0] if devices else self._named)

    def wrap(self, value: Any, expr: str, *, constant: bool = False) -> Any:
        """The value to trace with."""
        if isinstance(value, constexpr):
            return value.value
        if isinstance(value, torch.device):
            self._named = self._named or value
        if constant or isinstance(value, _CONSTANTS):
            return value
        if isinstance(value, torch.Tensor) or _is_spec(value):
            return self._tensor(value, expr)
        if isinstance(value, int | float):
            return self._number(value, expr)
        if isinstance(value, list | tuple | Mapping):
            return self._container(value, expr)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
            wrapped = {name: self.wrap(part, f"{expr}.{name}") for name, part in fields.items()}
            return dataclasses.replace(value, **wrapped)
        if isinstance(value, types.FunctionType):
            return self._function(value, expr)
        if is_users(type(value)):
            return self._object(value, expr)
        if callable(value):
            return value
        raise exc.UnsupportedPythonType(f"argument {expr} is a {type(value).__name__}, which a kernel cannot take")

    def _number(self, value: float, expr: str) -> Any:
        if isinstance(value, bool):
            return self._with_path(torch.SymBool(BoolNode(self.tracer, None, hint=value, expr=expr)), expr)
        if isinstance(value, int):
            return torch.SymInt(IntNode(self.tracer, self.tracer.new_symbol(expr, value, argument=True)))
        return self._with_path(torch.SymFloat(FloatNode(self.tracer, hint=value, expr=expr)), expr)

    def _with_path(self, value: Any, expr: str) -> Any:
        self.tracer.paths[id(value.node)] = expr
        return value

    def _tensor(self, value: Any, expr: str) -> HostTensor:
        tracer = self.tracer
        element_type(value.dtype)
        device = torch.device(value.device)
        if tracer.options.static_shapes:
            meta = meta_like(value.shape, value.stride(), value.dtype)
        else:
            sizes = [self._extent(int(s), f"{expr}.size({i})") for i, s in enumerate(value.shape)]
            given = [int(s) for s in value.stride()]
            unit = _unit_stride([int(s) for s in value.shape], given)
            strides = [self._stride(s, f"{expr}.stride({i})", unit=i == unit) for i, s in enumerate(given)]
            with tracer.inside_torch():
                meta = meta_like(sizes, strides, value.dtype)
        with tracer.inside_torch():
            result = HostTensor.make(meta, device)
        tracer.paths[id(result)] = expr
        tracer.keep(result)
        self.tensors.append((expr, result))
        tracer.storages.arguments[storage_of(result)] = Argument(result, expr, value)
        return result

    def _extent(self, value: int, expr: str) -> Any:
        return torch.SymInt(IntNode(self.tracer, self.tracer.new_symbol(expr, value)))

    def _stride(self, value: int, expr: str, *, unit: bool) -> Any:
        """A stride is a symbol, but one `unit` stride of 1 is specialized: accesses along it stay contiguous."""
        if unit:
            self.tracer.guards[f"{expr} == 1"] = None
            return 1
        stride = self._extent(value, expr)
        self.tracer.stride_symbols.add(str(stride))
        return stride

    def _container(self, value: Any, expr: str) -> Any:
        if isinstance(value, Mapping):
            return {key: self.wrap(part, f"{expr}[{key!r}]") for key, part in value.items()}
        if hasattr(value, "_fields"):
            return type(value)(*(self.wrap(getattr(value, f), f"{expr}.{f}") for f in value._fields))
        parts = [self.wrap(part, f"{expr}[{i}]") for i, part in enumerate(value)]
        if type(value) in (tuple, list) and is_tensors(parts):
            return self.tracer.tuples.wrap(value, parts, expr)
        return torch.Size(parts) if isinstance(value, torch.Size) else type(value)(parts)

    def _function(self, value: types.FunctionType, expr: str) -> Any:
        """The function with what its closure captures wrapped: captured tensors are arguments of the kernel."""
        if not value.__closure__ or (value.__module__ or "").partition(".")[0] == "helion_ir":
            return value
        if id(value) in self._functions:
            return self._functions[id(value)]
        cells = [types.CellType() for _ in value.__closure__]
        copy = types.FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells))
        copy.__kwdefaults__ = value.__kwdefaults__
        self._functions[id(value)] = copy
        for i, (cell, original) in enumerate(zip(cells, value.__closure__, strict=True)):
            cell.cell_contents = self._captured(original.cell_contents, f"{expr}.__closure__[{i}].cell_contents")
        return copy

    def _object(self, value: Any, expr: str) -> Any:
        """An object of the user's with the tensors that it holds wrapped; the rest is baked in, and in the key."""
        if id(value) in self._functions:
            return self._functions[id(value)]
        if type(value).__new__ is not object.__new__ or not hasattr(value, "__dict__"):
            return value
        copy = self._functions[id(value)] = object.__new__(type(value))
        copy.__dict__ |= {name: self._held(part, f"{expr}.{name}") for name, part in vars(value).items()}
        return copy

    def _held(self, value: Any, expr: str) -> Any:
        """What an object holds: tensors wrapped, wherever they are."""
        if isinstance(value, torch.Tensor) or is_users(type(value)):
            return self._captured(value, expr)
        if type(value) in (dict, list, tuple):
            items = value if isinstance(value, dict) else dict(enumerate(value))
            parts = {key: self._held(part, f"{expr}[{key!r}]") for key, part in items.items()}
            if any(parts[key] is not items[key] for key in items):
                return parts if isinstance(value, dict) else type(value)(parts.values())
        return value

    def _captured(self, value: Any, expr: str) -> Any:
        try:
            return self.wrap(value, expr)
        except exc.UnsupportedPythonType:
            return value


def constant_parameter(annotation: Any) -> bool:
    """Whether an annotation makes the argument a constant of the specialization."""
    if isinstance(annotation, str):
        return annotation.split("[")[0].split(".")[-1] == "constexpr"
    return annotation is constexpr


def _unit_stride(sizes: Sequence[int], strides: Sequence[int]) -> int | None:
    """The dimension along which elements are adjacent; strides of dimensions of 0 or 1 elements say nothing."""
    if not strides:
        return None
    adjacent = [i for i, stride in enumerate(strides) if stride == 1 and (sizes[i] > 1 or i == len(strides) - 1)]
    return adjacent[-1] if adjacent else None


def _is_spec(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("shape", "dtype", "stride", "device"))
