"""Registered block sizes in host code: arithmetic and allocations before the launch, under every config."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl

CONFIGS = [[16, 8], [8, 16], [32, 32], [1, 4], [32, 1]]
COUNTED = [[16, 8], [32, 8], [64, 8], [4, 1]]


@helion_ir.kernel(autotune_effort="none", ignore_warnings=[helion_ir.exc.TensorOperationInWrapper])
def split_k(x: torch.Tensor) -> torch.Tensor:
    k, m = x.size()
    block = hl.register_block_size(32)
    parts = torch.empty([helion_ir.cdiv(k, block), m], dtype=x.dtype, device=x.device)
    for tk, tm in hl.tile([k, m], block_size=[block, None]):
        parts[tk.id, tm] = x[tk, tm].sum(0)
    return parts.sum(0)


@helion_ir.kernel(autotune_effort="none")
def counted_on_the_host(x: torch.Tensor) -> torch.Tensor:
    """No op of the kernel has the registered block size."""
    block = hl.register_block_size(64)
    out = torch.full([x.size(0) + 2 * block], 1.0, dtype=x.dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = x[t]
    return out


def check() -> None:
    x, y = torch.randn(37, 21), torch.randn(45)
    for sizes in CONFIGS:
        compiled = helion_ir.compile(split_k, helion_ir.Config(block_sizes=sizes), (x,))
        torch.testing.assert_close(compiled(x), x.sum(0))
    for sizes in COUNTED:
        registered, _ = sizes
        config = helion_ir.Config(block_sizes=sizes)
        compiled = helion_ir.compile(counted_on_the_host, config, (y,))
        expected = torch.cat([y, torch.ones(2 * registered)])
        torch.testing.assert_close(compiled(y), expected)


@pytest.mark.parametrize("level", ["tile", "tl"])
def test_interpreted(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELION_INTERPRET_LEVEL", level)
    check()


def test_emitted() -> None:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    root, environment = Path(__file__).parents[2], {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", "from tests.frontend.test_blocks import check; check()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("sizes", CONFIGS, ids=str)
def test_the_name_is_set_before_its_use(sizes: list[int]) -> None:
    source = helion_ir.compile(split_k, helion_ir.Config(block_sizes=sizes), (torch.randn(37, 21),)).source
    host = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == "split_k")
    assert ast.unparse(host.body[0]) == f"_BLOCK_SIZE_0 = {sizes[0]}"
    assert sum(ast.unparse(node).startswith("_BLOCK_SIZE_0 =") for node in host.body) == 1


SHAPES_BY_BLOCK: list[Callable[[torch.Tensor, Any], torch.Tensor]] = [
    lambda x, b: torch.empty([x.size(0), helion_ir.cdiv(x.size(1), b)]),
    lambda x, b: x.new_zeros([x.size(0), (x.size(1) + b - 1) // b]),
    lambda x, b: torch.zeros(x.size(0), helion_ir.cdiv(x.size(1), b), 2)[:, :, 0],
    lambda x, b: torch.empty([helion_ir.cdiv(x.size(1), b), x.size(0)]).T,
]


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("allocate", SHAPES_BY_BLOCK)
def test_an_inner_dimension_that_depends_on_a_block_size(allocate: Any, static: bool) -> None:
    def partial_sums(x: torch.Tensor, allocate: Any) -> torch.Tensor:
        b = hl.register_block_size(x.size(1))
        out = allocate(x, b)
        for t, c in hl.tile([x.size(0), x.size(1)], block_size=[None, b]):
            out[t, c.id] = x[t, c].sum(1)
        return out

    run = helion_ir.kernel(partial_sums, static_shapes=static)
    for shape in ((7, 33), (9, 4)):
        x = torch.randn(shape)
        got = helion_ir.compile(run, {"block_sizes": [4, 8]}, (x, allocate))(x, allocate)
        assert got.shape == (shape[0], -(-shape[1] // 4))
        torch.testing.assert_close(got.sum(1), x.sum(1))
