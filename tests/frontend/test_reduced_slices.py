"""Reductions over slices with a step: they count and number the elements of the slice, not of what it spans."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import helion_ir
import helion_ir.language as hl

SLICES = {
    "all": slice(None, None, 2),
    "from 1": slice(1, None, 3),
    "to 7": slice(None, 7, 2),
    "from the end": slice(-5, None, 2),
}
REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda x: x.mean(0),
    "var": lambda x: x.var(0),
    "std": lambda x: x.std(0, correction=0),
    "argmax": lambda x: x.argmax(0),
    "flip": lambda x: (x.flip(0) + x).amax(0),
    "cumsum": lambda x: x.cumsum(0).amax(0),
    "softmax": lambda x: x.softmax(0).amax(0),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=0),
}


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("selected", SLICES)
def test_reductions_of_slices_with_a_step(selected: str, static: bool) -> None:
    index = SLICES[selected]
    x = torch.randn(11, 5, dtype=torch.float64)

    @helion_ir.kernel(autotune_effort="none", static_shapes=static, verify_each=True)
    def reduced(x: torch.Tensor, reduce: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
        out = torch.empty([x.size(1)], dtype=dtype, device=x.device)
        for t in hl.tile(x.size(1)):
            out[t] = reduce(x[index, t])
        return out

    for name, reduce in REDUCTIONS.items():
        expected = reduce(x[index])
        actual = reduced(x, reduce, expected.dtype)
        torch.testing.assert_close(
            actual, expected, rtol=1e-12, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )
