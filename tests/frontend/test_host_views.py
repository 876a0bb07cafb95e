"""Views that host code makes of dynamic tensors, bounds of grids read by the device, scalars that reductions make."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

dynamic = helion_ir.kernel(static_shapes=False, autotune_effort="none")


@dynamic
def doubled(x: torch.Tensor, view: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    y = view(x)
    out = torch.empty(y.size(), dtype=y.dtype, device=y.device)
    for t in hl.tile(y.size(0)):
        out[t, :] = y[t, :] * 2
    return out


VIEWS = [
    lambda x: x[1:], lambda x: x.T, lambda x: x[:, 2:], lambda x: x[::2], lambda x: x[:-1, 1:], lambda x: x[1:].T,
    lambda x: x[:1].expand(5, -1), lambda x: x.narrow(0, 1, 2), lambda x: x[None][0], lambda x: x.permute(1, 0),
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_dynamic_tensors(view: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for shape in ((4, 6), (8, 3)):
        x = torch.randn(shape)
        torch.testing.assert_close(doubled(x, view), view(x) * 2)


@pytest.mark.parametrize("static_shapes", [True, False])
def test_bounds_of_a_grid_may_be_read_from_a_tensor(static_shapes: bool) -> None:
    @helion_ir.kernel(static_shapes=static_shapes, autotune_effort="none")
    def segment(x: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        out = torch.zeros_like(x)
        for t in hl.tile(bounds[0], bounds[1]):
            out[t] = x[t] * 2
        return out

    x = torch.randn(10)
    for begin, end in ((2, 7), (0, 10), (3, 3)):
        want = torch.zeros(10)
        want[begin:end] = x[begin:end] * 2
        torch.testing.assert_close(segment(x, torch.tensor([begin, end])), want)


def test_a_scalar_that_a_reduction_made_goes_into_any_shape() -> None:
    @helion_ir.kernel(autotune_effort="none")
    def total(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0), block_size=8):
            out[t, 0] = x[t, :].sum()
        return out[:, 0]

    x = torch.randn(8, 5)
    torch.testing.assert_close(total(x), x.sum().expand(8))


@pytest.mark.parametrize("static_shapes", [True, False])
def test_views_that_device_code_makes(static_shapes: bool) -> None:
    """They are the same memory: what one stores, the tensor has."""

    @helion_ir.kernel(static_shapes=static_shapes, autotune_effort="none")
    def transposed_twice(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for a, b in hl.tile(x.shape):
            rows = x.T[b, a] + x.permute(1, 0)[b, a] + x.transpose(0, 1)[b, a] + x.t()[b, a]
            positions = a.index[:, None] * x.size(1) + b.index[None, :]
            out.view(-1)[positions] = (
                rows.T + x.flatten()[positions] + x.unsqueeze(1)[a, 0, b] + x.reshape(-1)[positions]
            )
        return out

    for shape in ((4, 6), (8, 3)):
        x = torch.randn(shape)
        torch.testing.assert_close(transposed_twice(x), x * 7)


def test_a_view_of_what_only_the_device_knows() -> None:
    @helion_ir.kernel(autotune_effort="none")
    def bad(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for a in hl.tile(x.size(0)):
            out[a] = x.view(a.begin, -1)[0, a]
        return out

    with pytest.raises(exc.Base, match="device") as caught:
        bad.bind((torch.randn(8),))
    assert caught.value.location is not None
