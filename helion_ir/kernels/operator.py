"""A kernel as an operator of PyTorch: how it stands in graphs (torch.compile, torch.export), and what fakes give.

The operator of a kernel is `torch.ops.helion_ir.<name>.returns<n>(layout, written, read, ints, floats)`. Its schema
says which tensors device code writes into (without any, it is `pure<n>`); `layout` says as text how the kernel's
arguments are made of the lists. It returns the `n` tensors that the call allocates; what a kernel returns of its
arguments, and views, are put together around it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from ..exc import InvalidAPIUsage
from ..specialization.overlap import storage_of
from ..specialization.signature import Signature
from ..specialization.tensor_spec import describe, fakes, materialize, tensors_in
from .gradient import Backward, recording
from .layout import Lists, pack, unpack

SCHEMA = "(str layout, {written}[] written, Tensor[] read, SymInt[] ints, float[] floats)"


class Shapes(Protocol):
    """What the operator of a kernel asks of a specialization."""

    writes_into: Callable[..., tuple[torch.Tensor, ...]]
    """The tensors of a call's arguments that device code writes into."""

    def result_shapes(self, args: Sequence[object]) -> Any:
        """What a call returns for tensors without data."""
        ...


class Callee(Protocol):
    """What an operator asks of its kernel."""

    signature: Signature
    backward: Backward | None

    def __call__(self, *args: object) -> Any:
        """Run."""
        ...

    def bind(self, args: Sequence[object]) -> Any:
        """The specialization for arguments."""
        ...


_numbers = itertools.count()
_kernels: WeakValueDictionary[int, Any] = WeakValueDictionary()
_operators: WeakKeyDictionary[Any, tuple[str, dict[str, Any]]] = WeakKeyDictionary()
_library: list[torch.library.Library] = []
_names: set[str] = set()


def number(kernel: Any) -> int:
    """A number by which graphs that are being made know a kernel."""
    result = next(_numbers)
    _kernels[result] = kernel
    return result


def numbered(number: int) -> Any:
    """The kernel of a number."""
    return _kernels[number]


def is_symbolic(tensor: object) -> bool:
    """Whether a tensor stands for one that is not there: a fake one, or one of a graph that is being made."""
    return isinstance(tensor, FakeTensor | FunctionalTensor)


def operator_of(kernel: Callee, returns: int, writes: bool) -> Callable[..., Any]:
    """The operator of a kernel that allocates so many results, registered when it is first asked for; `writes`: it
    writes into arguments."""
    if kernel not in _operators:
        _operators[kernel] = (_free_name(kernel.signature.fn.__qualname__), {})
    name, overloads = _operators[kernel]
    overload = f"{'returns' if writes else 'pure'}{returns}"
    if overload not in overloads:
        overloads[overload] = _register(kernel, name, overload, returns, "Tensor(a!)" if writes else "Tensor")
    return overloads[overload]


def _register(kernel: Callee, name: str, overload: str, returns: int, written: str) -> Any:
    if not _library:
        _library.append(torch.library.Library("helion_ir", "FRAGMENT"))
    library, full = _library[0], f"{name}.{overload}"
    tags = (torch.Tag.pt2_compliant_tag, getattr(torch.Tag, "needs_exact_strides", torch.Tag.needs_fixed_stride_order))
    results = "Tensor" if returns == 1 else f"({', '.join(['Tensor'] * returns)})"
    library.define(f"{full}{SCHEMA.format(written=written)} -> {results}", tags=tags)

    def given(found: list[torch.Tensor]) -> Any:
        return found[0] if returns == 1 else tuple(found) if found else None

    def run(layout: str, *lists: Any) -> Any:
        args = unpack(layout, Lists(*map(list, lists)))
        return given(_allocated(kernel(*args), args))

    def shapes(layout: str, *lists: Any) -> Any:
        args = unpack(layout, Lists(*map(list, lists)))
        return given(_allocated(kernel.bind(describe(args)).result_shapes(args), args))

    library.impl(full, run, "CompositeExplicitAutograd")
    torch.library.register_fake(f"helion_ir::{full}", shapes, lib=library)
    return getattr(getattr(torch.ops.helion_ir, name), overload)


