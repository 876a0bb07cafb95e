"""A kernel's arguments as lists of tensors and numbers, and a text that says how to put them together again.

The text is JSON: graphs that torch.export saves hold it. Only what has no JSON form (functions, objects) is kept by
this process.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import torch

from ..exc import InvalidAPIUsage
from ..specialization.tensor_spec import tensors_in


class Lists(NamedTuple):
    """The tensors and numbers of a call: those that device code writes into, others, ints, and floats."""

    written: list[torch.Tensor]
    read: list[torch.Tensor]
    ints: list[int]
    floats: list[float]


_objects: list[object] = []


def pack(args: tuple[object, ...], written: Sequence[bool]) -> tuple[str, Lists]:
    """Arguments as a text and lists; `written` says of each tensor whether device code writes into it."""
    lists, flags = Lists([], [], [], []), iter(written)

    def put(kind: str, value: Any) -> str:
        getattr(lists, kind).append(value)
        return kind

    def form(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return put("written" if next(flags) else "read", value)
        if value is None or isinstance(value, bool | str):
            return ["value", value]
        if isinstance(value, int | torch.SymInt):
            return put("ints", value)
        if isinstance(value, float | torch.SymFloat):
            return put("floats", value)
        if isinstance(value, torch.dtype | torch.device):
            return [type(value).__name__, str(value).removeprefix("torch.")]
        if type(value) in (list, tuple):
            return [type(value).__name__, *map(form, value)]
        if type(value) is dict and all(isinstance(key, str) for key in value):
            return ["dict", {key: form(item) for key, item in value.items()}]
        if isinstance(value, tuple) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
            items = value if isinstance(value, tuple) else [getattr(value, f.name) for f in dataclasses.fields(value)]
            return ["object", type(value).__module__, type(value).__qualname__, *map(form, items)]
        return ["kept", _keep(value), repr(value)]

    return json.dumps([form(arg) for arg in args]), lists


def unpack(text: str, lists: Lists) -> tuple[Any, ...]:
    """The arguments of `pack`."""
    queues = {kind: iter(values) for kind, values in lists._asdict().items()}

    def value(form: Any) -> Any:
        if isinstance(form, str):
            return next(queues[form])
        kind, *rest = form
        match kind:
            case "value":
                return rest[0]
            case "dtype":
                return getattr(torch, rest[0])
            case "device":
                return torch.device(rest[0])
            case "list":
                return [value(item) for item in rest]
            case "tuple":
                return tuple(value(item) for item in rest)
            case "dict":
                return {key: value(item) for key, item in rest[0].items()}
            case "object":
                return _class(*rest[:2])(*(value(item) for item in rest[2:]))
            case _:
                return _kept(*rest)

    return tuple(value(form) for form in json.loads(text))


def _keep(value: object) -> int:
    """The number of a value that is kept by this process."""
    if tensors_in(value):
        raise InvalidAPIUsage(
            f"{value!r} holds a tensor: in a graph that is being made, no operator can get it that way",
            hint="pass the tensor as an argument of the kernel",
        )
    if value not in _objects:
        _objects.append(value)
    return _objects.index(value)


def _class(module: str, qualname: str) -> Any:
    found: Any = import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _kept(index: int, text: str) -> object:
    if index >= len(_objects) or repr(_objects[index]) != text:
        raise InvalidAPIUsage(f"this graph was made by another process, and the argument {text} was not saved with it")
    return _objects[index]


__all__ = ["Lists", "pack", "unpack"]
