"""Tuples and lists of tensors as arguments: one argument of the kernel each, whose elements are taken by index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

import torch
from xdsl.dialects.builtin import TupleType
from xdsl.ir import Block, Operation, SSAValue

from ..dialects.inline_triton import ElementOp
from ..dialects.names import value_name
from ..dialects.tile.types import RefType
from .storage import Storages
from .symbols.nodes import poly_of
from .symbols.scalars import Scalars
from .tensors import HostTensor


class _Indexed:
    """A container of the user's that takes the index of a static loop, too; `tensors` is what the argument holds."""

    arguments: TupleArguments
    tensors: tuple[HostTensor, ...]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, torch.SymInt):
            element = self.arguments.at(self, index)
            if element is not None:
                return element
        return super().__getitem__(index)  # type: ignore[misc]


class TensorTuple(_Indexed, tuple[HostTensor, ...]):
    """A tuple argument."""


class TensorList(_Indexed, list[HostTensor]):
    """A list argument: the kernel gets a tuple of what is in it at the launch."""


def is_tensors(parts: Any) -> TypeGuard[list[HostTensor]]:
    """Whether there are elements and all are tensors."""
    return bool(parts) and all(isinstance(part, HostTensor) for part in parts)


class TupleArguments:
    """The tuple arguments of a trace: where each is found at the launch, and which tensors are in it."""

    def __init__(self, tracer: Scalars, storages: Storages, ref_type: Callable[[HostTensor], RefType]):
        self.tracer, self._storages, self._ref_type = tracer, storages, ref_type
        self._parameters: dict[int, tuple[_Indexed, str]] = {}  # those that a parameter holds, by id, with its name
        self._exprs: dict[int, str] = {}
        self._elements: dict[int, tuple[_Indexed, int | torch.SymInt]] = {}  # by the id of a tensor
        self._known: dict[tuple[Block, int, str], SSAValue] = {}

    def clear(self) -> None:
        """Forget all tensors."""
        for table in (self._parameters, self._exprs, self._elements, self._known):
            table.clear()

    def wrap(self, value: tuple[Any, ...] | list[Any], parts: list[HostTensor], expr: str) -> TensorTuple | TensorList:
        """The container that host and device code see for an argument `value` of tensors, found as `expr`."""
        result = TensorTuple(parts) if isinstance(value, tuple) else TensorList(parts)
        result.arguments, result.tensors = self, tuple(parts)
        self.tracer.keep(result)
        if expr.isidentifier():
            self._parameters[id(result)] = (result, expr)
        return result

    def at_launch(self, found: Iterable[tuple[_Indexed, str]]) -> None:
        """Note where tuples are found at the launch: under the first name that reaches one, else as a parameter."""
        self._exprs.clear()
        self._elements.clear()
        for container, expr in [*found, *self._parameters.values()]:
            if id(container) not in self._exprs and _unchanged(container):
                self._exprs[id(container)] = expr
                for i, tensor in enumerate(container.tensors):
                    self._elements[id(tensor)] = (container, i)

    def at(self, container: _Indexed, index: torch.SymInt) -> HostTensor | None:
        """The element that a static loop's index chooses; None if `index` is not such an index.

        Which tensor that is must not matter to what is traced: else the index is needed as a number.
        """
        tracer = self.tracer
        bounds = tracer.static_bounds(index)
        if bounds is None:
            return None
        number = len(container.tensors)
        types = {self._ref_type(tensor) for tensor in container.tensors} if id(container) in self._exprs else ()
        if len(types) != 1 or bounds[0] < 0 or bounds[1] >= number or not _unchanged(container):
            tracer.needs_number(poly_of(index))
        first = container.tensors[0]
        result = HostTensor.make(first.meta_tensor, first.user_device)
        self._elements[id(result)] = (container, index)
        tracer.paths[id(result)] = f"{self._exprs[id(container)]}_element"
        tracer.keep(result)
        return result

    def choices(self, tensor: HostTensor) -> tuple[HostTensor, ...]:
        """The tensors that `tensor` may be: all of its tuple, where a loop's index chooses among them."""
        container, index = self._elements.get(id(tensor), (None, 0))
        return (tensor,) if container is None or isinstance(index, int) else container.tensors

    def whole(self, container: object) -> SSAValue | None:
        """The kernel argument that a tuple stands for; None if it is not one."""
        expr = self._exprs.get(id(container))
        if expr is None or not isinstance(container, _Indexed):
            return None
        tracer = self.tracer
        types = TupleType(tuple(self._ref_type(tensor) for tensor in container.tensors))
        passed = f"tuple({expr})" if isinstance(container, list) else expr
        value = tracer.argument(("tuple", id(container)), passed, types, container, name=expr)
        self._storages.refs[value] = container.tensors
        return value

    def element(self, tensor: HostTensor) -> SSAValue | None:
        """The ref of a tensor that is in a tuple, taken out of it in the current block; None if it is in none."""
        container, index = self._elements.get(id(tensor), (None, 0))
        if container is None:
            return None
        tracer, key = self.tracer, (self.tracer.builder.block, id(container), str(poly_of(index)))
        known = self._known.get(key)
        if known is not None and isinstance(known.owner, Operation) and known.owner.parent is tracer.builder.block:
            return known
        whole = self.whole(container)
        assert whole is not None
        result = self._known[key] = tracer.builder.emit(ElementOp(whole, tracer.integer(index)))
        result.name_hint = value_name(tracer.name_of(tracer.paths[id(tensor)]))
        return result


def _unchanged(container: _Indexed) -> bool:
    """Whether a container still holds what the argument held."""
    now = [container[i] for i in range(len(container))] if isinstance(container, list) else container.tensors
    return len(now) == len(container.tensors) and all(a is b for a, b in zip(now, container.tensors, strict=True))
