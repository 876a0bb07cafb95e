"""What tells a right candidate from a wrong one: copies of arguments, poisoned memory, tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from helion_ir.autotuner.accuracy import Baseline, PoisonedMemory, Tolerance, WrongResultError, copy_arguments


@dataclass
class Weights:
    scale: torch.Tensor
    bias: torch.Tensor | None = None


def test_copies_have_the_layout_of_the_arguments() -> None:
    base = torch.randn(10, 10)
    captured = torch.randn(3)
    args: list[Any] = [
        base[1:3], [base[2:5, ::2], torch.randn(3, 1).expand(3, 4)], torch.nn.Parameter(torch.randn(3)),
        Weights(torch.arange(5)[1:]), {"empty": torch.empty(0, 3)}, 7, "tf32", lambda x: x + captured,
    ]  # fmt: skip
    own: list[Any] = copy_arguments(args)
    pairs = [
        (own[0], args[0]), (own[1][0], args[1][0]), (own[1][1], args[1][1]), (own[2], args[2]),
        (own[3].scale, args[3].scale), (own[4]["empty"], args[4]["empty"]),
        (own[7].__closure__[0].cell_contents, captured),
    ]  # fmt: skip
    for mine, given in pairs:
        assert torch.equal(mine, given)
        assert mine.stride() == given.stride()
        assert mine.dtype == given.dtype
        assert mine.numel() == 0 or mine.data_ptr() != given.data_ptr()
    assert own[5:7] == args[5:7]
    assert (own[0].data_ptr() - args[0].data_ptr()) % 16 == 0
    own[0].zero_()
    assert not own[1][0][0].any(), "arguments that share memory share it in the copy"
    assert args[0].all()


def test_a_copy_takes_no_more_memory_than_what_the_arguments_cover() -> None:
    large = torch.zeros(1 << 20)
    (own,) = copy_arguments([large[1000:1010]])
    assert isinstance(own, torch.Tensor)
    assert own.untyped_storage().nbytes() < 2048


def test_fresh_memory_is_poisoned() -> None:
    x = torch.zeros(3)
    with PoisonedMemory():
        floats = [torch.empty(3), torch.empty_like(x), x.new_empty(3), torch.empty_strided((3,), (2,))]
        small = torch.empty(3, dtype=torch.float8_e4m3fn)
        whole = torch.empty(3, dtype=torch.int32)
        zeros = torch.zeros(3)
    assert all(tensor.isnan().all() for tensor in [*floats, small.float()])
    assert (whole > 1 << 30).all()
    assert not zeros.any()


def unwritten(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    out[:-1] = x[:-1] + 1
    return out


def written(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    return out.copy_(x + 1)


def test_what_is_not_written_is_wrong() -> None:
    """Also where the memory happens to hold the right values, as after a run of another candidate."""
    baseline = Baseline([torch.randn(100)], Tolerance())
    baseline.record(written)
    baseline.check(written)
    with pytest.raises(WrongResultError, match="result 0: 1 of 100 elements are wrong, by up to inf"):
        baseline.check(unwritten)
    baseline.record(unwritten)
    baseline.check(unwritten)  # an output that is left undefined on purpose


def test_changed_arguments_are_outputs_and_begin_alike_each_time() -> None:
    def step(x: torch.Tensor, _: torch.Tensor) -> None:
        x += 1

    x, y = torch.randn(8), torch.randn(8)
    given = x.clone()
    baseline = Baseline([x, y], Tolerance())
    baseline.record(step)
    for _ in range(3):
        baseline.check(step)
    with pytest.raises(WrongResultError, match="argument tensor 0: 8 of 8 elements are wrong, by up to 1"):
        baseline.check(lambda x, y: None)
    baseline.check(step)
    assert torch.equal(x, given)


def test_the_number_of_results_counts() -> None:
    baseline = Baseline([torch.randn(3)], Tolerance())
    baseline.record(lambda x: (x, [x + 1]))
    baseline.check(lambda x: (x, [x + 1]))
    with pytest.raises(WrongResultError, match="1 results, expected 2"):
        baseline.check(lambda x: x)


@pytest.mark.parametrize(
    ("dtype", "near", "far"),
    [(torch.float32, 1e-4, 1e-2), (torch.bfloat16, 8e-3, 0.2), (torch.float64, 1e-12, 1e-6)],
    ids=str,
)
def test_tolerances_are_of_the_dtype(dtype: torch.dtype, near: float, far: float) -> None:
    expected = torch.randn(1000, dtype=torch.float64).to(dtype)
    assert not Tolerance().violation((expected.double() * (1 + near)).to(dtype), expected)
    assert Tolerance().violation((expected.double() * (1 + far)).to(dtype), expected)


def test_tolerances() -> None:
    one = torch.ones(4)
    nan, inf = torch.tensor([float("nan"), 1, 1, 1]), torch.tensor([float("inf"), 1, 1, 1])
    assert not Tolerance().violation(nan, nan)
    assert not Tolerance().violation(inf, inf)
    for actual, expected in ((nan, one), (one, nan), (inf, one), (one, inf), (inf, -inf)):
        assert Tolerance().violation(actual, expected)
    sums = torch.tensor([1000.0, -1000.0, 1e-3])
    assert not Tolerance().violation(sums + 1e-1, sums), "a small sum of large values has their error"
    assert not Tolerance(absolute=0.5, relative=0.0).violation(one + 0.4, one)
    assert Tolerance(absolute=0.5, relative=0.0).violation(one + 0.6, one)
    assert not Tolerance(relative=0.5, absolute=0.0).violation(one * 1.4, one)
    assert "differ" in Tolerance(absolute=9.0).violation(torch.tensor([1, 2]), torch.tensor([1, 3]))
    assert "not torch.float32" in Tolerance().violation(one.double(), one)
    assert "shape" in Tolerance().violation(torch.ones(5), one)


def test_few_elements_of_many_may_miss_the_tolerance_a_little() -> None:
    expected = torch.randn(1000, 1000).bfloat16()
    expected[0, 0] = 1.0
    expected[0, 1] = float("inf")

    def violation(value: float, at: int = 0, rows: int = 1000, tolerance: Tolerance | None = None) -> str:
        actual = expected.clone()
        actual[0, at] = value
        return (tolerance or Tolerance()).violation(actual[:rows], expected[:rows])

    assert violation(1.1) == ""
    assert "1 of 1000000" in violation(1.3)
    assert "1 of 50000" in violation(1.1, rows=50)  # not so few
    assert violation(1.1, tolerance=Tolerance(relative=2e-2))  # what the user asked for holds for all
    for wrong in (float("nan"), float("-inf")):
        assert violation(wrong)
    assert violation(1e30, at=1)
    many = expected.clone()
    many[1, :20] += 0.1
    assert "of 1000000" in Tolerance().violation(many, expected)