def _free_name(qualname: str) -> str:
    base = re.sub(r"\W+", "_", qualname.replace("<locals>.", "")).strip("_")
    names = itertools.chain([base], (f"{base}_{number}" for number in itertools.count(2)))
    name = next(name for name in names if name not in _names)
    _names.add(name)
    return name


def symbolic_call(kernel: Callee, args: tuple[object, ...]) -> Any:
    """The result of a kernel for symbolic tensors: a call of its operator, which a graph that is being made notes."""
    stand_ins = _StandIns(kernel, args)
    return recording(kernel, args, stand_ins.call, stand_ins.targets)(*args)


class _StandIns:
    """What a kernel does with arguments like these, seen on fake tensors of our own: no graph that is being made notes
    that."""

    def __init__(self, kernel: Callee, args: tuple[object, ...]) -> None:
        self.kernel = kernel
        with _disable_current_modes():
            specs = describe(args)
            self.bound: Shapes = kernel.bind(specs)
            self.args: tuple[object, ...] = materialize(specs)
            self.tensors = tensors_in(self.args)
            changed = {storage_of(tensor) for tensor in self.bound.writes_into(*self.args)}
            self.written = [storage_of(tensor) in changed for tensor in self.tensors]

    def targets(self, *args: object) -> list[torch.Tensor]:
        """The tensors in arguments that device code writes into."""
        return [tensor for tensor, written in zip(tensors_in(args), self.written, strict=True) if written]

    def call(self, *args: object) -> Any:
        """A call of the kernel's operator, and around it what the kernel returns."""
        with _disable_current_modes(), fakes():
            leaves, form = pytree.tree_flatten(self.bound.result_shapes(self.args))
        inputs, allocated = tensors_in(args), _allocated(leaves, self.tensors)
        layout, lists = pack(args, self.written)
        found = operator_of(self.kernel, len(allocated), any(self.written))(layout, *lists)
        outputs = [found] if len(allocated) == 1 else found or ()
        known = list(zip([*allocated, *self.tensors], [*outputs, *inputs], strict=True))
        dynamic = any(isinstance(size, torch.SymInt) for tensor in inputs for size in tensor.shape)
        return pytree.tree_unflatten([_result(leaf, known, dynamic, self.kernel) for leaf in leaves], form)


def _allocated(result: Any, args: Sequence[object]) -> list[torch.Tensor]:
    """The tensors of a result that are no memory of the arguments; one of each storage."""
    seen = {storage_of(tensor) for tensor in tensors_in(args)}
    found: list[torch.Tensor] = []
    for leaf in pytree.tree_leaves(result):
        if isinstance(leaf, torch.Tensor) and storage_of(leaf) not in seen:
            seen.add(storage_of(leaf))
            found.append(leaf)
    return found


def _result(leaf: Any, known: list[tuple[torch.Tensor, torch.Tensor]], dynamic: bool, kernel: Callee) -> Any:
    """What a kernel returns where it returns `leaf` for stand-ins; `known` are stand-ins, each with its tensor."""
    if not isinstance(leaf, torch.Tensor):
        if dynamic and isinstance(leaf, int | float) and not isinstance(leaf, bool):
            _refuse(kernel, f"the number {leaf}, which may be a size")
        return leaf
    for stand_in, tensor in known:
        if stand_in is leaf:
            return tensor
    if dynamic:
        _refuse(kernel, "a view of another tensor")
    base = next(tensor for stand_in, tensor in known if storage_of(stand_in) == storage_of(leaf))
    return torch.as_strided(base, leaf.shape, leaf.stride(), leaf.storage_offset())


def _refuse(kernel: Callee, what: str) -> None:
    raise InvalidAPIUsage(
        f"{kernel.signature.fn.__name__} returns {what}; no graph with dynamic shapes can hold that",
        hint="return the tensors that the kernel allocates, or compile with dynamic=False",
        location=kernel.signature.place,
    )


__all__ = ["is_symbolic", "number", "numbered", "operator_of", "symbolic_call"]
