"""What the examples share: run a kernel, compare it with its float64 reference, time it, print one line."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

import helion_ir


def default_device() -> str:
    """The GPU where there is one; else the CPU, where kernels run in the reference interpreter."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def milliseconds(run: Callable[[], object], device: str, repeats: int = 20) -> float:
    """Median time of one call: by events on a GPU, after warm-up; one call by the clock elsewhere."""
    if device != "cuda":
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3
    for _ in range(3):
        run()
    samples = []
    for _ in range(repeats):
        start_event, end_event = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start_event.record()
        run()
        end_event.record()
        torch.cuda.synchronize()
        samples.append(start_event.elapsed_time(end_event))
    return statistics.median(samples)


def as_tuple(value: object) -> tuple[torch.Tensor, ...]:
    """The tensors of a result: kernels return one tensor or a tuple of them."""
    return value if isinstance(value, tuple) else (value,)  # pyright: ignore[reportReturnType]


def check(
    title: str,
    kernel: Any,
    args: Sequence[object],
    reference: Callable[..., object],
    *,
    config: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Run `kernel(*args)`, raise if it differs from `reference(*args)`, print the largest error and the time.

    `config` (when given) is compiled and run; else the kernel is called as a user would.
    Tolerances are those of `torch.testing.assert_close` for the result's dtype unless given.
    """
    tensors = [argument for argument in args if isinstance(argument, torch.Tensor)]
    device = tensors[0].device.type
    run = kernel if config is None else helion_ir.compile(kernel, config, tuple(args))
    actual, expected = as_tuple(run(*args)), as_tuple(reference(*args))
    assert len(actual) == len(expected), f"{title}: {len(actual)} results, {len(expected)} expected"
    error = 0.0
    for ours, exact in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, exact.to(ours.dtype), rtol=rtol, atol=atol)
        error = max(error, (ours.double() - exact.double()).abs().max().item() if ours.numel() else 0.0)
    elapsed = milliseconds(lambda: run(*args), device)
    shapes = " × ".join("x".join(map(str, tensor.shape)) or "scalar" for tensor in tensors)
    dtype = str(next(tensor.dtype for tensor in tensors if tensor.is_floating_point())).removeprefix("torch.")
    print(f"{title:<28} {shapes:<40} {dtype:<9} {device:<5} max error {error:.1e}  {elapsed:9.3f} ms")
