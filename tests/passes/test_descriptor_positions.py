"""Descriptors take positions along the last dim that are multiples of 16 bytes; other accesses go by pointers."""

from __future__ import annotations

import pytest
import torch

import helion_ir
import helion_ir.language as hl

kernel = helion_ir.kernel(autotune_effort="none")


@kernel
def tail(x: torch.Tensor, begin: hl.constexpr) -> torch.Tensor:
    out = torch.empty([x.size(0), x.size(1) - begin], dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t, :] = x[t, begin:] * 2
    return out


@kernel
def shifted(x: torch.Tensor, by: hl.constexpr) -> torch.Tensor:
    out = torch.empty([x.size(0), 16], dtype=x.dtype, device=x.device)
    for t, u in hl.tile([x.size(0), 16], block_size=[4, 16]):
        out[t, u] = x[t, u + by] * 2
    return out


@kernel
def stepped(x: torch.Tensor, block: hl.constexpr) -> torch.Tensor:
    out = torch.empty_like(x)
    for t, u in hl.tile(x.size(), block_size=[4, block]):
        out[t, u] = x[t, u] * 2
    return out


def loads_by_descriptor(compiled: helion_ir.CompiledKernel) -> bool:
    return "_desc.load(" in compiled.source


@pytest.mark.parametrize(("begin", "legal"), [(0, True), (4, True), (10, False), (1, False)])
def test_slices_that_begin_inside_of_16_bytes_use_pointers(begin: int, legal: bool) -> None:
    x = torch.randn(13, 20)
    config = {"block_sizes": [8], "indexing": ["tensor_descriptor", "pointer"]}
    compiled = helion_ir.compile(tail, config, (x, begin))
    torch.testing.assert_close(compiled(x, begin), x[:, begin:] * 2)
    assert loads_by_descriptor(compiled) == legal


@pytest.mark.parametrize(("by", "legal"), [(4, True), (3, False)])
def test_shifts_inside_of_16_bytes_use_pointers(by: int, legal: bool) -> None:
    x = torch.randn(13, 20)
    compiled = helion_ir.compile(shifted, {"indexing": ["tensor_descriptor", "pointer"]}, (x, by))
    torch.testing.assert_close(compiled(x, by), x[:, by : by + 16] * 2)
    assert not loads_by_descriptor(compiled) or legal


@pytest.mark.parametrize(("block", "legal"), [(8, True), (10, False)])
def test_blocks_that_step_inside_of_16_bytes_use_pointers(block: int, legal: bool) -> None:
    x = torch.randn(13, 20)
    compiled = helion_ir.compile(stepped, {"indexing": ["tensor_descriptor", "pointer"]}, (x, block))
    torch.testing.assert_close(compiled(x, block), x * 2)
    assert loads_by_descriptor(compiled) == legal


@pytest.mark.parametrize(("rows", "legal"), [(4, True), (2, False)])
def test_blocks_of_less_than_128_bytes_use_pointers(rows: int, legal: bool) -> None:
    """A second stage of a smaller one would lie askew in shared memory."""

    @kernel
    def doubled(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t, u in hl.tile(x.size(), block_size=[rows, 8]):
            out[t, u] = x[t, u] * 2
        return out

    x = torch.randn(13, 20)
    compiled = helion_ir.compile(doubled, {"indexing": ["tensor_descriptor", "pointer"]}, (x,))
    torch.testing.assert_close(compiled(x), x * 2)
    assert loads_by_descriptor(compiled) == legal


@kernel
def gathered(x: torch.Tensor, at: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=torch.float32, device=x.device)
    for m, n in hl.tile(out.size()):
        out[m, n] = hl.dot(x[m, :], y[at[:] + 1, n])
    return out


def test_loads_of_positions_use_pointers() -> None:
    """Triton's pipeliner cannot predicate them in a persistent loop of two stages."""
    x, y = torch.randn(13, 32), torch.randn(41, 48)
    at = torch.randint(0, 40, [32], dtype=torch.int32)
    config = {
        "block_sizes": [16, 16], "pid_type": "persistent_blocked", "range_num_stages": [2], "num_stages": 1,
        "indexing": ["tensor_descriptor"] * 4,
    }  # fmt: skip
    compiled = helion_ir.compile(gathered, config, (x, at, y))
    torch.testing.assert_close(compiled(x, at, y), x @ y[at + 1], rtol=1e-4, atol=1e-4)
    assert "at_desc" not in compiled.source
    assert "x_desc.load(" in compiled.source
    compiled.binary("sm_90")
