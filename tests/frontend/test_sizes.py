"""`static_shapes=False`: one bound kernel for every size, 0 and 1 included."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.frontend import trace

from .test_values import close, run


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def softmax(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t, :] = torch.softmax(x[t, :], -1)
    return out


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    inner, n = y.size()
    assert k == inner
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tm, tn in hl.tile([m, n]):
        acc = hl.zeros([tm, tn])
        for tk in hl.tile(k):
            acc = torch.addmm(acc, x[tm, tk], y[tk, tn])
        out[tm, tn] = acc
    return out


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = torch.broadcast_tensors(x, y)
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    for t in hl.tile(out.size()):
        out[t] = x[t] + y[t]
    return out


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def squeezed(x: torch.Tensor) -> torch.Tensor:
    y = x.squeeze(0)
    out = torch.empty_like(y)
    for t in hl.tile(out.size()):
        out[t] = y[t] + 1
    return out


def operands(name: str, n: int) -> tuple[torch.Tensor, ...]:
    if name == "softmax":
        return (torch.randn(n, n + 2),)
    return torch.randn(n, n), torch.randn(n, n)


EXPECTED: dict[str, tuple[helion_ir.Kernel, Callable[..., torch.Tensor]]] = {
    "softmax": (softmax, lambda x: torch.softmax(x, -1)),
    "matmul": (matmul, torch.matmul),
    "add": (add, torch.add),
}


@pytest.mark.parametrize("first", [0, 1, 5])
@pytest.mark.parametrize("name", EXPECTED)
def test_one_bound_kernel_for_every_size(name: str, first: int) -> None:
    kernel, reference = EXPECTED[name]
    kernel.reset()
    bound = kernel.bind(operands(name, first))
    for n in (1, 5, 0, 33):
        args = operands(name, n)
        assert kernel.bind(args) is bound
        close(bound(*args), reference(*(arg.double() for arg in args)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shapes", [((4, 1), (4, 3)), ((1, 3), (4, 3)), ((3,), (4, 1))], ids=str)
def test_broadcasting_on_the_host_comes_of_sizes_of_this_call(shapes: Any) -> None:
    x, y = map(torch.randn, shapes)
    close(add(x, y), x + y)
    same = torch.randn(5, 7), torch.randn(5, 7)
    close(add(*same), sum(same))
    ones = torch.randn(1, 1), torch.randn(1, 1)
    close(add(*ones), sum(ones))


@pytest.mark.parametrize("first", [1, 4])
def test_what_depends_on_a_size_being_one_is_guarded(first: int) -> None:
    squeezed.reset()
    for n in (first, 1, 4, 3):
        x = torch.randn(n, 6)
        result = squeezed(x)
        assert result.shape == x.squeeze(0).shape
        close(result, x.squeeze(0) + 1)


def host_asks(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    extra = 1 if x.size(0) == 1 else 2
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + extra
    return out


@pytest.mark.parametrize("n", [1, 4])
def test_what_the_user_asks_of_a_size_is_guarded(n: int) -> None:
    x = torch.randn(n)
    assert f"(x.size(0)) {'==' if n == 1 else '!='} 1" in trace(host_asks, (x,), static_shapes=False).guards
    close(run(host_asks, x, static=False), x + (1 if n == 1 else 2))


def test_a_trace_leaves_no_tensors() -> None:
    def alive() -> int:
        gc.collect()
        return sum(type(o) is torch.Tensor and o.device.type == "meta" for o in gc.get_objects())

    trace(matmul.fn, operands("matmul", 5), static_shapes=False)
    before = alive()
    for n in (3, 4):
        trace(matmul.fn, operands("matmul", n), static_shapes=False)
    assert alive() == before
