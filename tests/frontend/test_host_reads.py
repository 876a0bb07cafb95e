"""Host code that reads data: what is read are numbers of each call; what Python needs of them joins the key."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import exc

kernel = helion_ir.kernel(autotune_effort="none", ignore_warnings=[exc.TensorOperationInWrapper])
X = torch.randn(40, dtype=torch.float64)


def copies_of(kernel: helion_ir.Kernel) -> int:
    """How many specializations there are."""
    return sum(len(found) for known in kernel._specializations.values() for _, found in known.groups.values())


@kernel
def padded(x: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, int]:
    rows = offsets.size(0) - 1
    longest = int((offsets[1:] - offsets[:-1]).max())
    out = x.new_zeros(rows, longest)
    for row, t in hl.tile([rows, longest], block_size=[1, None]):
        begin, end = offsets[row.begin], offsets[row.begin + 1]
        out[row, t] = hl.load(x, [begin + t.index], extra_mask=t.index < end - begin)[None, :]
    return out, int(offsets[-1].item())


@pytest.mark.parametrize("offsets", [[0, 3, 9, 20], [0, 1, 2, 40], [0, 0, 0, 0]])
def test_sizes_and_bounds_are_read(offsets: list[int]) -> None:
    rows = [X[begin:end] for begin, end in pairwise(offsets)]
    wanted = torch.stack([torch.nn.functional.pad(row, (0, max(map(len, rows)) - len(row))) for row in rows])
    found, total = padded(X, torch.tensor(offsets))
    assert total == offsets[-1]
    torch.testing.assert_close(found, wanted)
    assert copies_of(padded) == 1  # another longest row is another number only
    text = padded.bind((X, torch.tensor(offsets))).to_triton_code()
    assert "longest = int((offsets[1:] - offsets[:-1]).max())" in text


@kernel
def numbers(x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    doubled = [2 * each for each in data.tolist()]
    entries = [data[i].item() for i in range(data.size(0))]
    for t in hl.tile(x.size(0)):
        value = x[t]
        for each in doubled:
            value = value + each
        out[t] = value * entries[1] + (1 if bool(data[0] > 2) else 0)
    return out


def test_lists_and_repeated_reads() -> None:
    for data in (torch.tensor([3, 9, 5]), torch.tensor([1, -2, 4]), torch.tensor([2.5, 1.0, 0.5])):
        wanted = (X + 2 * data.sum()) * data[1] + (1 if data[0] > 2 else 0)
        torch.testing.assert_close(numbers(X, data), wanted, check_dtype=False)


@kernel
def branches(x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    if data.max().item() > 4 or data.sum() == 0:
        for t in hl.tile(x.size(0)):
            out[t] = x[t] + 1
    else:
        for t in hl.tile(x.size(0)):
            out[t] = x[t] + 2
    return out


def test_a_branch_of_the_host_joins_the_key() -> None:
    for data, shift in (([1, 5], 1), ([1, 3], 2), ([0, 0], 1), ([2, 2], 2), ([7, 7], 1)):
        torch.testing.assert_close(branches(X, torch.tensor(data)), X + shift)
    assert copies_of(branches) == 3


@kernel
def positions(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    index = torch.nonzero(mask).squeeze(1)
    picked = x[mask > 0]
    out = x.new_empty(index.size(0))
    for t in hl.tile(index.size(0)):
        out[t] = x[index[t]] + picked[t]
    return out


def test_shapes_that_depend_on_data() -> None:
    for count in (0, 1, 7, 40):
        mask = (torch.arange(40) < count).long()
        torch.testing.assert_close(positions(X, mask), X[:count] * 2)
    assert copies_of(positions) == 1


def largest(data: torch.Tensor) -> Any:
    return data.max().item()


@kernel
def by_function(x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    scale = largest(data)
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * scale
    return out


def test_functions_of_host_code_read() -> None:
    for data in (torch.tensor([3, 9]), torch.tensor([4, 4])):
        torch.testing.assert_close(by_function(X, data), X * data.max())


@kernel
def after_the_loop(x: torch.Tensor) -> Any:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t] * 2
    if out.max().item() > 1e9:
        return None
    return out.numpy(), out.tolist()[0], out[out > 0].sum().item()


def test_what_is_read_after_the_loop_is_pythons() -> None:
    array, first, total = after_the_loop(X)
    assert first == 2 * X[0].item() == array[0]
    assert total == pytest.approx(X[X > 0].sum().item() * 2)


@kernel
def random(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    size = torch.randint(1, 9, (1,)).item()
    for t in hl.tile(size):
        out[t] = x[t]
    return out


@kernel
def between(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for t in hl.tile(x.size(0)):
        out[t] = x[t]
    if x.sum().item() > 0:
        for t in hl.tile(x.size(0)):
            out[t] = x[t]
    return out


def test_what_cannot_be_known_is_refused() -> None:
    with pytest.raises(exc.DataDependentOutputShapeNotSupported, match=r"random(.|\n)*torch.randint\(1"):
        random(X)
    with pytest.raises(exc.DataDependentOutputShapeNotSupported, match=r"between device loops(.|\n)*x\.sum\(\)"):
        between(X)
    with pytest.raises(exc.DataDependentOutputShapeNotSupported, match="have none"):
        padded.bind((helion_ir.TensorSpec((40,)), helion_ir.TensorSpec((3,), torch.int64)))
