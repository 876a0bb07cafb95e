"""Kernels in graphs of torch.compile and torch.export, for fake tensors, and with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch._dynamo.testing
from torch._subclasses.fake_tensor import FakeTensorMode

import helion_ir
import helion_ir.language as hl
from helion_ir import exc


@helion_ir.kernel(config={"block_sizes": [8]})
def scaled_sum(x: torch.Tensor, y: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + y[t] * factor
    return out


@helion_ir.kernel(config={"block_sizes": [8]})
def increment(x: torch.Tensor, by: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    for t in hl.tile(x.size(0)):
        x[t] += by
    return x, x[1:], x.size(0)


class Pair(NamedTuple):
    one: torch.Tensor
    other: torch.Tensor


@helion_ir.kernel(config={"block_sizes": [8]}, static_shapes=False)
def both(pair: Pair, names: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, Any]:
    total = torch.empty(pair.one.size(), dtype=dtype, device=pair.one.device)
    largest = torch.empty_like(total)
    for t in hl.tile(pair.one.size(0)):
        total[t] = pair.one[t] + pair.other[t] * names["z"][t]
        largest[t] = torch.maximum(pair.one[t], pair.other[t])
        names["count"][t] += 1.0
    return {"total": total, "largest": [largest], "again": total}


X, Y = torch.randn(37), torch.randn(37)


def compiled(fn: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(fn, fullgraph=True, backend="aot_eager", **options)


def test_in_a_full_graph() -> None:
    def model(x: torch.Tensor, y: torch.Tensor) -> Any:
        x = x.sin()
        changed, rest, size = increment(x, 3)
        return scaled_sum(x, y, factor=3.0) + 1, changed, rest, size

    found = compiled(model)(X, Y)
    changed = X.sin() + 3
    torch.testing.assert_close(found, (changed + 3 * Y + 1, changed, changed[1:], 37))


def test_a_full_graph_holds_what_kernels_return_besides_tensors() -> None:
    class Found(NamedTuple):
        value: torch.Tensor
        rest: object

    @helion_ir.kernel(config={"block_sizes": [8]})
    def scaled_in_place(x: torch.Tensor, factor: float) -> None:
        for t in hl.tile(x.size(0)):
            x[t] *= factor

    @helion_ir.kernel(config={"block_sizes": [8]})
    def described(x: torch.Tensor, factor: float) -> Any:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * factor
        return Found(out, {"none": None, "more": Found(out, 3)}), None, factor, x.dtype, "text", True

    def model(x: torch.Tensor) -> Any:
        y = x + 0
        assert scaled_in_place(y, 2.0) is None
        return y, *described(y, 3.0)

    y, found, *others = compiled(model)(X)
    torch.testing.assert_close((y, found.value, found.rest["more"].value), (2 * X, 6 * X, 6 * X))
    assert (found.rest["none"], found.rest["more"].rest) == (None, 3)
    assert others == [None, 3.0, torch.float32, "text", True]


def test_containers_and_several_results_with_dynamic_shapes() -> None:
    def model(x: torch.Tensor, y: torch.Tensor, count: torch.Tensor) -> Any:
        found = both(Pair(x * 2, y), {"z": y, "count": count}, torch.float64)
        return found["total"] + found["again"], found["largest"][0]

    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()
    run = torch.compile(model, fullgraph=True, backend=counter, dynamic=True)
    for size in (37, 12, 50):
        x, y, count = torch.randn(size), torch.randn(size), torch.zeros(size)
        total = (2 * x + y * y).double() * 2
        torch.testing.assert_close(run(x, y, count), (total, torch.maximum(2 * x, y).double()), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(count, torch.ones(size))
    assert counter.frame_count == 1


def test_argument_of_the_graph_written_in_place() -> None:
    x = torch.zeros(9)
    compiled(lambda x: increment(x, 2)[0] * 2)(x)
    torch.testing.assert_close(x, torch.full((9,), 2.0))


def test_fake_tensors_give_fake_tensors() -> None:
    scaled_sum(X, Y)  # a call with real tensors of the same key
    with FakeTensorMode() as mode:
        found = scaled_sum(mode.from_tensor(X), mode.from_tensor(Y))
        view = increment(mode.from_tensor(X), 1)[1]
    assert type(found).__name__ == "FakeTensor"
    assert found.shape == (37,)
    assert view.shape == (36,)
    with pytest.raises(exc.InvalidAPIUsage, match="on which nothing can run"):
        helion_ir.compile(scaled_sum, {"block_sizes": [8]})(helion_ir.TensorSpec((9,)).fake(), Y)


def test_export() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return scaled_sum(x, y) * 2

    exported = torch.export.export(Model(), (X, Y))
    assert "torch.ops.helion_ir.scaled_sum.pure1" in exported.graph_module.code
    torch.testing.assert_close(exported.module()(X, Y), (X + 2 * Y) * 2)


def leaf(value: torch.Tensor) -> torch.Tensor:
    return value.clone().requires_grad_()


def test_a_gradient_that_nobody_gives_is_an_error() -> None:
    lone = helion_ir.kernel(scaled_sum.fn, config={"block_sizes": [8]})
    x = leaf(X)
    for run in (lone, lone.bind((x, Y)), helion_ir.compile(lone, {"block_sizes": [8]}, (x, Y))):
        found = run(x, Y)
        torch.testing.assert_close(found, X + 2 * Y)
        with pytest.raises(exc.NoBackward, match="scaled_sum has no backward"):
            found.sum().backward()
    with torch.no_grad():
        assert not lone(x, Y).requires_grad
    assert not lone(X, Y).requires_grad
    with pytest.raises(exc.InvalidAssignment, match="x requires grad"):
        increment(x, 1)


@pytest.mark.parametrize("in_graph", [False, True])
def test_registered_backward(in_graph: bool) -> None:
    kernel = helion_ir.kernel(scaled_sum.fn, config={"block_sizes": [8]})

    @kernel.register_backward
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, _, factor = ctx.inputs
        assert ctx.output.shape == grad.shape
        return grad, grad * factor

    def model(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return kernel(x * 2, y.sin(), 5.0).square().sum()

    x, y, x_ref, y_ref = leaf(X), leaf(Y), leaf(X), leaf(Y)
    (compiled(model) if in_graph else model)(x, y).backward()
    (x_ref * 2 + y_ref.sin() * 5).square().sum().backward()
    torch.testing.assert_close((x.grad, y.grad), (x_ref.grad, y_ref.grad))


def test_backward_with_a_context_of_its_own_and_containers() -> None:
    @helion_ir.kernel(config={"block_sizes": [8]})
    def product(pair: list[torch.Tensor], out: torch.Tensor) -> None:
        for t in hl.tile(out.size(0)):
            out[t] = pair[0][t] * pair[1][t]

    def keep(ctx: Any, inputs: Any, output: Any) -> None:
        assert output is None
        ctx.save_for_backward(*inputs[0])

    def backward(ctx: Any) -> Any:
        return None

    product.register_backward(backward, setup_context=keep)
    out = torch.zeros(37)
    product([leaf(X), Y], out)
    torch.testing.assert_close(out.detach(), X * Y)
    assert out.requires_grad
