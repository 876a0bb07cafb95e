"""Kernels that are methods, objects as arguments, and kernels that other kernels call."""

from __future__ import annotations

import enum
import types
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

kernel = helion_ir.kernel(autotune_effort="none")
X, W = torch.randn(37), torch.randn(37)


class Layer:
    def __init__(self, weight: torch.Tensor, scale: float) -> None:
        self.weight, self.scale, self.more = weight, scale, {"bias": [weight + 1]}

    def scaled(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.scale

    @kernel
    def forward(self, x: torch.Tensor, shift: float = 1.0) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = self.scaled(x[t]) * self.weight[t] + self.more["bias"][0][t] + shift
        return out

    @staticmethod
    @kernel
    def doubled(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for t in hl.tile(x.size(0)):
            out[t] = x[t] * 2
        return out


def expected(layer: Layer, shift: float = 1.0) -> torch.Tensor:
    return X * layer.scale * layer.weight + layer.more["bias"][0] + shift


def test_a_method_is_called_by_its_instance() -> None:
    layer, other = Layer(W, 2.0), Layer(X, 2.0)
    torch.testing.assert_close(layer.forward(X), expected(layer))
    torch.testing.assert_close(other.forward(X, shift=3.0), expected(other, 3.0))
    torch.testing.assert_close(layer.doubled(X), X * 2)
    layer.scale, layer.weight = 5.0, W * 2  # the next call sees them
    torch.testing.assert_close(layer.forward(X), expected(layer))
    assert "self_weight" in layer.forward.to_triton_code((X,))
    assert layer.forward.bind((X,)) is Layer.forward.bind((layer, X))
    assert layer.forward == layer.forward != other.forward


class Mode(enum.Enum):
    PLAIN = 1
    DOUBLE = 2


@kernel
def by_options(x: torch.Tensor, options: Any) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = (x[t] * 2 if options.mode is Mode.DOUBLE else x[t]) + options.shift
    return out


class Options:
    pass


@pytest.mark.parametrize("kind", [Options, types.SimpleNamespace])
def test_objects_are_arguments(kind: type) -> None:
    options = kind()
    options.mode, options.shift = Mode.DOUBLE, 3.0
    torch.testing.assert_close(by_options(X, options), X * 2 + 3)
    options.shift = 4.0
    torch.testing.assert_close(by_options(X, options), X * 2 + 4)
    options.mode = Mode.PLAIN
    torch.testing.assert_close(by_options(X, options), X + 4)


def test_numbers_of_numpy_are_refused_by_name() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(exc.UnsupportedPythonType, match=r"argument options is a numpy.float32(.|\n)*\.item\(\)"):
        by_options(X, numpy.float32(2))


@helion_ir.kernel
def product_plus(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return value * other + 1


@helion_ir.kernel
def row_sums(x: torch.Tensor, rows: Any) -> torch.Tensor:
    total = hl.zeros([rows])
    for columns in hl.tile(x.size(1)):
        total += x[rows, columns].sum(1)
    return total


@kernel
def calls(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(x.size(0))
    for t in hl.tile(x.size(0)):
        sums = row_sums(x, t)
        out[t] = product_plus(sums, sums)
    return out


@kernel
def calls_launched(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = Layer.doubled(x[t])
    return out


def test_a_kernel_is_a_function_of_another() -> None:
    x = torch.randn(33, 70)
    torch.testing.assert_close(calls(x), x.sum(1) ** 2 + 1, rtol=1e-4, atol=1e-4)
    with pytest.raises(exc.NestedKernelCallsNotSupported, match="kernel doubled") as caught:
        calls_launched(X)
    assert "out[t] = Layer.doubled(x[t])" in str(caught.value)


@helion_ir.kernel(autotune_effort="none", ignore_warnings=[exc.TensorOperationInWrapper])
def reuses_names(x: torch.Tensor) -> torch.Tensor:
    size = x.size(0)
    out = torch.empty_like(x)
    for t in hl.tile(size):
        size = x[t]  # the header is evaluated before
        out[t] = size * 2
    size = out.mul(1)
    return size + 0


def test_a_name_of_the_header_is_free_in_the_body() -> None:
    torch.testing.assert_close(reuses_names(X), X * 2)
