"""One operator of one dtype: run by the generic kernels and compared with eager PyTorch."""

from __future__ import annotations

import functools
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

import helion_ir
from helion_ir import exc

from .cases import Call, calls, results_of
from .front_end import check_text
from .operators import Operator

FARTHER = 4
"""How many times the error of eager PyTorch against float64 is no fault."""


@dataclass(frozen=True)
class Outcome:
    """What came of an operator of a dtype."""

    operator: str
    dtype: str
    verdict: str
    """`right`, `refused` (a typed error), `wrong`, or `none`: no sample of it is lane by lane or along an axis."""
    told: str = ""
    calls: int = 0


def check(
    operator: Operator, dtype: torch.dtype, *, device: str, most: int, text: str | None = None, reference: bool = False
) -> Outcome:
    """Run an operator's samples.

    Args:
        device: where the kernels run; on `cpu` the interpreter does.
        most: at most so many calls.
        reference: with large, small and special values, too.
        text: a target: the emitted text is compiled by Triton's front end, too.
    """
    name, done = str(dtype).removeprefix("torch."), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            samples = operator.samples(device, dtype, reference=reference)
            for call in calls(operator, samples, most):
                for layout, kernel, config in call.launches:
                    verdict = _launched(call, layout, kernel, config, text)
                    if verdict is not None:
                        return Outcome(operator.name, name, *verdict, calls=done)
                    done += 1
        except Exception:
            return Outcome(operator.name, name, "wrong", f"the harness: {traceback.format_exc(limit=-4)}", done)
    return Outcome(operator.name, name, "right" if done else "none", calls=done)


def _launched(call: Call, layout: str, kernel: Any, config: dict[str, Any], text: str | None) -> tuple[str, str] | None:
    """Verdict and reason of one launch; None where it is right."""
    expected = results_of(call.body(*call.inputs))
    outs = tuple(torch.empty(r.shape if r.dim() else (1,), dtype=r.dtype, device=r.device) for r in expected)
    args: tuple[Any, ...] = (call.body, call.inputs, outs)
    if isinstance(kernel, functools.partial):
        kernel, args = kernel(*args)
    try:
        compiled = helion_ir.compile(kernel, config, args)
        compiled(*args)
        if text is not None:
            check_text(compiled, text)
    except (exc.InternalError, exc.TritonError) as error:
        return "wrong", f"{layout}: {type(error).__name__}: {error}"
    except exc.Base as error:
        return "refused", f"{layout}: {type(error).__name__}: {error}"
    except Exception as error:
        return "wrong", f"{layout}: {type(error).__name__}: {error}"
    difference = _difference(call, outs, [r.reshape(out.shape) for r, out in zip(expected, outs, strict=True)])
    return None if difference is None else ("wrong", f"{layout}: {difference}")


def _difference(call: Call, outs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> str | None:
    """What differs from eager PyTorch; None where nothing does."""
    exact: Sequence[torch.Tensor] | None = None
    for number, (got, want) in enumerate(zip(outs, expected, strict=True)):
        wrong = ~_close(got, want)
        if wrong.any() and got.dtype.is_floating_point:
            exact = _exact(call) if exact is None else exact
            if len(exact) == len(outs):
                wrong &= ~_as_exact(got, want, exact[number].reshape(got.shape))
        if wrong.any():
            place = wrong.flatten().nonzero()[0]
            at = [x.flatten()[place].tolist() if x.shape == got.shape else "…" for x in call.inputs]
            return (
                f"{int(wrong.sum())} of {wrong.numel()}: got {got.flatten()[place].tolist()}, "
                f"want {want.flatten()[place].tolist()} at {at}"
            )
    return None


def _as_exact(got: torch.Tensor, want: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """Where a result is close to the exact one, or not much farther from it than PyTorch's own.

    Where that is a few units off at some element, as where it rounds on the way, ours may be at another.
    """
    off, own = ((x.double() - exact.double()).abs() for x in (got, want))
    worst = torch.nan_to_num(own / exact.double().abs(), 0.0, 0.0).max().item() if own.numel() else 0.0
    units = min(worst, 2 * FARTHER * torch.finfo(got.dtype).eps)
    return _close(got, exact) | (off <= FARTHER * own) | (off <= units * exact.double().abs())


def _close(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    if not got.dtype.is_floating_point:
        return got == want
    rtol, atol = _TOLERANCES[got.dtype]
    return torch.isclose(got.double(), want.to(got.dtype).double(), rtol=rtol, atol=atol, equal_nan=True)


_TOLERANCES = {
    torch.float64: (1e-7, 1e-7), torch.float32: (1.3e-6, 1e-5), torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
}  # fmt: skip
"""Those of `torch.testing.assert_close`."""


def _exact(call: Call) -> Sequence[torch.Tensor]:
    """The results in float64; none where the operator does not take it."""
    wide = [x.double() if x.dtype.is_floating_point else x for x in call.inputs]
    try:
        return results_of(call.body(*wide))
    except (RuntimeError, ValueError, TypeError):
        return ()
