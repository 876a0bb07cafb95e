"""Loops over `hl.static_range`: one loop in the IR where nobody can tell, else unrolled; the index is a Python int."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helion_ir.dialects import inline_triton, tile

import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

from .test_values import close, ops_of, run

X = torch.randn(21, dtype=torch.float64)
PARTS = [torch.randn(21, dtype=torch.float64) for _ in range(3)]
Body = Callable[..., Any]
ONCE: list[tuple[Body, Any]] = []
UNROLLED: list[tuple[Body, Any]] = []


def kernel_of(body: Body) -> Any:
    """A kernel around a body `(x, parts, t) -> value for t`, and the same on whole tensors."""

    def kernel(x: torch.Tensor, parts: Any, f: Any) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = f(x, parts, t)
        return out

    return kernel


def case(table: list[tuple[Body, Any]], parts: Any = PARTS) -> Callable[[Body], Body]:
    def register(body: Body) -> Body:
        table.append((body, parts))
        return body

    return register


@case(ONCE)
def sums(x, parts, t):
    total = hl.zeros([t], dtype=torch.float64)
    for i in hl.static_range(3):
        total = total + parts[i][t]
    return total


@case(ONCE, tuple(PARTS))
def begins_with_a_number(x, parts, t):
    total = 0
    for i in hl.static_range(3):
        total += parts[i][t] * (2 * i + 1)
    return total


@case(ONCE)
def bounds_and_steps(x, parts, t):
    total = 0.25
    for i in hl.static_range(-1, 6, 3):
        total = total + x[t] * i
    for i in hl.static_range(1, 3):
        total = total - parts[2 - i][t] + parts[i - 1][t]
    return total


@case(ONCE)
def nested(x, parts, t):
    total = x[t]
    for i in hl.static_range(2):
        for j in hl.static_range(2):
            total = total * 2 + parts[i + j][t]
    return total


@case(ONCE)
def a_name_used_again(x, parts, t):
    total = x[t]
    for i in hl.static_range(2):
        part = parts[i][t]
        total = total + part * part
    for i in hl.static_range(2):
        part = parts[i + 1][t]
        total = total - part
    part = total * 2
    return part + 1


@case(UNROLLED)
def index_of_a_plain_list(x, parts, t):
    weights, total = [1.0, 10.0, 100.0], x[t]
    for i in hl.static_range(3):
        total = total + weights[i] * parts[i][t]
    return total


@case(UNROLLED)
def condition(x, parts, t):
    total = x[t]
    for i in hl.static_range(3):
        if i == 1:
            total = total * 3
            total = total - 1
        else:
            total = total + parts[i][t]
    return total


@case(UNROLLED)
def inner_range(x, parts, t):
    total = x[t]
    for i in hl.static_range(3):
        for _ in range(i):
            total = total + parts[i][t]
    return total


@case(UNROLLED)
def text(x, parts, t):
    total, named = x[t], {"p0": 2.0, "p1": 3.0}
    for i in hl.static_range(2):
        total = total + named[f"p{i}"] * parts[i][t]
    return total


@case(UNROLLED)
def appends(x, parts, t):
    loaded = []
    for i in hl.static_range(3):
        loaded.append(parts[i][t])
    return loaded[0] - loaded[1] * loaded[2]


@case(UNROLLED)
def stores_into_a_dict(x, parts, t):
    loaded = {"last": x[t], 0: 0.0}
    for i in hl.static_range(3):
        loaded[i] = parts[i][t]
    return loaded[1] + loaded["last"]


@case(UNROLLED)
def python_numbers_change(x, parts, t):
    number, total = 0, x[t]
    for i in hl.static_range(3):
        number += i + 1
        total = total + parts[i][t]
    return total * [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][number]


@case(UNROLLED)
def names_live_after(x, parts, t):
    for i in hl.static_range(3):
        last = parts[i][t]
    return last * (i + 1)


@case(UNROLLED)
def a_comprehension_has_variables_of_its_own(x, parts, t):
    for i in hl.static_range(3):
        last = parts[i][t] + x[t]
    count = len([1 for last in (1, 2)])
    return last * count


@case(UNROLLED)
def a_tensor_variable_moves_on(x, parts, t):
    total, current = x[t], x
    for i in hl.static_range(3):
        total = total + current[t] * 2
        current = parts[i]
    return total + current[t]


@case(UNROLLED)
def true_division_is_exact(x, parts, t):
    total = x[t]
    for i in hl.static_range(1, 4):
        total = total + parts[0][t] * (i / 3)
    return total


@case(UNROLLED)
def negative_index(x, parts, t):
    total = x[t]
    for i in hl.static_range(-2, 1):
        total = total + parts[i][t] * (i + 5) + x[i]
    return total


@case(UNROLLED)
def the_dtype_changes(x, parts, t):
    total = x[t].to(torch.float32)
    for i in hl.static_range(2):
        total = total + parts[i][t]
    return total


@case(UNROLLED)
def two_names_of_one_tensor(x, parts, t):
    total = x[t] * 1
    other = total
    for i in hl.static_range(2):
        total += parts[i][t]
        other += 1
    return other


@case(UNROLLED)
def backwards(x, parts, t):
    total = x[t]
    for i in hl.static_range(2, -1, -1):
        total = total * 2 + parts[i][t]
    return total


@case(UNROLLED, [*PARTS[:2], torch.randn(30, dtype=torch.float64)])
def elements_differ(x, parts, t):
    total = x[t]
    for i in hl.static_range(3):
        total = total + parts[i][t]
    return total


@case(UNROLLED)
def a_slice_past_the_end(x, parts, t):
    total = x[t]
    for i in hl.static_range(3):
        total = total + parts[i][8 * i : 8 * i + 8].sum()
    return total


@case(UNROLLED)
def none_and_one(x, parts, t):
    total = x[t]
    for i in hl.static_range(0):
        total = total + parts[i + 7][t]
    for i in hl.static_range(2, 3):
        total = total + parts[i][t]
    return total


@case(UNROLLED)
def comprehension(x, parts, t):
    return sum(parts[i][t] * i for i in hl.static_range(3)) + len(hl.static_range(1, 9, 2))


def expected(body: Body, parts: Any) -> torch.Tensor:
    """The body, run by Python on whole tensors: its `hl` is Python's own."""
    plain = types.SimpleNamespace(static_range=range, zeros=lambda size, dtype: torch.zeros(21, dtype=dtype))
    cut = [p[:21] for p in parts] if body.__name__ == "elements_differ" else parts
    return types.FunctionType(body.__code__, {**body.__globals__, "hl": plain})(X, cut, slice(0, 21))


