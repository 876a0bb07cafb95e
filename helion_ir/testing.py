"""Kernels against references: what the examples consist of, and a check for kernels of one's own.

EXAMPLES = [Example("rms_norm", rms_norm, example_args, reference)]

if __name__ == "__main__":
    main(EXAMPLES)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from .kernels import compile

SMALL_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
TOLERANCES = {
    torch.float64: 1e-10,
    torch.float32: 2e-5,
    torch.float16: 4e-3,
    torch.bfloat16: 2e-2,
    torch.float8_e4m3fn: 0.13,
    torch.float8_e5m2: 0.26,
}
"""A few steps of a dtype; of 8-bit floats one."""


@dataclass(frozen=True)
class Example:
    """A kernel, arguments to try it with, and the function of PyTorch that it must agree with.

    `run` is a kernel, or a function that calls kernels. `args(device)` makes its arguments: of real sizes for `"cuda"`,
    else small ones. `reference` takes the same arguments; unless `widen` is false, it gets their floats in float64 when
    results are compared, and as they are when it is timed. Results are tensors, or tuples of tensors and None. An
    element may differ by `tolerance` times its magnitude plus that of the result's elements on average; by default, by
    that of the coarsest dtype of the result and the arguments (8-bit floats among these apart, which count as exact).
    `verify(result, *args)` asserts what holds of a result where a reference cannot tell it, as of random numbers; the
    reference is timed only, then. `config`: run with this one instead of the default.
    """

    title: str
    run: Callable[..., Any]
    args: Callable[[str], Sequence[object]]
    reference: Callable[..., Any]
    tolerance: float | None = None
    widen: bool = True
    config: Any = None
    verify: Callable[..., None] | None = None

    def make(self, device: str) -> tuple[object, ...]:
        """The arguments, the same ones at each call."""
        torch.manual_seed(0)
        return tuple(self.args(device))

    def runner(self, args: Sequence[object]) -> Callable[..., Any]:
        """What to call for these arguments."""
        return self.run if self.config is None else compile(self.run, self.config, tuple(args))  # pyright: ignore[reportArgumentType]

    def check(self, device: str) -> float:
        """The largest error of the results. AssertionError for one beyond the tolerances that is also more than twice
        as wrong as PyTorch is in the same dtypes."""
        args, again = self.make(device), self.make(device)
        result = self.runner(args)(*args)
        if self.verify is not None:
            self.verify(result, *again)
            return 0.0
        actual = _tensors(result)
        expected = _tensors(self.reference(*(tree_map(_wide, again) if self.widen else again)))
        assert len(actual) == len(expected), f"{self.title}: {len(actual)} results, {len(expected)} expected"
        given = [TOLERANCES[each.dtype] for each in _tensors(args) if each.dtype in SMALL_FLOATS]
        wrong: list[AssertionError] = []
        errors = [0.0]
        for ours, exact in zip(actual, expected, strict=True):
            errors.append(_error(ours, exact))
            try:
                self._compare(ours, exact, given)
            except AssertionError as error:
                wrong.append(error)
        if wrong and not (self.widen and self._as_good_as_eager(device, errors[1:], expected)):
            raise wrong[0]
        return max(errors)

    def _as_good_as_eager(self, device: str, errors: Sequence[float], expected: Sequence[torch.Tensor]) -> bool:
        """Whether every result is at most twice as wrong as that of the reference without wide numbers."""
        eager = _tensors(self.reference(*self.make(device)))
        return all(
            exact.is_floating_point() and error <= 2 * _error(narrow, exact)
            for error, narrow, exact in zip(errors, eager, expected, strict=True)
        )

    def _compare(self, ours: torch.Tensor, exact: torch.Tensor, given: Sequence[float]) -> None:
        if not ours.is_floating_point():
            torch.testing.assert_close(ours, exact.to(ours.dtype))
            return
        tolerance = self.tolerance or max(TOLERANCES[ours.dtype], *given, 0.0)
        wide, exact = ours.double(), exact.to(ours.dtype).double()
        # A sum of rounded terms is as wrong as its terms are large: as the other values of its row are.
        known = exact.where(exact.isfinite(), 0.0)
        row = known.square().mean(-1, keepdim=True).sqrt() if known.dim() else known.abs()
        magnitude = torch.maximum(row, known.abs().mean()) if known.numel() else row
        wrong = ~torch.isclose(wide, exact, rtol=tolerance, atol=0.0, equal_nan=True)
        wrong &= ~((wide - exact).abs() <= tolerance * magnitude)
        if wrong.any():
            wide, exact = wide.where(wrong, 0.0), exact.where(wrong, 0.0)
            torch.testing.assert_close(wide, exact, rtol=tolerance, atol=0.0, equal_nan=True)

    def times(self, device: str) -> tuple[float, float]:
        """Milliseconds of a call of the kernel, and of the reference."""
        args = self.make(device)
        run = self.runner(args)
        return milliseconds(lambda: run(*args), device), milliseconds(lambda: self.reference(*args), device)


def _error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest difference of two tensors, as far as it is a number."""
    if not ours.numel() or not ours.is_floating_point():
        return 0.0
    return (ours.double() - exact.double()).abs().nan_to_num().max().item()


def milliseconds(run: Callable[[], object], device: str, repeats: int = 20) -> float:
    """Median time of one call: by events on a GPU, after warm-up; one call by the clock elsewhere."""
    if device != "cuda":
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3
    for _ in range(3):
        run()
    samples: list[float] = []
    for _ in range(repeats):
        start_event, end_event = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start_event.record()
        run()
        end_event.record()
        torch.cuda.synchronize()
        samples.append(start_event.elapsed_time(end_event))
    return statistics.median(samples)


def main(examples: Iterable[Example]) -> None:
    """Check each example, and print a line with its largest error and its times."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for example in examples:
        error = example.check(device)
        ours, eager = example.times(device)
        shapes = " × ".join("x".join(map(str, each.shape)) or "scalar" for each in _tensors(example.make(device)))
        print(
            f"{example.title:<36} {device:<5} max error {error:.1e} {ours:9.3f} ms, PyTorch {eager:9.3f} ms  {shapes}"
        )


def _tensors(value: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _wide(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.dtype in SMALL_FLOATS else value


__all__ = ["Example", "main", "milliseconds"]
