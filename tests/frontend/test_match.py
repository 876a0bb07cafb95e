"""`match` in device code and in functions that it calls: on constants, structures and run-time numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl

kernel = helion_ir.kernel(autotune_effort="none")
X = torch.randn(37, dtype=torch.float64)
INDEX = torch.arange(37)


@kernel
def on_argument(x: torch.Tensor, mode: Any) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        match mode:
            case "double" | 2:
                value = x[t] * 2
            case int(factor) if factor > 4:
                value = x[t] * factor
            case {"scale": scale, "shifts": [shift, *_]}:
                value = x[t] * scale + shift
            case (a, b):
                value = x[t] * a * b
            case _:
                value = x[t]
        out[t] = value
    return out


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("double", X * 2), (2, X * 2), (7, X * 7), (3, X), (None, X), ((2, 3), X * 6),
        ({"scale": 3, "shifts": [4, 5]}, X * 3 + 4),
    ],
)  # fmt: skip
def test_patterns_of_what_is_known(mode: Any, expected: torch.Tensor) -> None:
    torch.testing.assert_close(on_argument(X, mode), expected)


def chosen(value: torch.Tensor, number: Any) -> torch.Tensor:
    match number:
        case 0:
            return value * 2
        case other if other == 1:
            return value * 3
    return value


@kernel
def in_kernel(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0), block_size=16):
        match t.id:
            case 0 | 9:
                value = x[t] * 2
            case 1:
                value = x[t] * 3
            case number:
                value = x[t] * (number - 1)
        out[t] = value
    return out


@kernel
def in_function(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0), block_size=16):
        out[t] = chosen(x[t], t.id)
    return out


@pytest.mark.parametrize("fn", [in_kernel, in_function], ids=lambda fn: fn.__name__)
def test_values_of_a_run_time_number(fn: helion_ir.Kernel) -> None:
    expected = torch.where(INDEX < 16, X * 2, torch.where(INDEX < 32, X * 3, X))
    torch.testing.assert_close(fn(X), expected)
    assert "tl.program_id" in fn.bind((X,)).to_triton_code()


@kernel
def structure(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        match t.id:
            case [1, 2]:
                out[t] = x[t]
    return out


def test_a_structure_is_no_pattern_of_a_run_time_number() -> None:
    with pytest.raises(helion_ir.exc.StatementNotSupported, match="more than a value") as caught:
        structure(X)
    assert "case [1, 2]:" in str(caught.value)
    assert "case 1 | 2" in (caught.value.hint or "")
