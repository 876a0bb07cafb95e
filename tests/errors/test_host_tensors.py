"""A whole host tensor in device code: one class of error, at its place, with a hint."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

TABLES = SimpleNamespace(one=torch.arange(6.0))
WHOLE: list[Callable[[torch.Tensor, Any], Any]] = [
    lambda x, t: x.view(t.begin, -1)[t, 0], lambda x, t: x.sum(1)[t],
    lambda x, t: x.mean(), lambda x, t: x @ x, lambda x, t: (x.T + x)[t, 0], lambda x, t: x.unbind(1)[0][t],
    lambda x, t: x.tolist(), lambda x, t: x + 1, lambda x, t: TABLES.one[t],
]  # fmt: skip


@helion_ir.kernel(autotune_effort="none")
def uses(x: torch.Tensor, of: Callable[..., Any]) -> torch.Tensor:
    out = torch.empty(6)
    for t in hl.tile(6):
        out[t] = of(x, t)
    return out


@pytest.mark.parametrize("of", WHOLE)
def test_a_whole_host_tensor(of: Callable[..., Any]) -> None:
    with pytest.raises(exc.HostTensorDirectUsage) as caught:
        uses(torch.randn(6, 6), of)
    assert caught.value.hint
    assert caught.value.location is not None
    assert caught.value.location.file == __file__


@pytest.mark.parametrize("of", [lambda x, t: float(x[t, 0]), lambda x, t: x[t, 0].item()])
def test_a_number_of_several_lanes(of: Callable[..., Any]) -> None:
    with pytest.raises(exc.Base) as caught:
        uses(torch.randn(6, 6), of)
    assert caught.value.hint
    assert caught.value.location is not None
