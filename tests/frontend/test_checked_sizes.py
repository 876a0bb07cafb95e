"""Dynamic sizes that PyTorch's own code wants to be equal, or to know: those of this call, which become guards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc


@helion.kernel(static_shapes=False, config=helion.Config(block_sizes=[4]))
def rows(out: Tensor, x: Tensor, y: Tensor, f: Any) -> None:
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t], y[t])


@helion.kernel(static_shapes=False, config=helion.Config(block_sizes=[4]), dot_precision="ieee")
def shared(out: Tensor, x: Tensor, y: Tensor, f: Any) -> None:
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t], y[...])


ROWS: dict[str, Any] = {
    "checked_by_python": lambda x, y: F.huber_loss(x, y, reduction="none") + F.cosine_similarity(x, y)[:, None],
    "checked_by_c": lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), reduction="none"),
    "weighted": lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), y[:, :1].abs(), reduction="none"),
    "einsum": lambda x, y: torch.einsum("bi,bi->bi", x, y),
    "halved": lambda x, y: F.glu(torch.cat([x, y], 1)),
    "parts": lambda x, y: torch.stack(x.chunk(3, 1)[:1] + y.chunk(3, 1)[1:2], 1),
    "split": lambda x, y: x.view(x.size(0), 2, -1) * y.unflatten(1, (2, -1)),
    "repeated": lambda x, y: x.repeat(1, 2) + torch.cat([y, y], 1),
    "normalized": lambda x, y: F.group_norm(x[:, :, None], 2)[:, :, 0] * y,
}
SHARED: dict[str, Any] = {
    "einsum": lambda x, y: torch.einsum("bi,ij->bj", x, y),
    "inner": lambda x, y: torch.inner(x, y.T) + F.linear(x, y.T),
    "weights": lambda x, y: F.layer_norm(x, [x.size(1)], y[:, 0], y[:, 1]),
}


def check(kernel: Any, f: Any, x: Tensor, y: Tensor) -> None:
    expected = f(x.double(), y.double()).float()
    out = torch.zeros_like(expected)
    kernel(out, x, y, f)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_of_rows(name: str) -> None:
    for n, width in ((5, 6), (3, 12)):
        check(rows, ROWS[name], torch.randn(n, width), torch.randn(n, width))


@pytest.mark.parametrize("name", SHARED)
def test_of_shared_operands(name: str) -> None:
    for width, columns in ((6, 5), (17, 3)):
        check(shared, SHARED[name], torch.randn(5, width), torch.randn(width, columns))


def test_one_kernel_for_all_equal_sizes() -> None:
    """A check of two sizes makes them equal, and no more of a constant than they were."""
    f = ROWS["checked_by_python"]
    bound = [rows.bind((torch.zeros(n, m), torch.zeros(n, m), torch.ones(n, m), f)) for n, m in ((5, 6), (9, 31))]
    assert bound[0] is bound[1]


def test_sizes_that_differ() -> None:
    with pytest.raises(exc.ShapeMismatch) as caught:
        rows(torch.zeros(5, 6), torch.zeros(5, 6), torch.zeros(5, 7), ROWS["checked_by_c"])
    assert "test_checked_sizes.py" in str(caught.value)
