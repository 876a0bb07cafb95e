"""What of a call's arguments no kernel can take, said by the argument's name: looked for when a call is met first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import torch
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._subclasses.fake_tensor import FakeTensor

from ..exc import InvalidAPIUsage, NestedKernelCallsNotSupported, SourceLocation, UnsupportedPythonType
from .tensor_spec import TensorSpec


def leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """What containers and dataclasses hold, each with the expression that reaches it."""
    if isinstance(value, TensorSpec):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}[{number}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}")
    else:
        yield path, value


def check_tensors(names: Sequence[str], args: Sequence[object], location: SourceLocation) -> None:
    """Raise `UnsupportedPythonType` for a tensor that is no plain strided memory (sparse, nested, quantized, …), and
    for what is NumPy's."""
    for name, arg in zip(names, args, strict=False):
        for path, leaf in leaves(arg, name):
            if isinstance(leaf, torch.Tensor) and (found := _unusual(leaf)):
                what, hint = found
                raise UnsupportedPythonType(
                    f"argument {path} is {what}; kernels take dense strided tensors", hint=hint, location=location
                )
            if type(leaf).__module__ == "numpy":
                raise UnsupportedPythonType(
                    f"argument {path} is a numpy.{type(leaf).__name__}",
                    hint="pass torch.from_numpy(array); of a NumPy number, .item()", location=location,
                )  # fmt: skip


def _unusual(tensor: torch.Tensor) -> tuple[str, str] | None:
    """What kind of tensor this is, and what to pass instead; None for a plain one."""
    if is_functorch_wrapped_tensor(tensor):
        return "a tensor of a transform (torch.func, torch.vmap)", "call the kernel outside of the transform"
    if tensor.is_nested:
        return "a nested tensor", "pass its values and offsets: .values(), .offsets(); or a padded tensor"
    if tensor.is_mkldnn or tensor.layout is not torch.strided:
        return f"a tensor of layout {tensor.layout}", "pass .to_dense(), or its values and indices"
    if tensor.is_quantized:
        return f"a quantized tensor ({tensor.dtype})", "pass .int_repr(), with the scale and the zero point"
    if tensor.dtype.is_complex:
        return f"complex ({tensor.dtype})", "pass torch.view_as_real(tensor)"
    if tensor.is_neg():
        return "a view that negates what is in memory", "pass .resolve_neg()"
    return None


def check_arguments(what: object, call: str) -> None:
    """Raise `InvalidAPIUsage` unless `what` is a sequence of arguments; a tensor is one argument."""
    if not isinstance(what, list | tuple):
        raise InvalidAPIUsage(
            f"{call} takes the arguments as a tuple, got {type(what).__name__}", hint="for one argument: (x,)"
        )


def check_real(names: Sequence[str], args: Sequence[object], location: SourceLocation) -> None:
    """Raise `InvalidAPIUsage` for a call with what stands for a tensor: there is nothing to run on."""
    for name, arg in zip(names, args, strict=False):
        for path, leaf in leaves(arg, name):
            if isinstance(leaf, TensorSpec | FakeTensor):
                raise InvalidAPIUsage(
                    f"argument {path} is a {type(leaf).__name__}, on which nothing can run",
                    hint="pass it to compile() or bind()", location=location,
                )  # fmt: skip


def refuse_nested_call(name: str) -> NoReturn:
    """Raise `NestedKernelCallsNotSupported`: kernel `name` is called while another is traced."""
    raise NestedKernelCallsNotSupported(
        f"kernel {name} is called in another kernel",
        hint=f"call a plain function there ({name}.fn is one, but its loops cannot be nested), or call one kernel "
        "after the other",
    )
