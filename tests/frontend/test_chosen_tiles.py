"""Tiles that both arms of a run-time branch bind; floats that control flow carries; what a dynamic size knows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl
from helion_ir import exc

from ..support.executions import environment, poisoned_allocations

kernel = helion.kernel(autotune_effort="none")
dynamic = helion.kernel(autotune_effort="none", static_shapes=False)


def run(k: Any, *args: Any, **config: Any) -> Any:
    """The results of a kernel by both interpreters, which must agree."""
    compiled = helion.compile(k, config or k.bind(args).config_spec.default_config(), args)
    compile(compiled.source, "<emitted>", "exec")
    results = []
    for level in ("tile", "tl"):
        with environment(HELION_INTERPRET_LEVEL=level), poisoned_allocations():
            results.append(compiled(*args))
    torch.testing.assert_close(results[0], results[1])
    return results[1]


@kernel
def neighbours(x: Tensor, flags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each block reads itself, or the elements one after or one before its own, as its flag says."""
    out, sums, same = torch.zeros_like(x), torch.zeros_like(flags, dtype=x.dtype), torch.zeros_like(x)
    for t in hl.tile(x.size(0), block_size=4):
        u = t
        if flags[t.id] == 1:
            u, w, c = t + 1, t, t
        else:
            w, c = t - 1, t
        if flags[t.id] == 2:
            u = w
        out[t] = x[u]
        sums[t.id] = x[u].sum() + 0 * (u.end - u.begin)
        same[c] = hl.full([c], 1.0)
    return out, sums, same


def test_tiles_of_both_arms() -> None:
    x = torch.randn(10)
    padded = torch.cat([torch.zeros(1), x, torch.zeros(1)])
    for flags in ((0, 1, 2), (2, 2, 1), (1, 0, 0)):
        out, sums, same = run(neighbours, x, torch.tensor(flags))
        shift = torch.tensor(flags).repeat_interleave(4)[:10]
        at = torch.arange(10) + 1 + (shift == 1).long() - (shift == 2).long()
        torch.testing.assert_close(out, padded[at])
        torch.testing.assert_close(sums, torch.stack([part.sum() for part in padded[at].split(4)]))
        assert bool((same == 1).all())


def test_tiles_of_other_blocks_are_refused() -> None:
    @kernel
    def bad(x: Tensor, flags: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for t, s in hl.tile([x.size(0), 4]):
            u = t
            if flags[t.id] == 1:
                u = s
            out[u] = x[u]
        return out

    with pytest.raises(exc.Base) as caught:
        bad.bind((torch.randn(10), torch.zeros(10)))
    assert caught.value.location is not None


@kernel
def polynomial(x: Tensor, n: int, factor: float, starts: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for t in hl.tile(x.size(0)):
        a, b, i = 0.1, starts[0].item(), 0
        for _ in range(n):
            a = a * 1.1 + factor
        while i < n:
            if i > 2:
                b = b * 1.1 - a / 7
            i += 1
        out[t] = x[t] * a + b
    return out


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_carried_floats_are_pythons(dtype: torch.dtype) -> None:
    x, starts = torch.randn(10, dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    a, b = 0.1, 0.7
    for _ in range(7):
        a = a * 1.1 + 0.3
    for _ in range(3, 7):
        b = b * 1.1 - a / 7
    got = run(polynomial, x.to(dtype), 7, 0.3, starts)
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(got.double(), x.to(dtype).double() * a + b, rtol=tolerance, atol=tolerance * 10)
    args = (x.to(dtype), 7, 0.3, starts)
    assert helion.compile(polynomial, {"block_sizes": [16]}, args).binary("sm_90")


@dynamic
def joins(x: Tensor, y: Tensor) -> Tensor:
    out = torch.empty([x.size(0), x.size(1), 2], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t, :, :] = hl.join(x[t, :], y[t, :])
    return out


@dynamic
def half_of_twice(x: Tensor) -> Tensor:
    block = hl.register_block_size(2, 16)
    out = torch.empty([(2 * x.size(0) + 1) // 2], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0), block_size=block):
        n = (4 * x.size(1) + 3) // 4
        rows = hl.zeros([(2 * block + 1) // 2]) + x[t, :n].sum(-1)
        out[t] = rows + (2 * block + 1) % 2
    return out


def test_dynamic_sizes() -> None:
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    bound = half_of_twice.bind((x,))
    for m, n in ((5, 3), (9, 1), (1, 4), (0, 3)):
        x, y = torch.randn(m, n), torch.randn(m, n)
        torch.testing.assert_close(joins(x, y), torch.stack([x, y], -1))
        torch.testing.assert_close(half_of_twice(x), x.sum(-1) + 1)
        assert half_of_twice.bind((x,)) is bound


def test_allocations_like_a_tensor_that_is_not_there() -> None:
    @dynamic
    def doubled(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t, :] = x[t, :] * 2
        return out

    spec = helion.TensorSpec((100, 37), torch.float32, device="cuda")
    assert helion.compile(doubled, {"block_sizes": [4]}, (spec,)).binary("sm_90")
