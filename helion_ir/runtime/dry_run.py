"""What a launch would pass, found by running the host function on fake tensors: nothing need be on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch._subclasses.fake_tensor import DataDependentOutputException
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr

from ..dialects.targets import ALIGNMENT
from ..specialization.tensor_spec import fakes, materialize
from .host import host_function
from .structure import only_func


@dataclass(frozen=True)
class LaunchValues:
    """`constexprs` that the host computes from the arguments; the integer parameters `divisible` by `ALIGNMENT`."""

    constexprs: dict[str, int]
    divisible: tuple[str, ...]


class _LaunchedError(Exception):
    """Ends the dry run at the launch."""


def launch_values(module: ModuleOp, args: Sequence[object], captured: Mapping[str, object]) -> LaunchValues:
    """The values of a `tl` module's launch for arguments (`TensorSpec`s for tensors); `captured` is what the host
    function captures, by name.

    Constexprs that only a machine with the device can compute are left out; so are all values where host code reads
    data (`x.max().item()`), which are not here. Raises what the host function raises.
    """
    func = only_func(module)
    names = [name.data for name in func.arg_names]
    computed = {n: f"lambda: {v.data}" for n, v in func.constexprs.data.items() if isinstance(v, StringAttr)}
    seen: list[tuple[Sequence[Any], dict[str, Callable[[], Any]]]] = []

    def launch(values: Sequence[Any], constexprs: dict[str, Callable[[], Any]]) -> None:
        seen.append((values, constexprs))
        raise _LaunchedError

    sizes = {n: v.data for n, v in func.constexprs.data.items() if isinstance(v, IntAttr)}
    exprs = [expr.data for expr in func.arg_exprs]
    run = host_function(func.host.data, launch, args=exprs, tables=[computed], names={**sizes, **captured})
    with fakes():
        with suppress(_LaunchedError, DataDependentOutputException):
            run(*(materialize(arg) for arg in args))
        if not seen:
            return LaunchValues({}, ())
        values, constexprs = seen[0]
        known = {name: _value(compute) for name, compute in constexprs.items()}
    divisible = [n for n, v in zip(names, values, strict=True) if type(v) is int and v % ALIGNMENT == 0]
    return LaunchValues({name: value for name, value in known.items() if value is not None}, tuple(divisible))


def _value(compute: Callable[[], Any]) -> int | None:
    """An int that the host computes; None where that needs a device, which may be absent."""
    try:
        return int(compute())
    except (RuntimeError, AssertionError):
        return None
