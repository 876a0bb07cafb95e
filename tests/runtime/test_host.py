"""The host function on a machine without a GPU: the user's code, with the launch handed over."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir.runtime.host import host_function

SOURCE = """
def scaled(x, factor, limit=None):
    rows = x.size(0)
    if rows == 0:
        return None
    out = torch.empty_like(x)
    __launch__()
    return out, rows
"""


def test_launch_sees_the_host_scope() -> None:
    seen: list[Any] = []

    def launch(args: tuple[Any, ...], constexprs: dict[str, int]) -> None:
        seen.append(constexprs)
        x, out, factor = args
        out.copy_(x * factor)

    tables = [{"_BLOCK_SIZE_0": 16, "_LANES": "__next_power_of_2__(rows)"}]
    run = host_function(SOURCE, launch, args=["x", "out", "factor + 1"], tables=tables)
    out, rows = run(torch.ones(5, 2), 2.0, None)
    assert rows == 5
    assert torch.equal(out, torch.full((5, 2), 3.0))
    assert seen == [{"_BLOCK_SIZE_0": 16, "_LANES": 8}]
    assert run(torch.ones(0, 2), 2.0, None) is None
    assert len(seen) == 1


def test_an_error_in_host_code_shows_its_line() -> None:
    run = host_function(SOURCE, lambda args: None, args=["x.nothing"])
    with pytest.raises(AttributeError) as caught:
        run(torch.ones(2, 2), 1, None)
    assert "__launch__()" in "".join(traceback.format_exception(caught.value))


def test_a_launch_inside_a_loop_or_branch() -> None:
    source = "def twice(x):\n    for _ in range(2):\n        if x.dim():\n            __launch__()\n"
    calls: list[Any] = []
    host_function(source, lambda args: calls.append(args), args=["x"])(torch.ones(1))
    assert len(calls) == 2


@helion_ir.kernel(static_shapes=False, autotune_effort="none")
def sums_of_a_view(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    view = x.view(x.shape)
    out = torch.empty([y.size(0)], device=y.device)
    for t in hl.tile(y.size(0)):
        out[t] = y[t] + view[:, t].sum(0)
    return out


def test_a_launch_gives_constexprs_of_arguments_that_only_host_code_uses() -> None:
    x, y = torch.randn(5, 7), torch.randn(7)
    torch.testing.assert_close(sums_of_a_view(x, y), y + x.sum(0))
