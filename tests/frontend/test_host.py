"""The host side of a traced kernel: its text, sizes, int arguments, guards, several loops."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from helion_ir.dialects import tile

import helion_ir
import helion_ir.language as hl
from helion_ir.frontend import trace
from helion_ir.sizes import HOST_FUNCTIONS

from .test_values import close, run

SCALE = 0.5
KIND = torch.float32
partial = functools.partial(torch.empty, dtype=KIND)


def half(value: int) -> int:
    return quarter(value) * 2


def quarter(value: int) -> int:
    return math.ceil(value * SCALE / 2)


def host_of(fn: Any, *args: Any, **options: Any) -> str:
    (kernel,) = trace(fn, args, **options).module.ops
    assert isinstance(kernel, tile.KernelOp)
    return kernel.host.data


def uses_its_module(x: torch.Tensor, f: Any = lambda v: v) -> torch.Tensor:
    """A docstring."""
    n = hl.specialize(x.size(0))
    out: torch.Tensor = torch.empty([half(n)], dtype=KIND, device=x.device)
    rows = helion_ir.cdiv(n, 4) + helion_ir.next_power_of_2(n)
    assert rows > 0
    for t in hl.tile(out.size(0)):
        out[t] = f(x[t]) * SCALE
    return out


def test_the_text_brings_what_it_uses() -> None:
    x = torch.randn(9)
    text = host_of(uses_its_module, x, lambda v: v)
    for line in ("import math", "SCALE = 0.5", "KIND = torch.float32", "rows = __cdiv__(n, 4) + "):
        assert line in text
    assert text.index("def quarter") < text.index("def half") < text.index("def uses_its_module")
    code = [line for line in text.splitlines() if "# src" not in line]
    assert not any("hl." in line or "helion_ir." in line for line in code)
    names: dict[str, Any] = {"torch": torch, **HOST_FUNCTIONS, "__launch__": lambda: None}
    exec(text, names)
    assert names["uses_its_module"](x).shape == (half(9),)
    close(run(uses_its_module, x, lambda v: v + 1), (x[: half(9)] + 1) * 0.5)


def sized_by_argument(x: torch.Tensor, k: int) -> torch.Tensor:
    width = k * 2 + 1
    out = torch.zeros([x.size(0), width], dtype=x.dtype, device=x.device)
    for t, c in hl.tile(out.size()):
        out[t, c] = x[t][:, None] + c.index[None, :] * k
    return out


@pytest.mark.parametrize("k", [0, 1, 3])
def test_int_arguments_are_values_and_sizes(k: int) -> None:
    x = torch.randn(7)
    close(run(sized_by_argument, x, k), x[:, None] + torch.arange(2 * k + 1)[None] * k)


def test_int_arguments_do_not_specialize() -> None:
    x = torch.randn(7)
    traced = [trace(sized_by_argument, (x, k)) for k in (1, 3)]
    assert str(traced[0].module) == str(traced[1].module)
    assert all(" < " in guard for guard in traced[0].guards)  # that widths suffice


def host_branch(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    if n > 3:
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * n
    else:
        for t in hl.tile(x.size(0)):
            out[t] = x[t] - n
    return out


@pytest.mark.parametrize("n", [2, 5])
def test_host_branches_are_guarded(n: int) -> None:
    x = torch.randn(9)
    close(run(host_branch, x, n), x * n if n > 3 else x - n)
    assert trace(host_branch, (x, n)).guards == ("(n) > 3" if n > 3 else "(n) <= 3",)


def two_phases(x: torch.Tensor) -> torch.Tensor:
    doubled, out = torch.empty_like(x), torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        doubled[t] = x[t] * 2
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + 1
    return out + doubled


def test_several_loops_are_phases_of_one_kernel() -> None:
    x = torch.randn(40)
    close(run(two_phases, x), x * 3 + 1)
    assert host_of(two_phases, x).count("__launch__()") == 1


def rebinds_its_argument(x: torch.Tensor) -> torch.Tensor:
    x = x.reshape(-1)
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * x.size(0)
    return out


@pytest.mark.parametrize("static", [True, False])
def test_rebound_arguments(static: bool) -> None:
    x = torch.randn(6, 5)
    close(run(rebinds_its_argument, x.T, static=static), x.T.reshape(-1) * 30)


def adds(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = torch.broadcast_tensors(x, y)
    out = torch.empty(x.shape, dtype=torch.promote_types(x.dtype, y.dtype), device=x.device)
    for t in hl.tile(out.size()):
        out[t] = x[t] + y[t]
    return out


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("shapes", [((5,), (5,)), ((4, 1), (3,)), ((2, 3, 4), (3, 1)), ((1,), (1,))], ids=str)
def test_broadcasting_of_any_rank(shapes: Any, static: bool) -> None:
    x, y = (torch.randn(shape) for shape in shapes)
    close(run(adds, x, y, static=static), x + y)


def grows(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, :] * w[:]
    return out


def test_sizes_that_must_agree_become_one_symbol_under_a_guard() -> None:
    x, w = torch.randn(4, 6), torch.randn(6)
    traced = trace(grows, (x, w), static_shapes=False)
    assert "(x.size(1)) == (w.size(0))" in traced.guards
    close(run(grows, x, w, static=False), x * w)
    close(run(grows, x, w[:1], static=False), x * w[:1])


def test_specialize_makes_a_size_constant() -> None:
    traced = trace(uses_its_module, (torch.randn(9), lambda v: v), static_shapes=False)
    assert "(x.size(0)) == 9" in traced.guards


def on_device_of(x: torch.Tensor) -> torch.Tensor:
    assert x.device.type == "cuda"
    out = torch.empty_like(x, device="cuda")
    assert out.device.type == "cuda"
    for t in hl.tile(x.size(0)):
        zero = torch.zeros([t], device=x.device)
        assert x[t].device.type == "cuda"
        out[t] = x[t] + zero
    return out


def test_the_users_device_is_reported_where_there_is_none() -> None:
    with torch._subclasses.FakeTensorMode():
        x = torch.empty(8, device="meta")

    class Spec:
        shape, dtype, device = x.shape, x.dtype, torch.device("cuda", 0)

        def stride(self) -> tuple[int, ...]:
            return (1,)

    trace(on_device_of, (Spec(),))
