"""Whether a candidate computes what the kernel's default config computes.

A candidate's outputs are what the host function returns and the arguments it changes. Both sides run on a copy of the
arguments, and memory that the host function leaves uninitialized is poisoned first, so that a candidate that forgets
to write finds no right values there from the run before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..specialization.tensor_spec import map_leaves, tensors_in

ALIGNMENT = 256
"""Bytes; copies keep addresses modulo this, on which the compiled kernel depends."""

Run = Callable[..., Any]


class WrongResultError(Exception):
    """A candidate's output differs from the baseline's."""


def copy_arguments(args: Sequence[object]) -> list[object]:
    """The arguments with tensors copied: strides, alignment and what they share of each other's memory stay."""
    spans: dict[int, tuple[int, int]] = {}
    for tensor in tensors_in(list(args)):
        start, stop = _span(tensor)
        low, high = spans.get(_memory(tensor), (start, stop))
        spans[_memory(tensor)] = (min(low, start), max(high, stop))
    copies: dict[int, torch.UntypedStorage] = {}

    def copied(leaf: object) -> object:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        memory = _memory(leaf)
        start, stop = spans[memory]
        start -= start % ALIGNMENT
        if memory not in copies:
            copies[memory] = leaf.untyped_storage()[start:stop].clone()
        offset = leaf.storage_offset() - start // leaf.element_size()
        return torch.empty(0, dtype=leaf.dtype, device=leaf.device).set_(
            copies[memory], offset, leaf.size(), leaf.stride()
        )

    with torch.no_grad():
        return [map_leaves(arg, copied) for arg in args]


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The bytes of its storage that a tensor covers, from the first to the last."""
    first = int(tensor.storage_offset()) * tensor.element_size()
    if tensor.numel() == 0:
        return first, first
    reach = sum((size - 1) * stride for size, stride in zip(tensor.size(), tensor.stride(), strict=True))
    return first, first + (int(reach) + 1) * tensor.element_size()


_UNINITIALIZED = frozenset(
    {
        torch.ops.aten.empty,
        torch.ops.aten.empty_like,
        torch.ops.aten.empty_strided,
        torch.ops.aten.new_empty,
        torch.ops.aten.new_empty_strided,
    }
)


class PoisonedMemory(TorchDispatchMode):
    """Fills fresh memory: NaN in floating point, else a value that results rarely have."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in _UNINITIALIZED and isinstance(result, torch.Tensor):
            poison(result)
        return result


def poison(tensor: torch.Tensor) -> None:
    """Fill a tensor with what no result should be."""
    if tensor.dtype.is_floating_point and tensor.element_size() == 1:
        tensor.view(torch.uint8).fill_(0x7F)  # NaN, or the greatest value of formats without one
    elif tensor.dtype.is_floating_point or tensor.dtype.is_complex:
        tensor.fill_(float("nan"))
    elif tensor.dtype is torch.bool:
        tensor.fill_(True)
    else:
        tensor.fill_(torch.iinfo(tensor.dtype).max - 7)


_RELATIVE = {torch.float64: 1e-9, torch.float32: 2e-3, torch.float16: 1e-2, torch.bfloat16: 2e-2}
"""Tolerances by dtype: two orders of the same sum, where float32 products may be TF32. Others (8 bits): 0.125."""


TAIL_SHARE, TAIL_FACTOR = 1e-5, 5.0
"""The tail of rounding errors: of a large result, this share of the elements may miss the tolerance this many times."""


@dataclass(frozen=True)
class Tolerance:
    """|actual - expected| ≤ `absolute` + `relative` · |expected|, per element; None: chosen by dtype.

    Where `absolute` is None it is the relative tolerance times the mean magnitude of the finite expected values:
    sums that cancel have errors of the size of what was summed. A tolerance that is all chosen here leaves room for
    the tail of rounding errors (`TAIL_SHARE`, `TAIL_FACTOR`); one that the user gave holds for every element.
    """

    absolute: float | None = None
    relative: float | None = None

    def violation(self, actual: torch.Tensor, expected: torch.Tensor) -> str:
        """What is wrong with `actual`; empty if nothing. Integers and bools are to be equal, NaN meets NaN."""
        if actual.shape != expected.shape or actual.dtype != expected.dtype:
            return f"{actual.dtype} of shape {tuple(actual.shape)}, not {expected.dtype} of {tuple(expected.shape)}"
        if not (actual.dtype.is_floating_point or actual.dtype.is_complex):
            different = int((actual != expected).sum())
            return f"{different} of {actual.numel()} elements differ" if different else ""
        relative = _RELATIVE.get(actual.dtype, 0.125) if self.relative is None else self.relative
        actual, expected = _widened(actual), _widened(expected)
        magnitude = expected.abs()
        finite = torch.isfinite(magnitude)
        absolute = self.absolute
        if absolute is None:
            absolute = relative * float(magnitude[finite].mean()) if bool(finite.any()) else 0.0
        error = (actual - expected).abs()
        same = (actual == expected) | (torch.isnan(actual) & torch.isnan(expected))
        allowed = absolute + relative * magnitude
        wrong = ~(same | (finite & (error <= allowed)))
        count = int(wrong.sum())
        few = self.absolute is None and self.relative is None and count <= TAIL_SHARE * wrong.numel()
        if not count or (few and bool((finite & (error <= TAIL_FACTOR * allowed))[wrong].all())):
            return ""
        worst = error[wrong].nan_to_num(nan=float("inf"), posinf=float("inf")).max().item()
        return f"{count} of {actual.numel()} elements are wrong, by up to {worst:.3g}"


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    """In a type that holds differences: at least float32."""
    return tensor if tensor.dtype in (torch.float64, torch.complex128, torch.complex64) else tensor.float()


