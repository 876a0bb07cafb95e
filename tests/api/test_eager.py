"""The eager reference: a kernel's own Python on real tensors, with the meaning that its compiled form has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import helion_ir
import helion_ir.language as hl
from helion_ir import RefMode, exc

from ..support.example_files import FOLDER, all_examples, load

ROWS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
X, SQUARE, ROW = torch.randn(7, 10), torch.randn(9, 9), torch.randn(1, 10)


def row(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A kernel and its arguments: both forms must agree."""

    def add(body: Callable[..., Any]) -> Callable[..., Any]:
        ROWS[body.__name__] = (body, args)
        return body

    return add


@row(SQUARE, torch.randn(9))
def align_by_tile(x, y):
    out = torch.empty_like(x)
    for m, n in hl.tile(x.size()):
        out[m, n] = (x[m, n] + y[m]) * y[n]
    return out


@row(SQUARE)
def reduced_values_align(x):
    out = torch.empty_like(x)
    for m in hl.tile(x.size(0)):
        row = x[m, :]
        out[m, :] = torch.exp(row - row.amax(-1)[:, None]) + row.mean(1, keepdim=True)
    return out


@row(X, ROW)
def size_one_broadcasts(x, row):
    out = torch.empty_like(x)
    for m, n in hl.tile(x.size()):
        out[m, n] = x[m, n] + row[m, n]
    return out


@row(X)
def shifted_past_the_end(x):
    out = torch.empty_like(x)
    for m, n in hl.tile(x.size(), block_size=[4, 3]):
        out[m, n] = x[m + 2, n] - x[m, n - (-1)] + m.id + n.count + n.begin
    return out


@row(X, torch.tensor([5, 0, 3]), torch.tensor([1, 9]))
def outer_product_of_indices(x, rows, columns):
    out = torch.empty(3, 2)
    for m in hl.tile(3):
        out[m, :] = x[rows[m], columns[:]]
    return out


@row(X, torch.randint(0, 7, (4, 3)))
def gather_of_rank_two(x, rows):
    out = torch.empty(4, 3, 10)
    for m, n in hl.tile([4, 10]):
        out[m, :, n] = x[rows[m, :], n]
    return out


@row(X)
def masked_and_atomic(x):
    out, count = torch.zeros(10), torch.zeros(1, dtype=torch.int32)
    for m, n in hl.tile(x.size(), block_size=[3, 4]):
        value = hl.load(x, [m, n], extra_mask=(m.index % 2 == 0)[:, None])
        hl.atomic_add(out, [n], value.sum(0))
        old = hl.atomic_max(count, [0], n.end)
        hl.store(out, [n], out[n] * 1.0 + old * 0.0, extra_mask=n.index < 4)
    return out, count


@row(torch.randn(5, 6, dtype=torch.float16), torch.randn(6, 5, dtype=torch.float16))
def accumulates_in_float32(a, b):
    out = torch.empty(5, 5)
    for m, n in hl.tile([5, 5]):
        acc = hl.zeros([m, n])
        for k in hl.tile(6, block_size=4):
            acc = torch.addmm(acc, a[m, k], b[k, n])
        out[m, n] = hl.dot(a[m, :], b[:, n], acc=acc)
    return out


@row(X)
def scans_and_reductions_of_the_users(x):
    out, places = torch.empty_like(x), torch.empty(7, dtype=torch.int64)

    def larger(value, place, other, elsewhere):
        return torch.where(other > value, other, value), torch.where(other > value, elsewhere, place)

    for m in hl.tile(7):
        out[m, :] = hl.associative_scan(torch.add, x[m, :], dim=1, reverse=True)
        columns = hl.arange(10)[None, :].broadcast_to(x[m, :].shape).to(torch.int64)
        places[m] = hl.reduce(larger, (x[m, :], columns), dim=1, other=(float("-inf"), 0))[1]
    return out, places


@row(X)
def random_numbers(x):
    out = torch.empty_like(x)
    for m, n in hl.tile(x.size(), block_size=[4, 4]):
        out[m, n] = hl.rand([m, n], seed=42) + hl.randint([m, n], 0, 9, seed=7)
    return out


@row(X)
def loops_and_phases(x):
    total, out = torch.zeros(7), torch.empty_like(x)
    for m in hl.tile(7):
        total[m] = x[m, :].sum(-1)
    hl.barrier()
    for i in hl.grid(7):
        for j in hl.static_range(10):
            out[i, j] = x[i, j] - total[i]
    return out


@pytest.mark.parametrize("name", ROWS)
def test_both_forms_agree(name: str) -> None:
    body, args = ROWS[name]
    copies = [[arg.clone() for arg in args] for _ in range(2)]
    eager = helion_ir.kernel(body, ref_mode=RefMode.EAGER)(*copies[0])
    compiled = helion_ir.kernel(body, autotune_effort="none")(*copies[1])
    torch.testing.assert_close(eager, compiled, rtol=1e-3, atol=1e-3)


def test_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    @helion_ir.kernel(ref_mode=RefMode.EAGER)
    def talks(x: torch.Tensor) -> list[float]:
        seen = []
        for m in hl.tile(x.size(0)):
            print("tile", m.begin, m.end)
            seen.extend(x[m].tolist())
        return seen

    assert talks(torch.tensor([1.0, 2.0])) == [1.0, 2.0]
    assert capsys.readouterr().out == "tile 0 2\n"


def test_what_has_no_eager_form() -> None:
    @helion_ir.kernel(ref_mode=RefMode.EAGER)
    def inline(x: torch.Tensor) -> torch.Tensor:
        for m in hl.tile(x.size(0)):
            x[m] = hl.inline_triton("{0} + 1", (x[m],), x[m])
        return x

    with pytest.raises(exc.InvalidAPIUsage, match=r"hl\.inline_triton cannot run in eager mode"):
        inline(torch.zeros(3))
    with pytest.raises(exc.NotInsideKernel):
        hl.zeros([3])


@pytest.mark.parametrize("name", [name for number, name in enumerate(all_examples()) if number % 5 == 0])
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(FOLDER / f"{name.split(':')[0]}.py")
    kernels = [value for value in vars(module).values() if isinstance(value, helion_ir.Kernel)]
    assert kernels
    for kernel in kernels:
        monkeypatch.setattr(kernel, "_eager", True)
    all_examples()[name].check("cpu")
