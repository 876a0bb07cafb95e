"""Functions that change what they capture are refused; classes of the user's are the same classes in host code."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

kernel = helion_ir.kernel(autotune_effort="none")
NUMBERS = itertools.count(1)
COUNT = 0


class State:
    n = 0


def of_a_global(v: Any) -> Any:
    global COUNT
    COUNT += 1
    return v + COUNT


def of_an_attribute(v: Any) -> Any:
    State.n += 1
    return v + State.n


def of_an_iterator(v: Any) -> Any:
    return v + next(NUMBERS)


def of_a_closure() -> Callable[[Any], Any]:
    n = 0

    def count(v: Any) -> Any:
        nonlocal n
        n += 1
        return v + n

    return count


@kernel
def applied(x: torch.Tensor, of: Callable[[Any], Any]) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = of(x[t])
    return out


@kernel
def counted(x: torch.Tensor) -> torch.Tensor:
    global COUNT
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        COUNT = COUNT + 1
        out[t] = x[t] + COUNT
    return out


@kernel
def iterated(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + next(NUMBERS)
    return out


@pytest.mark.parametrize("of", [of_a_global, of_an_attribute, of_an_iterator, of_a_closure()])
def test_functions_that_change_what_they_capture(of: Callable[[Any], Any]) -> None:
    with pytest.raises((exc.GlobalMutation, exc.ClosureMutation)) as caught:
        applied(torch.zeros(3), of)
    assert caught.value.location is not None
    assert (COUNT, State.n, NUMBERS.__reduce__()[1]) == (0, 0, (1,))


@pytest.mark.parametrize("changes", [counted, iterated])
def test_kernels_that_change_what_they_capture(changes: Any) -> None:
    with pytest.raises(exc.GlobalMutation):
        changes(torch.zeros(3))


class Named(NamedTuple):
    total: torch.Tensor
    count: int


@dataclass
class Plain:
    total: torch.Tensor


class Ordinary:
    def __init__(self, total: torch.Tensor) -> None:
        self.total = total


@kernel
def results(x: torch.Tensor) -> Any:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] + 1
    return Named(out, 3), Plain(out), Ordinary(out)


def test_results_are_of_the_users_classes() -> None:
    named, plain, ordinary = results(torch.zeros(3))
    assert (type(named), type(plain), type(ordinary)) == (Named, Plain, Ordinary)
    torch.testing.assert_close(named.total, torch.ones(3))
    assert len(helion_ir.compile(results, {"block_sizes": [4]}, (torch.zeros(3),)).source) < 2000


@kernel
def unicode_names(x: torch.Tensor, α: float, größe: torch.Tensor) -> torch.Tensor:
    ähm = torch.empty_like(x)
    for λ in hl.tile(x.size(0)):
        β = x[λ] * α
        for _ in range(2):
            β = β + größe[λ]
        ähm[λ] = β
    return ähm


def test_any_name_of_pythons_works() -> None:
    x, size = torch.randn(5), torch.randn(5)
    compiled = helion_ir.compile(unicode_names, {"block_sizes": [4]}, (x, 2.5, size))
    torch.testing.assert_close(compiled(x, 2.5, size), x * 2.5 + size * 2)
    compiled.binary("sm_90")


@kernel
def past_the_end(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    out = torch.zeros(i.size(0))
    for t in hl.tile(i.size(0)):
        out[t] = x[i[t]]
    return out


def test_a_position_past_the_end_is_an_error_of_ours() -> None:
    with pytest.raises(exc.Base, match="offset 99 is out of bounds") as caught:
        past_the_end(torch.zeros(3), torch.tensor([0, 99]))
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
