"""Lists, dicts, objects and in-place operators in device loops and branches: as in Python, or refused at their line."""

from __future__ import annotations

import dataclasses
import linecache
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

kernel = helion_ir.kernel(autotune_effort="none")
LOG: list[Any] = []
SETTINGS = {"scale": 2.0}


@dataclasses.dataclass
class Pair:
    first: Any
    second: Any


class Box:
    def __init__(self, value: Any):
        self.value = value

    def add(self, more: Any) -> None:
        self.value = self.value + more


def right(fn: Callable[..., Any], *args: Any) -> None:
    """The kernel gives what the same function gives on whole tensors."""
    plain = fn.__globals__[fn.__name__ + "_plain"]
    torch.testing.assert_close(kernel(fn)(*args), plain(*args))


# Right


def list_grown(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        parts = []
        for k in range(8):
            parts.append(x[t, k] * k)
        total = sum(parts)
        for k in range(2, 8, 3):
            total = total + parts[k]
        out[t] = total
    return out


def list_grown_plain(x: torch.Tensor) -> torch.Tensor:
    return (x * torch.arange(8)).sum(-1) + x[:, 2] * 2 + x[:, 5] * 5


def dict_and_nested(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        table = {}
        rows: list[list[Any]] = [[], []]
        for k in range(8):
            table[k] = x[t, k]
            rows[k % 2].append(x[t, k] + 1)
        for k in range(4):
            del table[2 * k]
        out[t] = sum(table.values()) + 2 * sum(rows[0]) + len(rows[1])
    return out


def dict_and_nested_plain(x: torch.Tensor) -> torch.Tensor:
    return x[:, 1::2].sum(-1) + 2 * (x[:, ::2] + 1).sum(-1) + 4


def none_at_first(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        best = None
        for k in range(8):
            best = x[t, k] if best is None else torch.maximum(best, x[t, k])
        out[t] = best
    return out


def none_at_first_plain(x: torch.Tensor) -> torch.Tensor:
    return x.amax(-1)


def one_tensor_in_a_loop(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a
        for k in range(n):
            b += x[t, k]
        a += 1
        out[t] = a * 100 + b
    return out


def one_tensor_in_a_loop_plain(x: torch.Tensor, n: int) -> torch.Tensor:
    a = x[:, 0] + x[:, :n].sum(-1) + 1
    return a * 100 + a


def rebound_in_a_loop(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a
        for k in range(n):
            b = b + x[t, k]
        out[t] = a * 100 + b
    return out


def rebound_in_a_loop_plain(x: torch.Tensor, n: int) -> torch.Tensor:
    return x[:, 0] * 100 + x[:, 0] + x[:, :n].sum(-1)


def elements_of_containers(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        sums, pair = [x[t, 0] + 0, x[t, 1] + 0], Pair(x[t, 2] + 0, 0)
        for k in range(n):
            sums[0] += x[t, k]
            sums[1] = sums[1] * 2
            pair.first = pair.first + x[t, k]
            pair.second = pair.second + k
        out[t] = sums[0] + 10 * sums[1] + 100 * pair.first + pair.second
    return out


def elements_of_containers_plain(x: torch.Tensor, n: int) -> torch.Tensor:
    total = x[:, :n].sum(-1)
    return x[:, 0] + total + 10 * x[:, 1] * 2**n + 100 * (x[:, 2] + total) + sum(range(n))


def view_that_is_the_tensor(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a.view(-1)
        for k in range(n):
            b += x[t, k]
        column = a[:, None].expand(-1, 2).sum(-1)
        a += 1
        out[t] = a + column
    return out


def view_that_is_the_tensor_plain(x: torch.Tensor, n: int) -> torch.Tensor:
    return (x[:, 0] + x[:, :n].sum(-1)) * 3 + 1


def same_in_both_arms(x: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        if n > 3:
            a = x[t, 1] * 2
            b = a
        else:
            a = x[t, 2] * 3
            b = a
        b += 1
        out[t] = a
    return out


def same_in_both_arms_plain(x: torch.Tensor, n: int) -> torch.Tensor:
    return (x[:, 1] * 2 if n > 3 else x[:, 2] * 3) + 1


def objects_of_the_device(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], device=x.device)
    for t in hl.tile(x.size(0)):
        box, seen = Box(x[t, 0]), deque()
        for k in range(3):
            box.add(x[t, k])
            seen.append(k)
        box.value = box.value * len(seen)
        out[t] = box.value
    return out


def objects_of_the_device_plain(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 0] + x[:, :3].sum(-1)) * 3


X = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fn", [list_grown, dict_and_nested, none_at_first, objects_of_the_device])
def test_structures_unroll_loops_of_constant_bounds(fn: Callable[..., Any]) -> None:
    right(fn, X)


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize(
    "fn", [one_tensor_in_a_loop, rebound_in_a_loop, elements_of_containers, view_that_is_the_tensor, same_in_both_arms]
)
def test_values_are_carried(fn: Callable[..., Any], n: int) -> None:
    right(fn, X, n)


# Refused


def grown_in_a_run_time_loop(x, n):
    for t in hl.tile(x.size(0)):
        parts = []
        for k in range(n):
            parts.append(x[t, k])  # <-
        x[t, 0] = sum(parts)


def grown_in_a_loop_over_tiles(x, n):
    for t in hl.tile(x.size(0)):
        parts = {}
        for u in hl.tile(x.size(1)):
            parts["a"] = x[t, u].sum(-1)  # <-
        x[t, 0] = x[t, 1]


def grown_in_a_branch(x, n):
    for t in hl.tile(x.size(0)):
        parts = [x[t, 0]]
        if t.begin > n:
            parts.append(x[t, 1])  # <-
        x[t, 0] = sum(parts)


def popped_in_a_while(x, n):
    for t in hl.tile(x.size(0)):
        parts, k = [x[t, 0], x[t, 1]], t.begin
        while k < n:
            parts.pop()  # <-
            k += 1
        x[t, 0] = sum(parts)


def a_set_in_a_loop(x, n):
    for t in hl.tile(x.size(0)):
        seen = set()
        for k in range(n):
            seen.add(1)  # <-
            x[t, k] = 0.0


def a_deque_in_a_branch(x, n):
    for t in hl.tile(x.size(0)):
        seen = deque([1, 2])
        if t.begin > n:
            seen.rotate()  # <-
        x[t, 0] = seen[0]


def an_object_in_a_loop(x, n):
    for t in hl.tile(x.size(0)):
        box = Box(x[t, 0])
        for k in range(n):
            box.add(x[t, k])  # <-
        x[t, 0] = box.value


def an_attribute_in_a_branch(x, n):
    for t in hl.tile(x.size(0)):
        box = Box(1)
        if t.begin > n:
            box.value = 2  # <-
        x[t, 0] = box.value


def a_global_list(x, n):
    for t in hl.tile(x.size(0)):
        LOG.append(1)  # <-
        x[t, 0] = len(LOG)


def a_global_dict(x, n):
    for t in hl.tile(x.size(0)):
        SETTINGS["scale"] = 3.0  # <-
        x[t, 0] = SETTINGS["scale"]


def logged(value):
    LOG.append(value)  # <-
    return value


def a_global_of_a_helper(x, n):
    for t in hl.tile(x.size(0)):
        x[t, 0] = logged(x[t, 1])  # <-


def remembered(value, memory=[]):  # noqa: B006 - what is tested
    memory.append(1)  # <-
    return value * len(memory)


def a_default_of_a_helper(x, n):
    for t in hl.tile(x.size(0)):
        x[t, 0] = remembered(x[t, 1])  # <-


def a_host_list(x, n):
    seen = []
    for t in hl.tile(x.size(0)):
        seen.append(1)  # <-
        x[t, 0] = 1.0


def a_comprehension(x, n):
    seen = []
    for t in hl.tile(x.size(0)):
        x[t, 0] = sum([x[t, k] * len([seen.append(k)]) for k in (0, 1)])  # <-


def from_tile_to_tile(x, n):
    count = 0
    for t in hl.tile(x.size(0)):
        count = count + 1  # <-
        x[t, 0] = count


def another_string(x, n):
    for t in hl.tile(x.size(0)):
        mode = "a"
        for k in range(n):  # <-
            mode = "b"
            x[t, k] = 0.0
        x[t, 0] = 1.0 if mode == "b" else 2.0


def another_list_of_two(x, n):
    for t in hl.tile(x.size(0)):
        a = [x[t, 0]]
        b = a
        for k in range(n):  # <-
            a = [a[0] + x[t, k]]
        x[t, 0] = b[0]


def parted_tensors(x, n):
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a
        for k in range(n):
            b += x[t, k]  # <-
            b = b * 2
        x[t, 0] = a + b


def joined_tensors(x, n):
    for t in hl.tile(x.size(0)):
        a, b = x[t, 0] + 0, x[t, 1] + 0
        for k in range(n):
            b += x[t, k]  # <-
            a = b
        x[t, 0] = a + b


def alias_of_one_arm(x, n):
    for t in hl.tile(x.size(0)):
        c, a = x[t, 0] + 0, x[t, 1] * 2
        if n > 0:
            a = c
        c += 1  # <-
        x[t, 0] = a


def alias_of_one_arm_the_other_way(x, n):
    for t in hl.tile(x.size(0)):
        c, a = x[t, 0] + 0, x[t, 1] * 2
        if n > 0:
            a = c
        a.mul_(2)  # <-
        x[t, 0] = c


def alias_after_a_loop(x, n):
    for t in hl.tile(x.size(0)):
        a, b = x[t, 0] + 0, x[t, 1] + 0
        for k in range(n):
            b = b + x[t, k]
            a = b
        b += 1  # <-
        x[t, 0] = a


def in_place_on_a_view(x, n):
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a.unsqueeze(0)
        b += 1  # <-
        x[t, 0] = a


def in_place_under_a_view(x, n):
    for t in hl.tile(x.size(0)):
        a = x[t, 0] + 0
        b = a[:, None].expand(-1, 4)
        a += 1  # <-
        x[t, 0] = a + b.sum(-1)


REFUSED = [
    grown_in_a_run_time_loop, grown_in_a_loop_over_tiles, grown_in_a_branch, popped_in_a_while, a_set_in_a_loop,
    a_deque_in_a_branch, an_object_in_a_loop, an_attribute_in_a_branch, a_global_list, a_global_dict,
    a_global_of_a_helper, a_default_of_a_helper, a_host_list, a_comprehension, from_tile_to_tile, another_string,
    another_list_of_two, parted_tensors, joined_tensors, alias_of_one_arm, alias_of_one_arm_the_other_way,
    alias_after_a_loop, in_place_on_a_view, in_place_under_a_view,
]  # fmt: skip


@pytest.mark.parametrize("fn", REFUSED, ids=lambda fn: fn.__name__)
def test_what_cannot_be_followed_is_refused_at_its_line(fn: Callable[..., Any]) -> None:
    with pytest.raises(exc.Base) as caught:
        trace(fn, (torch.randn(6, 8), 3))
    assert not isinstance(caught.value, exc.InternalError)
    place = caught.value.location
    assert place is not None
    assert linecache.getline(place.file, place.line).rstrip().endswith("# <-")
    assert caught.value.hint
    assert LOG == []
    assert SETTINGS == {"scale": 2.0}
    assert remembered.__defaults__ == ([],)
