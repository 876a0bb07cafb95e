"""A call of a kernel while torch.compile makes a graph: not looked into, but run on the graph's fake tensors."""

from __future__ import annotations

from typing import Any

import torch
import torch._dynamo
from torch.utils import _pytree as pytree

from .operator import numbered, symbolic_call

_IN_GRAPHS = (torch.Tensor, int, float, torch.SymInt, torch.SymFloat, torch.SymBool)


class _Named:
    """A NamedTuple of a result: Dynamo does not know how PyTorch puts one together again."""

    def __init__(self, type_: type[Any], values: list[Any]) -> None:
        self.type, self.values = type_, values


class _Constant:
    """What a graph cannot hold, as None: it belongs to the structure of a result, and is none of its leaves."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _value(_: Any, value: Any) -> Any:
    return value


pytree.register_pytree_node(_Named, lambda it: (it.values, it.type), lambda values, type_: type_(*values))
pytree.register_pytree_node(_Constant, lambda it: ([], it.value), _value)


@torch._dynamo.nonstrict_trace
def call(number: int, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    """The result of the kernel of that number, by a call of its operator."""
    kernel = numbered(number)
    return _held(symbolic_call(kernel, kernel.normalize_args(*args, **kwargs)))


def _held(result: Any) -> Any:
    """A result as Dynamo takes it."""

    def part(leaf: Any) -> Any:
        if pytree.is_namedtuple_instance(leaf):
            return _Named(type(leaf), [_held(value) for value in leaf])
        return leaf if isinstance(leaf, _IN_GRAPHS) else _Constant(leaf)

    return pytree.tree_map(part, result, is_leaf=pytree.is_namedtuple_instance)


__all__ = ["call"]
