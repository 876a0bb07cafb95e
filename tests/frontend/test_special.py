"""Special functions: in float32 and float64, beyond the database's samples, in loops and in rolled rows."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest
import torch

import helion_ir
import helion_ir.language as hl


@helion_ir.kernel(autotune_effort="none")
def pointwise(function: Any, inputs: Any, out: torch.Tensor) -> None:
    for tile in hl.tile(out.size(0)):
        out[tile] = function(*[x[tile] for x in inputs])


@helion_ir.kernel(autotune_effort="none")
def of_rows(function: Any, x: torch.Tensor, out: torch.Tensor) -> None:
    for tile in hl.tile(x.size(0)):
        out[tile] = function(x[tile, :]).sum(-1)


def values(function: Any, *inputs: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(function(*inputs))
    helion_ir.compile(pointwise, {"block_sizes": [256]}, (function, inputs, out))(function, inputs, out)
    return out


SPREAD = torch.cat(
    [torch.linspace(-30, 30, 601, dtype=torch.float64) + 0.013, torch.tensor([0.0, 1.0, -1.0, 2.0, 8.0])]
)
FUNCTIONS = {
    name: getattr(torch.special, name)
    for name in (
        "digamma", "i0", "i0e", "i1", "i1e", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
        "scaled_modified_bessel_k1", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "spherical_bessel_j0",
    )
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str, dtype: torch.dtype) -> None:
    x = SPREAD.to(dtype)
    exact = FUNCTIONS[name](x.double())
    rtol = 1e-9 if dtype == torch.float64 else 2e-5
    torch.testing.assert_close(values(FUNCTIONS[name], x).double(), exact, rtol=rtol, atol=rtol / 10, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_normal_quantile_down_to_the_smallest(dtype: torch.dtype) -> None:
    smallest = 1e-37 if dtype == torch.float32 else 1e-300
    p = torch.cat(
        [torch.logspace(-1, torch.tensor(smallest).double().log10(), 200, dtype=torch.float64), SPREAD / 40 + 0.5]
    )
    p = torch.cat([p, torch.tensor([0.0, 1.0, 2.0, float("nan")], dtype=torch.float64)]).to(dtype)
    rtol = 1e-10 if dtype == torch.float64 else 3e-6
    exact = torch.special.ndtri(p.double())
    torch.testing.assert_close(values(torch.special.ndtri, p).double(), exact, rtol=rtol, atol=rtol, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_airy_function(dtype: torch.dtype) -> None:
    x = torch.linspace(-12, 12, 301, dtype=dtype)
    rtol = 1e-10 if dtype == torch.float64 else 2e-5
    exact = torch.tensor([float(mpmath.airyai(v)) for v in x.tolist()], dtype=torch.float64)  # PyTorch's is 1e-6 off
    torch.testing.assert_close(values(torch.special.airy_ai, x).double(), exact, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [torch.special.gammainc, torch.special.gammaincc])
def test_incomplete_gamma_functions_where_each_expansion_holds(function: Any, dtype: torch.dtype) -> None:
    a = torch.cat([torch.rand(200) * 5, torch.rand(200) * 40, torch.rand(200) * 1000, 10 ** (torch.rand(100) * -3)])
    x = torch.cat(
        [torch.rand(200) * 5, torch.rand(200) * 40, a[400:600] * (torch.rand(200) + 0.5), torch.rand(100) * 3]
    )
    edges = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [float("inf"), 1.0], [1.0, float("inf")], [-1.0, 1.0]])
    a, x = torch.cat([a, edges[:, 0]]).to(dtype), torch.cat([x, edges[:, 1]]).to(dtype)
    bound = 3e-9 if dtype == torch.float64 else 2e-6  # PyTorch's own is 4e-10 off mpmath's
    exact = function(a.double(), x.double())
    torch.testing.assert_close(values(function, a, x).double(), exact, rtol=bound, atol=bound, equal_nan=True)


def test_zeta_on_both_sides_of_zero() -> None:
    q = SPREAD.clamp(-9, 30)
    for s in (2.0, 3.0, 1.5, 0.5):
        exact = torch.special.zeta(s, q)
        got = values(lambda q, s=s: torch.special.zeta(s, q), q)
        torch.testing.assert_close(got, exact, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8])
def test_divisors(dtype: torch.dtype) -> None:
    most = torch.iinfo(dtype).max
    a = torch.tensor([0, 0, 12, 89, most, most, 165580141 % most, 27720 % most], dtype=dtype)
    b = torch.tensor([0, 7, 18, 55, most, 1, 102334155 % most, 360360 % most], dtype=dtype)
    torch.testing.assert_close(values(torch.gcd, a, b), torch.gcd(a, b))
    torch.testing.assert_close(values(torch.lcm, a[2:4], b[2:4]), torch.lcm(a[2:4], b[2:4]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_bits_of_floats(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, -0.0, 1.0, -3.7, 1e-5, torch.finfo(dtype).smallest_normal / 8, float("inf")], dtype=dtype)
    for part in (0, 1):
        torch.testing.assert_close(
            values(lambda x, part=part: torch.frexp(x)[part], x), torch.frexp(x)[part], rtol=0, atol=0
        )
    if dtype != torch.float16:  # eager PyTorch has no nextafter of those
        for y in (torch.full_like(x, 2.0), torch.full_like(x, float("-inf")), x):
            torch.testing.assert_close(values(torch.nextafter, x, y), torch.nextafter(x, y), rtol=0, atol=0)


def by_recurrence(x: torch.Tensor) -> torch.Tensor:
    return torch.special.legendre_polynomial_p(x, 4)


@pytest.mark.parametrize("function", [torch.special.i0e, torch.digamma, by_recurrence])
def test_rows_that_are_walked_in_chunks(function: Any) -> None:
    x, out = torch.rand(5, 37) * 3 + 0.5, torch.empty(5)
    whole = {"block_sizes": [2]}
    loops = function is by_recurrence  # whose degrees are reduced, so that a row is not walked
    for config in [whole] if loops else [whole, {**whole, "reduction_loops": [16]}]:
        compiled = helion_ir.compile(of_rows, config, (function, x, out))
        compiled(function, x, out)
        torch.testing.assert_close(out.double(), function(x.double()).sum(-1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_loops_and_series_compile(target: str) -> None:
    x = torch.rand(100)

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.special.airy_ai(x) + torch.digamma(x) + torch.special.ndtri(x) + torch.frexp(x)[0]

    compiled = helion_ir.compile(pointwise, {"block_sizes": [64]}, (function, (x,), torch.empty(100)))
    assert compiled.binary(target).asm


def digammas(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.size(), dtype=torch.digamma(x).dtype, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = torch.digamma(x[t])
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int32])
def test_digamma_at_zero(dtype: torch.dtype) -> None:
    """The sign of a zero tells the side of the pole; Triton's `-x` loses it."""
    x = torch.tensor([0.0, -0.0, 2.0]).to(dtype)
    kernel = helion_ir.kernel(digammas, autotune_effort="none")
    torch.testing.assert_close(kernel(x), torch.digamma(x))
    source = helion_ir.compile(kernel, helion_ir.Config(block_sizes=[4]), (x,)).source
    assert "(-loaded).to(" not in source