class Baseline:
    """What a kernel should compute, and the copy of the arguments that candidates run on."""

    def __init__(
        self, args: Sequence[object], tolerance: Tolerance, decide: Callable[[Any, Any], object] | None = None
    ) -> None:
        """`decide(actual, expected)`: what says in place of the tolerance whether results are right."""
        self._tolerance, self._decide = tolerance, decide
        self._given = tensors_in(list(args))
        self.args: list[object] = copy_arguments(args)
        """Candidates run on these."""
        self._own = tensors_in(self.args)
        self._changed: list[tuple[int, torch.Tensor]] = []
        self._results: list[torch.Tensor] | None = None
        self._returned: Any = None

    def restore(self) -> None:
        """Give the copy the values that the arguments have."""
        with torch.no_grad():
            for own, given in zip(self._own, self._given, strict=True):
                _copy(own, given)

    def record(self, run: Run) -> None:
        """Take what `run` does with the arguments as right."""
        self.restore()
        returned = self._outputs(run)
        self._returned = map_leaves(returned, _copied)
        self._results = tensors_in(self._returned)
        self._changed = [
            (at, own.detach().clone())
            for at, (own, given) in enumerate(zip(self._own, self._given, strict=True))
            if not _identical(own, given)
        ]
        self.restore()

    def check(self, run: Run) -> None:
        """Run a candidate once; raises WrongResultError, and what it raises."""
        self._restore_changed()
        returned = self._outputs(run)
        if self._decide is not None:
            self._ask(self._decide, returned)
            return
        for what, actual, expected in self._compared(tensors_in(returned)):
            if reason := self._tolerance.violation(actual, expected):
                self.restore()  # it may have written where it should not
                raise WrongResultError(f"{what}: {reason}")

    def _ask(self, decide: Callable[[Any, Any], object], returned: Any) -> None:
        changed = [self._own[at] for at, _ in self._changed], [expected for _, expected in self._changed]
        for what, (actual, expected) in {"the result": (returned, self._returned), "the arguments": changed}.items():
            if what == "the arguments" and not self._changed:
                continue
            try:
                right = decide(actual, expected) is not False
                reason = "autotune_baseline_accuracy_check_fn returned False"
            except Exception as error:
                right, reason = False, f"{type(error).__name__}: {error}"
            if not right:
                self.restore()
                raise WrongResultError(f"{what}: {reason}")

    def _compared(self, results: list[torch.Tensor]) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
        assert self._results is not None
        if len(results) != len(self._results):
            raise WrongResultError(f"{len(results)} results, expected {len(self._results)}")
        for at, (actual, expected) in enumerate(zip(results, self._results, strict=True)):
            yield f"result {at}", actual, expected
        for at, expected in self._changed:
            yield f"argument tensor {at}", self._own[at], expected

    def _restore_changed(self) -> None:
        with torch.no_grad():
            for at, _ in self._changed:
                _copy(self._own[at], self._given[at])

    def _outputs(self, run: Run) -> Any:
        """What a run gives; every run draws the same random numbers."""
        devices = {tensor.device for tensor in self._own if tensor.device.type == "cuda"}
        with torch.random.fork_rng(devices), torch.no_grad(), PoisonedMemory():
            torch.manual_seed(0)
            return run(*self.args)


def _copied(leaf: object) -> object:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf


def _copy(target: torch.Tensor, source: torch.Tensor) -> None:
    """Copy values also where the strides let elements share memory (`expand`), where `copy_` refuses."""
    if target.numel() == 0:
        return
    index = tuple(0 if stride == 0 else slice(None) for stride in target.stride())
    target[index].copy_(source.detach()[index])


def _identical(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal values, where NaN equals NaN."""
    if one.dtype.is_floating_point and one.element_size() == 1:
        one, other = one.view(torch.uint8), other.view(torch.uint8)
    return bool(((one == other) | ((one != one) & (other != other))).all())


__all__ = ["Baseline", "PoisonedMemory", "Tolerance", "WrongResultError", "copy_arguments", "tensors_in"]
