"""Atomics by tensor descriptors: what they do, and which atomics go by pointers whatever is wanted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import helion_ir as helion
import helion_ir.language as hl

DESCRIPTORS = {"atomic_indexing": "tensor_descriptor"}


def accumulate(x: Tensor, out: Tensor, atomic: Any) -> None:
    for m, k, n in hl.tile([x.size(0), x.size(1), x.size(2)]):
        atomic(out, [m, n], x[m, k, n].sum(1))


def compiled(function: Any, args: Any, **config: Any) -> helion.CompiledKernel:
    return helion.compile(helion.kernel(function), {**DESCRIPTORS, **config}, args)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int32])
@pytest.mark.parametrize("sizes", [[8, 4, 32], [16, 2, 64]])
def test_additions(dtype: torch.dtype, sizes: list[int]) -> None:
    x = torch.randint(-4, 5, (21, 9, 72)).to(dtype)
    out = torch.randint(-4, 5, (21, 72)).to(dtype)
    expected = out + x.sum(1).to(dtype)
    kernel = compiled(accumulate, (x, out, hl.atomic_add), block_sizes=sizes)
    assert "_desc.atomic_add([" in kernel.source
    kernel.binary("sm_90")
    kernel(x, out, hl.atomic_add)
    assert torch.equal(out, expected)


KINDS = {
    "max": (hl.atomic_max, torch.maximum), "min": (hl.atomic_min, torch.minimum),
    "and": (hl.atomic_and, torch.bitwise_and), "or": (hl.atomic_or, torch.bitwise_or),
    "xor": (hl.atomic_xor, torch.bitwise_xor),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_other_kinds(kind: str, dtype: torch.dtype) -> None:
    atomic, function = KINDS[kind]

    def once(x: Tensor, out: Tensor, atomic: Any) -> None:
        for m, n in hl.tile(x.size()):
            atomic(out, [m, n], x[m, n])

    x, out = torch.randint(-99, 99, (13, 40), dtype=dtype), torch.randint(-99, 99, (13, 40), dtype=dtype)
    expected = function(x, out)
    kernel = compiled(once, (x, out, atomic), block_sizes=[8, 32])
    bits_of_64 = kind in ("and", "or", "xor") and dtype is torch.int64  # an illegal instruction on an H100
    assert (f"_desc.atomic_{kind}([" in kernel.source) is not bits_of_64
    kernel.binary("sm_90")
    kernel(x, out, atomic)
    assert torch.equal(out, expected)


def previous(x: Tensor, out: Tensor) -> Tensor:
    before = torch.empty_like(x)
    for m, n in hl.tile(x.size()):
        before[m, n] = hl.atomic_add(out, [m, n], x[m, n])
    return before


def read_too(x: Tensor, out: Tensor) -> Tensor:
    seen = torch.empty_like(x)
    for m, n in hl.tile(x.size()):
        seen[m, n] = out[m, n]
        hl.atomic_add(out, [m, n], x[m, n])
    return seen


def releasing(x: Tensor, out: Tensor) -> None:
    for m, n in hl.tile(x.size()):
        hl.atomic_add(out, [m, n], x[m, n], sem="release")


def exchanging(x: Tensor, out: Tensor) -> None:
    for m, n in hl.tile(x.size()):
        hl.atomic_xchg(out, [m, n], x[m, n])


def largest(x: Tensor, out: Tensor) -> None:
    for m, n in hl.tile(x.size()):
        hl.atomic_max(out, [m, n], x[m, n])


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (previous, torch.float32), (read_too, torch.float32), (releasing, torch.float32), (exchanging, torch.float32),
        (largest, torch.uint32), (largest, torch.float32), (releasing, torch.int64),
    ],
)  # fmt: skip
def test_what_descriptors_cannot_do_goes_by_pointers(function: Any, dtype: torch.dtype) -> None:
    x = torch.arange(13 * 40).reshape(13, 40).to(dtype)
    kernel = compiled(function, (x, torch.zeros_like(x)), block_sizes=[8, 32])
    assert "make_tensor_descriptor" not in kernel.source
    assert kernel.bound.config_spec.atomic_indexing[0].candidates() == ["pointer"]


def test_unaligned_rows_go_by_pointers() -> None:
    x, out = torch.ones(21, 9, 71), torch.zeros(21, 71)
    kernel = compiled(accumulate, (x, out, hl.atomic_add), block_sizes=[8, 4, 32])
    assert "make_tensor_descriptor" not in kernel.source
    kernel(x, out, hl.atomic_add)
    assert torch.equal(out, x.sum(1))
