"""Variables that begin as one value and part in a loop: Triton must carry each of them."""

from __future__ import annotations

import re

import torch

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel(autotune_effort="none", verify_each=True)
def parted(x: torch.Tensor, y: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        a = x[t] * 2
        b = a
        for _ in range(n):
            a, b = b, a + y[t]
        out[t] = a + 3 * b
    return out


@helion_ir.kernel(autotune_effort="none", verify_each=True)
def parted_in_a_branch(x: torch.Tensor, y: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        a = x[t] * 2
        b = a
        for i in range(n):
            if i % 3 == 1:
                a = b
            b = y[t] * i
        out[t] = a + 3 * b
    return out


@helion_ir.kernel(autotune_effort="none", verify_each=True)
def met_in_a_static_loop(x: torch.Tensor, y: torch.Tensor, n: int) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        a = x[t] * 2
        b = x[t] * 3
        for _ in hl.static_range(4):
            a = b
        for _ in range(n):
            a, b = b, a + y[t]
        out[t] = a + 3 * b
    return out


def expected(name: str, x: torch.Tensor, y: torch.Tensor, n: int) -> torch.Tensor:
    a = b = x * (3 if name == "met_in_a_static_loop" else 2)
    for i in range(n):
        if name == "parted_in_a_branch":
            a, b = b if i % 3 == 1 else a, y * i
        else:
            a, b = b, a + y
    return a + 3 * b


def test_variables_that_begin_as_one_value() -> None:
    """The values on the interpreter, and what Triton itself carries through the last loop of each kernel."""
    x, y = torch.randn(37, dtype=torch.float64), torch.randn(37, dtype=torch.float64)
    for kernel in (parted, parted_in_a_branch, met_in_a_static_loop):
        name = kernel.fn.__name__
        for n in (0, 1, 2, 5):
            torch.testing.assert_close(kernel(x, y, n), expected(name, x, y, n), rtol=1e-15, atol=1e-15)
        text = helion_ir.compile(kernel, {"block_sizes": [16]}, (x, y, 3)).binary("sm_90").asm["ttir"]
        carried = re.findall(r"scf\.for .*iter_args\((.*?)\)", text)[-1]
        assert carried.count("=") == 2, (name, carried)
