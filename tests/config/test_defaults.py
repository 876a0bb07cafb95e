"""Default configs: what they are for large and small extents, and that the smallest of the targets can launch them."""

from __future__ import annotations

import pytest
import torch
from helion_ir.backends.triton.backend import TritonBackend

import helion_ir
import helion_ir.language as hl
from helion_ir import TensorSpec

CUDA = torch.device("cuda")


@helion_ir.kernel()
def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0), y.size(1)], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([x.size(0), y.size(1)]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(x.size(1)):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


@helion_ir.kernel()
def two_products(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(q)
    d = hl.specialize(q.size(1))
    for tile_m in hl.tile(q.size(0)):
        acc = hl.zeros([tile_m, d], dtype=torch.float32)
        rows = q[tile_m, :]
        for tile_n in hl.tile(k.size(0)):
            scores = torch.mm(rows, k[tile_n, :].T)
            acc = torch.addmm(acc, torch.relu(scores).to(v.dtype), v[tile_n, :])
        out[tile_m, :] = acc.to(q.dtype)
    return out


def default(kernel: helion_ir.Kernel, dtype: torch.dtype, *sizes: tuple[int, int]) -> tuple[object, ...]:
    args = [TensorSpec(size, dtype, device=CUDA) for size in sizes]
    config = kernel.bind(args).config_spec.default_config()
    return config["block_sizes"], config["num_warps"], config["num_stages"], config.get("l2_groupings")


def test_products_take_large_blocks_where_programs_suffice() -> None:
    assert default(product, torch.bfloat16, (4096, 4096), (4096, 4096)) == ([128, 256, 64], 8, 3, [8])
    assert default(product, torch.float32, (4096, 4096), (4096, 4096)) == ([128, 128, 32], 8, 3, [8])
    assert default(product, torch.bfloat16, (1024, 1024), (1024, 1024)) == ([128, 64, 64], 4, 3, [8])
    assert default(product, torch.bfloat16, (512, 512), (512, 512)) == ([64, 64, 64], 4, 3, [8])
    assert default(product, torch.bfloat16, (30, 20), (20, 4000)) == ([32, 64, 32], 4, 3, [8])
    assert default(two_products, torch.bfloat16, *[(40000, 128)] * 3) == ([64, 64], 4, 2, None)


@pytest.mark.parametrize("target", ["sm_80", "gfx942"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kernel", [product, two_products])
def test_defaults_fit_the_smallest_targets(
    kernel: helion_ir.Kernel, dtype: torch.dtype, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TritonBackend, "device_target", lambda self, device: target)
    kernel = helion_ir.kernel(kernel.fn)
    size = (4096, 4096) if kernel.fn is product.fn else (40000, 64 if dtype is torch.float32 else 128)
    args = [TensorSpec(size, dtype, device=CUDA) for _ in kernel.__signature__.parameters]
    compiled = helion_ir.compile(kernel, kernel.bind(args).config_spec.default_config(), args)
    binary = compiled.binary(target)
    assert binary.fits(), binary.shared_bytes
    assert binary.spills == 0
