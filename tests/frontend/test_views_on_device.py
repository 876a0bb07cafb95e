"""Views that device code makes of host tensors, where nothing else is a tensor of the kernel; shifts of numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import helion_ir
import helion_ir.language as hl

kernel = helion_ir.kernel(autotune_effort="none")


@kernel
def doubled(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.numel()):
        out.view(-1)[t] = x.flatten()[t] * 2
    return out


@kernel
def noise(given: dict[str, torch.Tensor]) -> torch.Tensor:
    x = given["x"]
    out = torch.empty_like(x)
    for t in hl.tile(x.numel()):
        out.T.T.view(-1)[t] = torch.rand_like(x.view(-1)[t])
    return out


@pytest.mark.parametrize("pid_type", ["persistent_blocked", "persistent_interleaved"])
def test_a_persistent_kernel_may_use_views_alone(pid_type: str) -> None:
    x = torch.randn(5, 7)
    config = {"block_sizes": [16], "pid_type": pid_type}
    torch.testing.assert_close(doubled.bind((x,)).compile_config(config)(x), x * 2)
    drawn = noise.bind(({"x": x},)).compile_config(config)({"x": x})
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert len(drawn.unique()) == x.numel()


def test_a_view_of_another_dtype() -> None:
    @kernel
    def bits(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty(x.shape, dtype=torch.int32, device=x.device)
        for t in hl.tile(x.shape):
            out[t] = x.view(torch.int32)[t] ^ 1
        return out

    x = torch.randn(5, 7)
    torch.testing.assert_close(bits(x), x.view(torch.int32) ^ 1)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
@pytest.mark.parametrize("shift", [lambda v: 1 << v, lambda v: 100 >> v, lambda v: -64 >> v, lambda v: 200 >> v])
def test_a_number_shifted_by_a_tensor(dtype: torch.dtype, shift: Callable[[torch.Tensor], torch.Tensor]) -> None:
    @kernel
    def shifted(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.numel()):
            out[t] = shift(x[t])
        return out

    x = torch.randint(0, 7, (21,), dtype=dtype)
    torch.testing.assert_close(shifted(x), shift(x))
