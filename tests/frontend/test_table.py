"""Functions of torch in device code, traced and run on the tile interpreter: against torch in float64, at odd sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.linalg import vector_norm

import helion_ir.language as hl
from helion_ir import exc
from helion_ir.frontend import trace

from .test_values import run

Function = Callable[..., torch.Tensor]
SHAPE = (5, 7)
BLOCKS = {"b0": 4, "b1": 8}


def by_name(module: Any, names: str) -> dict[str, Function]:
    return {name: getattr(module, name) for name in names.split()}


UNARY: dict[str, Function] = {
    **by_name(F, "gelu silu softplus mish elu hardswish logsigmoid relu6 hardtanh hardsigmoid leaky_relu selu celu"),
    **by_name(F, "softsign tanhshrink softshrink hardshrink"),
    **by_name(torch, "erf erfc exp expm1 log log1p log2 log10 exp2 sigmoid tanh sin cos tan atan asinh sinh cosh sqrt"),
    **by_name(torch, "rsqrt abs neg sign sgn signbit frac round floor ceil trunc isnan isinf isfinite reciprocal"),
    **by_name(torch, "square nan_to_num logical_not relu sinc positive lgamma logit deg2rad"),
    "gelu_tanh": lambda v: F.gelu(v, approximate="tanh"), "threshold": lambda v: F.threshold(v, 1, 2),
    "clamp": lambda v: v.clamp(-1, 1), "clamp_min": lambda v: v.clamp(min=0), "clamp_max": lambda v: v.clamp(max=1),
    "where": lambda v: torch.where(v > 0, v, 0), "masked_fill": lambda v: v.masked_fill(v > 0, 3),
    "pow": lambda v: v.abs() ** 2.5, "rpow": lambda v: 2**v, "dropout": lambda v: F.dropout(v, 0.5, training=False),
    "new_zeros": lambda v: v.new_zeros(v.shape) + v, "new_ones": lambda v: v.new_ones(v.shape) * v,
    "new_full": lambda v: v.new_full(v.shape, 2) * v,
}  # fmt: skip
BINARY: dict[str, Function] = {
    **by_name(torch, "atan2 hypot fmod remainder floor_divide maximum minimum fmax fmin logaddexp logaddexp2 xlogy"),
    **by_name(torch, "copysign ldexp add sub mul div eq lt ge logical_and logical_or logical_xor heaviside rsub"),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3), "lerp_tensor": lambda a, b: torch.lerp(a, b, b),
    "addcmul": lambda a, b: torch.addcmul(a, b, b, value=2), "addcdiv": lambda a, b: torch.addcdiv(a, a, b.abs() + 1),
    "div_floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "div_trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"), "alpha": lambda a, b: torch.add(a, b, alpha=3),
    "clamp_tensor": lambda a, b: torch.clamp(a, min=b), "mse": lambda a, b: F.mse_loss(a, b, reduction="none"),
    "smooth_l1": lambda a, b: F.smooth_l1_loss(a, b, reduction="none"),
    "bce_weighted": lambda a, b: F.binary_cross_entropy(a.sigmoid(), b.sigmoid(), b.abs(), reduction="none"),
    "bce": lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
}  # fmt: skip
BITS: dict[str, Function] = {
    **by_name(torch, "bitwise_and bitwise_or bitwise_xor"), "left": lambda a, b: a << b.abs(),
    "right": lambda a, b: a >> b.abs(), "not": lambda a, b: ~a | b, "//": lambda a, b: a // b, "%": lambda a, b: a % b,
}  # fmt: skip
REDUCTIONS: dict[str, Function] = {
    **{name: (lambda v, f=f: f(v, -1)) for name, f in by_name(torch, "sum mean prod argmin argmax amin amax").items()},
    **{name: (lambda v, f=f: f(v, -1)) for name, f in by_name(torch, "std var logsumexp nansum nanmean").items()},
    "var0": lambda v: v.var(-1, correction=0), "std2": lambda v: torch.std(v, -1, correction=2),
    "var_mean": lambda v: torch.var_mean(v, -1)[1], "norm": lambda v: v.norm(dim=-1),
    "norm1": lambda v: vector_norm(v, 1, dim=-1), "norm_inf": lambda v: torch.norm(v, p=float("inf"), dim=-1),
    "norm3": lambda v: vector_norm(v, 3, dim=-1), "norm_min": lambda v: vector_norm(v, float("-inf"), dim=-1),
    "norm0": lambda v: vector_norm(v, 0, dim=-1), "max": lambda v: v.max(-1).values, "min": lambda v: v.min(-1)[1],
    "any": lambda v: (v > 2).any(-1), "all": lambda v: (v > -1).all(-1), "count": lambda v: torch.count_nonzero(v, -1),
    "aminmax": lambda v: torch.aminmax(v, dim=-1)[0], "keepdim": lambda v: v.sum(-1, keepdim=True)[:, 0],
}  # fmt: skip
ROWS: dict[str, Function] = {
    **{name: (lambda v, f=f: f(v, -1)) for name, f in by_name(torch, "cumsum cumprod softmax log_softmax").items()},
    "softmin": lambda v: F.softmin(v, -1), "normalize": lambda v: F.normalize(v, dim=-1),
    "layer_norm": lambda v: F.layer_norm(v, v.shape[-1:]), "rms_norm": lambda v: F.rms_norm(v, v.shape[-1:]),
    "flip": lambda v: v.flip(-1) + v, "fliplr": torch.fliplr,
    "similarity": lambda v: v * F.cosine_similarity(v, v + 1, dim=-1)[:, None],
}  # fmt: skip


def pointwise(x: torch.Tensor, y: torch.Tensor | None, f: Any) -> torch.Tensor:
    out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size()):
        out[t] = (f(x[t]) if y is None else f(x[t], y[t])).to(torch.float32)
    return out


def reduced(x: torch.Tensor, y: None, f: Any) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t] = f(x[t, :]).to(torch.float32)
    return out


def rowwise(x: torch.Tensor, y: None, f: Any) -> torch.Tensor:
    out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        out[t, :] = f(x[t, :]).to(torch.float32)
    return out


def operands(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    if dtype.is_floating_point:
        return torch.randn(SHAPE) * 2, torch.randn(SHAPE) * 2
    signs = torch.tensor([1, -1, 1, -1, 1, 1, -1])
    return torch.randint(-6, 7, SHAPE, dtype=dtype), (torch.randint(1, 7, SHAPE) * signs).to(dtype)


def check(kernel: Any, table: Mapping[str, Function], name: str, x: torch.Tensor, y: torch.Tensor | None) -> None:
    function = table[name]
    args = [v.double() if v.is_floating_point() else v for v in (x, y) if v is not None]
    expected = function(*args).double()
    actual = run(kernel, x, y, function, blocks=BLOCKS).double()
    torch.testing.assert_close(actual, expected, rtol=2e-5, atol=1e-5, equal_nan=True)


def integer_functions(table: Mapping[str, Function]) -> list[str]:
    """The functions that torch itself has for integers."""
    x, y = operands(torch.int32)
    return [name for name, function in table.items() if _works(function, x, y if table is BINARY else None)]


def _works(function: Function, x: torch.Tensor, y: torch.Tensor | None) -> bool:
    try:
        function(*[v for v in (x, y) if v is not None])
    except (RuntimeError, NotImplementedError, TypeError):
        return False
    return True


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    check(pointwise, UNARY, name, operands(torch.float32)[0], None)


@pytest.mark.parametrize("name", integer_functions(UNARY))
def test_unary_of_integers(name: str) -> None:
    check(pointwise, UNARY, name, operands(torch.int32)[0], None)


@pytest.mark.parametrize(
    "name", ["sign", "signbit", "isnan", "isinf", "isfinite", "relu", "clamp", "round", "abs", "neg"]
)
def test_special_values(name: str) -> None:
    inf, nan = float("inf"), float("nan")
    check(pointwise, UNARY, name, torch.tensor([[nan, inf, -inf, 0.0, -0.0, 1.5, -2.5]]), None)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    check(pointwise, BINARY, name, *operands(torch.float32))


@pytest.mark.parametrize("name", ["logaddexp2", "maximum", "minimum"])
def test_special_values_of_two_operands(name: str) -> None:
    inf, nan = float("inf"), float("nan")
    values = torch.tensor([nan, inf, -inf, 0.0, 100.0, -3.5])
    x, y = torch.meshgrid(values, values + 1e-3, indexing="ij")
    check(pointwise, BINARY, name, x, y)


@pytest.mark.parametrize("name", integer_functions(BINARY))
def test_binary_of_integers(name: str) -> None:
    check(pointwise, BINARY, name, *operands(torch.int32))


@pytest.mark.parametrize("name", BITS)
def test_bits(name: str) -> None:
    check(pointwise, BITS, name, *operands(torch.int32))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    check(reduced, REDUCTIONS, name, operands(torch.float32)[0], None)


@pytest.mark.parametrize("name", integer_functions(REDUCTIONS))
def test_reductions_of_integers(name: str) -> None:
    check(reduced, REDUCTIONS, name, operands(torch.int32)[0], None)


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    check(rowwise, ROWS, name, operands(torch.float32)[0], None)


@pytest.mark.parametrize("name", ["geqrf", "multinomial", "nonzero_static"])
def test_what_has_no_lowering_says_so(name: str) -> None:
    def first(value: torch.Tensor) -> Any:
        arguments = {"multinomial": {"num_samples": 2}, "nonzero_static": {"size": 2}}.get(name, {})
        result = getattr(torch, name)(value, **arguments)
        return result if isinstance(result, torch.Tensor) else result[0]

    with pytest.raises(exc.InductorLoweringError, match=name):
        trace(rowwise, (operands(torch.float32)[0], None, first))


# Parts

PARTS: dict[str, Function] = {
    "stack": lambda v: torch.stack([v, v * 2], 1).sum(1),
    "stack4": lambda v: (torch.stack([v, v * 2, v * 3, v * 4], -1) * torch.arange(4)).sum(-1),
    "cat": lambda v: torch.cat([v, v * 2], -1) * torch.arange(16),
    "cat_4": lambda v: torch.cat([v, -v, v * 3, v + 1], 1),
    "chunk": lambda v: torch.chunk(v, 2, -1)[1], "chunk4": lambda v: v.chunk(4, dim=1)[2] * v.chunk(4, -1)[1],
    "unbind": lambda v: v.unbind(-1)[5] - torch.unbind(v, 1)[3],
    "rotate": lambda v: torch.cat(v.chunk(2, -1)[::-1], -1),
    "halves": lambda v: torch.stack(v.chunk(2, -1), -1).flatten(1),
}  # fmt: skip


def taken_apart(x: torch.Tensor, f: Any) -> torch.Tensor:
    out = torch.zeros([x.size(0), 32], dtype=torch.float32, device=x.device)
    for t in hl.tile(x.size(0)):
        value = f(x[t, :])
        if value.dim() == 1:
            value = value[:, None]
        out[t, 0 : value.size(1)] = value
    return out


@pytest.mark.parametrize("name", PARTS)
def test_parts(name: str) -> None:
    x = torch.randn(5, 8)
    expected = PARTS[name](x).reshape(5, -1)
    actual = run(taken_apart, x, PARTS[name], blocks={"b0": 4})
    torch.testing.assert_close(actual[:, : expected.size(1)], expected)
