"""Functions and lambdas called in device code: run-time branches and device loops in them; where their ops point."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helion_ir.dialects import tile
from xdsl.dialects import scf
from xdsl.dialects.builtin import FileLineColLoc

import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

from ..support import frontend_helpers
from ..support.frontend_helpers import never_ends, other_kinds, signed, total_of, wrong_shape
from .test_values import close, ops_of, run


def line_of(text: str) -> int:
    lines = Path(frontend_helpers.__file__).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


def rowwise(x: torch.Tensor, k: int, f: Callable[..., Any]) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = f(total_of(x, t), k)
    return out


@pytest.mark.parametrize("k", [1, 5])
def test_loops_and_early_returns_in_helpers(k: int) -> None:
    x = torch.randn(37, 45)
    total = x.double().sum(1)
    close(run(rowwise, x, k, signed), (total + k) * 2 if k > 2 else total - k, rtol=1e-5, atol=1e-4)
    (branch,) = (op for op in ops_of(rowwise, x, k, signed) if isinstance(op, scf.IfOp))
    assert len(branch.results) == 1


@pytest.mark.parametrize("k", [1, 5])
def test_lambdas_choose_at_run_time(k: int) -> None:
    x = torch.randn(37, 45)
    total = x.double().sum(1)
    chain = [lambda v, n: v * 2 if n > 2 else -v, lambda v, n: v + (1 if 0 < n < 3 else 3)]
    first, second = chain
    close(run(rowwise, x, k, first), total * 2 if k > 2 else -total, rtol=1e-5, atol=1e-4)
    close(run(rowwise, x, k, second), total + (1 if k == 1 else 3), rtol=1e-5, atol=1e-4)
    both = (total * 2 if k > 2 else -total) + (1 if k == 1 else 3)
    close(run(rowwise, x, k, lambda v, n: second(first(v, n), n)), both, rtol=1e-5, atol=1e-4)


@dataclass
class Scale:
    by: torch.Tensor

    def __call__(self, value: torch.Tensor, k: int) -> torch.Tensor:
        return value * self.by[0] if k > 2 else value

    def half(self, value: torch.Tensor, k: int) -> torch.Tensor:
        return self(value, k) / 2


def scaled(x: torch.Tensor, k: int, scale: Scale) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = scale.half(x[t, :].sum(1), k)
    return out


@pytest.mark.parametrize("k", [1, 5])
def test_methods_and_callable_objects(k: int) -> None:
    x, by = torch.randn(9, 45), torch.tensor([3.0])
    expected = x.double().sum(1) * (1.5 if k > 2 else 0.5)
    close(run(scaled, x, k, Scale(by)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("k", [1, 5])
def test_partial_functions(k: int) -> None:
    def three(value: torch.Tensor, k: int, *rest: int, more: int = 0) -> torch.Tensor:
        if k > 2:
            value = value + more
        for number in rest:
            value = value + number
        return value

    x = torch.randn(9, 45)
    expected = x.double().sum(1) + (7 if k > 2 else 0)
    close(run(rowwise, x, k, functools.partial(three, more=7)), expected, rtol=1e-5, atol=1e-4)


def in_place(x: torch.Tensor, k: int) -> torch.Tensor:
    def bump(values: dict[str, torch.Tensor], pair: list[torch.Tensor]) -> None:
        if k > 2:
            values["sum"] += 1
            pair[0] = pair[0] * 2
        for t in hl.tile(x.size(1)):
            values["sum"] += x[rows, t].sum(1)

    out = torch.empty([x.size(0), 3], dtype=torch.float32, device=x.device)
    for rows in hl.tile(x.size(0)):
        acc = {"sum": hl.zeros([rows])}
        pair = [x[rows, 0], x[rows, 1]]
        bump(acc, pair)
        out[rows, 0] = acc["sum"]
        out[rows, 1] = pair[0]
        out[rows, 2] = pair[1]
    return out


@pytest.mark.parametrize("k", [1, 5])
def test_what_helpers_change_in_place_is_the_callers(k: int) -> None:
    x = torch.randn(19, 21)
    expected = torch.stack([x.sum(1) + (k > 2), x[:, 0] * (2 if k > 2 else 1), x[:, 1]], 1)
    close(run(in_place, x, k), expected, rtol=1e-5, atol=1e-4)


def nothing(x: torch.Tensor, k: int) -> torch.Tensor:
    def write(t: Any) -> None:
        if k > 2:
            out[t] = x[t] + 1
            return
        out[t] = x[t] - 1

    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        write(t)
    return out


@pytest.mark.parametrize("k", [1, 5])
def test_helpers_that_store_and_return_nothing(k: int) -> None:
    x = torch.randn(19)
    close(run(nothing, x, k), x + (1 if k > 2 else -1))


def folded(x: torch.Tensor) -> torch.Tensor:
    def halves(value: torch.Tensor, depth: int) -> torch.Tensor:
        if depth == 0:
            return value
        return halves(value / 2, depth - 1)

    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = halves(x[t], 3)
    return out


def test_what_ends_at_compile_time_may_call_itself() -> None:
    x = torch.randn(19)
    close(run(folded, x), x / 8)
    assert not any(isinstance(op, scf.IfOp) for op in ops_of(folded, x))


def test_ops_point_into_the_helper() -> None:
    places = {
        type(op): op.location
        for op in ops_of(rowwise, torch.randn(9, 5), 3, signed)
        if isinstance(op, tile.ForOp | tile.ReduceOp | scf.IfOp)
    }
    for kind, text in {tile.ForOp: "for part in", tile.ReduceOp: "total += x[tile", scf.IfOp: "if k > 2"}.items():
        place = places[kind]
        assert isinstance(place, FileLineColLoc)
        assert (place.filename.data, place.line.data) == (frontend_helpers.__file__, line_of(text))


@pytest.mark.parametrize(
    ("f", "error", "says", "line"),
    [
        (never_ends, exc.NotAllowedInHelperFunction, "no recursion", "else never_ends"),
        (other_kinds, exc.ControlFlowTensorMismatch, "'other_kinds' returns different kinds", "return None"),
        (lambda v, k: wrong_shape(v), exc.ShapeMismatch, "cannot view", "value.view(3, -1)"),
    ],
    ids=["recursion", "kinds", "shape"],
)
def test_mistakes_in_helpers(f: Any, error: type[exc.Base], says: str, line: str) -> None:
    with pytest.raises(error, match=says) as caught:
        trace(rowwise, (torch.randn(9, 5), 3, f))
    place = caught.value.location
    assert place is not None
    assert (place.file, place.line) == (frontend_helpers.__file__, line_of(line))