@pytest.mark.parametrize(("body", "parts", "once"), [(*c, True) for c in ONCE] + [(*c, False) for c in UNROLLED])
def test_the_index_is_a_python_int(body: Body, parts: Any, once: bool) -> None:
    kernel = kernel_of(body)
    close(run(kernel, X, parts, body), expected(body, parts), rtol=1e-12, atol=1e-12)
    loops = [op for op in ops_of(kernel, X, parts, body) if isinstance(op, tile.ForOp) and op.static is not None]
    assert bool(loops) == once


def test_a_loop_that_is_walked_again_leaves_nothing_behind() -> None:
    ops = ops_of(kernel_of(condition), X, PARTS, condition)
    assert sum(isinstance(op, tile.LoadOp) for op in ops) == 3
    assert sum(isinstance(op, inline_triton.ElementOp) for op in ops) == 2


def carries_a_shape(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        size = x.size(0)
        for _ in hl.static_range(2):
            size = size + 1
        out[t] = hl.full([t], size, dtype=torch.float64) + hl.arange(size).sum()
    return out


def test_sizes_stay_sizes() -> None:
    close(run(carries_a_shape, X[:7], static=False), torch.full((7,), 9.0 + 36, dtype=torch.float64))


def tiled_inside(x: torch.Tensor, parts: list[torch.Tensor]) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=x.dtype)
    for t in hl.tile(x.size(0)):
        total = hl.zeros([t], dtype=x.dtype)
        for i in hl.static_range(3):
            for k in hl.tile(parts[0].size(1)):
                total = total + parts[i][t, k].sum(1) * (i + 1)
        out[t] = total
    return out


def test_tiles_inside_have_one_block_size() -> None:
    parts = [torch.randn(21, 11, dtype=torch.float64) for _ in range(3)]
    close(run(tiled_inside, X, parts), sum(p.sum(1) * (i + 1) for i, p in enumerate(parts)))
    assert len([op for op in ops_of(tiled_inside, X, parts) if isinstance(op, tile.ForOp)]) == 2


def loop_of(bounds: Any) -> Any:
    def kernel(x, n):
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            for _ in hl.static_range(*bounds(x, t, n)):
                out[t] = x[t]
        return out

    return kernel


@pytest.mark.parametrize(
    "bounds", [lambda x, t, n: (2.0,), lambda x, t, n: (x[0],), lambda x, t, n: (0, 4, 0), lambda x, t, n: (t,)]
)
def test_bounds_are_ints(bounds: Any) -> None:
    with pytest.raises(exc.InvalidTileRange, match=r"hl\.static_range"):
        trace(loop_of(bounds), (X, 3))


def test_run_time_bounds_are_refused() -> None:
    with pytest.raises(exc.ShapeSpecializingCall):
        trace(loop_of(lambda x, t, n: (t.begin,)), (X, 3))


def test_an_argument_as_a_bound_joins_the_key() -> None:
    assert trace(loop_of(lambda x, t, n: (n,)), (X, 3)).guards == ("(n) == 3",)


def mistake_inside(x: torch.Tensor, parts: Any) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        for i in hl.static_range(4):
            out[t] = parts[0][t] * x[20 + i]
    return out


def test_mistakes_speak_of_ints() -> None:
    with pytest.raises(exc.InvalidIndexingType, match="index 21 is out of range") as caught:
        trace(mistake_inside, (X, PARTS))
    assert caught.value.location is not None


def in_host_code(x: torch.Tensor) -> torch.Tensor:
    n = 0
    for i in hl.static_range(1, 4):
        n += i
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * n
    return out


def test_host_code_iterates_over_ints() -> None:
    close(run(in_host_code, X), X * 6)
